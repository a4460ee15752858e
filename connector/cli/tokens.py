"""`connector tokens`: which machines may use the API, and for what."""

from __future__ import annotations

from datetime import timedelta

import click

from connector.cli.acts import user
from connector.cli.command import Group
from connector.cli.ending import CommandError
from connector.cli.output import Column
from connector.cli.session import Session
from connector.domain.people import Scope
from connector.operations.texts import instant, local


@click.group("tokens", cls=Group)
def tokens() -> None:
    """Say which machines may use the API: read looks, act retries and holds, metrics reads /metrics alone."""


@tokens.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(scope) for scope in Scope]),
    multiple=True,
    default=[str(Scope.READ)],
    show_default=True,
    help="What it may do; may be repeated.",
)
@click.option("--days", type=click.IntRange(min=1), help="Days after which it is not valid any more.")
@click.pass_obj
def add(session: Session, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a token and show it, this once: the ledger keeps no more than its digest."""
    ledger = session.services.open_ledger()
    expires = None if days is None else session.services.clock.now() + timedelta(days=days)
    chosen = frozenset(map(Scope, scopes))
    shown = ledger.tokens.make(name, chosen, expires)
    if shown is None:
        raise CommandError(f"There is a token {name} already.", action="Remove it first.", kind="taken")
    ledger.deeds.write(user(), "token_add", name, note=" ".join(sorted(chosen)))
    if session.json:
        session.output.record(
            {"name": name, "token": shown, "scopes": sorted(chosen), "expires_at": instant(expires)}
        )
        return
    session.output.line(shown)


@tokens.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the tokens; what they are is nowhere to be seen again."""
    known = session.services.open_ledger().tokens.all()
    if session.json:
        for one in known:
            session.output.record(
                {
                    "name": one.name,
                    "scopes": sorted(one.scopes),
                    "created_at": instant(one.created_at),
                    "expires_at": instant(one.expires_at),
                }
            )
        return
    if not known:
        session.output.line("There are no tokens yet. Make one with: connector tokens add NAME --scope read")
        return
    rows = [
        (
            one.name,
            ", ".join(sorted(one.scopes)),
            local(one.created_at),
            local(one.expires_at) if one.expires_at else "",
        )
        for one in known
    ]
    columns = [Column("name", wraps=True), Column("may", wraps=True), Column("since"), Column("until")]
    session.output.table(columns, rows)


@tokens.command("remove")
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a token; whoever shows it is refused from now on."""
    ledger = session.services.open_ledger()
    if not ledger.tokens.revoke(name):
        raise CommandError(f"There is no token {name}.", action="connector tokens list shows them.", kind="not_found")
    ledger.deeds.write(user(), "token_remove", name)
    if session.json:
        session.output.record({"name": name, "removed": True})
    else:
        session.output.line(f"The token {name} is not valid any more.")
