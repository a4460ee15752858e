"""Leases, intents and outcomes: what a worker writes while it takes a job along its way.

Every write is guarded by the fence of the lease it was made under. A worker that lost its lease changes
nothing and is told so.

The statements that every invoice needs are built once and executed with values by name: building one costs more
than executing it. An UPDATE without columns takes those that the values name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningUpdate

from connector.crashpoints import crashpoint
from connector.domain.errors import LeaseLostError
from connector.domain.identity import number_key
from connector.domain.invoice import Invoice, Original
from connector.domain.job import Effect, Event, Stage, Status, next_status
from connector.ledger import originals, timeline
from connector.ledger import owner as owners
from connector.ledger.cases import judge_arrived
from connector.ledger.database import Database
from connector.ledger.loose import different
from connector.ledger.pen import Change, Pen, free_numbers
from connector.ledger.records import COLUMNS, Entry, Job, Progress, intent, issuing, job_of
from connector.ledger.tables import AccountRow, EventRow, JobRow, SourceRow

POISON = 3
"""Leases in a row that ended without a word, after which a job is held: it may be what kills the workers."""

_APART = timedelta(minutes=5)
"""How far the clocks of two processes may be apart for a while."""

PENDING_ACCOUNTS = different(JobRow.account, JobRow.status == Status.PENDING).c.value
"""The accounts with pending jobs, and one NULL."""

_FREE: Mapping[str, Any] = {"lease_owner": None, "leased_until": None}

_WRITE = update(JobRow).where(JobRow.id == bindparam("held_id"), JobRow.fence == bindparam("held_fence"))
_LEASED = select(*COLUMNS).where(JobRow.status == Status.RUNNING).with_for_update(skip_locked=True)
_RELEASE = (
    update(JobRow)
    .values(
        status=Status.PENDING,
        reason=None,
        details=None,
        attempts=0,
        due_at=bindparam("released"),
        updated_at=bindparam("released"),
    )
    .returning(JobRow.id, JobRow.stage)
)
_TOLD = EventRow.job_id == bindparam("of_job")
_ELSEWHERE = EventRow.stage != bindparam("at_stage")
_LAST = select(func.coalesce(func.max(EventRow.id), 0))
_SINCE = _LAST.where(_TOLD, or_(EventRow.who.is_not(None), _ELSEWHERE)).scalar_subquery()
_IN_VAIN = select(func.count()).where(_TOLD, EventRow.reason == "not_arrived", EventRow.id > _SINCE)
_BEFORE = _LAST.where(_TOLD, _ELSEWHERE).scalar_subquery()
_REACHED = select(func.min(EventRow.at)).where(_TOLD, EventRow.id > _BEFORE)
_ANY_OVERTAKEN = select(JobRow.id).where(originals.overtaken()).limit(1)
_RELEASE_FOLLOWERS = _RELEASE.where(originals.FOLLOWERS)
_PAUSED = select(AccountRow.name).where(AccountRow.paused_reason.is_not(None))
_PAUSED_SOURCES = select(SourceRow.name).where(
    SourceRow.paused_at.is_not(None),
    or_(SourceRow.paused_until.is_(None), SourceRow.paused_until > bindparam("now")),
)


def first_due_at(*pending: ColumnElement[bool]) -> Select[datetime]:
    """Return when the first of an account's pending jobs is due; nothing where there is none.

    As a minimum, SQLite would look for it by the sources and read all that are due of them.
    """
    return select(JobRow.due_at).where(*pending).order_by(JobRow.due_at).limit(1)


def _due_accounts(*conditions: ColumnElement[bool]) -> Select[Any]:
    pending = and_(JobRow.status == Status.PENDING, JobRow.account == PENDING_ACCOUNTS, *conditions)
    first_due = first_due_at(pending).scalar_subquery()
    return select(PENDING_ACCOUNTS).where(first_due <= bindparam("now"), PENDING_ACCOUNTS.not_in(_PAUSED))


_DUE_ACCOUNTS = _due_accounts()
_OF_SOURCES = JobRow.source.in_(bindparam("sources"))
_DUE_ACCOUNTS_OF = _due_accounts(_OF_SOURCES)
_LAST_DUE = (
    select(JobRow.due_at)
    .where(JobRow.status == Status.PENDING, JobRow.account == PENDING_ACCOUNTS)
    .order_by(JobRow.due_at.desc())
    .limit(1)
    .scalar_subquery()
)
_DUE_TOO_LATE = select(PENDING_ACCOUNTS).where(bindparam("latest", type_=JobRow.due_at.type) < _LAST_DUE)
_ANY_DUE_OF = (
    select(JobRow.id)
    .where(
        JobRow.status == Status.PENDING,
        JobRow.account == bindparam("of_account"),
        JobRow.due_at <= bindparam("now"),
        _OF_SOURCES,
    )
    .order_by(JobRow.due_at)
    .limit(1)
)


@cache
def _lease(*, suspects: bool, of_sources: bool) -> ReturningUpdate[Any]:
    """Return the statement that leases what is due; see `Jobs.lease`."""
    due = _due(suspects=suspects, of_sources=of_sources).cte("due").prefix_with("MATERIALIZED", dialect="postgresql")
    return (
        update(JobRow)
        .where(JobRow.id == due.c.id)
        .values(
            status=next_status(Status.PENDING, Event.LEASED),
            fence=JobRow.fence + 1,
            lease_owner=bindparam("owner"),
            leased_until=bindparam("until"),
            updated_at=bindparam("now"),
        )
        .returning(*COLUMNS)
    )


def _due(*, suspects: bool, of_sources: bool) -> Select[Any]:
    paused = select(AccountRow.name).where(
        AccountRow.name == bindparam("of_account"), AccountRow.paused_reason.is_not(None)
    )
    query = (
        select(JobRow.id)
        .where(
            JobRow.status == Status.PENDING,
            JobRow.account == bindparam("of_account"),
            JobRow.due_at <= bindparam("due_before"),
        )
        .where(~paused.exists(), JobRow.source.not_in(_PAUSED_SOURCES))
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, of=JobRow)
    )
    if of_sources:
        query = query.where(JobRow.source.in_(bindparam("sources")))
    if suspects:
        return query.where(JobRow.lapses > 0).order_by(JobRow.lapses, JobRow.due_at, JobRow.id)
    return query.where(JobRow.lapses == 0).order_by(JobRow.due_at, JobRow.id)


class Jobs:
    """The jobs as workers see them."""

    def __init__(self, database: Database, *, lease_seconds: float, owner: str | None = None) -> None:
        """Work on a ledger.

        Args:
            database: the ledger's.
            lease_seconds: how long a lease lasts from its last sign of life; well above the longest call.
            owner: name of the holder; by default this process.
        """
        self._database = database
        self.lease_seconds = lease_seconds
        self._owner = owner
        self._pen = Pen(database, self._until)

    @property
    def owner(self) -> str:
        """The name under which this process holds leases; asked each time, for processes fork."""
        return self._owner or owners.this_process()

    def lease(
        self,
        account: str,
        limit: int,
        *,
        sources: Sequence[str] | None = None,
        suspects: bool = False,
        overdue: float = 0.0,
    ) -> list[Job]:
        """Take up to `limit` due jobs of an account that is not paused, nor their source, longest due first.

        Args:
            account: by its name in the configuration.
            limit: most jobs to take.
            sources: only jobs of these; None means all.
            suspects: take those whose last holder vanished, instead of the others; first those to which it
                happened less often.
            overdue: only what has been due for so many seconds.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        now = self._database.clock.now()
        with self._database.write() as connection:
            before = now - timedelta(seconds=overdue)
            wanted: dict[str, Any] = {"of_account": account, "most": limit, "due_before": before}
            if sources is not None:
                wanted["sources"] = list(sources)
            ours = {"owner": self.owner, "until": self._until(now), "now": now}
            lease = _lease(suspects=suspects, of_sources=sources is not None)
            rows = connection.execute(lease, {**wanted, **ours})
            leased = sorted(map(job_of, rows), key=lambda job: (job.lapses, job.due_at, job.id))
            if not leased:
                return []
            crashpoint("lease", "before_commit")
        crashpoint("lease", "after_commit")
        return leased

    def _until(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self.lease_seconds)

    def begin(
        self,
        job: Job,
        effect: Effect,
        *,
        payload: bytes | None = None,
        version: str | None = None,
        invoice: Invoice | None = None,
        owed: Sequence[Progress] = (),
    ) -> Job:
        """Write down, durably, that an effect is about to be caused. Only then may it be.

        Args:
            job: as leased.
            effect: what is about to happen.
            payload: the exact bytes that will be sent; kept, so that a repetition sends the same.
            version: of the API, for which the payload was written.
            invoice: what the payload was made from; its number at the account is claimed for this job.
            owed: stages that were reached and not written yet.

        Raises:
            LeaseLostError: the job is in other hands.
            RefusedError: `number_clash`, another job owns the number.
            LedgerError: nothing was written, or it is not known; the effect must not be caused.
        """
        values: dict[str, Any] = {"open_effect": effect, "open_since": self._database.clock.now(), "looks": 0}
        if payload is not None:
            values["payload"] = payload
        if invoice is not None:
            values |= issuing(invoice)
        return self._pen.write(
            Change(
                job=job,
                values={**_columns(owed), **values},
                entries=[*(each.told() for each in owed), intent(effect, payload, version)],
                number=number_key(invoice) if invoice is not None else None,
                points=[*_points(owed), (effect, "intent")],
            )
        )

    def claim(self, job: Job, invoice: Invoice) -> Job:
        """Claim the document's number at the account for this job, though nothing is about to be caused.

        From then on the job is looked for under it, whatever number and date it was found with.

        Raises:
            LeaseLostError: the job is in other hands.
            RefusedError: `number_clash`, another job owns the number.
        """
        named = {"number": invoice.number, "issue_date": invoice.issue_date}
        return self._pen.write(Change(job=job, values=named, number=number_key(invoice)))

    def show_life(self, job: Job) -> Job:
        """Extend the lease; nothing else changes.

        Raises:
            LeaseLostError: the job is in other hands.
        """
        return self._pen.write(Change(job=job, values={}))

    def look(self, job: Job) -> Job:
        """Count a look-up that found nothing; the question stays open."""
        entry = Entry(what="looked_up", effect=job.open_effect, outcome="absent")
        return self._pen.write(Change(job=job, values={"looks": job.looks + 1}, entries=[entry]))

    def in_vain(self, job: Job) -> int:
        """Return how many of its requests came to nothing at this stage, since a person last let it go on."""
        with self._database.read() as connection:
            count: int = connection.execute(_IN_VAIN, {"of_job": job.id, "at_stage": job.stage}).scalar_one()
        return count

    def reached_at(self, job: Job) -> datetime:
        """Return when it came to its stage; where its timeline does not tell, when it was found."""
        with self._database.read() as connection:
            at: datetime | None = connection.execute(_REACHED, {"of_job": job.id, "at_stage": job.stage}).scalar_one()
        return at or job.created_at

    def saw(self, job: Job, state: str) -> Job:
        """Take over the state that its document was seen in at B2Brouter; nothing else changes."""
        entry = Entry(what="state", outcome="read", details={"state": state})
        return self._pen.write(Change(job=job, values={"remote_state": state}, entries=[entry]))

    def note(self, job: Job, entry: Entry) -> Job:
        """Append to the timeline; nothing else changes."""
        return self._pen.write(Change(job=job, values={}, entries=[entry]))

    def close_intent(
        self, job: Job, *, outcome: str, request_id: str | None = None, details: Mapping[str, str] | None = None
    ) -> Job:
        """Settle the open question with an outcome that leaves the job at its stage.

        Args:
            job: as last read.
            outcome: `not_sent`, `refused`, or `done` for one of several effects of a stage.
            request_id: of the answer.
            details: what the timeline shall tell besides.
        """
        entry = Entry(
            what="outcome",
            effect=job.open_effect,
            outcome=outcome,
            request_id=request_id,
            details=dict(details or {}),
        )
        progress = {"attempts": 0, "lapses": 0} if outcome == "done" else {}
        closed = {"open_effect": None, "open_since": None, "looks": 0, **progress}
        return self._pen.write(Change(job=job, values=closed, entries=[entry], points=[(entry.effect, "outcome")]))

    def advance(
        self, job: Job, stage: Stage, *, entry: Entry | None = None, owed: Sequence[Progress] = (), **values: Any
    ) -> Job:
        """Reach a stage: settles the open question, forgets the failures of the step, keeps the lease.

        Args:
            job: as last written.
            stage: that was reached.
            entry: what the timeline shall say.
            owed: stages that were reached before and not written yet.
            values: further columns.

        Raises:
            LeaseLostError: the job is in other hands; what was reached stays an open question.
        """
        entry = entry or Entry(what="reached", effect=job.open_effect, outcome="done")
        reached = [*owed, Progress(stage, entry, values)]
        changed = _columns(reached)
        if stage is Stage.SENT:
            changed["sent_at"] = self._database.clock.now()
        if stage is Stage.RECORDED:
            changed |= {"status": next_status(Status.RUNNING, Event.ARRIVED), **_FREE}
        return self._pen.write(
            Change(
                job=job,
                values=changed,
                entries=[each.told() for each in reached],
                also=_ALSO.get(stage),
                points=_points(reached),
            )
        )

    def settle(
        self,
        job: Job,
        event: Event,
        *,
        reason: str | None,
        details: Mapping[str, str],
        delay: float = 0.0,
        attempts: int = 0,
        entry: Entry | None,
        **values: Any,
    ) -> Job:
        """Let go of a job: postponed, blocked, stuck or handed back. An open question stays open.

        Args:
            job: as last read.
            event: what moves it.
            reason: code of the error catalogue.
            details: the facts of the case.
            delay: seconds until it is due again.
            attempts: failures of the present step so far.
            entry: what the timeline shall say; None: it says it already.
            values: further columns.
        """
        now = self._database.clock.now()
        changed = {
            "status": next_status(Status.RUNNING, event),
            "reason": reason,
            "details": dict(details),
            "attempts": attempts,
            "lapses": 0,
            "due_at": now + timedelta(seconds=delay),
            **_FREE,
            **values,
        }
        return self._pen.write(
            Change(job=job, values=changed, entries=[entry] if entry else [], points=[("settle", "commit")])
        )

    def give_back(self, job: Job) -> None:
        """Hand a job back untouched, due at once; nothing is said if it is in other hands already."""
        with suppress(LeaseLostError):
            self._pen.write(Change(job=job, values={"status": next_status(Status.RUNNING, Event.RETURNED), **_FREE}))

    def remember_original(self, job: Job, original: Original, key: str | None) -> Job:
        """Write down which document a correction follows, before anybody is asked for that document.

        Of two that correct each other, whoever looks last then sees both.

        Args:
            job: of the correction.
            original: as the ERP names it.
            key: of the original in the ledger, also where the ERP knows no more than its number.
        """
        known = {"original_key": key, "original_number": original.number, "original_date": original.date}
        if all(getattr(job, name) == value for name, value in known.items()):
            return job
        return self._pen.write(Change(job=job, values=known))

    def rescue(self) -> int:
        """Free the jobs whose holder is dead or silent past its lease; return how many.

        A job whose holders vanished three times in a row is held: it may be what kills them.
        """
        now = self._database.clock.now()
        with self._database.write() as connection:
            leased = connection.execute(_LEASED).all()
            dead: dict[str | None, bool] = {}
            count = 0
            for job in map(job_of, leased):
                if job.lease_owner not in dead:
                    dead[job.lease_owner] = owners.is_dead(job.lease_owner or "")
                if dead[job.lease_owner] or (job.leased_until is not None and job.leased_until < now):
                    self._free(connection, job, now)
                    count += 1
        return count

    def _free(self, connection: Connection, job: Job, now: datetime) -> None:
        lapses = job.lapses + 1
        values: dict[str, Any] = {"fence": job.fence + 1, "lapses": lapses, "updated_at": now, **_FREE}
        if job.open_effect is not None and job.looks == 0:
            # Its request can have left at any time until now: the quiet time begins now.
            values["open_since"] = now
        if lapses >= POISON:
            values |= {"status": next_status(Status.RUNNING, Event.STUCK), "reason": "crashed", "lapses": 0}
        else:
            values |= {"status": next_status(Status.RUNNING, Event.LEASE_LAPSED), "due_at": now}
        connection.execute(_WRITE, {**values, "held_id": job.id, "held_fence": job.fence})
        entry = Entry(what="lease_lapsed", effect=job.open_effect)
        timeline.append(connection, now, [(job.id, job.stage, entry)])

    def hasten(self, *, longest: timedelta) -> int:
        """Have jobs due now that are due later than the longest pause is long; return how many.

        They were written while the clock was ahead, and nobody would take them up until it is as late again. How old
        such a job is counts from now, so that it is told when it stays. An open question keeps its time: a
        machine that is behind must not take it for older than it is.

        Args:
            longest: that a job which is tried again is ever put off.
        """
        now = self._database.clock.now()
        latest = now + longest + _APART
        with self._database.read() as connection:
            accounts = connection.execute(_DUE_TOO_LATE, {"latest": latest}).scalars().all()
        if not accounts:
            return 0
        late = and_(JobRow.status == Status.PENDING, JobRow.account.in_(accounts), JobRow.due_at > latest)
        found_at = case((JobRow.created_at > now, now), else_=JobRow.created_at)
        with self._database.write() as connection:
            return connection.execute(update(JobRow).where(late).values(due_at=now, created_at=found_at)).rowcount

    def release_ready(self) -> int:
        """Free corrections whose original was sent, or given up, while they were lying down to wait for it."""
        with self._database.read() as connection:
            if connection.execute(_ANY_OVERTAKEN).first() is None:
                return 0
        with self._database.write() as connection:
            return release(connection, originals.overtaken(), self._database.clock.now())

    def next_due(
        self, *, sources: Sequence[str] | None = None, but: Collection[str] = (), after: datetime | None = None
    ) -> datetime | None:
        """Return when the next job is due, or its lease lapses; None when nothing is under way.

        Jobs of paused accounts, of the accounts in `but`, and those that were due at `after` do not count.
        """
        paused = select(AccountRow.name).where(AccountRow.paused_reason.is_not(None))
        pending = and_(JobRow.status == Status.PENDING, JobRow.account.not_in(paused), JobRow.account.not_in(but))
        due: Select[Any] = select(func.min(JobRow.due_at)).where(pending)
        leased: Select[Any] = select(func.min(JobRow.leased_until)).where(JobRow.status == Status.RUNNING)
        if after is not None:
            due = due.where(JobRow.due_at > after)
        if sources is not None:
            due, leased = (query.where(JobRow.source.in_(sources)) for query in (due, leased))
        with self._database.read() as connection:
            times = [connection.execute(query).scalar_one() for query in (due, leased)]
        return min((time for time in times if time is not None), default=None)

    def due_accounts(self, *, sources: Sequence[str] | None = None) -> list[str]:
        """Return the accounts that have due jobs and are not paused, in no order."""
        wanted: dict[str, Any] = {"now": self._database.clock.now()}
        query = _DUE_ACCOUNTS
        if sources is not None:
            query, wanted["sources"] = _DUE_ACCOUNTS_OF, list(sources)
        with self._database.read() as connection:
            return list(connection.execute(query, wanted).scalars())

    def has_due(self, account: str, *, sources: Sequence[str]) -> bool:
        """Whether an account has due jobs of these sources."""
        wanted = {"of_account": account, "now": self._database.clock.now(), "sources": list(sources)}
        with self._database.read() as connection:
            return connection.execute(_ANY_DUE_OF, wanted).first() is not None


