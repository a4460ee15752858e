"""`connector notify`: whether recipients can be reached, and what the next digest tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from connector.cli.command import Group
from connector.cli.ending import OUTSIDE
from connector.cli.session import Session
from connector.domain.errors import UsageError

if TYPE_CHECKING:
    from connector.notify.recipients import Recipient


@click.group("notify", cls=Group)
def notify() -> None:
    """Send test messages to recipients, or show the next digest."""


@notify.command("test")
@click.argument("name", required=False)
@click.pass_obj
def test(session: Session, name: str | None) -> int:
    """Send a test message to one recipient, or to all of them, at once."""
    reached = {to.name: session.services.notifier.test(to) for to in _recipients(session, name)}
    for recipient, taken in reached.items():
        if session.json:
            session.output.record({"recipient": recipient, "sent": taken})
        elif taken:
            session.output.line(f"{recipient}: the service took the message; look whether it arrived.")
        else:
            session.output.line(f"{recipient}: not taken. See the address, and whether its host answers.")
    return 0 if all(reached.values()) else OUTSIDE


@notify.command("preview")
@click.argument("name", required=False)
@click.pass_obj
def preview(session: Session, name: str | None) -> None:
    """Show the digest that would go now to one recipient, or to each of them. Nothing is sent."""
    recipients = _recipients(session, name)
    ledger = session.ledger_if_any()
    for to in recipients:
        message = session.services.notifier.preview(to) if ledger else None
        if session.json:
            subject, text = (message.subject, message.text) if message else (None, None)
            session.output.record({"recipient": to.name, "subject": subject, "text": text})
        elif message is None:
            session.output.line(f"{to.name}: there is nothing to tell.")
        else:
            session.output.line(f"{to.name}: {message.subject}")
            session.output.line()
            session.output.line(message.text)


def _recipients(session: Session, name: str | None) -> Sequence[Recipient]:
    known = {to.name: to for to in session.services.recipients}
    if not known:
        raise UsageError(
            f"There are no recipients in {session.config_path}.",
            action="Add a table [notifications.recipients.NAME]; connector init shows its settings.",
        )
    if name is None:
        return list(known.values())
    if name not in known:
        raise UsageError(f"There is no recipient {name}.", action=f"There are: {', '.join(known)}.")
    return [known[name]]
