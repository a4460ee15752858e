"""`connector db`: the ledger's database."""

from __future__ import annotations

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
