"""The first run of an account goes in steps: a few invoices, a person's look at them, then more.

A job takes a place of the step in force before anything of it leaves, and keeps it while it may be issued. Places
are counted here, under a lock on the account, so that any number of workers together let no more go than allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, update

from connector.domain.errors import BlockedError, LeaseLostError
from connector.domain.job import Stage, Status
from connector.ledger import timeline
from connector.ledger.accounts import OVER
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect, release
from connector.ledger.records import COLUMNS, Entry, Job, job_of
from connector.ledger.tables import AccountRow, JobRow

REASON: Final = "ramp_full"

_WAITS: Final = and_(JobRow.status == Status.WAITING, JobRow.reason == REASON)
_WAITING_ACCOUNTS: Final = select(JobRow.account).where(_WAITS).distinct()
_UNSENT: Final = JobRow.stage.not_in([Stage.SENT, Stage.RECORDED])
_EARLY: Final = JobRow.stage.in_([Stage.FOUND, Stage.CONTACT_READY])

# A job that rests before it can have been issued leaves its place to another, and asks for one again when it goes on.
_RESTS: Final = and_(
    _UNSENT,
    JobRow.open_effect.is_(None),
    or_(JobRow.status.in_([Status.WAITING, Status.SKIPPED]), and_(_EARLY, JobRow.status == Status.HELD)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an account has come in its first run."""

    account: str
    step: int  # from 1
    steps: int
    allowed: int  # invoices in this step
    taken: int
    issued: int
    under_way: int  # of those that have a place
    waiting: int  # for the next step
    next_allowed: int | None  # invoices in the next step; None: no limit any more

    @property
    def rests(self) -> bool:
        """Whether the step has shown what it can show: a person may look."""
        return self.issued > 0 and self.under_way == 0


