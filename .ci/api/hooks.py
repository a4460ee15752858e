"""What schemathesis has to know beyond the description, so that it tries acts and does not wait."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, **_options: Any) -> None:
    """Mean every act anew, and listen only to the events that are there already.

    A well-formed key that was used before would be refused, or answered as before without doing anything; a stream
    goes on for five minutes by default. What is malformed stays so.
    """
    if KEY in case.headers and re.fullmatch(r"[!-~]{8,128}", str(case.headers[KEY])):
        case.headers[KEY] = uuid4().hex
    if case.path == "/events" and case.query.get("wait", 300) in range(3601):
        case.query["wait"] = 0
