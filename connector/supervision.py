"""Accounts that work, and accounts that do not: stamped, paused, probed, resumed.

A paused account costs no attempt of any job; its jobs wait and say why.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from connector.b2brouter.outcome import Fault
from connector.bootstrap import Services
from connector.discovery import Source
from connector.domain import catalogue
from connector.domain.breaker import as_outage
from connector.domain.errors import (
    AccountError,
    LedgerError,
    MisconfiguredError,
    NotSentError,
    OutsideError,
    StepError,
    UsageError,
)
from connector.domain.pace import LONGEST_PAUSE
from connector.domain.wording import sentences

if TYPE_CHECKING:
    from connector.reconcile.reconciler import Compared

log = logging.getLogger(__name__)

_AT_ONCE: Final = 0.3
"""Seconds, about, for the jobs of an account that stops: they may be a million, and a worker's thread is at it."""

_TRIED_AGAIN: Final = frozenset({"outage", "rate_limited", "remote_unavailable"})
"""What a daemon tries again, as the catalogue says: a command does not."""


def look_into(
    services: Services, source: str, *, thorough: bool = False, ours: Callable[[], bool] = lambda: True
) -> int:
    """Look for new documents in an ERP; return how many there were, none in one that is paused.

    Args:
        services: the parts.
        source: by name.
        thorough: see `Discovery.discover`.
        ours: see `Discovery.discover`.

    Raises:
        ConnectorError: see `Discovery.discover`.
        UsageError: there is no such source, or its options are wrong.
    """
    paused = services.ledger.sources.pause_of(source)
    if paused is not None:
        log.info("source %s is not looked into: %s paused it: %s", source, paused.who, paused.note)
        return 0
    return services.discovery.discover(services.source(source), thorough=thorough, ours=ours)


def seen(services: Services, names: Iterable[str]) -> list[Source]:
    """Return sources to be compared with the ledger; of one that cannot be asked the comparison will learn it too.

    Raises:
        EnvironmentLockedError: one leads to another database than the one that its jobs came from.
        LedgerError: the ledger failed.
        UsageError: see `Services.source`.
    """
    sources = [services.source(name) for name in names]
    for source in sources:
        try:
            services.see_source(source.name, source.adapter)
        except LedgerError:
            raise
        except OutsideError as error:
            log.debug("source %s cannot be asked: %s", source.name, error.message)
    return sources


def take_note(services: Services, compared: Compared) -> None:
    """See that people know what a comparison of an account came to, if it was about everything and not some days."""
    period, today = compared.period, services.clock.now().date()
    if period.is_all_since(today - timedelta(days=services.settings.reconcile.days)):
        services.ledger.alarms.compared(
            compared.account, differences=compared.for_person, start=period.start, end=period.end
        )


def look_soon(services: Services, compared: Compared) -> None:
    """Have states that differ taken over by the next pass, and not by the next look that is due by the plan."""
    if compared.by_reason["state_differs"]:
        services.follower.look_soon(compared.account)


def has_work(services: Services, account: str, *, among: Collection[str] | None = None) -> bool:
    """Whether anything that is due of an account is of a source that leads there, so that somebody may take it.

    One that has left the configuration counts as if: who works for it says so.

    Args:
        services: the parts.
        account: by name.
        among: only of these sources; None means all.
    """
    if account not in services.settings.accounts:
        return True
    sources = [name for name in services.sources_of(account) if among is None or name in among]
    return services.ledger.jobs.has_due(account, sources=sources)


def hasten(services: Services) -> None:
    """Have jobs taken up that were written while the clock was ahead, and say so; see `Jobs.hasten`.

    Raises:
        LedgerError: the ledger failed.
    """
    longest = max(services.settings.retry.cap, LONGEST_PAUSE)
    count = services.ledger.jobs.hasten(longest=timedelta(seconds=longest))
    if count:
        log.warning("the clock was ahead and has been set right: %s jobs of that time are due now, not then", count)


def prepare(services: Services, account: str) -> None:
    """Make sure that an account may be worked for; a paused one is probed and, if it answers, resumed.

    Raises:
        EnvironmentLockedError: the ledger belongs to another environment or account.
        AccountDownError: B2Brouter cannot be reached.
        AccountError: key, account id or address is wrong, or its secret cannot be read.
    """
    try:
        with _account_errors(account):
            services.ensure_account(account)
            state = services.ledger.accounts.get(account)
            if state is not None and state.kept_by_person(services.clock.now()):
                return  # nothing is leased for it meanwhile
            remote = services.remote(account)
        if state is None or state.paused_reason is None:
            return
        remote.read_account(once=True)
    except NotSentError as error:
        raise as_outage(error) from error
    count = services.ledger.accounts.resume(account)
    if count is not None:  # else a person has paused it meanwhile: nothing is leased for it either
        log.warning("account %s works again; %s jobs go on", account, count)


@contextmanager
def _account_errors(account: str) -> Iterator[None]:
    """Translate what cannot be used of an account: its key cannot be read, or is for another environment."""
    try:
        yield
    except UsageError as error:
        raise MisconfiguredError("account_unusable", {"account": account, "message": error.message}) from error


def follow(services: Services, account: str) -> None:
    """Take in what became of an account's documents: only from the account that issued them.

    Raises:
        EnvironmentLockedError: the ledger belongs to another environment or account.
        AccountError: see `Follower.follow`.
        LedgerError: the ledger failed.
    """
    with _account_errors(account):
        services.ensure_account(account)
        services.follower.follow(account)  # which tells the ERPs what is known already, also without the key


def pause(services: Services, account: str, error: AccountError) -> None:
    """Stop an account that every document would fail at alike; one alarm, however many notice.

    Nothing of it is leased from now on; see `let_wait` for what its jobs say.
    """
    fault = sentence(account, error)
    if services.ledger.accounts.pause(account, error.reason, _facts(account, error)):
        log.error("account %s is paused: %s", account, sentences(fault.message, fault.action))
    let_wait(services, account, error)


def let_wait(services: Services, account: str, error: AccountError) -> int:
    """Let jobs of an account that has stopped wait, and say why; return how many.

    After little time the rest is left: it is the scheduler's, see `let_all_wait`, or whoever has none goes on.
    """
    why = catalogue.within("why", error.reason, _facts(account, error))
    return services.ledger.accounts.let_wait(account, why, seconds=_AT_ONCE)


def let_all_wait(services: Services, *, seconds: float) -> bool:
    """Let jobs that came while their account or source is paused wait like the others, and say why.

    Return whether that was all of them; after so many seconds of it the rest is left for another time.
    """
    began = time.monotonic()
    if services.ledger.sources.let_wait(seconds=seconds):
        seconds -= time.monotonic() - began
    until = time.monotonic() + seconds
    stopped = services.ledger.accounts.to_let_wait()
    random.shuffle(stopped)  # where the time is over before all are done, not always the same go without
    for state in stopped:
        why = catalogue.within("why", state.paused_reason or "", state.paused_details)
        services.ledger.accounts.let_wait(state.name, why, seconds=until - time.monotonic())
        if time.monotonic() >= until:
            break
    return time.monotonic() < until


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
