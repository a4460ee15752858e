"""`connector secrets`: secrets that are kept sealed in the configuration, or in files of it."""

from __future__ import annotations

import sys

import click

from config import logging as log
from config import secrets as sealing
from connector.cli.command import Group
from connector.cli.session import Session
from connector.domain.errors import UsageError


@click.group("secrets", cls=Group)
def secrets() -> None:
    """Seal secrets, so that the configuration may be copied and kept without giving them away."""


@secrets.command("new-key")
@click.pass_obj
def new_key(session: Session) -> None:
    """Make a key and show it: put it into a file of its own, and name that in CONNECTOR_SEAL_KEY_FILE."""
    key = sealing.new_key()
    if session.json:
        session.output.record({"key": key})
    else:
        session.output.line(key)


@secrets.command("seal")
@click.pass_obj
def seal(session: Session) -> None:
    """Read a secret from standard input, or ask for it without echo, and show it sealed.

    Put the line that comes out in the secret's place. A secret that is sealed already is sealed anew with the first
    key of several: so keys are changed.
    """
    text = _asked_for() if sys.stdin.isatty() else sys.stdin.read().strip()
    if not text:
        raise UsageError("There is nothing to seal.", action="Give the secret on standard input.")
    log.redaction.register([text])
    sealed = sealing.sealed(text)
    if session.json:
        session.output.record({"sealed": sealed})
    else:
        session.output.line(sealed)


def _asked_for() -> str:
    asked: str = click.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True)
    return asked.strip()
