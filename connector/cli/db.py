"""`connector db`: the ledger's database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from connector.cli.acts import user
from connector.cli.command import Group
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.ledger import schema


@click.group("db", cls=Group)
def db() -> None:
    """Look after the ledger's database."""


@db.command("upgrade")
@click.pass_obj
def upgrade(session: Session) -> None:
    """Bring the ledger to the schema that this version needs; no harm where it is there already."""
    database = session.services.ledger.database
    before = schema.version(database)
    schema.upgrade(database)
    if session.json:
        session.output.record({"ledger": database.display, "before": before, "now": schema.HEAD})
    elif before == schema.HEAD:
        session.output.line(f"The ledger {database.display} is up to date (schema {before}).")
    else:
        session.output.line(f"The ledger {database.display} went from {before or 'nothing'} to schema {schema.HEAD}.")


@db.command("rebind")
@click.option("--note", metavar="TEXT", required=True, help="Why; it is kept in the ledger.")
@click.pass_obj
def rebind(session: Session, note: str) -> None:
    """Say that this copy of the ledger, and of the ERPs, is the original from now on.

    A ledger that was restored or moved, or whose ERP was, sends nothing until a person has decided that no
    other copy works any more. Restored from a backup, it does not know what happened since then: see "Restoring a
    ledger" in docs/reliability.md first.
    """
    if not note.strip():
        raise UsageError("The note is empty.", action='Say why, such as --note "moved to the new server".')
    if session.output.interactive and not click.confirm("Has every other copy of the ledger and its ERPs stopped?"):
        session.output.line("Nothing was changed.")
        return
    session.services.upgrade_ledger()
    ledger = session.services.ledger
    before = ledger.stamps.rebind(who=user(), note=note)
    if session.json:
        session.output.record({"ledger": ledger.database.display, "before": before, "now": ledger.stamps.place()})
    else:
        session.output.line(f"The ledger belongs to {ledger.stamps.place()} from now on; before, to {before}.")


@db.command("erase")
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    metavar="DATE",
    help="Only what was sent, or left out, before this day (UTC).",
)
@click.option("--tax-number", metavar="NUMBER", help="Only of the customer with this number.")
@click.option("--note", metavar="TEXT", required=True, help="Why; it is kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.pass_obj
def erase(session: Session, before: datetime, tax_number: str | None, note: str, *, dry_run: bool) -> None:
    """Take personal data of past documents out of the ledger: names, tax numbers, requests, texts of the timeline.

    Number, dates, totals, reference and states stay, so that nothing is issued again. Only documents at their end
    are erased: issued without an open case, or left out. The archive is not touched.
    """
    settings = session.settings
    if not note.strip():
        raise UsageError("The note is empty.", action='Say why, such as --note "kept for six years".')
    needed = timedelta(days=max(settings.scheduler.compare_days, settings.follow.days, settings.reconcile.days))
    limit, latest = before.replace(tzinfo=UTC), datetime.now(UTC) - needed
    if limit > latest:
        raise UsageError(
            f"Documents that were sent since {latest:%Y-%m-%d} are still followed and compared.",
            action="Give an earlier day, or lower [scheduler] compare_days, [follow] days or [reconcile] days.",
        )
    ledger = session.services.ledger
    schema.require(ledger.database)
    if dry_run:
        count = ledger.erasure.count(limit, tax_number=tax_number)
        _say_erased(session, {"would_erase": count}, f"{count} documents would be erased. Nothing was changed.")
        return
    done = ledger.erasure.erase(limit, who=user(), note=note, tax_number=tax_number)
    told = f"{done.jobs} documents and {done.contacts} contacts were erased in {ledger.database.display}."
    _say_erased(session, {"jobs": done.jobs, "contacts": done.contacts}, told)


def _say_erased(session: Session, record: dict[str, int], told: str) -> None:
    if session.json:
        session.output.record(record)
    else:
        session.output.line(told)
