"""`connector check`: every part tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from connector.bootstrap import Services
from connector.cli import ending
from connector.cli.command import command
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.domain.wording import sentences
from connector.operations.checkup import Checkup
from connector.operations.chosen import chosen
from connector.operations.texts import count
from connector.ports import CheckRow


@command("check")
@click.option(
    "--account", "accounts", metavar="NAME", multiple=True, help="Only this account and its sources; may be repeated."
)
@click.option(
    "--source", "sources", metavar="NAME", multiple=True, help="Only this source and its accounts; may be repeated."
)
@click.option("--probe", is_flag=True, help="Also find out what B2Brouter does about repeats.")
@click.option("--grants", is_flag=True, help="Only print the least rights that our user needs in each ERP.")
@click.option("--user", help="Whose rights --grants prints; by default the user of the source's URL.")
def check(
    session: Session,
    *,
    accounts: tuple[str, ...],
    sources: tuple[str, ...],
    probe: bool,
    grants: bool,
    user: str | None,
) -> int:
    """Try every part, and say what to do about those that fail. Nothing is changed.

    Configuration, ledger, broker, each account at B2Brouter, each ERP with its companies and its write-back,
    and the clock. --account and --source leave other accounts and sources aside: with an account its sources are
    tried too, with a source its accounts, and with both no others than are named.

    --probe makes and deletes a few documents, so it is for sandbox, staging and simulator only;
    what it finds is kept in the ledger and decides what happens to a request whose answer was lost.

    --grants prints the statements that give a database's user what reading and the chosen write-back need and
    nothing else, by the tables that are there; somebody who may give rights runs them.
    """
    if user is not None and not grants:
        raise UsageError("--user says whose rights --grants prints.", action="Give --grants too.")
    if grants:
        from connector.cli.grants import show_grants

        show_grants(session, user, _sources(session, accounts, sources))
        return ending.GOOD
    if probe and session.settings.b2brouter.environment == "production":
        raise UsageError("--probe makes documents, and in production these are fiscal.", action="Probe staging.")
    services = Services(session.settings, only_looking=True)
    checkup = Checkup(services, config=session.config_path, probe=probe, accounts=accounts, sources=sources)
    try:
        rows = _collect(session.output, checkup)
    finally:
        services.close()
    if session.json:
        session.output.record({"checks": [asdict(row) for row in rows]})
    else:
        _show(session.output, rows)
    return status_of(rows, configuration_wrong=checkup.configuration_wrong)


def _sources(session: Session, accounts: Sequence[str], sources: Sequence[str]) -> Sequence[str]:
    if accounts or sources:
        return chosen(session.services, accounts, sources).sources
    return session.sources()


def _collect(output: Output, checkup: Checkup) -> list[CheckRow]:
    if not output.terminal:
        return list(checkup.rows())
    rows = []
    with output.console.status("Checking") as status:
        for row in checkup.rows():
            rows.append(row)
            status.update(f"Checking: {row.name}")
    return rows


def _show(output: Output, rows: Sequence[CheckRow]) -> None:
    output.table(
        [Column("part", wraps=True), Column("status"), Column("what was found, and what to do", wraps=True)],
        [(row.name, row.status, sentences(row.message, row.action)) for row in rows],
    )
    bad = sum(row.status == "failed" for row in rows)
    doubtful = sum(row.status == "warning" for row in rows)
    if bad:
        output.line(f"{count(bad, 'part')} failed.", style="bold red")
    elif doubtful:
        output.line(f"All works; {count(doubtful, 'warning')}.", style="yellow")
    else:
        output.line("All works.", style="green")


def status_of(rows: Sequence[CheckRow], *, configuration_wrong: bool) -> int:
    """Return the exit status."""
    if not any(row.status == "failed" for row in rows):
        return ending.GOOD
    return ending.USAGE if configuration_wrong else ending.OUTSIDE
