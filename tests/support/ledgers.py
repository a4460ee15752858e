"""Short ways to bring jobs of a ledger into the state that a test begins with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from connector.domain.invoice import Invoice
from connector.domain.job import Effect, Event, Stage
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Entry, Job
from connector.ports import Position
from tests.support.builders import NOON, found, invoice

ACCOUNT = "main"
SOURCE = "erp"


def add(
    ledger: Ledger,
    *documents: Invoice,
    account: str = ACCOUNT,
    source: str = SOURCE,
    changed_at: datetime = NOON,
) -> int:
    """Have documents found; return how many were new."""
    page = [found(document, changed_at=changed_at) for document in documents]
    return ledger.intake.add(source, page, lambda company: account)


def add_many(ledger: Ledger, count: int, **options: str) -> None:
    add(ledger, *(invoice(str(n)) for n in range(count)), **options)  # type: ignore[arg-type]


def lease_one(ledger: Ledger, *documents: Invoice) -> Job:
    """Have one document found and leased."""
    add(ledger, *(documents or (invoice("1"),)))
    [job] = ledger.jobs.lease(ACCOUNT, 1)
    return job


def job_of(ledger: Ledger, key: str = "1") -> Job:
    [job] = [job for job in jobs(ledger) if job.key == key]
    return job


def jobs(ledger: Ledger) -> list[Job]:
    return list(ledger.queries.jobs(Filter()))


def position_in(ledger: Ledger, source: str = SOURCE) -> Position | None:
    return ledger.intake.position(ledger.intake.state(source))


def told(ledger: Ledger, job: Job) -> list[str]:
    return [event.what for event in ledger.queries.timeline(job.id)]


def hold(ledger: Ledger, job: Job, reason: str = "vat_number_wrong") -> Job:
    return settle(ledger, job, Event.STUCK, reason)


def settle(ledger: Ledger, job: Job, event: Event, reason: str, *, delay: float = 0.0, attempts: int = 0) -> Job:
    entry = Entry(what=str(event), reason=reason)
    return ledger.jobs.settle(job, event, reason=reason, details={}, delay=delay, attempts=attempts, entry=entry)


def advance_to(ledger: Ledger, job: Job, stages: Iterable[Stage]) -> Job:
    for stage in stages:
        job = ledger.jobs.advance(job, stage)
    return job


def send(ledger: Ledger, job: Job, reference: str = "100001") -> Job:
    """Take a leased job to the end."""
    job = ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="5001")
    job = ledger.jobs.begin(job, Effect.CREATE, payload=b"{}", invoice=invoice(job.key))
    job = ledger.jobs.advance(job, Stage.CREATED, reference=reference, remote_state="new")
    job = ledger.jobs.advance(job, Stage.VERIFIED)
    job = ledger.jobs.begin(job, Effect.SEND)
    job = ledger.jobs.advance(job, Stage.SENT, remote_state="sending")
    return ledger.jobs.advance(job, Stage.RECORDED, xref=f"b2brouter:simulator:1:{reference}")
