"""What the ledger is stamped with, which accounts are paused, and who is the scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from connector.domain import catalogue
from connector.domain.errors import EnvironmentLockedError
from connector.domain.job import Status
from connector.domain.rounding import Way, way
from connector.ledger import alarms
from connector.ledger import owner as owners
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.jobs import PENDING_ACCOUNTS, insert_dialect, insert_or_ignore, release
from connector.ledger.tables import AccountRow, JobRow, LeaseRow
from connector.ledger.waiting import let_pending_wait

PROBE_AFTER = 60.0
"""Seconds until a paused account is probed; doubled up to `PROBE_CAP` while it stays unwell."""

PROBE_CAP = 900.0
"""The longest of these pauses; they begin anew once an account that was resumed has worked for so long."""

SCHEDULER = "scheduler"
"""The office of whoever makes the rounds."""

STOPPED = "account_stopped"
"""The alarm while an account is paused."""

OVER = 0
"""`ramp_step` of an account that has its first run behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """One account as the ledger knows it."""

    name: str
    environment: str | None
    host: str | None
    account_id: str | None
    remote_id: str | None
    tax_number: str | None
    rounding_method: str | None
    round_before_sum: bool | None
    apply_taxes_per_line: bool | None
    arithmetic_at: datetime | None
    number_guard: bool | None
    list_delay: float | None
    probed_at: datetime | None
    paused_reason: str | None
    paused_details: dict[str, str]
    paused_at: datetime | None
    paused_by: str | None
    probe_at: datetime | None
    probes: int
    ramp_step: int | None
    polled_at: datetime | None
    poll_after: datetime | None
    webhooks_proved_at: datetime | None
    compare_asked_at: datetime | None

    @property
    def arithmetic(self) -> Way | None:
        """How the account calculates, as far as is known."""
        return way(self.rounding_method, self.round_before_sum, self.apply_taxes_per_line)

    def belongs_to(self, environment: str, account_id: str) -> bool:
        """Whether it is stamped with just these, or not stamped yet."""
        return self.environment is None or (self.environment, self.account_id) == (environment, account_id)

    @property
    def paused_by_person(self) -> bool:
        """Whether a person paused it, and not a fault."""
        return self.paused_by is not None

    def kept_by_person(self, now: datetime) -> bool:
        """Whether a person's pause lasts, which neither a fault changes nor a probe ends."""
        return self.paused_by_person and (self.probe_at is None or self.probe_at > now)

    @property
    def ramp_over(self) -> bool:
        """Whether the steps of the first run are behind it."""
        return self.ramp_step == OVER


_PAUSED = select(AccountRow.name).where(AccountRow.paused_reason.is_not(None)).with_for_update()

_COLUMNS = tuple(getattr(AccountRow, name) for name in AccountState.__dataclass_fields__)
_ONE = select(*_COLUMNS).where(AccountRow.name == bindparam("of_account"))


