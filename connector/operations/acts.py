"""What may be done to an invoice, and why something may not."""

from __future__ import annotations

from connector.domain.job import Event, Status
from connector.ledger.actions import ACTS, Act
from connector.ledger.originals import GIVEN_UP
from connector.ledger.records import Job


def fitting(job: Job) -> list[Act]:
    """Return the acts that make sense for an invoice."""
    return [act for act in ACTS.values() if act.fits(job) and not _is_pointless(act, job)]


def why_not(act: Act, job: Job) -> str:
    """Return the code of why an act does not fit an invoice: running, open_effect, issued, or its status."""
    if job.status is Status.RUNNING:
        return "running"
    if act.event is Event.SKIPPED and job.open_effect is not None and job.status in act.statuses:
        return "open_effect"
    if job.status is Status.DONE:
        return "issued"
    return str(job.status)


def _is_pointless(act: Act, job: Job) -> bool:
    """What is held is tried again; to release it is a decision of its own for a correction without its original."""
    return act.name == "release" and job.status is Status.HELD and job.reason not in GIVEN_UP
