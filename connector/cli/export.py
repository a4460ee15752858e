"""`connector export`: what the ledger knows, for other systems."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.command import Group
from connector.cli.filters import wanted
from connector.cli.session import Session
from connector.domain.cells import as_cells
from connector.domain.errors import UsageError

if TYPE_CHECKING:
    from connector.ledger.records import Job

_DAY: Final = click.DateTime(["%Y-%m-%d"])
_COLUMNS: Final = (
    "source", "company", "key", "kind", "number", "issue_date", "currency", "total", "reference", "xref",
    "remote_state", "sent_at",
)  # fmt: skip


@click.group("export", cls=Group)
def export() -> None:
    """Give what the ledger knows to other systems."""


@export.command("references")
@click.option("--from", "begin", type=_DAY, metavar="DATE", help="Only documents issued on this day or later.")
@click.option("--to", "end", type=_DAY, metavar="DATE", help="Only documents issued on this day or before.")
@click.option("--source", help="Only of this source.")
@click.pass_obj
def references(session: Session, begin: datetime | None, end: datetime | None, source: str | None) -> None:
    """Print reference and cross-reference of all documents that have one, as CSV, or with --json as JSON lines.

    For ERPs that nothing is written back to. In CSV, a text that a spreadsheet would calculate, such as a number
    that begins with =, has an apostrophe before it; JSON has all texts as they are.
    """
    first, last = _day(begin), _day(end)
    if first and last and first > last:
        raise UsageError(f"There is no day from {first} to {last}.", action="Swap --from and --to.")
    chosen = replace(wanted(session, source=source), issued_from=first, issued_to=last, recorded=True)
    ledger = session.ledger_if_any()
    found = ledger.queries.jobs(chosen) if ledger else ()
    if session.json:
        for job in found:
            session.output.record(_record(job))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for job in found:
        writer.writerow("" if value is None else value for value in as_cells(_record(job)).values())


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _record(job: Job) -> dict[str, Any]:
    from connector.operations.records import job_record

    record = job_record(job)
    return {name: record[name] for name in _COLUMNS}
