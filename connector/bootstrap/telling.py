"""Who is told of what, and what is watched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from config.sections.calendar import weekdays
from config.sections.notifications import NotificationSettings, RecipientSettings
from config.settings import Settings
from connector.clock import Clock
from connector.domain.alarms import Audience
from connector.ledger import Ledger
from connector.ledger.accounts import SCHEDULER
from connector.notify.calendar import QuietHours
from connector.notify.heartbeat import Heartbeat
from connector.notify.notifier import Notifier
from connector.notify.recipients import Recipient
from connector.notify.texts import Writer
from connector.notify.watch import Expected, Watch, WatchedAccount, WatchedSource


def recipients(general: NotificationSettings) -> Sequence[Recipient]:
    """Return who is told."""
    return [_recipient(name, who, general.time_zone) for name, who in general.recipients.items()]


def _recipient(name: str, settings: RecipientSettings, zone: str) -> Recipient:
    both = settings.audience == "both"
    quiet = settings.quiet_hours and [time.fromisoformat(part) for part in settings.quiet_hours.split("-")]
    return Recipient(
        name=name,
        address=settings.where,
        audiences=frozenset(Audience) if both else frozenset({Audience(settings.audience)}),
        language=settings.language,
        zone=ZoneInfo(settings.time_zone or zone),
        digest_times=settings.digest_at,
        digest_days=weekdays(settings.digest_days),
        quiet=QuietHours(*quiet) if quiet else None,
        alarms_in_quiet_hours=settings.alarms_in_quiet_hours,
        accounts=frozenset(settings.accounts),
    )


def notifier(settings: Settings, ledger: Ledger, clock: Clock, to: Sequence[Recipient], writer: Writer) -> Notifier:
    """Return who tells them."""
    general = settings.notifications
    return Notifier(
        ledger,
        clock=clock,
        recipients=to,
        writer=writer,
        accounts_of={name: source.issuers for name, source in settings.sources.items()},
        repeat=timedelta(hours=general.repeat_hours),
        remind=timedelta(days=general.remind_days),
    )


def watch(settings: Settings, ledger: Ledger, clock: Clock) -> Watch:
    """Return who sees what falls silent, from now on."""
    environment = settings.b2brouter.environment
    return Watch(ledger, clock=clock, environment=environment, office=SCHEDULER, expected=expected(settings))


def expected(settings: Settings) -> Expected:
    """Return what is missed where it does not happen."""
    general = settings.notifications
    return Expected(
        zone=ZoneInfo(general.time_zone),
        accounts=[
            WatchedAccount(
                name=name,
                account_id=account.account_id,
                sources=settings.sources_by_account.get(name, ()),
                overdue=timedelta(hours=account.overdue_hours) if account.overdue_hours else None,
                unseen=timedelta(minutes=general.no_look_minutes),
            )
            for name, account in settings.accounts.items()
        ],
        sources=[
            WatchedSource(
                name=name,
                no_look=timedelta(seconds=max(general.no_look_minutes * 60, 3 * settings.scheduler.discover_every)),
                silent_after=source.silent_after,
                working_days=weekdays(source.working_days),
            )
            for name, source in settings.sources.items()
        ],
        issuers={name: source.issuers for name, source in settings.sources.items()},
        stalled=timedelta(minutes=general.stalled_minutes),
        silent=timedelta(minutes=general.scheduler_minutes),
        compare_every=timedelta(days=settings.reconcile.every_days) or None,
        compared_days=timedelta(days=settings.reconcile.days),
    )


def heartbeat(general: NotificationSettings, ledger: Ledger) -> Heartbeat | None:
    """Return who calls the dead-man's switch; None where there is none."""
    if not general.has_heartbeat:
        return None
    return Heartbeat(ledger, general.heartbeat, method=general.heartbeat_method, seconds=general.heartbeat_seconds)
