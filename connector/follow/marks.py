"""Markers that the operator wants at B2Brouter: documents taken note of, or relabelled; repeating is harmless."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from connector.domain.errors import NotSentError, OutcomeUnknownError, RefusedError, StepError
from connector.domain.remote_state import Standing, standing
from connector.follow.news import SILENCE
from connector.follow.plan import Plan
from connector.ledger import Ledger
from connector.ledger.following import Followed
from connector.ledger.records import Entry
from connector.ports import RemoteNews

log = logging.getLogger(__name__)

_BATCH: Final = 100


def mark(ledger: Ledger, remote: RemoteNews, plan: Plan, account: str, *, stopping: Callable[[], bool]) -> None:
    """Set the markers that are due.

    Raises:
        StepError: B2Brouter cannot be reached, or an answer was lost; what was not confirmed is set again.
    """
    after = in_a_row = 0
    failure: StepError | None = None
    while (jobs := ledger.following.to_mark(account, _BATCH, after=after)) and not stopping():
        for job in jobs:
            try:
                _mark(ledger, remote, plan, job)
            except (NotSentError, OutcomeUnknownError) as error:
                failure, in_a_row = error, in_a_row + 1
                if in_a_row == SILENCE:
                    raise
            else:
                in_a_row = 0
        after = jobs[-1].id
    if failure is not None:
        raise failure


def _mark(ledger: Ledger, remote: RemoteNews, plan: Plan, job: Followed) -> None:
    entries: list[Entry] = []
    acknowledged = job.acknowledged
    state = job.remote_state or ""
    try:
        if plan.acknowledge and not acknowledged and standing(state) in {Standing.DELIVERED, Standing.CLOSED}:
            remote.acknowledge(job.reference)
            acknowledged = True
            entries.append(Entry(what="acknowledged", request_id=remote.last_request_id()))
        if (target := plan.mark_as.get(state)) is not None:
            remote.mark_as(job.reference, target)
            entries.append(Entry(what="marked", details={"state": target}, request_id=remote.last_request_id()))
    except RefusedError as error:
        message = error.details.get("message", "")
        log.warning("job %s: B2Brouter refuses the mark: %s", job.id, message)
        entries.append(Entry(what="mark_refused", details={"message": message}, request_id=error.request_id))
    ledger.following.marked(job, acknowledged=acknowledged, entries=entries)