class Accounts:
    """The accounts of the ledger."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def get(self, name: str) -> AccountState | None:
        """Return what is known of an account; None before its first use."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"of_account": name}).one_or_none()
        return _told(AccountState(**row._mapping)) if row else None

    def all(self) -> list[AccountState]:
        """Return all accounts ever used, by name."""
        with self._database.read() as connection:
            return [
                _told(AccountState(**row._mapping))
                for row in connection.execute(select(*_COLUMNS).order_by(AccountRow.name))
            ]

    def stamp(
        self,
        name: str,
        *,
        environment: str,
        host: str,
        account_id: str,
        remote_id: str,
        tax_number: str | None,
        arithmetic: Way | None = None,
    ) -> None:
        """Bind the account to this environment for good: what it is bound to already stays."""
        values = {
            "environment": environment,
            "host": host,
            "account_id": account_id,
            "remote_id": remote_id,
            "tax_number": tax_number,
            **_settings(arithmetic, self._database.clock.now()),
        }
        insert = insert_dialect(self._database)(AccountRow).values({"name": name, "probes": 0, **values})
        unbound = AccountRow.environment.is_(None)
        with self._database.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values, where=unbound))

    def store_findings(self, name: str, *, number_guard: bool, list_delay: float | None) -> None:
        """Keep what a probe found: it decides what a lost create that is not found again leads to."""
        self._upsert(name, number_guard=number_guard, list_delay=list_delay, probed_at=self._database.clock.now())

    def learn(self, name: str, arithmetic: Way | None) -> None:
        """Remember how the account calculates by now; None where it was asked and did not say."""
        self._upsert(name, **_settings(arithmetic, self._database.clock.now()))

    def check_stamp(self, name: str, *, environment: str, account_id: str) -> bool:
        """Return whether the account is stamped, with just this environment and account id.

        Raises:
            EnvironmentLockedError: it is stamped with others: a restored copy, another key, another host.
        """
        state = self.get(name)
        if state is None or state.environment is None:
            return False
        if not state.belongs_to(environment, account_id):
            raise EnvironmentLockedError(
                f"The ledger's account {name} belongs to account {state.account_id} in {state.environment}, but "
                f"the configuration says account {account_id} in {environment}. Nothing is sent.",
                action="Use the ledger of that environment, or a new one.",
            )
        return True

    def pause(self, name: str, reason: str, details: Mapping[str, str]) -> bool:
        """Stop an account: its due jobs wait. Return whether it was running until now (one alarm, not many)."""
        now = self._database.clock.now()
        why = {"account": name, **catalogue.within("why", reason, details)}
        with self._database.write() as connection:
            before = self._locked(connection, name)
            if before.paused_by_person:
                return False  # a fault does not shorten what a person decided
            fresh = before.paused_reason is None
            probes = _probes_in_vain(before, now)
            self._write(
                connection,
                name,
                paused_reason=reason,
                paused_details=dict(details),
                paused_at=now if fresh else before.paused_at,
                probe_at=now + timedelta(seconds=_until_probe(probes)),
                probes=probes,
            )
            alarms.begin(connection, self._database, STOPPED, name, why)
        return fresh

    def pause_by_person(self, name: str, *, who: str, note: str, until: datetime | None) -> None:
        """Stop an account because a person wants it, until an instant or until a person resumes it."""
        now = self._database.clock.now()
        details = {"account": name, "who": who, "note": note}
        stopped = {
            "paused_reason": "paused_by_person",
            "paused_details": details,
            "paused_at": now,
            "paused_by": who,
            "probe_at": until,
            "probes": 0,
        }
        with self._database.write() as connection:
            insert = insert_dialect(self._database)(AccountRow).values({"name": name, **stopped})
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=stopped))
            write_deed(connection, now, who=who, what="pause", subject=name, note=note)

    def resume_by_person(self, name: str, *, who: str, note: str) -> int:
        """End a pause, whoever began it; return how many jobs go on."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            count = self._start(connection, name, now)
            write_deed(connection, now, who=who, what="resume", subject=name, note=note, count=count)
        return count

    def let_wait(self, name: str, why: str | Mapping[str, str], *, seconds: float = math.inf) -> int:
        """Let the pending jobs of a paused account wait, and say why; return how many.

        None of one that works again by now, for nobody would let them go on: who lets wait and who resumes takes the
        account's row first.

        `why` is a sentence, or the facts of one by the name of `why`; see `catalogue.within`. After so many seconds
        the rest is left for another time, for of a paused account nothing is leased in any case.
        """
        facts = {"account": name, **({"why": why} if isinstance(why, str) else why)}
        still_paused = _PAUSED.where(AccountRow.name == name)
        return let_pending_wait(
            self._database,
            JobRow.account == name,
            still_paused,
            reason="account_paused",
            facts=facts,
            seconds=seconds,
        )

    def to_let_wait(self) -> list[AccountState]:
        """Return the paused accounts with jobs that do not wait yet."""
        paused = select(*_COLUMNS).where(AccountRow.paused_reason.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(paused.where(AccountRow.name.in_(select(PENDING_ACCOUNTS))))
            return [AccountState(**row._mapping) for row in rows]

    def resume(self, name: str) -> int | None:
        """Start an account again that a probe found well; return how many jobs go on.

        None where a person's pause lasts, which may be younger than the probe. After a fault it is kept in mind when
        it was started and how often it had been probed, for the probe may not have seen what is wrong.
        """
        now = self._database.clock.now()
        with self._database.write() as connection:
            before = self._locked(connection, name)
            if before.kept_by_person(now):
                return None
            if before.paused_reason is None:
                return 0
            if before.paused_by_person:
                return self._start(connection, name, now)
            return self._start(connection, name, now, probe_at=now, probes=before.probes)

    def to_probe(self) -> list[str]:
        """Return the paused accounts that it is time to probe, or whose fault a clock that was ahead wrote down."""
        now = self._database.clock.now()
        by_fault = AccountRow.paused_by.is_(None)
        latest = now + timedelta(seconds=PROBE_CAP)
        due = or_(AccountRow.probe_at <= now, and_(by_fault, AccountRow.probe_at > latest))
        query = select(AccountRow.name).where(AccountRow.paused_reason.is_not(None), due)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def ask_comparison(self, name: str, *, who: str) -> None:
        """Have an account's three sides compared as soon as somebody has time for it."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            self._write(connection, name, compare_asked_at=now)
            write_deed(connection, now, who=who, what="compare", subject=name)

    def _locked(self, connection: Connection, name: str) -> AccountState:
        """Return what the row of an account says, and keep everybody else from changing it."""
        insert = insert_dialect(self._database)(AccountRow).values(name=name, probes=0)
        connection.execute(insert.on_conflict_do_nothing())
        row = connection.execute(_ONE.with_for_update(), {"of_account": name}).one()
        return AccountState(**row._mapping)

    def _start(
        self, connection: Connection, name: str, now: datetime, *, probe_at: datetime | None = None, probes: int = 0
    ) -> int:
        """End a pause; return how many jobs go on."""
        nothing = dict.fromkeys(("paused_reason", "paused_details", "paused_at", "paused_by"))
        self._write(connection, name, **nothing, probe_at=probe_at, probes=probes)
        alarms.end(connection, self._database, STOPPED, name)
        waiting = and_(JobRow.account == name, JobRow.status == Status.WAITING, JobRow.reason == "account_paused")
        return release(connection, waiting, now)

    def _upsert(self, name: str, **values: Any) -> None:
        with self._database.write() as connection:
            self._write(connection, name, **values)

    def _write(self, connection: Connection, name: str, **values: Any) -> None:
        insert = insert_dialect(self._database)(AccountRow).values({"name": name, "probes": 0, **values})
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def _told(state: AccountState) -> AccountState:
    """Leave out what the row of an account that works keeps for its next pause alone; see `Accounts.resume`."""
    return state if state.paused_reason is not None else replace(state, probe_at=None, probes=0)


