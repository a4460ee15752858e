"""Accounts that work, and accounts that do not: stamped, paused, probed, resumed.

A paused account costs no attempt of any job; its jobs wait and say why.
"""

from __future__ import annotations

import logging
from typing import Final

from connector.b2brouter.outcome import Fault
from connector.bootstrap import Services
from connector.domain import catalogue
from connector.domain.breaker import as_outage
from connector.domain.errors import (
    AccountError,
    EnvironmentLockedError,
    NotSentError,
    OutsideError,
    StepError,
)
from connector.domain.wording import sentences
from connector.notify.watch import SOURCE_IS_ANOTHER

log = logging.getLogger(__name__)

_TRIED_AGAIN: Final = frozenset({"outage", "rate_limited", "remote_unavailable"})
"""What a daemon tries again, as the catalogue says: a command does not."""


def look_into(services: Services, source: str, *, thorough: bool = False) -> int:
    """Look for new documents in an ERP; return how many there were, none in one that is paused.

    That it is another database is an alarm.

    Raises:
        ConnectorError: see `Discovery.discover`.
        UsageError: there is no such source, or its options are wrong.
    """
    paused = services.ledger.sources.paused().get(source)
    if paused is not None:
        log.info("source %s is not looked into: %s paused it: %s", source, paused.who, paused.note)
        return 0
    alarms = services.ledger.alarms
    try:
        found = services.discovery.discover(services.source(source), thorough=thorough)
    except EnvironmentLockedError:
        alarms.begin(SOURCE_IS_ANOTHER, source, {"source": source})
        raise
    alarms.end(SOURCE_IS_ANOTHER, source)
    return found


def prepare(services: Services, account: str) -> None:
    """Make sure that an account may be worked for; a paused one is probed and, if it answers, resumed.

    Raises:
        EnvironmentLockedError: the ledger belongs to another environment or account.
        AccountDownError: B2Brouter cannot be reached.
        AccountError: key, account id or address is wrong.
    """
    try:
        services.ensure_account(account)
        state = services.ledger.accounts.get(account)
        if state is None or state.paused_reason is None:
            return
        if state.kept_by_person(services.clock.now()):
            return  # nothing is leased for it meanwhile
        services.remote(account).read_account(once=True)
    except NotSentError as error:
        raise as_outage(error) from error
    count = services.ledger.accounts.resume(account)
    if count is not None:  # else a person has paused it meanwhile: nothing is leased for it either
        log.warning("account %s works again; %s jobs go on", account, count)


def follow(services: Services, account: str) -> None:
    """Take in what became of an account's documents: only from the account that issued them.

    Raises:
        EnvironmentLockedError: the ledger belongs to another environment or account.
        AccountError: see `Follower.follow`.
        LedgerError: the ledger failed.
    """
    services.ensure_account(account)
    services.follower.follow(account)


def pause(services: Services, account: str, error: AccountError) -> None:
    """Stop an account that every document would fail at alike; one alarm, however many notice."""
    fault = sentence(account, error)
    if services.ledger.accounts.pause(account, error.reason, _facts(account, error)):
        log.error("account %s is paused: %s", account, sentences(fault.message, fault.action))
    services.ledger.accounts.hold_back(account, catalogue.within("why", error.reason, _facts(account, error)))


def hold_back_paused(services: Services) -> None:
    """Let jobs that came while their account or source is paused wait like the others, and say why."""
    services.ledger.sources.hold_back()
    for state in services.ledger.accounts.all():
        if state.paused_reason is not None:
            why = catalogue.within("why", state.paused_reason, state.paused_details)
            services.ledger.accounts.hold_back(state.name, why)


def sentence(account: str, error: StepError) -> OutsideError:
    """Say a failure that concerns a whole account in one sentence."""
    entry = catalogue.reason(error.reason)
    facts = _facts(account, error)
    return OutsideError(entry.message(facts), action=entry.advice(facts))


def at_the_end(services: Services, account: str, error: StepError) -> OutsideError:
    """Say the same for a command that ends with it: nothing is tried again but by who runs it again, or a daemon."""
    told = sentence(account, error)
    if error.reason not in _TRIED_AGAIN:
        return told
    action = catalogue.term("again", "Run this again later; where the daemon runs, it tries again by itself.")
    if services.settings.b2brouter.environment == "simulator" and _is_nobody_there(error):
        action = f"{catalogue.term('again', 'Start it with: connector simulator.')} {action}"
    return OutsideError(told.message, action=action)


def _is_nobody_there(error: StepError) -> bool:
    """Whether no connection was had, as far as that is known; an outage has the facts of its cause within its own."""
    return Fault.CONNECT in {error.details.get("code"), error.details.get("message.code")}


def _facts(account: str, error: StepError) -> dict[str, str]:
    return {"account": account, **error.details}
