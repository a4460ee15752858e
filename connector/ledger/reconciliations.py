"""What comparisons of ERP, ledger and B2Brouter came to, and what of the ledger is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, true, update

from connector.domain import catalogue
from connector.domain.catalogue import Who
from connector.domain.job import Effect, Stage, Status
from connector.ledger import owner as owners
from connector.ledger import timeline
from connector.ledger.database import Database
from connector.ledger.loose import different
from connector.ledger.records import Entry
from connector.ledger.tables import DifferenceRow, JobRow, ReconciliationRow

_PAGE: Final = 1000
_RUNS: Final = 20
"""Finished comparisons of an account that are remembered."""

_MADE: Final = and_(ReconciliationRow.finished_at.is_not(None), ReconciliationRow.fault.is_(None))
"""Of a comparison that could be made."""

_MOST: Final = 10_000
"""Differences of one comparison that are remembered one by one; all of them are counted."""

_ABANDONED: Final = timedelta(hours=6)
"""After this a comparison that has not ended is taken for dead, where nobody can tell whether its process is."""

BROKEN_OFF: Final = "broken off"
"""The fault of a comparison that did not come to its end, such as one whose process was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJob:
    """What is compared of a job."""

    id: int
    source: str
    company: str
    key: str
    number: str | None
    issue_date: date | None
    currency: str | None
    total: Decimal | None
    stage: Stage
    status: Status
    open_effect: Effect | None
    reference: str | None
    xref: str | None
    remote_state: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same on all sides; the reason is the catalogue's."""

    reason: str
    details: Mapping[str, str]
    source: str | None = None  # None: of a document that only B2Brouter knows
    company: str | None = None
    key: str | None = None
    job_id: int | None = None
    number: str | None = None
    issue_date: date | None = None
    currency: str | None = None
    total: Decimal | None = None
    reference: str | None = None
    command: str = ""  # that cures it, or shows how

    @property
    def who(self) -> Who:
        """Who must act."""
        return catalogue.reason(self.reason).who

    @property
    def needs_person(self) -> bool:
        """Whether a person must act."""
        return self.who in {Who.ACCOUNTANT, Who.OPERATOR}

    def message(self, language: str | None = None) -> str:
        """It in one sentence; see `catalogue.Reason.message`."""
        return catalogue.reason(self.reason).message(self.details, language)

    def advice(self, language: str | None = None) -> str:
        """What to do about it."""
        return catalogue.reason(self.reason).advice(self.details, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One comparison of an account and what it came to."""

    id: int
    account: str
    started_at: datetime
    finished_at: datetime | None
    first_day: date | None  # of issue; None: from the beginning
    last_day: date | None
    erp: int  # documents on each side
    ledger: int
    remote: int
    differences: int
    for_person: int
    by_reason: Mapping[str, str]  # counts
    fault: str | None  # why it could not be made


_DIFFERENCE: Final = tuple(Difference.__dataclass_fields__)
_KNOWN: Final = tuple(getattr(JobRow, name) for name in KnownJob.__dataclass_fields__)
_DATED: Final = select(different(JobRow.account, JobRow.issue_date.is_not(None)).c.value)
_RUN: Final = tuple(getattr(ReconciliationRow, name) for name in Reconciliation.__dataclass_fields__)


def _of_all_since(first: date) -> ColumnElement[bool]:
    """Whether a comparison was about all that was issued from a day on, and not a person's look at some days."""
    start = ReconciliationRow.first_day
    return and_(ReconciliationRow.last_day.is_(None), or_(start.is_(None), start <= first))


class Reconciliations:
    """The ledger as comparisons see it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    # ------------------------------------------------------------ what is compared

    def jobs(self, account: str, start: date | None, end: date | None) -> Iterator[list[KnownJob]]:
        """Yield the jobs of an account by their day of issue, page by page; those without a day always."""
        within = [JobRow.issue_date >= start] if start else []
        within += [JobRow.issue_date <= end] if end else []
        query = select(*_KNOWN).where(
            JobRow.account == account, or_(JobRow.issue_date.is_(None), and_(true(), *within))
        )
        after = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(JobRow.id > after).order_by(JobRow.id).limit(_PAGE)).all()
            if not rows:
                return
            yield [KnownJob(**row._mapping) for row in rows]
            after = rows[-1].id

    def owners(self, account: str, references: Sequence[str]) -> set[str | None]:
        """Return which of these documents at B2Brouter belong to a job of the account, whatever its day."""
        query = select(JobRow.reference).where(JobRow.account == account, JobRow.reference.in_(references))
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def first_day(self, account: str) -> date | None:
        """Return the day of issue of an account's oldest document."""
        query = select(func.min(JobRow.issue_date)).where(JobRow.account == account)
        with self._database.read() as connection:
            found: date | None = connection.execute(query).scalar_one()
        return found

    def accounts_to_compare(self) -> set[str]:
        """Return the accounts with documents that have a day of issue."""
        with self._database.read() as connection:
            return set(connection.execute(_DATED).scalars()) - {None}

    def recorded_again(self, difference: Difference, *, who: str) -> None:
        """Write into the timeline of a job that its reference was written into the ERP once more."""
        assert difference.job_id is not None
        entry = Entry(what="recorded_again", effect=Effect.RECORD, outcome="done", who=who)
        with self._database.write() as connection:
            timeline.append(connection, self._database.clock.now(), [(difference.job_id, Stage.RECORDED, entry)])

    # ------------------------------------------------------------ what it came to

    def begin(self, account: str, start: date | None, end: date | None) -> int | None:
        """Write down that a comparison begins; return its id, None where another one is under way."""
        now = self._database.clock.now()
        values = {"account": account, "owner": owners.this_process(), "started_at": now}
        values |= {"first_day": start, "last_day": end}
        with self._database.write() as connection:
            if self._is_under_way(connection, account, now):
                return None
            made = insert(ReconciliationRow).values(**values, erp=0, ledger=0, remote=0, differences=0, for_person=0)
            return int(connection.execute(made.returning(ReconciliationRow.id)).scalar_one())

    def _is_under_way(self, connection: Connection, account: str, now: datetime) -> bool:
        """Whether an account is being compared; what a dead process has left is brought to its end."""
        row = ReconciliationRow
        open_ = select(row.id, row.owner, row.started_at).where(row.account == account, row.finished_at.is_(None))
        dead = []
        for run in connection.execute(open_):
            if run.started_at > now - _ABANDONED and not owners.is_dead(run.owner or ""):
                return True
            dead.append(run.id)
        if dead:
            ended = {"finished_at": now, "fault": BROKEN_OFF}
            connection.execute(update(row).where(row.id.in_(dead)).values(ended))
        return False

    def add(self, run: int, known: int, differences: Sequence[Difference]) -> None:
        """Remember further differences of a comparison, of which so many are known already."""
        rows = [
            {**{name: getattr(one, name) for name in _DIFFERENCE}, "run_id": run, "seq": seq}
            for seq, one in enumerate(differences, start=known + 1)
            if seq <= _MOST
        ]
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(DifferenceRow), rows)

    def finish(
        self,
        run: int,
        *,
        by_reason: Mapping[str, int],
        for_person: int,
        sides: Mapping[str, int],
        fault: str | None = None,
    ) -> None:
        """Write down what a comparison came to; forget the oldest of its account, but for the last that was made."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(
                update(ReconciliationRow)
                .where(ReconciliationRow.id == run)
                .values(
                    finished_at=now,
                    differences=sum(by_reason.values()),
                    for_person=for_person,
                    by_reason={reason: str(number) for reason, number in sorted(by_reason.items())},
                    fault=fault,
                    **sides,
                )
            )
            account = select(ReconciliationRow.account).where(ReconciliationRow.id == run).scalar_subquery()
            ids = select(ReconciliationRow.id).where(ReconciliationRow.account == account)
            made = ids.where(_MADE)
            old = set(connection.execute(ids.order_by(ReconciliationRow.id.desc()).offset(_RUNS)).scalars())
            old.discard(connection.execute(made.order_by(ReconciliationRow.id.desc()).limit(1)).scalar() or 0)
            connection.execute(delete(DifferenceRow).where(DifferenceRow.run_id.in_(old)))
            connection.execute(delete(ReconciliationRow).where(ReconciliationRow.id.in_(old)))

    # ------------------------------------------------------------ what is asked

    def get(self, run: int) -> Reconciliation | None:
        """Return a comparison; None where it is forgotten."""
        return self._one(select(*_RUN).where(ReconciliationRow.id == run))

    def last(self, account: str) -> Reconciliation | None:
        """Return the newest comparison of an account that has ended, whether or not it could be made."""
        ended = select(*_RUN).where(ReconciliationRow.account == account, ReconciliationRow.finished_at.is_not(None))
        return self._one(ended)

    def last_of_each(self) -> Mapping[str, Reconciliation]:
        """Return by account its newest comparison that has ended, whether or not it could be made."""
        return self._newest(ReconciliationRow.finished_at.is_not(None))

    def last_made(self, account: str) -> Reconciliation | None:
        """Return the newest comparison of an account that could be made."""
        return self._one(select(*_RUN).where(ReconciliationRow.account == account, _MADE))

    def last_begun(self, first: date) -> Mapping[str, Reconciliation]:
        """Return the newest comparison of each account, ended or not, of all that was issued from a day on."""
        return self._newest(_of_all_since(first))

    def _newest(self, which: ColumnElement[bool]) -> Mapping[str, Reconciliation]:
        newest = select(func.max(ReconciliationRow.id)).where(which).group_by(ReconciliationRow.account)
        with self._database.read() as connection:
            rows = connection.execute(select(*_RUN).where(ReconciliationRow.id.in_(newest))).all()
        return {row.account: Reconciliation(**row._mapping) for row in rows}

    def wanted_since(self, every: timedelta, first: date) -> Mapping[str, datetime]:
        """Return since when the next comparison of each account is wanted; in the future where it is not yet.

        That is so long after the last one that could be made of all that was issued from a day on; where none could,
        since the first that is remembered.
        """
        begun, good = ReconciliationRow.started_at, and_(_MADE, _of_all_since(first))
        query = select(
            ReconciliationRow.account, func.max(case((good, begun))).label("good"), func.min(begun).label("first")
        ).group_by(ReconciliationRow.account)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.account: row.first if row.good is None else row.good + every for row in rows}

    def _one(self, query: Any) -> Reconciliation | None:
        with self._database.read() as connection:
            row = connection.execute(query.order_by(ReconciliationRow.id.desc()).limit(1)).one_or_none()
        return Reconciliation(**row._mapping) if row else None

    def recent(self, limit: int = _RUNS) -> list[Reconciliation]:
        """Return the newest comparisons of all accounts, newest first."""
        query = select(*_RUN).order_by(ReconciliationRow.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [Reconciliation(**row._mapping) for row in connection.execute(query)]

    def differences(
        self, run: int, *, reason: str | None = None, after: int = 0, limit: int = 100
    ) -> list[Difference]:
        """Return differences that a comparison found, in pages: those after the first `after` ones."""
        columns = tuple(getattr(DifferenceRow, name) for name in _DIFFERENCE)
        query = select(*columns).where(DifferenceRow.run_id == run).order_by(DifferenceRow.seq)
        if reason is not None:
            query = query.where(DifferenceRow.reason == reason)
        with self._database.read() as connection:
            return [Difference(**row._mapping) for row in connection.execute(query.offset(after).limit(limit))]
