"""`connector pause` and `resume`: an account or a source that is to be left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from connector.cli.acts import user
from connector.cli.command import command
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.operations.texts import count, instant, local

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_UNTIL: Final = click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"])


def _of_one(function: Decorated) -> Decorated:
    for option in (
        click.option("--source", metavar="NAME", help="This ERP: looks into it, and its invoices."),
        click.option("--account", metavar="NAME", help="This account: its invoices."),
    ):
        function = option(function)
    return function


@command("pause")
@_of_one
@click.option("--until", type=_UNTIL, help="This machine's time; by default until somebody resumes it.")
@click.option("--note", metavar="TEXT", required=True, help="Why; it is shown wherever the pause is.")
def pause(session: Session, account: str | None, source: str | None, until: datetime | None, note: str) -> None:
    """Leave an account or a source alone: its invoices wait, and steps under way are finished.

    An account that is paused sends nothing. A source that is paused is not looked into either, and nothing is written
    into its ERP.
    """
    name = _checked(session, account, source)
    ledger = session.services.open_ledger()
    end = until.astimezone() if until else None
    if end is not None and end <= session.services.clock.now():
        raise UsageError(f"--until {until} is over.")
    if account is not None:
        ledger.accounts.pause_by_person(name, who=user(), note=note, until=end)
    else:
        ledger.sources.pause(name, who=user(), note=note, until=end)
    if session.json:
        session.output.record({"account": account, "source": source, "paused": True, "until": instant(end)})
    else:
        when = f"until {local(end)}" if end else "until somebody resumes it"
        session.output.line(f"{_called(account, source)} is paused {when}.")


@command("resume")
@_of_one
@click.option("--note", metavar="TEXT", default="", help="Why.")
def resume(session: Session, account: str | None, source: str | None, note: str) -> None:
    """Let a paused account or source go on, whoever paused it."""
    name = _checked(session, account, source)
    ledger = session.services.open_ledger()
    end = ledger.sources.resume if account is None else ledger.accounts.resume_by_person
    jobs = end(name, who=user(), note=note)
    if session.json:
        session.output.record({"account": account, "source": source, "paused": False, "jobs": jobs})
    else:
        session.output.line(f"{_called(account, source)} goes on, with {count(jobs, 'invoice')} that waited for it.")


def _checked(session: Session, account: str | None, source: str | None) -> str:
    """Return the name that is meant.

    Raises:
        UsageError: none, or both, or one that is not in the configuration.
    """
    if account is not None and source is None:
        session.services.account_settings(account)
        return account
    if source is not None and account is None:
        session.services.source_settings(source)
        return source
    raise UsageError("Name either an account or a source.", action="Give --account NAME or --source NAME.")


def _called(account: str | None, source: str | None) -> str:
    return f"Account {account}" if account is not None else f"Source {source}"
