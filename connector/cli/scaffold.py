"""`connector adapters new`: a package to begin an adapter with."""

from __future__ import annotations

from pathlib import Path

import click

from connector.cli.command import Command
from connector.cli.session import Session


@click.command("new", cls=Command)
@click.argument("name")
@click.option(
    "--into", metavar="DIR", type=click.Path(path_type=Path), help="Folder to make; connector-NAME by default."
)
@click.pass_obj
def new(session: Session, name: str, *, into: Path | None) -> None:
    """Write a package with an adapter NAME that works, to be changed into that of a real ERP.

    It has an entry point, settings, reader, mapping, writer, sample data and the conformance test, which passes at
    once: see docs/adapters.md.
    """
    from connector.adapters.scaffold import new_package

    folder = into or Path(f"connector-{name}")
    written = new_package(name, folder)
    if session.json:
        session.output.record({"adapter": name, "folder": str(folder), "files": [str(path) for path in written]})
        return
    for path in written:
        session.output.line(str(path))
    session.output.line(f"Now: cd {folder} && pytest")
