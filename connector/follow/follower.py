"""Following an account: events first, then a look where one is due, then the ERP and the markers.

One process follows an account at a time, for what it writes into the ERP has to keep its order.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from connector.clock import Clock
from connector.domain.errors import AccountError, LookAgainError, StepError
from connector.follow.erp import Scribe
from connector.follow.events import Believes, read_inbox
from connector.follow.look import Look
from connector.follow.marks import mark
from connector.follow.news import Doubts
from connector.follow.plan import Plan, since
from connector.ledger import Ledger
from connector.ledger.accounts import AccountState
from connector.ports import Adapter, RemoteNews

log = logging.getLogger(__name__)

_OFFICE_SECONDS: Final = 120.0
"""How long an account is ours without a sign of life; well above the longest call."""

_PAUSE: Final = timedelta(minutes=1)
"""How long B2Brouter is left alone after a look failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NextLook:
    when: datetime
    first_sent: datetime  # of the documents of which news is expected


class Follower:
    """Keeps ledger and ERP in step with what B2Brouter says of the documents that were sent."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        remote: Callable[[str], RemoteNews],
        adapters: Callable[[str], Mapping[str, Adapter]],
        sources_of: Callable[[str], Iterable[str]],
        plan: Callable[[str], Plan],
        see_source: Callable[[str, Adapter], None] = lambda source, adapter: None,
        believes: Believes = lambda account, address: account == address,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare to follow.

        Args:
            ledger: where the states are kept.
            clock: where the time comes from.
            remote: the B2Brouter side of an account.
            adapters: the ERPs that feed an account, by source.
            sources_of: the names of these sources.
            plan: how an account is followed.
            see_source: raises where a source's ERP is not the one that the ledger's jobs came from.
            believes: of which other addresses events about its documents are believed.
            stopping: asked between documents; true ends the pass, and the next one goes on.
        """
        self._ledger = ledger
        self._clock = clock
        self._remote = remote
        self._adapters = adapters
        self._sources_of = sources_of
        self._plan = plan
        self._believes = believes
        self._stopping = stopping
        self._scribe = Scribe(ledger, clock=clock, see_source=see_source)
        self._locks: dict[str, Lock] = defaultdict(Lock)
        self._look_again: dict[str, float] = {}  # on the steady clock: before that no look is due

    def due(self, accounts: Iterable[str]) -> list[str]:
        """Return those of some accounts for which there is anything to do now; asks nobody but the ledger."""
        ledger = self._ledger
        states = {state.name: state for state in ledger.accounts.all()}  # of others nothing was sent
        used = [account for account in accounts if account in states]
        due = ledger.inbox.accounts_with_news()
        due |= {account for account in ledger.following.accounts_to_mark() if self._may_call(states.get(account))}
        due |= self._looks_due([states[account] for account in used])
        due |= self._scribe.accounts_with_work(self._adapters, self._sources_of, set(used) - due)
        return [account for account in used if account in due]

    def _looks_due(self, states: Iterable[AccountState]) -> set[str]:
        """Return whose look is due; the ledger is asked no more often than it can have become so."""
        now, steady = self._clock.now(), self._clock.monotonic()
        asked = [
            state for state in states if self._may_call(state) and steady >= self._look_again.get(state.name, steady)
        ]
        looks, due = self._next_looks(asked), set()
        for account in (state.name for state in asked):
            soonest = self._plan(account).shortest  # of what is sent from now on
            look = looks.get(account)
            wait = soonest if look is None else min(soonest, (look.when - now).total_seconds())
            self._look_again[account] = steady + wait
            if wait <= 0:
                due.add(account)
        return due

    def look_soon(self, account: str) -> None:
        """Have the next pass look at an account's states, however short ago the last look was.

        Nothing happens where no news is expected any more.

        Raises:
            LedgerError: the ledger failed.
        """
        now, state = self._clock.now(), self._ledger.accounts.get(account)
        look = self._next_look(state) if state is not None else None
        if state is None or look is None:
            return
        if look.when > now:
            last = self._looked_at(state) or look.first_sent
            self._ledger.following.look_back(account, last - (look.when - now))
        self._look_again.pop(account, None)

    def follow(self, account: str) -> None:
        """Do whatever is due for an account; nothing where another thread or process does it already.

        Raises:
            AccountError: key, account or address is wrong, or B2Brouter is out of reach.
            LedgerError: the ledger failed.
        """
        lock = self._locks[account]
        if not lock.acquire(blocking=False):
            return
        try:
            with self._ledger.offices.alone(f"follow {account}", seconds=_OFFICE_SECONDS) as ours:
                if ours():
                    self._follow(account, ours)
        finally:
            lock.release()

    def _follow(self, account: str, ours: Callable[[], bool]) -> None:
        plan, state = self._plan(account), self._ledger.accounts.get(account)
        may_ask, doubts = self._may_call(state), Doubts()
        try:
            read_inbox(
                self._ledger,
                self._remote(account),
                plan,
                account,
                doubts,
                believes=self._believes,
                may_ask=may_ask,
            )
            self._look(account, plan, state, doubts, go_on=lambda: not self._stopping() and ours())
            if self._may_call(state):
                mark(self._ledger, self._remote(account), plan, account, stopping=self._stopping)
            if doubts.failure is not None:
                raise doubts.failure
        except AccountError:
            self._later(account)
            raise
        except LookAgainError:
            return  # we were told to stop
        except StepError as error:
            why = error.details.get("message", error)
            log.warning(
                "account %s: states cannot be read now: %s (request %s)", account, why, error.request_id or "-"
            )
            self._later(account)
        else:
            if may_ask and state is not None and state.poll_after is not None:
                self._ledger.following.look_later(account, None)  # it does not fail any more
        finally:
            self._scribe.tell(account, self._adapters(account), stopping=self._stopping)

    def _later(self, account: str) -> None:
        self._ledger.following.look_later(account, self._clock.now() + _PAUSE)

    def _look(
        self, account: str, plan: Plan, state: AccountState | None, doubts: Doubts, *, go_on: Callable[[], bool]
    ) -> None:
        if state is None or not self._may_call(state):
            return
        due = self._next_look(state)
        if due is None or due.when > self._clock.now():
            return
        last, remote = self._looked_at(state), self._remote(account)
        look = Look(self._ledger, remote, plan, doubts, account=account, clock=self._clock, last=last)
        day = since(last, due.first_sent)
        if look.at_invoices(day, go_on):
            look.at_reports(day, go_on)

    def _may_call(self, state: AccountState | None) -> bool:
        """Whether B2Brouter may be asked: the account works, and no failure is too recent."""
        if state is None or state.paused_reason is not None:
            return False
        # A pause that is longer than any was written by a clock that was ahead.
        return state.poll_after is None or not timedelta(0) < state.poll_after - self._clock.now() <= _PAUSE

    def _looked_at(self, state: AccountState) -> datetime | None:
        """Return when the last whole look began; None also of one that a clock ahead has dated."""
        return state.polled_at if state.polled_at and state.polled_at <= self._clock.now() else None

    def _next_look(self, state: AccountState) -> _NextLook | None:
        """Return when to look next, as things are; None where no news is expected."""
        return self._next_looks([state]).get(state.name)

    def _next_looks(self, states: Collection[AccountState]) -> Mapping[str, _NextLook]:
        """Return when to look next, by account of which news is expected."""
        now, watched = self._clock.now(), defaultdict[timedelta, list[str]](list)
        for state in states:
            watched[self._plan(state.name).watched].append(state.name)
        sent: dict[str, tuple[datetime, datetime]] = {}
        for time, accounts in watched.items():  # mostly one for all
            sent |= self._ledger.following.sent(accounts, since=now - time)
        return {state.name: self._look_after(state, *sent[state.name]) for state in states if state.name in sent}

    def _look_after(self, state: AccountState, first: datetime, last: datetime) -> _NextLook:
        plan, now = self._plan(state.name), self._clock.now()
        interval = plan.interval(now - last, proved=state.webhooks_proved_at is not None)
        before = self._looked_at(state) or (last if last <= now else now - interval)
        return _NextLook(when=before + interval, first_sent=min(first, now))
