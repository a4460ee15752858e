"""The watch over the installation: what does not happen though it should becomes an alarm, and ends by itself.

What fails tells of itself; this is about what falls silent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.clock import Clock
from connector.domain.alarms import instant
from connector.ledger import Ledger
from connector.ledger.accounts import STOPPED, AccountState
from connector.ledger.ages import Astray, Overdue
from connector.ledger.alarms import COMPLETENESS_GAP, ERP_NOT_TOLD
from connector.ledger.sources import ANOTHER
from connector.notify.calendar import working_days_between

NO_LOOK: Final = "no_look"
NOTHING_FOUND: Final = "nothing_found"
STATES_UNSEEN: Final = "states_unseen"
NOT_COMPARED: Final = "not_compared"
WORK_STALLED: Final = "work_stalled"
INVOICES_OVERDUE: Final = "invoices_overdue"
SCHEDULER_SILENT: Final = "scheduler_silent"
ACCOUNT_IS_ANOTHER: Final = "account_is_another"
ACCOUNT_GONE: Final = "account_gone"
LEDGER_IS_A_COPY: Final = "ledger_is_a_copy"

_OF_SOURCES: Final = frozenset({NO_LOOK, NOTHING_FOUND, ANOTHER, ERP_NOT_TOLD})
_OF_ACCOUNTS: Final = frozenset(
    {
        STOPPED,
        ACCOUNT_IS_ANOTHER,
        STATES_UNSEEN,
        WORK_STALLED,
        INVOICES_OVERDUE,
        COMPLETENESS_GAP,
        NOT_COMPARED,
    }
)
_SCHEDULER: Final = "scheduler"

_STILL_FAILS: Final = timedelta(minutes=15)
"""How long after a failure of following another one belongs to it: it is tried again each minute."""

_COMPARED_WITHIN: Final = timedelta(hours=12)
"""How late a comparison may be: one that fails is made again after six hours."""

_ASTRAY_EVERY: Final = timedelta(minutes=5)
"""Time between looks for invoices that nobody would send: one may read all that are under way, and take seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedAccount:
    """What is expected of an account."""

    name: str
    account_id: str
    sources: Sequence[str]  # for which it issues
    overdue: timedelta | None  # from being found to being sent; None: as long as it takes
    unseen: timedelta  # how long following it may fail


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSource:
    """What is expected of a source."""

    name: str
    no_look: timedelta
    silent_after: int | None  # whole working days without a new document; None: never
    working_days: frozenset[int]  # Monday is 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected of an installation."""

    zone: ZoneInfo  # of working days
    accounts: Sequence[WatchedAccount]
    sources: Sequence[WatchedSource]
    issuers: Mapping[str, Collection[str]]  # the accounts that issue for each source
    stalled: timedelta  # how long due work may be left lying
    silent: timedelta  # how long the scheduler's office may be empty
    compare_every: timedelta | None  # None: only on request
    compared_days: timedelta  # how far back a comparison has to go

    def compared_from(self, now: datetime) -> date:
        """Return the day of issue from which on a comparison has to be about everything."""
        return (now - self.compared_days).date()


