"""`connector sync`: one pass in the foreground."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from threading import Event
from typing import Any

import click

from config import logging as log
from connector.bootstrap import Services
from connector.cli import ending, preview, ramp
from connector.cli.command import command
from connector.cli.ending import GOOD, NEEDS_A_PERSON, OUTSIDE
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.cli.signals import stopping
from connector.domain import catalogue
from connector.domain.errors import StepError
from connector.domain.job import Status
from connector.errands import notify
from connector.foreground import Pass, Result
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.ramp import Standing
from connector.ledger.records import Job
from connector.operations.preflight import check_configuration
from connector.operations.texts import count, duration

_MOST_REASONS = 20


@command("sync")
@click.option("--source", help="Only this source.")
@click.option("--dry-run", is_flag=True, help="Show what the pass would work on; touch nothing.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait as long as something becomes due within this time.",
)
def sync(session: Session, source: str | None, dry_run: bool, patience: float) -> int:
    """Issue what is due, once, in the foreground.

    Looks into each ERP for confirmed invoices, then works until nothing is due within the patience. No broker
    is needed. Ctrl-C ends it after the steps under way. Exit status 3: at least one invoice needs a person.
    """
    sources = session.sources(source)
    check_configuration(session.services, sources)
    if dry_run:
        return preview.show_pass(session, sources)
    while True:
        with stopping(session.services.stop) as stop:
            result = perform(
                session.services,
                sources=None if source is None else sources,
                patience=patience,
                stop=stop,
                output=session.output,
            )
        waiting = ramp.standings(session.services, session.services.ledger)
        _tell(session.output, session.services.ledger, result, waiting, stopped=stop.is_set())
        if stop.is_set() or not _goes_on(session, waiting):
            return status_of(result)


def _goes_on(session: Session, waiting: Sequence[Standing]) -> bool:
    """Whether a person, having looked at what was issued of a first run, opened its next step."""
    if not session.output.interactive:
        return False
    opened = [ramp.ask(session.output, session.services, standing) for standing in waiting if standing.rests]
    return any(opened)


def perform(
    services: Services,
    *,
    sources: Sequence[str] | None,
    patience: float,
    stop: Event,
    output: Output,
) -> Result:
    """Make the pass, with its progress on a terminal.

    Raises:
        LedgerError: the ledger failed; what was begun is found again by the next pass.
    """
    ledger = services.open_ledger()
    with _progress(ledger, output):
        result = Pass(services, sources=sources, patience=patience, stop=stop).run()
    if services.recipients or services.heartbeat is not None:
        notify(services)  # where cron calls us there is no daemon to do it
    return result


def status_of(result: Result) -> int:
    """Return the exit status: what failed outside weighs more than what waits for a person."""
    if result.faults:
        return OUTSIDE
    return NEEDS_A_PERSON if result.needs_a_person else GOOD


def _progress(ledger: Ledger, output: Output) -> Any:
    if not output.terminal:
        return nullcontext()
    from connector.cli.progress import live_counts

    return live_counts(ledger, output.console)


# ---------------------------------------------------------------- what it came to


def record_of(result: Result, waiting: Sequence[Standing] = (), *, stopped: bool) -> dict[str, Any]:
    """Return the result as JSON."""
    first_runs = {"ramp": [ramp.record(standing) for standing in waiting]} if waiting else {}
    return {
        "found": result.found,
        **{str(status): number for status, number in result.by_status.items()},
        "issued": result.issued,
        "already_sent": result.already_sent,
        "attention": result.cases,
        "seconds": round(result.seconds, 3),
        "stopped": stopped,
        "faults": [failure.record() for failure in map(_failure, result.faults)],
        **first_runs,
    }


def _failure(fault: Any) -> ending.Failure:
    assert not isinstance(fault, StepError)
    return ending.failure_of(fault)


def _tell(output: Output, ledger: Ledger, result: Result, waiting: Sequence[Standing], *, stopped: bool) -> None:
    if output.json:
        output.record(record_of(result, waiting, stopped=stopped))
        return
    if stopped:
        output.line("Stopped before the end; the next sync goes on from here.")
    before = f", {result.already_sent:,} of them sent before and taken over" if result.already_sent else ""
    issued = f"{result.issued:,} issued{before}"
    output.line(f"{count(result.found, 'new invoice')} found, {issued}, in {duration(result.seconds)}.")
    standing = [f"{number:,} {status}" for status, number in result.by_status.items() if number]
    output.line(f"All invoices: {', '.join(standing) or 'none yet'}.")
    if result.by_status[Status.HELD]:
        tell_reasons(
            output, ledger, Filter(status=Status.HELD), f"{result.by_status[Status.HELD]:,} held, for a person:"
        )
    if result.cases:
        cases = Filter(case=True)
        tell_reasons(output, ledger, cases, f"{result.cases:,} issued, and for a person all the same:")
    for name, pause in ledger.sources.paused().items():
        output.line(catalogue.reason("source_paused").message(pause.facts(name)))
    ramp.tell(output, [standing for standing in waiting if not (output.interactive and standing.rests)])
    if log.error_file() is not None:
        output.line()
        output.line(f"Unexpected errors of this software were logged; please report them: {log.error_file()}")
    for failure in map(_failure, result.faults):
        output.line()
        output.line(f"Failed: {failure.message}", style="bold red")
        if failure.action:
            output.line(f"        {failure.action}")


def tell_reasons(output: Output, ledger: Ledger, wanted: Filter, title: str) -> None:
    """Group jobs by reason: the cause first, with one example each."""
    numbers: Counter[str] = Counter()
    examples: dict[str, Job] = {}
    for job in ledger.queries.jobs(wanted):
        reason = job.reason or ""
        numbers[reason] += 1
        examples.setdefault(reason, job)
    output.line()
    output.line(title, style="bold")
    rows = [
        (reason, f"{number:,}", _name(examples[reason]), examples[reason].message or "")
        for reason, number in numbers.most_common(_MOST_REASONS)
    ]
    output.table(
        [Column("reason", wraps=True), Column("count", right=True), Column("such as"), Column("why", wraps=True)],
        rows,
    )
    output.line("What to do about one: connector explain NUMBER. All of them: connector jobs --by-cause")


def _name(job: Job) -> str:
    return job.number or f"id {job.id}"