def _probes_in_vain(before: AccountState, now: datetime) -> int:
    """How many probes in a row helped nothing: also one that ended well does not if it soon stops again."""
    if before.probe_at is None:  # it never stopped, or a person has started it
        return 0
    if before.paused_reason is None and now - before.probe_at >= timedelta(seconds=PROBE_CAP):
        return 0
    return before.probes + 1


def _until_probe(probes: int) -> float:
    """Seconds until the next probe; they grow no more long before 2**probes is too large a number."""
    return min(PROBE_CAP, PROBE_AFTER * 2.0 ** min(probes, 16))


def _settings(arithmetic: Way | None, now: datetime) -> dict[str, Any]:
    if arithmetic is None:
        return {"arithmetic_at": now}
    return {
        "rounding_method": str(arithmetic.method),
        "round_before_sum": arithmetic.round_before_sum,
        "apply_taxes_per_line": arithmetic.apply_taxes_per_line,
        "arithmetic_at": now,
    }


_OFFICE = LeaseRow.name == bindparam("office")
_HOLDER = select(LeaseRow.owner).where(_OFFICE)
_HELD_UNTIL = select(LeaseRow.leased_until).where(_OFFICE, LeaseRow.owner.is_not(None))
_OURS = LeaseRow.owner == bindparam("me")
_FREE = or_(_OURS, LeaseRow.owner.is_(None), LeaseRow.leased_until < bindparam("now"))
_TAKE = (
    update(LeaseRow)
    .where(_OFFICE, or_(_FREE, LeaseRow.owner == bindparam("dead")))
    .values(owner=bindparam("me"), leased_until=bindparam("until"))
)
_LEAVE = update(LeaseRow).where(_OFFICE, _OURS).values(owner=None, leased_until=bindparam("now"))


class Offices:
    """Posts of which there is one, however many processes run: the scheduler's, and that of each look into an ERP."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def hold(self, name: str, *, seconds: float) -> bool:
        """Take or keep an office for some seconds; return whether it is ours."""
        now = self._database.clock.now()
        until = now + timedelta(seconds=seconds)
        values = {"office": name, "me": owners.this_process(), "now": now, "until": until, "dead": None}
        with self._database.write() as connection:
            if connection.execute(_TAKE, values).rowcount:
                return True
            connection.execute(insert_or_ignore(self._database, LeaseRow), {"name": name})
            holder = connection.execute(_HOLDER, values).scalar_one()
            if holder and not owners.is_dead(holder):
                return False
            return connection.execute(_TAKE, {**values, "dead": holder}).rowcount == 1

    @contextmanager
    def alone(self, name: str, *, seconds: float) -> Iterator[Callable[[], bool]]:
        """Hold an office while something lasts, and leave it then; what is given tells whether it is ours.

        It tells processes apart; that threads of one do not do the same is seen to by those who begin it. It is cheap
        to ask: the ledger is written at first, and again once half of the seconds are over.
        """
        clock, renewed, ours = self._database.clock, -math.inf, False

        def is_ours() -> bool:
            nonlocal renewed, ours
            now = clock.monotonic()
            if now - renewed >= seconds / 2:
                renewed, ours = now, self.hold(name, seconds=seconds)
            return ours

        try:
            yield is_ours
        finally:
            if ours:
                self.leave(name)

    def held_until(self, name: str) -> datetime | None:
        """Return until when an office is held, or was; None where it was left, or nobody ever had it."""
        with self._database.read() as connection:
            return connection.execute(_HELD_UNTIL, {"office": name}).scalar_one_or_none()

    def leave(self, name: str) -> None:
        """Give an office up, so that another takes it at once; the ledger keeps when, see `Looks`."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(_LEAVE, {"office": name, "me": owners.this_process(), "now": now})