def _columns(reached: Sequence[Progress]) -> dict[str, Any]:
    return {name: value for each in reached for name, value in each.columns().items()}


def _points(reached: Sequence[Progress]) -> list[tuple[str | None, str]]:
    return [(each.entry.effect, "outcome") for each in reached]


def release_followers(connection: Connection, done: Sequence[Job], now: datetime) -> None:
    """Let the corrections that rest because of these documents be judged anew."""
    for source, company, key in sorted(originals.followed(connection, done)):  # all lock in one order
        of_it = originals.of_document(source, company, key)
        _released(connection, connection.execute(_RELEASE_FOLLOWERS, {"released": now, **of_it}).all(), now)


def _release_followers(connection: Connection, sent: Sequence[Job]) -> None:
    release_followers(connection, sent, max(each.updated_at for each in sent))


_ALSO: Mapping[Stage, Callable[[Connection, Sequence[Job]], None]] = {
    Stage.FOUND: free_numbers,  # withdrawn
    Stage.SENT: _release_followers,
    Stage.RECORDED: judge_arrived,
}
"""What belongs into the transaction that reaches a stage."""


def release(connection: Connection, resting: ColumnElement[bool], now: datetime) -> int:
    """Let resting jobs go on, their failures forgotten, and say so in their timelines; return how many."""
    return _released(connection, connection.execute(_RELEASE.where(resting), {"released": now}).all(), now)


def _released(connection: Connection, jobs: Sequence[Any], now: datetime) -> int:
    entry = Entry(what="released")
    timeline.append(connection, now, [(job.id, job.stage, entry) for job in jobs])
    return len(jobs)


def still(job: Job) -> ColumnElement[bool]:
    """Whether nobody has written to a job that nobody leases any more, since it was read."""
    return and_(JobRow.updated_at == job.updated_at, JobRow.reason.is_not_distinct_from(job.reason))


def insert_or_ignore(database: Database, table: Any) -> Any:
    """Return the INSERT into a table that leaves what is there already; built once for each."""
    return _insert_or_ignore(insert_dialect(database), table)


@cache
def _insert_or_ignore(insert: Any, table: Any) -> Any:
    return insert(table).on_conflict_do_nothing()


def insert_dialect(database: Database) -> Any:
    """Return the INSERT of the ledger's database: both know ON CONFLICT, each spells it in its own module."""
    return sqlite.insert if database.is_sqlite else postgresql.insert
