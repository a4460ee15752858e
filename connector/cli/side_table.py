"""`connector adapters side-table`: makes the tables of ours in an ERP's database, which nothing else ever makes."""

from __future__ import annotations

import click

from connector.cli.command import Command
from connector.cli.session import Session
from connector.domain.errors import UsageError


@click.command("side-table", cls=Command)
@click.argument("source")
@click.option("--show", is_flag=True, help="Only print the statements, for an administrator to run.")
@click.pass_obj
def side_table(session: Session, source: str, *, show: bool) -> None:
    """Make the tables of write_back = "side_table" in the ERP's database of SOURCE, and the view for reports.

    What is in it already stays. The source's own user makes it; where he may not, --show prints the statements.
    """
    from connector.adapters.base import DatabaseAdapter
    from connector.adapters.writeback.report_table import REPORTS
    from connector.adapters.writeback.side_table import TABLE, VIEW

    adapter = session.services.adapter(source)
    side = adapter.side_table if isinstance(adapter, DatabaseAdapter) else None
    if side is None:
        raise UsageError(
            f"Source {source} does not write into tables of our own.",
            action=f'Set write_back = "side_table" in [sources.{source}.options].',
        )
    if not show:
        side.create()
    if session.json:
        session.output.record(
            {"table": TABLE, "reports": REPORTS, "view": VIEW, "made": not show, "statements": [*side.statements()]}
        )
    elif show:
        for statement in side.statements():
            session.output.line(f"{statement};")
    else:
        session.output.line(
            f"The tables {TABLE} and {REPORTS} and the view {VIEW} are in the database of source {source}."
        )
