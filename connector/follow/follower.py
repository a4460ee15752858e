"""Following an account: events first, then a look where one is due, then the ERP and the markers.

One process follows an account at a time, for what it writes into the ERP has to keep its order.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from connector.clock import Clock
from connector.domain.errors import AccountError, LedgerError, LookAgainError, OutsideError, StepError, UsageError
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
        self._look_again: dict[str, datetime] = {}  # before that no look is due
        self._unopened: set[str] = set()  # accounts whose ERPs cannot be opened

    def due(self, accounts: Iterable[str]) -> list[str]:
        """Return those of some accounts for which there is anything to do now; asks nobody but the ledger."""
        ledger = self._ledger
        states = {state.name: state for state in ledger.accounts.all()}  # of others nothing was sent
        used = [account for account in accounts if account in states]
        due = ledger.inbox.accounts_with_news()
        due |= {account for account in ledger.following.accounts_to_mark() if self._may_call(states.get(account))}
        due |= {account for account in used if self._look_is_due(account, states[account])}
        due |= self._scribe.accounts_with_work(self._opened, self._sources_of, set(used) - due)
        return [account for account in used if account in due]

    def _look_is_due(self, account: str, state: AccountState) -> bool:
        """Whether it is time for a look; the ledger is asked no more often than it can have become so."""
        now = self._clock.now()
        if not self._may_call(state) or now < self._look_again.get(account, now):
            return False
        soonest = now + timedelta(seconds=self._plan(account).shortest)  # of what is sent from now on
        look = self._next_look(account, state)
        when = soonest if look is None else min(soonest, look.when)
        self._look_again[account] = when
        return when <= now

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
            if self._hold(account):
                self._follow(account)
                self._ledger.offices.leave(_office(account))
        finally:
            lock.release()

    def _follow(self, account: str) -> None:
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
            self._look(account, plan, state, doubts)
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
            self._scribe.tell(account, self._opened(account), stopping=self._stopping)

    def _opened(self, account: str) -> Mapping[str, Adapter]:
        """Return the ERPs of an account; none where one cannot be opened, such as one whose address a vault tells.

        Then they are told later. It is logged when that begins and when it ends.
        """
        try:
            adapters = self._adapters(account)
        except LedgerError:
            raise
        except (OutsideError, UsageError) as error:
            if account not in self._unopened:
                self._unopened.add(account)
                log.error("account %s: its ERPs are told nothing now: %s %s", account, error.message, error.action)
            return {}
        if account in self._unopened:
            self._unopened.discard(account)
            log.info("account %s: its ERPs are told again", account)
        return adapters

    def _later(self, account: str) -> None:
        self._ledger.following.look_later(account, self._clock.now() + _PAUSE)

    def _hold(self, account: str) -> bool:
        return self._ledger.offices.hold(_office(account), seconds=_OFFICE_SECONDS)

    def _go_on(self, account: str) -> bool:
        return not self._stopping() and self._hold(account)

    def _look(self, account: str, plan: Plan, state: AccountState | None, doubts: Doubts) -> None:
        if state is None or not self._may_call(state):
            return
        due = self._next_look(account, state)
        if due is None or due.when > self._clock.now():
            return
        last, remote = state.polled_at, self._remote(account)
        look = Look(self._ledger, remote, plan, doubts, account=account, clock=self._clock, last=last)
        if look.at_invoices(since(last, due.first_sent), lambda: self._go_on(account)):
            look.at_reports()

    def _may_call(self, state: AccountState | None) -> bool:
        """Whether B2Brouter may be asked: the account works, and no failure is too recent."""
        if state is None or state.paused_reason is not None:
            return False
        return state.poll_after is None or state.poll_after <= self._clock.now()

    def _next_look(self, account: str, state: AccountState) -> _NextLook | None:
        """Return when to look next, as things are; None where no news is expected."""
        plan, now = self._plan(account), self._clock.now()
        sent = self._ledger.following.sent(account, since=now - plan.watched)
        if sent is None:
            return None
        first, last = sent
        interval = plan.interval(now - last, proved=state.webhooks_proved_at is not None)
        return _NextLook(when=(state.polled_at or last) + interval, first_sent=first)


def _office(account: str) -> str:
    return f"follow {account}"
