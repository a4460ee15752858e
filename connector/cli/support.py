"""`connector support-bundle`: one file for somebody who helps."""

from __future__ import annotations

import os
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import click

from connector.bootstrap import Services
from connector.cli.command import command
from connector.cli.session import Session
from connector.domain.errors import OutsideError, UsageError
from connector.operations.checkup import Checkup

_DASH: Final = Path("-")


@command("support-bundle")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), required=False)
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="A log whose last 2,000 lines go in, such as what journalctl -u connector -o cat printed (-: standard "
    "input); may be repeated.",
)
def support_bundle(session: Session, file: Path | None, logs: tuple[Path, ...]) -> None:
    """Write one archive that says how this installation fares: configuration, check-up, counts, alarms, jobs, log.

    No keys, passwords, addresses, names, tax numbers, invoice numbers, amounts or bank accounts are in it. FILE is
    connector-support-DATE.zip where none is named; nobody else may read it. As - it goes to standard output.
    """
    from connector.operations.support import bundle

    now = datetime.now(UTC)
    target = file or Path(f"connector-support-{now:%Y%m%d-%H%M%S}.zip")
    if target == _DASH and session.json:
        raise UsageError("The archive goes to standard output, where --json answers too.", action="Name a file.")
    services = Services(session.settings, only_looking=True)
    try:
        rows = [*Checkup(services, config=session.config_path).rows()]
        parts = [*bundle(services, rows, logs, now=now)]
    finally:
        services.close()
    if target == _DASH:
        _pack(sys.stdout.buffer, parts)
        return
    _write(target, parts)
    if session.json:
        session.output.record({"file": str(target), "parts": [name for name, _ in parts]})
    else:
        session.output.line(f"{target} holds {len(parts)} files of plain text. Look at them before you give it away.")


def _write(target: Path, parts: list[tuple[str, str]]) -> None:
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{target} is there already.", action="Name another file.") from None
    except OSError as error:
        raise OutsideError(f"{target} cannot be written: {error.strerror}.", action="Name another place.") from error
    with os.fdopen(handle, "wb") as stream:
        _pack(stream, parts)


def _pack(stream: BinaryIO, parts: list[tuple[str, str]]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
