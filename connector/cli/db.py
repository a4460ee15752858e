"""`connector db`: the ledger's database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from connector.cli.acts import user
from connector.cli.command import Group
from connector.cli.ending import CommandError
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.ledger import Ledger, schema
from connector.ledger.erasure import Meant


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
@click.option(
    "--tax-number", metavar="NUMBER", help="Only of the customer with this number, with its country or not."
)
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
    meant = Meant() if tax_number is None else _known_number(ledger, tax_number)
    if dry_run:
        count = ledger.erasure.count(limit, tax_number=meant.number)
        told = f"{count} documents would be erased. Nothing was changed."
        _say_erased(session, {"would_erase": count}, told, meant)
        return
    done = ledger.erasure.erase(limit, who=user(), note=note, tax_number=meant.number)
    told = f"{done.jobs} documents and {done.contacts} contacts were erased in {ledger.database.display}."
    _say_erased(session, {"jobs": done.jobs, "contacts": done.contacts}, told, meant)


def _known_number(ledger: Ledger, given: str) -> Meant:
    """Return the tax number in the ledger that is meant: nobody shall be told that nothing is held for a dash."""
    meant = ledger.erasure.tax_number(given)
    if meant.number is not None:
        return meant
    if meant.others:
        raise UsageError(
            f"Several customers have the tax number {given}: {', '.join(meant.others)}. Nothing was changed.",
            action="Give it with its country.",
        )
    raise CommandError(
        f"Nothing in the ledger has the tax number {given}. Nothing was changed.",
        action="What was never validated has none there: connector jobs --search NAME finds it by its customer.",
        kind="not_found",
    )


def _say_erased(session: Session, record: dict[str, int], told: str, meant: Meant) -> None:
    """Say what was done, and whose it was not: a customer may be in the ledger with a country and without."""
    if session.json:
        session.output.record({**record, **({"others": [*meant.others]} if meant.others else {})})
        return
    session.output.line(told)
    if meant.others:
        also = ", ".join(meant.others)
        session.output.line(f"Those of {meant.number} alone, not those of {also}: give that too, if it is the same.")
