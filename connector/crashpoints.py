"""Named points at which a process can be told to die, to show that dying there breaks nothing.

A point does nothing unless `CONNECTOR_CRASH_AT` names it: `send.after_request`, or `send.after_request:3` for the
third time that the process passes it. The process then ends by SIGKILL, without a chance to tidy up. With `:stop`
at the end (`create.before_request:1:stop`) it is suspended by SIGSTOP instead, until something sends it SIGCONT.
`make torture` uses this; see docs/reliability.md. It is not for production.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Final

from connector.domain.errors import UsageError

VARIABLE: Final = "CONNECTOR_CRASH_AT"

_AROUND_A_CALL: Final[Mapping[str, str]] = {
    "before_intent": "the intent is written, not committed",
    "after_intent": "the intent is committed, no byte has left",
    "before_request": "lease and deadline were checked, the head of the request is about to leave",
    "before_body": "the deadline was checked once more, the body is about to leave",
    "after_request": "the last byte has left, no answer was read",
    "after_reply": "the answer was read, nothing is known of it in the ledger",
    "before_outcome": "the outcome is written, not committed",
    "after_outcome": "the outcome is committed",
}

POINTS: Final[Mapping[str, str]] = {
    "lease.before_commit": "jobs are leased, not committed",
    "lease.after_commit": "jobs are leased",
    **{f"{what}.{point}": f"{what}: {says}" for what in ("contact", "create", "import", "attach", "send", "withdraw")
       for point, says in _AROUND_A_CALL.items()},
    "record.before_write": "record: the ERP is about to be written to",
    "record.between": "record, in a folder: the side-car file is there, the file itself was not moved yet",
    "record.after_write": "record: the ERP has reference and xref, the ledger does not know",
    "record.before_outcome": "record: done is written, not committed",
    "record.after_outcome": "record: done is committed",
    "archive.half_written": "a piece of a file for the archive is written, under no name yet",
    "archive.written": "the file is whole and durable, under no name yet",
    "archive.named": "the file stands in the archive, the ledger does not know",
    "archive.kept": "the ledger knows, no list of the archive names the file",
    "archive.listed": "a list names the file, the ledger does not know of the list",
    "settle.before_commit": "what becomes of a job that goes no further is written, not committed",
    "settle.after_commit": "what becomes of a job that goes no further is committed",
}  # fmt: skip
"""Every point by name."""

_CALLED: Final[Mapping[str, str]] = {
    "create_contact": "contact",
    "create_invoice": "create",
    "import_invoice": "import",
    "add_attachment": "attach",
    "send_invoice": "send",
    "delete_invoice": "withdraw",
}
"""The transport knows calls, not effects."""


class _Charge:
    """Counts how often its point is passed, and strikes once."""

    def __init__(self, text: str) -> None:
        name, *rest = text.split(":")
        self.signal = signal.SIGSTOP if rest[-1:] == ["stop"] else signal.SIGKILL
        count = [part for part in rest if part != "stop"]
        if name not in POINTS or len(count) > 1 or not all(part.isdigit() for part in count):
            raise UsageError(
                f"{VARIABLE} cannot be {text!r}.", action=f"Unset it, or name one of: {', '.join(POINTS)}."
            )
        self.name = name
        self._left = int(count[0]) if count else 1
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        with self._lock:
            if name == self.name:
                self._left -= 1
                if self._left == 0:
                    # To this thread, which then goes no step further; another might let it run on for a while.
                    signal.pthread_kill(threading.get_ident(), self.signal)


_CHARGE: Final = _Charge(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def crashpoint(what: str | None, point: str) -> None:
    """Die here, if that is wanted. `what` is an effect, a call that causes one, or another act of the ledger."""
    if _CHARGE is not None:
        _CHARGE.passed(f"{_CALLED.get(str(what), what)}.{point}")
