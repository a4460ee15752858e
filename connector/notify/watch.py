"""The watch over the installation: what does not happen though it should becomes an alarm, and ends by itself.

What fails tells of itself; this is about what falls silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connector.clock import Clock
from connector.domain.alarms import instant
from connector.domain.errors import EnvironmentLockedError
from connector.ledger import Ledger
from connector.notify.calendar import working_days_between

NO_LOOK: Final = "no_look"
NOTHING_FOUND: Final = "nothing_found"
WORK_STALLED: Final = "work_stalled"
INVOICES_OVERDUE: Final = "invoices_overdue"
SCHEDULER_SILENT: Final = "scheduler_silent"
ACCOUNT_IS_ANOTHER: Final = "account_is_another"
SOURCE_IS_ANOTHER: Final = "source_is_another"
LEDGER_IS_A_COPY: Final = "ledger_is_a_copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedAccount:
    """What is expected of an account."""

    name: str
    account_id: str
    overdue: timedelta | None  # from being found to being sent; None: as long as it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSource:
    """What is expected of a source."""

    name: str
    no_look: timedelta
    silent_after: int | None  # whole working days without a new document; None: never
    working_days: frozenset[int]  # Monday is 0


class Watch:
    """Looks at the ledger and sees what is missing there."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        zone: ZoneInfo,
        environment: str,
        office: str,
        accounts: Sequence[WatchedAccount],
        sources: Sequence[WatchedSource],
        stalled: timedelta,
        silent: timedelta,
    ) -> None:
        """Begin to watch: what was missing before that is nobody's fault yet.

        Args:
            ledger: to look at.
            clock: where the time comes from.
            zone: of working days.
            environment: of B2Brouter, as configured.
            office: of the scheduler.
            accounts: what is expected of each.
            sources: what is expected of each.
            stalled: how long due work may be left lying.
            silent: how long the scheduler's office may be empty.
        """
        self._ledger = ledger
        self._clock = clock
        self._zone = zone
        self._environment = environment
        self._office = office
        self._accounts = accounts
        self._sources = sources
        self._stalled = stalled
        self._silent = silent
        self._began = clock.now()

    def look(self) -> None:
        """Begin and end the alarms of this watch.

        Raises:
            LedgerError: the ledger failed.
        """
        self._ledger.alarms.end(LEDGER_IS_A_COPY, "")  # else nobody would be here
        self._look_for_scheduler()
        for source in self._sources:
            self._look_at_source(source)
        for account in self._accounts:
            self._look_at_account(account)

    def _look_for_scheduler(self) -> None:
        until = self._ledger.offices.held_until(self._office)
        self._judge(SCHEDULER_SILENT, "", {}, last=until, limit=self._silent)

    def all_is_well(self) -> bool:
        """Whether looks into all ERPs succeed, due work is taken up, and a scheduler is in office."""
        now = self._clock.now()
        silent = {NO_LOOK, WORK_STALLED, SCHEDULER_SILENT, SOURCE_IS_ANOTHER, LEDGER_IS_A_COPY}
        if any(alarm.code in silent for alarm in self._ledger.alarms.lasting()):
            return False
        return all(self._is_fresh(source, now) for source in self._sources)

    def _is_fresh(self, source: WatchedSource, now: datetime) -> bool:
        if source.name in self._ledger.sources.paused():
            return True  # as somebody wants it
        looked: datetime | None = self._ledger.intake.state(source.name).get("discovered_at")
        return looked is not None and now - looked <= source.no_look

    def _look_at_source(self, source: WatchedSource) -> None:
        now = self._clock.now()
        if source.name in self._ledger.sources.paused():
            self._tell(NO_LOOK, source.name, None)
            self._tell(NOTHING_FOUND, source.name, None)
            return
        state = self._ledger.intake.state(source.name)
        facts = {"source": source.name}
        self._judge(NO_LOOK, source.name, facts, last=state.get("discovered_at"), limit=source.no_look)
        found: datetime | None = state.get("found_at")
        if source.silent_after is None or found is None:
            self._tell(NOTHING_FOUND, source.name, None)
            return
        days = working_days_between(found, now, source.working_days, self._zone)
        told = facts | {"since": instant(found), "days": str(days)}
        self._tell(NOTHING_FOUND, source.name, told if days >= source.silent_after else None)

    def _look_at_account(self, account: WatchedAccount) -> None:
        now = self._clock.now()
        facts = {"account": account.name}
        try:
            self._ledger.accounts.check_stamp(
                account.name, environment=self._environment, account_id=account.account_id
            )
            self._tell(ACCOUNT_IS_ANOTHER, account.name, None)
        except EnvironmentLockedError:
            self._tell(ACCOUNT_IS_ANOTHER, account.name, facts)
        state = self._ledger.accounts.get(account.name)
        paused = state is not None and state.paused_reason is not None  # which is an alarm of its own
        due = None if paused else self._ledger.ages.left_lying(account.name)
        self._judge(WORK_STALLED, account.name, facts, last=due or now, limit=self._stalled)
        self._tell(INVOICES_OVERDUE, account.name, self._overdue(account, now))

    def _overdue(self, account: WatchedAccount, now: datetime) -> Mapping[str, str] | None:
        if account.overdue is None:
            return None
        found = self._ledger.ages.overdue(account.name, found_before=now - account.overdue)
        if found is None:
            return None
        return {
            "account": account.name,
            "hours": f"{account.overdue.total_seconds() / 3600:g}",
            "count": str(found.count),
            "number": found.number,
            "since": instant(found.since),
        }

    def _judge(
        self, code: str, subject: str, facts: Mapping[str, str], *, last: datetime | None, limit: timedelta
    ) -> None:
        """Begin an alarm when something is too long ago; end it only when it is not.

        While this watch has not lasted for the limit, what is missing may just be about to happen: nothing begins.
        """
        now = self._clock.now()
        since = last or self._began
        if now - max(since, self._began) > limit:
            self._tell(code, subject, {**facts, "since": instant(since)})
        elif last is not None and now - last <= limit:
            self._tell(code, subject, None)

    def _tell(self, code: str, subject: str, facts: Mapping[str, str] | None) -> None:
        if facts is None:
            self._ledger.alarms.end(code, subject)
        else:
            self._ledger.alarms.begin(code, subject, facts)
