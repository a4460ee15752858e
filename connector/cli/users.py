"""`connector users`: who may sign in to the console."""

from __future__ import annotations

import sys

import click

from connector.cli.acts import user
from connector.cli.command import Group
from connector.cli.ending import CommandError
from connector.cli.output import Column
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.domain.people import Role
from connector.operations import people
from connector.operations.texts import instant, local


@click.group("users", cls=Group)
def users() -> None:
    """Say who may sign in to the console, and as what: a viewer sees everything, an operator acts."""


@users.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.VIEWER), show_default=True)
@click.pass_obj
def add(session: Session, name: str, role: str) -> None:
    """Add a user. The password is asked for, or read from standard input: one line."""
    ledger = session.services.open_ledger()
    people.add_user(ledger, name, Role(role), _password(name))
    ledger.deeds.write(user(), "user_add", name, note=role)
    place = ledger.database.place
    _tell(session, f"{name} may sign in as {role}; so it stands in {place}.", name=name, role=role, ledger=place)


@users.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """List the users."""
    known = session.services.open_ledger().people.users()
    if session.json:
        for one in known:
            session.output.record({"name": one.name, "role": str(one.role), "created_at": instant(one.created_at)})
        return
    if not known:
        session.output.line("There are no users yet. Add one with: connector users add NAME --role operator")
        return
    rows = [(one.name, str(one.role), local(one.created_at)) for one in known]
    session.output.table([Column("name", wraps=True), Column("role"), Column("since")], rows)


@users.command("remove")
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Remove a user; all their browsers are signed out. What they did stays on record."""
    ledger = session.services.open_ledger()
    if not ledger.people.remove(name):
        raise _unknown(name)
    ledger.deeds.write(user(), "user_remove", name)
    _tell(session, f"{name} may not sign in any more.", name=name, removed=True)


@users.command("password")
@click.argument("name")
@click.pass_obj
def password(session: Session, name: str) -> None:
    """Set a user's password; all their browsers are signed out. It is asked for, or read from standard input."""
    ledger = session.services.open_ledger()
    if ledger.people.password(name) is None:
        raise _unknown(name)
    ledger.people.set_password(name, people.hashed(name, _password(name)))
    ledger.deeds.write(user(), "user_password", name)
    _tell(session, f"The password of {name} is set.", name=name, password_set=True)


def _password(name: str) -> str:
    """Ask for it twice, or read it from a pipe: never from the arguments, which other users of the machine see."""
    if sys.stdin.isatty():
        given: str = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True)
        return given
    line = sys.stdin.readline()
    if not line:
        raise UsageError(
            f"There is no password of {name} on standard input.",
            action="Run it on a terminal (kubectl exec and docker exec want -it), or give it in a pipe.",
        )
    return line.rstrip("\r\n")


def _unknown(name: str) -> CommandError:
    return CommandError(f"There is no user {name}.", action="connector users list shows them.", kind="not_found")


def _tell(session: Session, sentence: str, **record: object) -> None:
    if session.json:
        session.output.record(record)
    else:
        session.output.line(sentence)
