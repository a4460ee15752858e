"""`connector archive`: the files of issued invoices, kept, verified and handed out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.bootstrap import Services
from connector.cli.command import Group
from connector.cli.ending import GOOD, NEEDS_A_PERSON, CommandError
from connector.cli.finding import one_job
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain.archive import Keeping, Piece
from connector.domain.errors import UsageError
from connector.ledger import Ledger
from connector.operations.texts import count, local

if TYPE_CHECKING:
    from connector.archive.evidence import Packed
    from connector.archive.storage import Storage

DAY = click.DateTime(["%Y-%m-%d"])

_AT_ONCE = 600.0
"""Seconds for which one turn of `fetch` lasts at most, per account."""


@click.group("archive", cls=Group)
def archive() -> None:
    """Look after the files of issued invoices: legal file, original, PDF."""


@archive.command("status")
@click.pass_obj
def status(session: Session) -> None:
    """Tell where the archive is, and how far the keeping has come."""
    storage, ledger = session.services.storage, session.ledger_if_any()
    record = _standing(storage, ledger)
    if session.json:
        session.output.record(record)
        return
    session.output.line(f"Archive: {record['place'] or 'off; name a place in [archive] url'}")
    if record["files"]:
        session.output.table(
            [Column("file"), Column("how far"), Column("files", right=True), Column("bytes", right=True)],
            [(row["piece"], row["keeping"], f"{row['files']:,}", f"{row['bytes']:,}") for row in record["files"]],
        )
    if record["oldest"]:
        told = record["oldest"]
        session.output.line(f"Longest wanted: {told['piece']} of {told['number']}. {told['message'] or ''}".rstrip())
    if any(row["keeping"] == Keeping.ABSENT for row in record["files"]):
        session.output.line("Files that were given up are asked for again by: connector archive fetch --again")


def _standing(storage: Storage | None, ledger: Ledger | None) -> dict[str, Any]:
    from connector.domain import catalogue

    oldest = ledger.archive.longest_wanted() if ledger else None
    last = ledger.archive.last_list() if ledger else None
    counts = ledger.archive.counts() if ledger else []
    why = oldest.file if oldest else None
    return {
        "place": storage.place if storage else None,
        "files": [
            {"piece": str(one.piece), "keeping": str(one.keeping), "files": one.files, "bytes": one.bytes}
            for one in counts
        ],
        "oldest": oldest
        and {
            "id": oldest.file.job_id,
            "number": oldest.number,
            "piece": str(oldest.file.piece),
            "due_at": local(oldest.file.due_at),
            "message": catalogue.reason(why.reason).message(why.details) if why and why.reason else None,
        },
        "last_list": last.name if last else None,
    }


@archive.command("fetch")
@click.option("--again", is_flag=True, help="Ask again for files that were given up, too.")
@click.pass_obj
def fetch(session: Session, again: bool) -> None:
    """Fetch and keep what is due now; the daemon and `connector sync` do so by themselves."""
    from connector.errands import archive as keep

    services = session.services
    _required(services)
    ledger = services.open_ledger()
    asked = ledger.archive.ask_again() if again else 0
    accounts = [name for name in services.settings.accounts if name in ledger.archive.accounts_due()]
    before = _kept(ledger)
    for name in accounts:
        keep(services, name, stopping=services.stop.is_set, seconds=_AT_ONCE)
    kept = _kept(ledger) - before
    if session.json:
        session.output.record({"kept": kept, "asked_again": asked})
    else:
        session.output.line(f"{count(kept, 'file')} kept. What is not ready yet is asked for again later.")


def _kept(ledger: Ledger) -> int:
    return sum(one.files for one in ledger.archive.counts() if one.keeping is Keeping.KEPT)


@archive.command("verify")
@click.pass_obj
def verify(session: Session) -> int:
    """Read every file of the archive: changed, missing and unknown ones are named.

    Exit status 3: something is not as it was kept. Without this software, in the archive's folder:
    cat manifests/*/*.sha256 | sha256sum -c
    """
    from connector.archive.verification import Verification

    storage = _required(session.services)
    ledger = session.ledger_if_any()
    if ledger is None:
        raise UsageError("There is no ledger yet: nothing was ever archived.", action="Start with: connector sync")
    look = Verification(ledger.archive, storage)
    found = 0
    for finding in look.findings():
        found += 1
        if session.json:
            told = {"message": finding.message, "action": finding.advice}
            session.output.record({"reason": finding.reason, **finding.details, **told})
        else:
            session.output.line(f"{finding.message} {finding.advice}", style="bold red")
    if session.json:
        session.output.record({"files": look.files, "lists": look.lists, "findings": found})
    else:
        read = f"{count(look.files, 'file')} and {count(look.lists, 'list')} read in {storage.place}"
        session.output.line(f"{read}: {f'{found:,} not as they should be' if found else 'all as they were kept'}.")
    return NEEDS_A_PERSON if found else GOOD


@archive.command("get")
@click.argument("name", metavar="NUMBER_OR_ID")
@click.option(
    "--piece",
    type=click.Choice([str(piece) for piece in Piece]),
    default=str(Piece.LEGAL),
    show_default=True,
    help="Which of its files: what was delivered, what was sent to B2Brouter, or the PDF.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; it must not exist yet.")
@click.pass_obj
def get(session: Session, name: str, piece: str, output: Path | None) -> None:
    """Hand out one file of one invoice, as it was kept."""
    from connector.archive.handing_out import hand_out

    storage = _required(session.services)
    ledger = session.ledger_if_any()
    job = one_job(ledger, name)
    assert ledger is not None
    found = hand_out(ledger, storage, job, Piece(piece))
    if found is None:
        raise CommandError(
            f"The archive does not have this file of {job.number or name}.",
            action="connector archive status tells what is still to come.",
            kind="not_found",
        )
    file = output or Path(found.name)
    try:
        with file.open("xb") as stream:
            stream.write(found.content)
    except FileExistsError:
        raise UsageError(f"{file} exists already.", action="Name another file with --output.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.", action="Name another --output.") from error
    if session.json:
        session.output.record({"output": str(file), "bytes": len(found.content)})
    else:
        session.output.line(f"{file}: {len(found.content):,} bytes.")


@archive.command("export")
@click.option("--from", "start", type=DAY, required=True, help="First day of issue.")
@click.option("--to", "end", type=DAY, required=True, help="Last day of issue.")
@click.option("--account", help="Only of this account.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; it must not exist yet.")
@click.pass_obj
def export(session: Session, start: datetime, end: datetime, account: str | None, output: Path | None) -> int:
    """Pack all that is known of the invoices of a period into one zip, with a list of hashes.

    Exit status 3: a file of the archive is not as it was kept, and was left out.
    """
    from connector.archive.evidence import default_name, pack

    if account is not None:
        session.services.account_settings(account)
    ledger = session.ledger_if_any()
    if ledger is None:
        raise UsageError("There is no ledger yet: nothing was ever issued.", action="Start with: connector sync")
    file = output or Path(default_name(start.date(), end.date()))
    if file.exists():
        raise UsageError(f"{file} exists already.", action="Name another file with --output.")
    packed = pack(ledger, session.services.storage, file, start=start.date(), end=end.date(), account=account)
    _tell(session.output, file, packed)
    return NEEDS_A_PERSON if packed.changed else GOOD


def _tell(output: Output, file: Path, packed: Packed) -> None:
    if output.json:
        told = {"invoices": packed.invoices, "files": packed.files, "missing": packed.missing}
        output.record({"output": str(file), **told, "changed": packed.changed})
        return
    output.line(f"{file}: {count(packed.invoices, 'invoice')}, {count(packed.files, 'file')}.")
    if packed.missing:
        output.line(f"{count(packed.missing, 'file')} not in the archive; index.csv says which.")
    for name in packed.changed:
        output.line(f"{name} is not as it was archived, and was left out.", style="bold red")


def _required(services: Services) -> Storage:
    if services.storage is None:
        raise UsageError("There is no archive in the configuration.", action="Name a place in [archive] url.")
    return services.storage
