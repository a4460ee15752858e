"""The daemon: all roles in one process, working straight off the ledger.

It needs no broker, and does not mind others that have one.
"""

from __future__ import annotations

import logging
from threading import Event

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.errors import LedgerError
from connector.duties import Crew, Duties, discover, drain

log = logging.getLogger(__name__)

_ROUND = 0.5
"""Seconds between rounds: how soon a due job is taken up."""

_LEDGER_PAUSE = 5.0
"""Seconds until the ledger is tried again after it failed."""


def run(settings: Settings, stop: Event) -> None:
    """Work until `stop` is set; then finish the steps under way and leave nothing leased.

    Raises:
        LedgerError: the ledger cannot be opened at the start. Later failures are waited out.
        UsageError: the configuration is wrong.
    """
    services = Services(settings, stop=stop)
    services.open_ledger()
    crew = Crew(max(2, len(settings.accounts) + len(settings.sources)))
    duties = Duties(
        services,
        ring=lambda account: crew.call(f"account {account}", lambda: drain(services, account, stopping=stop.is_set)),
        discover=lambda source: crew.call(f"source {source}", lambda: discover(services, source)),
    )
    log.info("the daemon works; ledger %s", services.ledger.database.display)
    try:
        rounds(duties, stop)
    finally:
        crew.dismiss()
        duties.leave()
        services.close()
    log.info("the daemon has stopped")


def rounds(duties: Duties, stop: Event) -> None:
    """Make the scheduler's rounds until `stop` is set; a ledger that fails is tried again and again."""
    while not stop.is_set():
        pause = _ROUND
        try:
            duties.tick()
        except LedgerError as error:
            log.error("%s %s", error.message, error.action)
            pause = _LEDGER_PAUSE
        stop.wait(pause)
