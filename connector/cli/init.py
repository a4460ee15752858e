"""`connector init`: a configuration to begin with."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from connector.cli.command import command
from connector.cli.sample import place, sample
from connector.cli.session import Session
from connector.domain.errors import OutsideError, UsageError


@command("init")
@click.option(
    "--adapter",
    default="odoo",
    show_default=True,
    help="The kind of ERP: odoo, dolibarr, tryton, sql, folder or another one.",
)
def init(session: Session, adapter: str) -> None:
    """Write a commented connector.toml, or the file that --config names. An existing file is never touched.

    It is for the local simulator; environment, account and ERP are to be filled in.
    """
    path = session.config_path
    write_private(path, sample(adapter))
    if session.json:
        session.output.record({"file": str(path), "adapter": adapter})
        return
    session.output.line(f"Written: {path}, readable by you alone.")
    named = ["--config", str(session.config)] if session.config else []
    check = shlex.join(["connector", *named, "check"])
    session.output.line(f"Fill in the {place(adapter)}, then see what works: {check}")
    session.output.line("For a B2Brouter to try it with, in another terminal: connector simulator")


def write_private(path: Path, text: str) -> None:
    """Make a file that only its owner may read, for it is going to hold secrets.

    Raises:
        UsageError: it exists already.
        OutsideError: it cannot be made.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} exists already and is left as it is.", action="Name another file with --config FILE."
        ) from None
    except OSError as error:
        raise OutsideError(
            f"{path} cannot be written: {error.strerror}.",
            action="Name another file with --config FILE, in a folder that is there.",
        ) from None
