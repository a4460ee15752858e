"""Which invoices are meant: the options that several commands share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from connector.cli.session import Session
from connector.domain import catalogue
from connector.domain.errors import UsageError
from connector.domain.job import Stage, Status
from connector.ledger.queries import Filter

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def filter_options(function: Decorated) -> Decorated:
    """Add --status, --reason and --source."""
    for option in (
        click.option("--source", help="Only of this source."),
        click.option("--reason", metavar="CODE", help="Only with this reason, such as vat_number_wrong."),
        click.option("--status", type=click.Choice([str(status) for status in Status]), help="Only these."),
    ):
        function = option(function)
    return function


def account_option(function: Decorated) -> Decorated:
    """Add --account."""
    return click.option("--account", metavar="NAME", help="Only of this account.")(function)


def wanted(
    session: Session,
    *,
    ids: Sequence[int] = (),
    status: str | None = None,
    stage: Stage | None = None,
    reason: str | None = None,
    source: str | None = None,
    account: str | None = None,
    search: str | None = None,
) -> Filter:
    """Return the filter.

    Raises:
        UsageError: there is no such reason, source or account.
    """
    if reason is not None:
        _known_reason(reason)
    if source is not None:
        _known_source(session, source)
    if account is not None:
        _known_account(session, account)
    return Filter(
        ids=ids,
        status=Status(status) if status else None,
        stage=stage,
        reason=reason,
        source=source,
        account=account,
        search=search,
    )


def _known_reason(code: str) -> None:
    if code in catalogue.reasons():
        return
    close = difflib.get_close_matches(code, catalogue.reasons(), n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no reason {code}.{hint}", action="connector jobs shows the reasons there are.")


def _known_source(session: Session, name: str) -> None:
    """A source may have left the configuration and still have invoices in the ledger."""
    if name in session.settings.sources:
        return
    ledger = session.ledger_if_any()
    if ledger is None or not ledger.intake.state(name):
        session.services.source_settings(name)


def _known_account(session: Session, name: str) -> None:
    """An account, too, may have left the configuration and still have invoices in the ledger."""
    if name in session.settings.accounts:
        return
    ledger = session.ledger_if_any()
    if ledger is None or not ledger.queries.page(Filter(account=name), after=None, limit=1).jobs:
        session.services.account_settings(name)
