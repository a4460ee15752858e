"""What the timeline remembers of a job's earlier attempts, where the job itself knows of its last one only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connector.domain.identity import file_digest
from connector.domain.job import MAKING
from connector.ledger.queries import TimelineEvent
from connector.ledger.records import BYTES
from connector.steps.case import Case

TAKEN: Final = "taken"
"""The fact of an attempt that names the number which B2Brouter called taken, though it showed no document of it."""


def withdrawn(case: Case) -> frozenset[str]:
    """Return the references of documents that were taken back: one that shows all the same is not ours any more."""
    events = case.ledger.queries.timeline(case.job.id)
    return frozenset(event.details.get("reference", "") for event in events if event.what == "withdrawn")


def all_had_these_bytes(case: Case, *, refused: bool = False) -> bool:
    """Whether a document that was made for the job since the last withdrawal was made from the bytes frozen now.

    Args:
        case: the job.
        refused: whether the last attempt made nothing.
    """
    made = _makings(case.ledger.queries.timeline(case.job.id))
    frozen = case.job.payload
    asked = [event.details.get(BYTES) for event in (made[:-1] if refused else made)]
    return frozen is not None and set(asked) == {file_digest(frozen)}


def is_repeated(case: Case) -> bool:
    """Whether the last attempt to make the document was not the first one since the last withdrawal."""
    return len(_makings(case.ledger.queries.timeline(case.job.id))) > 1


def was_taken(case: Case, number: str) -> bool:
    """Whether the attempt before the last one found the number taken already, and it was looked for since."""
    events = case.ledger.queries.timeline(case.job.id)
    begun = [place for place, event in enumerate(events) if event.what == "intent" and event.effect in MAKING][-2:]
    return any(event.details.get(TAKEN) == number for event in events[begun[0] : begun[-1]])


def _makings(events: Sequence[TimelineEvent]) -> Sequence[TimelineEvent]:
    """Return the intents to make the document, oldest first, but those that were taken back."""
    makings: list[TimelineEvent] = []
    for event in events:
        if event.what == "withdrawn":
            makings.clear()
        elif event.what == "intent" and event.effect in MAKING:
            makings.append(event)
    return makings
