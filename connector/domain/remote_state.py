"""What B2Brouter's states of an issued document mean to us, and which of two pieces of news is the newer one.

Source: API reference 9. A state that is not known means neither success nor failure: it is kept raw and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Standing(StrEnum):
    """What a state says about the delivery of a document."""

    UNDER_WAY = "under_way"
    DELIVERED = "delivered"  # watched all the same: it may be refused yet
    CLOSED = "closed"
    FAILED = "failed"
    REMARKED = "remarked"
    UNKNOWN = "unknown"


STANDINGS: Final[Mapping[str, Standing]] = {
    "new": Standing.UNDER_WAY,
    "draft": Standing.UNDER_WAY,
    "validating": Standing.UNDER_WAY,
    "processing_pdf": Standing.UNDER_WAY,
    "sending": Standing.UNDER_WAY,
    "sent": Standing.DELIVERED,
    "registered": Standing.DELIVERED,
    "received": Standing.DELIVERED,
    "downloaded": Standing.DELIVERED,
    "read": Standing.DELIVERED,
    "accepted": Standing.DELIVERED,
    "allegedly_paid": Standing.DELIVERED,
    "issued": Standing.CLOSED,
    "paid": Standing.CLOSED,
    "closed": Standing.CLOSED,
    "annotated": Standing.REMARKED,
    "refused": Standing.FAILED,
    "error": Standing.FAILED,
    "discarded": Standing.FAILED,
    "invalid": Standing.FAILED,
    "cancelled": Standing.FAILED,
    "annulled": Standing.FAILED,
}

_REASONS: Final[Mapping[str, str]] = {
    "annotated": "receiver_remark",
    "refused": "refused_by_receiver",
    "error": "delivery_failed",
    "discarded": "delivery_failed",
    "invalid": "delivery_failed",
    "cancelled": "cancelled_at_b2brouter",
    "annulled": "cancelled_at_b2brouter",
}

REASONS: Final = frozenset(_REASONS.values())
"""The reasons that a state gives and that another state takes back."""

UNSENT: Final = frozenset({"new", "draft"})
"""States of a document that was never handed over."""

WITHDRAWABLE: Final = UNSENT | {"error", "invalid"}
"""States in which a document may be taken back: it was never handed over, or failed."""

_IN_PREPARATION: Final = frozenset({"validating", "processing_pdf"})

UNWATCHED: Final = frozenset(state for state, standing in STANDINGS.items() if standing is Standing.CLOSED)
"""States after which nothing is expected any more; news is taken note of all the same."""

_UNEXPLAINED: Final = "no explanation"


def standing(state: str) -> Standing:
    """Return what a state says."""
    return STANDINGS.get(state, Standing.UNKNOWN)


def is_clear(state: str) -> bool:
    """Whether a state says if the document was sent: not while it is prepared, nor where we do not know the word."""
    return state not in _IN_PREPARATION and standing(state) is not Standing.UNKNOWN


def has_left(state: str | None) -> bool:
    """Whether a document in this state was handed over, or failed; None: nothing is known of it."""
    return state is not None and is_clear(state) and state not in UNSENT


def was_handed_over(state: str | None) -> bool:
    """Whether a document in this state is out of our hands; one that failed may be mended there, or made anew."""
    return has_left(state) and state not in WITHDRAWABLE


def case_of(state: str | None, reference: str | None, note: str | None) -> tuple[str, dict[str, str]] | None:
    """Return reason and facts where an issued document in this state needs a person; None where it does not."""
    reason = _REASONS.get(state or "")
    if reason is None:
        return None
    return reason, {"state": state or "", "reference": reference or "", "message": note or _UNEXPLAINED}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A state of a document and when it took it.

    `event` is the id of the event that told it: then the time is that of the event's making, in whole seconds.
    None: it was read.
    """

    state: str
    changed_at: datetime
    event: str | None = None


class Verdict(StrEnum):
    """What to do with a piece of news."""

    TAKE = "take"
    CONFIRM = "confirm"  # what is known already, from another side
    LEAVE = "leave"  # older than what is known
    ASK = "ask"  # which one is newer cannot be told: read the document itself


def judge(known: News | None, news: News) -> Verdict:
    """Say whether news replaces what is known; an older state never replaces a newer one.

    An event may be made later than the change that it tells of, and its time has no fractions. So where a look
    shows a time that is not later than an event's, either the list is behind or the event was made late; and
    within one second only events can be told apart, by their ids, which grow.
    """
    if known is None or _second(news.changed_at) > _second(known.changed_at):
        return Verdict.TAKE
    if news.state == known.state:
        return Verdict.CONFIRM
    if news.event is None and known.event is None:
        return Verdict.TAKE if news.changed_at >= known.changed_at else Verdict.LEAVE
    if _second(news.changed_at) == _second(known.changed_at):
        return _within_a_second(known, news)
    return Verdict.ASK if news.event is None else Verdict.LEAVE


def _within_a_second(known: News, news: News) -> Verdict:
    before, after = _order(known.event), _order(news.event)
    if before is None or after is None:
        return Verdict.ASK
    return Verdict.TAKE if after > before else Verdict.LEAVE


def _order(event: str | None) -> int | None:
    return int(event) if event is not None and event.isascii() and event.isdigit() else None


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)
