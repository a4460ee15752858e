"""`connector db`: the ledger's database."""

from __future__ import annotations

import click

from connector.cli.command import Group
from connector.cli.session import Session
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
