"""One invoice by what a person calls it."""

from __future__ import annotations

from connector.cli.ending import CommandError
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.records import job_record
from connector.operations.texts import amount

_MOST_SHOWN = 10


def one_job(ledger: Ledger | None, name: str) -> Job:
    """Return the only job with this number, id, key or reference.

    Raises:
        UsageError: there is none, or there are several, which are then listed.
    """
    found = matching(ledger, name)
    if not found:
        raise CommandError(
            f"There is no invoice {name} in the ledger.",
            action="See connector jobs --search TEXT; what is new in the ERP is found by connector sync.",
            kind="not_found",
        )
    if len(found) > 1:
        raise CommandError(
            f"{len(found)} invoices are called {name}: {'; '.join(map(_line, found[:_MOST_SHOWN]))}.",
            action=f"Name one by its id: id:{found[0].id}",
            kind="ambiguous",
            jobs=[job_record(job) for job in found],
        )
    return found[0]


def matching(ledger: Ledger | None, name: str) -> list[Job]:
    """Return all jobs that are called so; `id:7` means the job with the id 7 alone."""
    if ledger is None:
        return []
    digits = name.removeprefix("id:")
    if digits == name:
        return ledger.queries.find(name)
    ids = job_ids([digits])
    return list(ledger.queries.jobs(Filter(ids=ids))) if ids else []


def job_ids(names: list[str]) -> list[int]:
    """Return those that can be ids."""
    return [int(name) for name in names if name.isascii() and name.isdigit() and len(name) < 19]


def _line(job: Job) -> str:
    return (
        f"id {job.id} ({job.source}, company {job.company}, {job.issue_date or 'no date'},"
        f" {amount(job.total, job.currency)}, {job.status})"
    )
