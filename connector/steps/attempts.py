"""What the timeline remembers of a job's earlier attempts, where the job itself knows of its last one only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connector.domain.identity import file_digest
from connector.domain.job import MAKING, Stage
from connector.ledger.queries import TimelineEvent
from connector.ledger.records import BYTES, VERSION
from connector.steps.case import Case

TAKEN: Final = "taken"
"""The fact of an attempt that names the number which B2Brouter called taken, though it showed no document of it."""

Attempt = Sequence[TimelineEvent]
"""An intent to make the document, and what followed until the next one."""


def withdrawn(case: Case) -> frozenset[str]:
    """Return the references of documents that were taken back: one that shows all the same is not ours any more."""
    events = case.ledger.queries.timeline(case.job.id)
    return frozenset(event.details.get("reference", "") for event in events if event.what == "withdrawn")


def all_had_these_bytes(case: Case, *, refused: bool = False) -> bool:
    """Whether a document that was made for the job since the last withdrawal was made from the bytes frozen now.

    It was not where no attempt can have made one: then it is older than all that the ledger knows.

    Args:
        case: the job.
        refused: whether the last attempt made nothing, though the timeline does not say so yet.
    """
    attempts = _attempts(case)
    makers = [attempt for attempt in (attempts[:-1] if refused else attempts) if not _made_nothing(attempt)]
    frozen = case.job.payload
    return frozen is not None and {maker[0].details.get(BYTES) for maker in makers} == {file_digest(frozen)}


def goes_again(case: Case) -> bool:
    """Whether the bytes of the last attempt are what is to be sent again: it was lost, and was looked for in vain.

    After an answer that said no, or for another version of the API, they are written anew: they would not follow
    what the operator has set since.
    """
    return any(
        attempt[0].details.get(VERSION) == case.remote.api_version and not _made_nothing(attempt)
        for attempt in _attempts(case)[-1:]
    )


def is_repeated(case: Case) -> bool:
    """Whether the last attempt to make the document was not the first one since the last withdrawal."""
    return len(_attempts(case)) > 1


def was_taken(case: Case, number: str) -> bool:
    """Whether the attempt before the last one found the number taken already, and it was looked for since.

    One before the last withdrawal does not count: the number may have been that of the document withdrawn.
    """
    return any(event.details.get(TAKEN) == number for attempt in _attempts(case)[-2:-1] for event in attempt)


def was_anothers(case: Case, number: str) -> bool:
    """Whether another's document was found under the number since the last attempt to make ours."""
    if not case.job.stage.reached(Stage.CONTACT_READY):
        return False  # there was no attempt
    return any(
        event.reason == "already_exists" and event.details.get("number") == number
        for attempt in _attempts(case)[-1:]
        for event in attempt
    )


def _attempts(case: Case) -> Sequence[Attempt]:
    """Return the attempts to make the document since the last withdrawal, oldest first."""
    attempts: list[list[TimelineEvent]] = []
    for event in case.ledger.queries.timeline(case.job.id):
        if event.what == "withdrawn":
            attempts.clear()
        elif event.what == "intent" and event.effect in MAKING:
            attempts.append([event])
        elif attempts:
            attempts[-1].append(event)
    return attempts


def _made_nothing(attempt: Attempt) -> bool:
    """Whether it certainly made nothing: its answer said so. That nothing was found later is no such proof."""
    told = [event for event in attempt if event.what in {"outcome", "looked_up"} or event.outcome == "unknown"]
    answered_no = bool(told) and told[0].outcome in {"not_sent", "refused"}
    return answered_no or any(TAKEN in event.details for event in attempt)
