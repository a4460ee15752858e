"""`connector jobs`: the list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import click

from connector.cli.command import command
from connector.cli.filters import account_option, filter_options, wanted
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain.job import Stage
from connector.ledger import Ledger
from connector.ledger.causes import Cause
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.records import cause_record, job_record
from connector.operations.texts import amount

_ON_A_TERMINAL = 200
"""More rows than these nobody reads on a screen."""

_COLUMNS = (
    Column("id", right=True),
    Column("number", wraps=True),
    Column("total", right=True),
    Column("stage"),
    Column("status"),
    Column("reason", wraps=True),
)
_CAUSES = (
    Column("count", right=True),
    Column("oldest"),
    *(Column(title, wraps=True) for title in ("reason", "cause", "what to do")),
)
_PIPED = (
    *_COLUMNS[:2],
    *map(Column, ("date", "customer", "total", "currency", "stage", "status", "reason", "reference", "message")),
)


@command("jobs")
@filter_options
@account_option
@click.option("--stage", type=click.Choice([str(stage) for stage in Stage]), help="Only what has come this far.")
@click.option("--search", metavar="TEXT", help="Only where number, customer, key or reference has this text.")
@click.option("--by-cause", is_flag=True, help="What needs a person, each cause once, unless --status says.")
def jobs(session: Session, stage: str | None, search: str | None, *, by_cause: bool, **filters: Any) -> None:
    """List invoices with their stage, status and reason.

    On a terminal the first 200; into a pipe all of them, with tabs between the columns.
    """
    chosen = wanted(session, stage=Stage(stage) if stage else None, search=search, **filters)
    ledger = session.ledger_if_any()
    if by_cause:
        _show_causes(session.output, _causes(ledger, chosen))
        return
    found = iter(ledger.queries.jobs(chosen)) if ledger else iter(())
    if session.json:
        for job in found:
            session.output.record(job_record(job))
        return
    first = next(found, None)
    if first is None:
        session.output.line(_nothing(ledger, chosen))
        return
    _show(session.output, first, found)


def _causes(ledger: Ledger | None, chosen: Filter) -> list[Cause]:
    if ledger is None:
        return []
    return ledger.queries.causes(chosen if chosen.status else replace(chosen, attention=True))


def _show_causes(output: Output, causes: list[Cause]) -> None:
    if output.json:
        for cause in causes:
            output.record(cause_record(cause))
    elif not causes:
        output.line("Nothing is held up.")
    else:
        output.table(_CAUSES, map(_cause_row, causes))


def _cause_row(cause: Cause) -> tuple[str, ...]:
    oldest = cause.oldest.isoformat() if cause.oldest else ""
    return (f"{cause.count:,}", oldest, cause.reason, cause.message(), cause.advice())


def _nothing(ledger: Ledger | None, chosen: Filter) -> str:
    if ledger is None or chosen.empty:
        return "The ledger is empty: nothing was found yet. Start with: connector sync"
    return "No invoice fits."


def _show(output: Output, first: Job, others: Iterator[Job]) -> None:
    if not output.terminal:
        output.table(_PIPED, map(_piped_row, _chain(first, others)))
        return
    shown = [first, *islice(others, _ON_A_TERMINAL - 1)]
    output.table(_COLUMNS, map(_row, shown))
    if next(others, None) is not None:
        output.line(f"These are the first {len(shown)}; narrow the list, or send it into a pipe.")


def _chain(first: Job, others: Iterator[Job]) -> Iterator[Job]:
    yield first
    yield from others


def _row(job: Job) -> tuple[str, ...]:
    total = amount(job.total, job.currency)
    return (str(job.id), job.number or "–", total, str(job.stage), str(job.status), job.reason or "")


def _piped_row(job: Job) -> tuple[str, ...]:
    return (
        str(job.id),
        job.number or "",
        job.issue_date.isoformat() if job.issue_date else "",
        job.customer or "",
        "" if job.total is None else format(job.total, "f"),
        job.currency or "",
        str(job.stage),
        str(job.status),
        job.reason or "",
        job.reference or "",
        job.message or "",
    )
