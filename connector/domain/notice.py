"""What a webhook tells, read from its body. Source: API reference 10.2.

Whatever was signed is kept, also what nobody foresaw: an event of an unknown kind, or a body that is no event at
all, has the code "" or one that we do not act on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

INVOICE_CHANGED: Final = "issued_invoice.state_change"
REPORT_CHANGED: Final = "tax_report.state_change"
TEST: Final = "connector.test"
"""The code of an event that `connector webhooks test` sends to our own receiver."""

_SUBJECTS: Final = {INVOICE_CHANGED: "invoice_id", REPORT_CHANGED: "tax_report_id"}

_SHORT: Final = 64
_LONG: Final = 2000
_LATEST: Final = 253402300799  # the last second of the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event as it was told. `event_id` is the same in every repetition."""

    code: str
    event_id: str
    subject: str | None  # id of the invoice or tax report, as text
    document: str | None  # of a tax report: id of the invoice that it is about
    state: str | None  # raw
    note: str | None  # why, in the receiver's words
    triggered_at: datetime | None  # whole seconds
    body: bytes

    @property
    def is_known(self) -> bool:
        """Whether it is of a kind that we act on, and says what changed."""
        return self.code in _SUBJECTS and self.subject is not None and self.state is not None


def notice(body: bytes) -> Notice:
    """Read a body; this does not fail, whatever it is."""
    event = _object(_json(body))
    data = _object(event.get("data"))
    code = _text(event.get("code"), _SHORT) or ""
    return Notice(
        code=code,
        event_id=_text(data.get("event_id"), _SHORT) or f"sha256:{hashlib.sha256(body).hexdigest()[:48]}",
        subject=_text(data.get(_SUBJECTS.get(code, "")), _SHORT),
        document=_text(_object(data.get("object")).get("invoice_id"), _SHORT),
        state=_text(data.get("state"), _SHORT),
        note=_text(data.get("notes"), _LONG),
        triggered_at=_instant(event.get("triggered_at")),
        body=body,
    )


def report_of(body: bytes) -> Mapping[str, Any]:
    """Return the tax report that an event about one contains; empty where there is none."""
    return _object(_object(_object(_json(body)).get("data")).get("object"))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, longest: int) -> str | None:
    """Return a text or a number as text that every database can store; a longer one is no id and no state."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = "".join(c if c.isprintable() else " " for c in str(value)).strip()
    if longest == _LONG:
        text = text[:longest]
    return text if 0 < len(text) <= longest else None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LATEST:
        return None
    return datetime.fromtimestamp(value, UTC)
