"""`connector adapters`: what is installed, the commands of one source, and the beginning of a new one."""

from __future__ import annotations

from dataclasses import asdict

import click

from connector.adapters import adapter_class, installed
from connector.cli.command import Group
from connector.cli.output import Column
from connector.cli.scaffold import new
from connector.cli.session import Session
from connector.cli.side_table import side_table
from connector.cli.trial import try_source


@click.group("adapters", cls=Group)
def adapters() -> None:
    """Look at ERP adapters, try one on its source, begin a new one."""


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


@adapters.command("settings")
@click.argument("name")
@click.pass_obj
def show_settings(session: Session, name: str) -> None:
    """Print the options that the adapter NAME takes, as a table for its README."""
    from connector.adapters.settings_table import settings_of, settings_table

    model = adapter_class(name).Options
    if session.json:
        for setting in settings_of(model):
            session.output.record(asdict(setting))
        return
    session.output.line(settings_table(model).rstrip())


adapters.add_command(new)
adapters.add_command(side_table)
adapters.add_command(try_source)
