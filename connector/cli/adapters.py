"""`connector adapters`: what is installed."""

from __future__ import annotations

from dataclasses import asdict

import click

from connector.adapters import installed
from connector.cli.command import Group
from connector.cli.output import Column
from connector.cli.session import Session


@click.group("adapters", cls=Group)
def adapters() -> None:
    """Look at the installed ERP adapters."""


@adapters.command("list")
@click.pass_obj
def list_adapters(session: Session) -> None:
    """List the names that `adapter = "…"` takes, with package, version and class."""
    found = installed()
    if session.json:
        for adapter in found:
            session.output.record(asdict(adapter))
        return
    session.output.table(
        [Column("name"), Column("package", wraps=True), Column("version"), Column("class", wraps=True)],
        [(adapter.name, adapter.package, adapter.version, adapter.target) for adapter in found],
    )