class Watch:
    """Looks at the ledger and sees what is missing there."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        environment: str,
        office: str,
        expected: Expected,
    ) -> None:
        """Begin to watch: what was missing before that is nobody's fault yet.

        Args:
            ledger: to look at.
            clock: where the time comes from.
            environment: of B2Brouter, as configured.
            office: of the scheduler.
            expected: what is missed where it does not happen.
        """
        self._ledger = ledger
        self._clock = clock
        self._environment = environment
        self._office = office
        self._began: dict[str, datetime] = {}
        self._fails_since: dict[str, datetime] = {}  # accounts that cannot be followed
        self._astray_since: dict[str, datetime] = {}  # accounts with invoices that nobody takes further
        self._astray_seen: datetime | None = None
        self._lasting: Mapping[tuple[str, str], Mapping[str, str]] = {}  # facts of alarms when this look began
        self.expect(expected)

    def expect(self, expected: Expected) -> None:
        """Expect this from now on; of what is expected anew, what was missing before is nobody's fault either."""
        now = self._clock.now()
        names = [_SCHEDULER, *map(_called, expected.sources), *map(_called, expected.accounts)]
        self._began = {name: self._began.get(name, now) for name in names}
        self._expected = expected
        self._astray_seen = None

    def look(self, ours: Callable[[], bool] = lambda: True) -> None:
        """Begin and end the alarms of this watch.

        Args:
            ours: asked before each source and account, for there may be thousands; false ends the look, for another
                process is at it.

        Raises:
            LedgerError: the ledger failed.
        """
        for _ in self._looks():
            if not ours():
                return

    def _looks(self) -> Iterator[None]:
        """Look at one after another; the ledger is asked for all of them together."""
        self._ledger.alarms.end(LEDGER_IS_A_COPY, "")  # else nobody would be here
        self._lasting = {(alarm.code, alarm.subject): alarm.details for alarm in self._ledger.alarms.lasting()}
        self._look_for_scheduler()
        paused, looks = self._ledger.sources.paused(), self._ledger.intake.states()
        for source in self._expected.sources:
            yield
            self._look_at_source(source, looks.get(source.name, {}), paused=source.name in paused)
        states = {state.name: state for state in self._ledger.accounts.all()}
        lying = self._ledger.ages.left_lying({account.name: account.sources for account in self._expected.accounts})
        overdue = self._overdue()
        for account in self._expected.accounts:
            yield
            state, due = states.get(account.name), lying.get(account.name)
            self._look_at_account(account, state, due, overdue.get(account.name))
        wanted = self._comparisons_wanted(states)
        for account in self._expected.accounts:
            yield
            self._look_for_comparison(account, wanted.get(account.name))
        self._look_for_what_is_astray()
        self._end_what_is_not_expected()

    def _end_what_is_not_expected(self) -> None:
        """Nobody works for what has left the configuration: nothing of it can be missing, and nobody would end it."""
        sources = {source.name for source in self._expected.sources}
        accounts = {account.name for account in self._expected.accounts}
        for alarm in self._ledger.alarms.lasting():
            gone = (alarm.code in _OF_SOURCES and alarm.subject not in sources) or (
                alarm.code in _OF_ACCOUNTS and alarm.subject not in accounts
            )
            if gone:
                self._ledger.alarms.end(alarm.code, alarm.subject)

    def _look_for_scheduler(self) -> None:
        until = self._ledger.offices.held_until(self._office)
        self._judge(SCHEDULER_SILENT, "", {}, last=until, limit=self._expected.silent, began=self._began[_SCHEDULER])

    def all_is_well(self) -> bool:
        """Whether looks into all ERPs succeed, due work is taken up, and a scheduler is in office."""
        now = self._clock.now()
        silent = {NO_LOOK, WORK_STALLED, SCHEDULER_SILENT, ANOTHER, LEDGER_IS_A_COPY}
        if any(alarm.code in silent for alarm in self._ledger.alarms.lasting()):
            return False
        paused, looks = self._ledger.sources.paused(), self._ledger.intake.states()
        return all(
            _is_fresh(source, looks.get(source.name, {}), now)
            for source in self._expected.sources
            if source.name not in paused  # as somebody wants it
        )

    def _look_at_source(self, source: WatchedSource, state: Mapping[str, Any], *, paused: bool) -> None:
        now = self._clock.now()
        if paused:
            self._tell(NO_LOOK, source.name, None)
            self._tell(NOTHING_FOUND, source.name, None)
            self._tell(ERP_NOT_TOLD, source.name, None)
            return
        facts = {"source": source.name}
        last, began = state.get("discovered_at"), self._began[_called(source)]
        self._judge(NO_LOOK, source.name, facts, last=last, limit=source.no_look, began=began)
        found: datetime | None = state.get("found_at")
        if source.silent_after is None or found is None:
            self._tell(NOTHING_FOUND, source.name, None)
            return
        days = working_days_between(found, now, source.working_days, self._expected.zone)
        told = facts | {"since": instant(found), "days": str(days)}
        self._tell(NOTHING_FOUND, source.name, told if days >= source.silent_after else None)

    def _look_at_account(
        self, account: WatchedAccount, state: AccountState | None, due: datetime | None, overdue: Overdue | None
    ) -> None:
        now = self._clock.now()
        facts = {"account": account.name}
        ours = state is None or state.belongs_to(self._environment, account.account_id)
        self._tell(ACCOUNT_IS_ANOTHER, account.name, None if ours else facts)
        paused = state is not None and state.paused_reason is not None  # which is an alarm of its own
        self._look_at_following(account, state)
        limit, began = self._expected.stalled, self._began[_called(account)]
        last = now if paused or due is None else due
        self._judge(WORK_STALLED, account.name, facts, last=last, limit=limit, began=began)
        self._tell(INVOICES_OVERDUE, account.name, _facts_of_overdue(account, overdue))

    def _look_at_following(self, account: WatchedAccount, state: AccountState | None) -> None:
        """See whether it fails again and again: a look may not be due for days, so that its age says nothing."""
        now, name = self._clock.now(), account.name
        if state is None or state.poll_after is None or state.paused_reason is not None:
            self._fails_since.pop(name, None)
            self._tell(STATES_UNSEEN, name, None)
        elif now - state.poll_after > _STILL_FAILS:  # nobody has tried since: nothing is known
            self._fails_since.pop(name, None)
        elif now - (since := self._fails_since.setdefault(name, now)) > account.unseen:
            self._tell(STATES_UNSEEN, name, {"account": name, "since": instant(since)})

    def _comparisons_wanted(self, states: Mapping[str, AccountState]) -> Mapping[str, datetime]:
        """Return since when accounts want a comparison; not those that are paused, or want none."""
        every = self._expected.compare_every
        if every is None:
            return {}
        wanted = self._ledger.reconciliations.wanted_since(every, self._expected.compared_from(self._clock.now()))
        paused = {name for name, state in states.items() if state.paused_reason is not None}
        return {name: since for name, since in wanted.items() if name not in paused}

    def _look_for_comparison(self, account: WatchedAccount, wanted: datetime | None) -> None:
        last = self._clock.now() if wanted is None else wanted
        facts, began = {"account": account.name}, self._began[_called(account)]
        self._judge(NOT_COMPARED, account.name, facts, last=last, limit=_COMPARED_WITHIN, began=began)

    def _overdue(self) -> Mapping[str, Overdue]:
        """Return what is overdue by each account's own limit."""
        now = self._clock.now()
        found: dict[str, Overdue] = {}
        limits = {account.name: account.overdue for account in self._expected.accounts if account.overdue is not None}
        for limit in set(limits.values()):
            late = self._ledger.ages.overdue(found_before=now - limit)
            found |= {name: one for name, one in late.items() if limits.get(name) == limit}
        return found

    def _look_for_what_is_astray(self) -> None:
        """See what is under way and goes no further in this configuration, such as of a renamed account.

        The ledger does not know since when that is so: it counts from when it was first seen here.
        """
        now = self._clock.now()
        if self._astray_seen is not None and now - self._astray_seen < _ASTRAY_EVERY:
            return
        found = self._ledger.ages.astray(self._expected.issuers)
        self._astray_seen = now
        self._astray_since = {account: self._astray_since.get(account, now) for account in found}
        for account, since in self._astray_since.items():
            if now - since > self._expected.stalled:
                self._tell(ACCOUNT_GONE, account, _facts(account, found[account]))
        for alarm in self._ledger.alarms.lasting():
            if alarm.code == ACCOUNT_GONE and alarm.subject not in found:
                self._tell(ACCOUNT_GONE, alarm.subject, None)

    def _judge(
        self,
        code: str,
        subject: str,
        facts: Mapping[str, str],
        *,
        last: datetime | None,
        limit: timedelta,
        began: datetime,
    ) -> None:
        """Begin an alarm when something is too long ago; end it only when it is not.

        While it has not been watched for the limit, what is missing may just be about to happen: nothing begins.
        """
        now = self._clock.now()
        since = last or began
        if now - max(since, began) > limit:
            self._tell(code, subject, {**facts, "since": instant(since)})
        elif last is not None and now - last <= limit:
            self._tell(code, subject, None)

    def _tell(self, code: str, subject: str, facts: Mapping[str, str] | None) -> None:
        # The ledger was asked once for all of them: most never began, or last as they are.
        known = self._lasting.get((code, subject))
        if facts is not None and facts != known:
            self._ledger.alarms.begin(code, subject, facts)
        elif facts is None and known is not None:
            self._ledger.alarms.end(code, subject)


def _is_fresh(source: WatchedSource, state: Mapping[str, Any], now: datetime) -> bool:
    looked: datetime | None = state.get("discovered_at")
    return looked is not None and now - looked <= source.no_look


def _called(watched: WatchedAccount | WatchedSource) -> str:
    """Return a name that an account and a source never share."""
    return f"{type(watched).__name__} {watched.name}"


def _facts_of_overdue(account: WatchedAccount, found: Overdue | None) -> Mapping[str, str] | None:
    if account.overdue is None or found is None:
        return None
    return {
        "account": account.name,
        "hours": f"{account.overdue.total_seconds() / 3600:g}",
        "count": str(found.count),
        "number": found.number,
        "since": instant(found.since),
    }


def _facts(account: str, astray: Astray) -> Mapping[str, str]:
    return {
        "account": account,
        "count": str(astray.count),
        "source": ", ".join(sorted(astray.sources)),  # who is told goes by it: the account may be nobody's any more
        "since": instant(astray.since),
    }
