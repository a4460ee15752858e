"""What is done when a bell rings, in whatever process: one function for each bell.

Whatever fails is in the ledger, or comes round again; only the ledger's own failure is the caller's affair.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from connector import supervision
from connector.bootstrap import Services
from connector.domain.errors import (
    AccountError,
    ConnectorError,
    EnvironmentLockedError,
    OutOfTimeError,
    StepError,
    UsageError,
)
from connector.domain.wording import sentences
from connector.ledger.looks import look_office
from connector.notify.watch import LEDGER_IS_A_COPY
from connector.supervision import look_into, pause, prepare, sentence

if TYPE_CHECKING:
    from connector.archive.keeping import Files

log = logging.getLogger(__name__)

NOTIFIED = "notified"
"""Under this name the ledger keeps when people were last told whatever there was to tell."""

_LOOK_SECONDS = 300.0
"""How long a look into an ERP is ours without a sign of life; more than twice as long as one page may take."""

_NOTIFY_SECONDS = 120.0
"""How long the telling of people is ours."""

TIDY_EVERY = 86400.0
"""Seconds between sweeps of what people were told long ago."""

_RECONCILE_GRACE = 3600.0
"""Seconds for which what the ERP has confirmed may still be on its way here."""


def drain(services: Services, account: str, *, stopping: Callable[[], bool]) -> None:
    """Answer a bell. Whatever fails is in the ledger, and the next round rings again.

    Raises:
        LedgerError: the ledger failed.
    """
    if stopping():
        return  # its key alone may take a command half a minute
    book = services.rulebook
    if book.misses(account):
        log.warning("account %s has left the configuration: its jobs wait until it comes back", account)
    if not book.knows(account):
        return
    try:
        prepare(services, account)
        services.journey.drain(account, seconds=services.settings.worker.drain_seconds, stopping=stopping)
    except AccountError as error:
        if not stopping():  # a call that we cut off ourselves is no fault of the account
            pause(services, account, error)
    except OutOfTimeError:
        log.debug("account %s: nothing more is begun, for the process ends", account)


def follow(services: Services, account: str, *, stopping: Callable[[], bool]) -> None:
    """Take in what webhooks told and what a look shows, and tell the ERP. What fails is tried again.

    Raises:
        LedgerError: the ledger failed.
    """
    if stopping():
        return
    try:
        supervision.follow(services, account)
    except AccountError as error:
        if not stopping():
            pause(services, account, error)


def discover(services: Services, source: str) -> None:
    """Look into one ERP, unless a look into it goes on already: a slow ERP keeps one thread of all processes busy.

    A failure is logged once per look; the next look tries again.
    """
    if services.stop.is_set():
        return
    try:
        with services.ledger.offices.alone(look_office(source), seconds=_LOOK_SECONDS) as ours:
            if ours():
                look_into(services, source, ours=ours)
    except ConnectorError as error:
        log.error("source %s: %s %s", source, error.message, error.action)


def notify(services: Services) -> None:
    """See what is missing, tell people what they have to know, and say to the outside that all is well.

    Nothing where another process is at it.

    Raises:
        LedgerError: the ledger failed; the next time tells what this one did not.
    """
    with services.ledger.offices.alone("notify", seconds=_NOTIFY_SECONDS) as ours:
        if ours():
            _notify(services, ours)


def _notify(services: Services, ours: Callable[[], bool]) -> None:
    services.watch.look(ours)
    if not ours():
        return
    services.notifier.tell()
    if services.heartbeat is not None and services.watch.all_is_well():
        try:
            services.heartbeat.beat()
        except UsageError as error:
            log.error("the heartbeat is not sent: %s", error.message)
    services.ledger.outbox.sign(NOTIFIED)
    if services.ledger.outbox.sign("tidied", every=TIDY_EVERY):
        services.ledger.outbox.tidy()


def open_ledger(services: Services) -> None:
    """Open the ledger for a process that works on its own; that it is a copy is told before this one gives up.

    Raises:
        EnvironmentLockedError: it is one.
        LedgerError: it cannot be opened.
    """
    try:
        services.open_ledger()
    except EnvironmentLockedError:
        alarms = services.ledger.alarms
        alarms.begin(LEDGER_IS_A_COPY, "", {})
        [copied] = [alarm for alarm in alarms.lasting() if alarm.code == LEDGER_IS_A_COPY]
        services.notifier.tell_of(copied)
        raise


def archive(services: Services, account: str, *, stopping: Callable[[], bool], seconds: float | None = None) -> None:
    """Fetch and keep files of an account's issued documents for a while.

    None of one that a fault has stopped, until it is time to probe it.

    Raises:
        ArchiveError: the archive cannot be written to now; everything stays due.
        LedgerError: the ledger failed.
    """
    if stopping() or (archivist := services.archivist) is None or _rests(services, account):
        return
    longest = services.settings.worker.drain_seconds if seconds is None else seconds
    try:
        archivist.work(
            account,
            lambda: _files(services, account),
            seconds=longest,
            stopping=lambda: stopping() or _rests(services, account),
        )
    except AccountError as error:
        if not stopping():
            pause(services, account, error)
    except OutOfTimeError:
        log.debug("account %s: no further file is fetched, for the process ends", account)


def _rests(services: Services, account: str) -> bool:
    """Whether a fault has stopped an account, and it is not time to probe it: no file is worth a probe of its own."""
    state = services.ledger.accounts.get(account)
    if state is None or state.paused_reason is None or state.paused_by_person:
        return False
    return state.probe_at is not None and state.probe_at > services.clock.now()


def _files(services: Services, account: str) -> Files:
    prepare(services, account)
    return services.remote(account)


def reconcile(services: Services, account: str, *, stopping: Callable[[], bool]) -> None:
    """Compare an account's three sides as far back as the settings say; people are told where something is missing.

    Raises:
        OutsideError: the ledger or an ERP failed.
    """
    if stopping():
        return
    from connector.reconcile.reconciler import Period  # a pass in the foreground has no use for it

    today = services.clock.now().date()
    try:
        prepare(services, account)
        compared = services.reconciler.reconcile(
            account,
            supervision.seen(services, services.sources_of(account)),
            services.remote(account),
            Period(start=today - timedelta(days=services.settings.reconcile.days)),
            grace=_RECONCILE_GRACE,
        )
        if compared is not None:
            supervision.take_note(services, compared)
            supervision.look_soon(services, compared)
    except AccountError as error:
        if not stopping():
            pause(services, account, error)
    except StepError as error:
        told = sentence(account, error)
        log.error("account %s could not be compared: %s", account, sentences(told.message, told.action))