class Ramp:
    """The ledger as the first run sees it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def admit(self, job: Job, steps: Sequence[int]) -> None:
        """Give a leased job a place of the step in force; one that has it already keeps it.

        Args:
            job: as leased.
            steps: how many invoices each step allows.

        Raises:
            BlockedError: `ramp_full`, all places are taken.
            LeaseLostError: the job is in other hands.
        """
        with self._database.write() as connection:
            step = self._locked_step(connection, job.account, steps)
            if step is None:
                return
            others = _count(connection, _placed(job.account, step), JobRow.id != job.id)
            if others < steps[step - 1]:
                self._take_place(connection, job, step)
                return
        facts = {"account": job.account, "step": str(step), "steps": str(len(steps)), "allowed": str(steps[step - 1])}
        raise BlockedError("ramp_full", facts)

    def _locked_step(self, connection: Connection, account: str, steps: Sequence[int]) -> int | None:
        """Return the step in force, and keep everybody else from taking a place; None where there is none."""
        insert = insert_dialect(self._database)(AccountRow).values(name=account, probes=0)
        connection.execute(insert.on_conflict_do_nothing())
        row = select(AccountRow.ramp_step).where(AccountRow.name == account).with_for_update()
        step: int | None = connection.execute(row).scalar_one()
        if step is None:
            issued = _count(connection, JobRow.account == account, JobRow.sent_at.is_not(None))
            step = OVER if issued else 1
            _set_step(connection, account, step)
        return step if 0 < step <= len(steps) else None

    def _take_place(self, connection: Connection, job: Job, step: int) -> None:
        held = and_(JobRow.id == job.id, JobRow.fence == job.fence, JobRow.status == Status.RUNNING)
        if not connection.execute(update(JobRow).where(held).values(ramp_step=step)).rowcount:
            raise LeaseLostError(f"job {job.id} is in other hands")

    def standing(self, account: str, steps: Sequence[int]) -> Standing | None:
        """Return how far the first run has come; None where it has not begun, or is over."""
        return self._standings(lambda _: steps, account).get(account) if steps else None

    def standings(self, steps_of: Callable[[str], Sequence[int]]) -> Mapping[str, Standing]:
        """Return by account how far its first run has come, where it has begun and is not over."""
        return self._standings(steps_of)

    def _standings(self, steps_of: Callable[[str], Sequence[int]], account: str | None = None) -> dict[str, Standing]:
        """Ask for all accounts at once, or for one."""
        begun = _BEGUN if account is None else _BEGUN.where(AccountRow.name == account)
        placed = _PLACED if account is None else _PLACED.where(AccountRow.name == account)
        waiting = _WAITING if account is None else _WAITING.where(JobRow.account == account)
        with self._database.read() as connection:
            steps = {row.name: (row.ramp_step, steps_of(row.name)) for row in connection.execute(begun)}
            if not steps:
                return {}
            places = {row.account: row for row in connection.execute(placed)}
            waits = {row.account: row.waiting for row in connection.execute(waiting)}
        return {
            name: _standing(name, step, allowed, places.get(name), waits.get(name, 0))
            for name, (step, allowed) in steps.items()
            if step <= len(allowed)
        }

    def issued(self, standing: Standing) -> list[Job]:
        """Return what was issued in the step, for a person to look at."""
        step = and_(_placed(standing.account, standing.step), JobRow.sent_at.is_not(None))
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(select(*COLUMNS).where(step).order_by(JobRow.id))]

    def open_next(self, seen: Standing, *, who: str, note: str) -> int | None:
        """Open the step after the one that a person has seen; return how many waiting invoices go on.

        Returns:
            None where somebody else has opened it already.
        """
        following = OVER if seen.next_allowed is None else seen.step + 1
        present = and_(AccountRow.name == seen.account, AccountRow.ramp_step == seen.step)
        with self._database.write() as connection:
            if not connection.execute(update(AccountRow).where(present).values(ramp_step=following)).rowcount:
                return None
            return self._wake(connection, seen.account, seen.next_allowed, Entry(what="release", who=who, note=note))

    def refill(self, steps_of: Callable[[str], Sequence[int]]) -> int:
        """Let waiting jobs go on where places are free, or where there are no steps any more; return how many."""
        with self._database.read() as connection:
            waiting = connection.execute(_WAITING_ACCOUNTS).scalars().all()
        return sum(self._refill(account, steps_of(account)) for account in waiting)

    def _refill(self, account: str, steps: Sequence[int]) -> int:
        with self._database.write() as connection:
            step = self._locked_step(connection, account, steps)
            if step is None:
                return self._wake(connection, account, None, Entry(what="released"))
            others = or_(JobRow.ramp_step.is_(None), JobRow.ramp_step != step)
            active = JobRow.status.in_([Status.PENDING, Status.RUNNING])
            hopeful = _count(connection, JobRow.account == account, active, others, _UNSENT)
            free = steps[step - 1] - _count(connection, _placed(account, step)) - hopeful
            return self._wake(connection, account, free, Entry(what="released")) if free > 0 else 0

    def _wake(self, connection: Connection, account: str, most: int | None, entry: Entry) -> int:
        """Let waiting jobs go on, longest due first."""
        now = self._database.clock.now()
        waiting = and_(JobRow.account == account, _WAITS)
        if most is not None:
            first = select(JobRow.id).where(waiting).order_by(JobRow.due_at, JobRow.id).limit(most)
            waiting = and_(JobRow.id.in_(connection.execute(first).scalars().all()), _WAITS)
        if entry.who is not None:
            rows = connection.execute(select(JobRow.id, JobRow.stage).where(waiting))
            timeline.append(connection, now, [(row.id, row.stage, entry) for row in rows])
        return release(connection, waiting, now)


_BEGUN: Final = select(AccountRow.name, AccountRow.ramp_step).where(AccountRow.ramp_step > OVER)
_PLACED: Final = (
    select(
        JobRow.account,
        func.count().label("taken"),
        func.count(JobRow.sent_at).label("issued"),
        func.count(case((and_(JobRow.status.in_([Status.PENDING, Status.RUNNING]), _UNSENT), 1))).label("under_way"),
    )
    .join(AccountRow, and_(AccountRow.name == JobRow.account, AccountRow.ramp_step == JobRow.ramp_step))
    .where(AccountRow.ramp_step > OVER, ~_RESTS)
    .group_by(JobRow.account)
)
_WAITING: Final = select(JobRow.account, func.count().label("waiting")).where(_WAITS).group_by(JobRow.account)


def _standing(
    account: str, step: int, steps: Sequence[int], places: Row[str, int, int, int] | None, waiting: int
) -> Standing:
    return Standing(
        account=account,
        step=step,
        steps=len(steps),
        allowed=steps[step - 1],
        taken=places.taken if places else 0,
        issued=places.issued if places else 0,
        under_way=places.under_way if places else 0,
        waiting=waiting,
        next_allowed=steps[step] if step < len(steps) else None,
    )


def _placed(account: str, step: int) -> ColumnElement[bool]:
    return and_(JobRow.account == account, JobRow.ramp_step == step, ~_RESTS)


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(JobRow).where(*conditions)
    return int(connection.execute(query).scalar_one())


def _set_step(connection: Connection, account: str, step: int) -> None:
    values: dict[str, Any] = {"ramp_step": step}
    connection.execute(update(AccountRow).where(AccountRow.name == account).values(values))
