"""The tasks: one call each. All logic is in plain functions that tests call directly."""

from __future__ import annotations

import logging
from functools import cache
from threading import Event

from config import settings as config
from connector.bootstrap import Services
from connector.domain.errors import ConnectorError, MisconfiguredError, StepError
from connector.supervision import pause, prepare
from workers.app import app

log = logging.getLogger(__name__)

_stopping = Event()


@cache
def services() -> Services:
    """Return this process's parts, made once."""
    made = Services(config.load())
    made.open_ledger()
    return made


@app.task(name="drain")
def drain(*, account: str) -> None:
    """Work an account's due jobs until none is left or the minute is over."""
    ring_answered(services(), account)


@app.task(name="discover")
def discover(*, source: str) -> None:
    """Look into one ERP for confirmed documents that have no job yet."""
    try:
        services().discovery.discover(services().source(source))
    except ConnectorError as error:
        log.error("source %s: %s %s", source, error.message, error.action)


def ring_answered(parts: Services, account: str) -> None:
    """Do what a bell asks for; whatever fails is in the ledger, and the scheduler rings again."""
    try:
        prepare(parts, account)
        parts.journey.drain(
            account, seconds=parts.settings.worker.drain_seconds, stopping=_stopping.is_set
        )
    except MisconfiguredError as error:
        pause(parts, account, error)
    except StepError as error:
        log.warning("account %s: %s %s", account, error.reason, error.details.get("message", ""))
    except ConnectorError as error:
        log.error("account %s: %s %s", account, error.message, error.action)


def stop() -> None:
    """Take no further jobs; those in hand are finished."""
    _stopping.set()
