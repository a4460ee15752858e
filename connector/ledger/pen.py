"""The guarded writes of a process's workers: what they write at the same time goes into one transaction.

A commit costs more than what it commits, and a statement for many rows hardly more than one for a single row. Each
write stands under the fence of the lease it was made under. Where one of several may not be written, none is, and
each is tried alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Dialect, and_, bindparam, delete, select

from connector.crashpoints import crashpoint
from connector.domain.errors import LeaseLostError, LedgerError, RefusedError
from connector.domain.identity import storable
from connector.domain.job import Stage, Status
from connector.ledger import raw, timeline
from connector.ledger.database import Database
from connector.ledger.records import Entry, Job
from connector.ledger.tables import JobRow, NumberClaimRow
from connector.together import Together

_JOB: Final[Any] = JobRow.__table__
_CLAIM: Final[Any] = NumberClaimRow.__table__

_NUMBER: Final = and_(
    NumberClaimRow.account == bindparam("account"), NumberClaimRow.number_key == bindparam("number_key")
)
_HOLDER: Final = select(NumberClaimRow.job_id).where(_NUMBER)
_FREE: Final = delete(NumberClaimRow).where(_NUMBER)

_NEWS: Final = (
    "remote_state", "state_changed_at", "state_event", "state_note", "state_recorded_at", "report_refused"
)  # fmt: skip
"""What others may have written about a job in hand meanwhile: news of B2Brouter."""

_KNOWN: Final = frozenset(Job.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a worker writes about the job in its hands."""

    job: Job
    values: Mapping[str, Any]
    entries: Sequence[Entry] = ()
    number: str | None = None  # the document's, in one spelling, to be claimed at the account
    also: Callable[[Connection, Sequence[Job]], None] | None = None  # what else belongs into it, for all such jobs
    points: Sequence[tuple[str | None, str]] = ()  # (effect, "intent"), …; see `crashpoints`


class Pen:
    """Writes changes, and extends the leases with them: each is a sign of life."""

    def __init__(self, database: Database, until: Callable[[datetime], datetime]) -> None:
        """Write into a ledger.

        Args:
            database: the ledger's.
            until: when a lease ends that shows life at a time.
        """
        self._database = database
        self._until = until
        self._together = Together(self._write)

    def write(self, change: Change) -> Job:
        """Write a change durably; return the job as it is then.

        Raises:
            LeaseLostError: the job is in other hands.
            RefusedError: `number_clash`, another job owns the number.
            LedgerError: nothing was written, or it is not known.
        """
        after = self._together.do(change)
        for effect, what in change.points:
            crashpoint(effect, f"after_{what}")
        return after

    def _write(self, changes: Sequence[Change]) -> Sequence[Job | Exception]:
        try:
            return self._at_once(changes)
        except (LeaseLostError, RefusedError):
            return [self._alone(change) for change in changes]

    def _alone(self, change: Change) -> Job | Exception:
        try:
            [after] = self._at_once([change])
        except (LeaseLostError, RefusedError, LedgerError) as error:
            return error
        return after

    def _at_once(self, changes: Sequence[Change]) -> Sequence[Job]:
        """Write all changes or none."""
        with self._database.write() as connection:
            now = self._database.clock.now()
            _claim(connection, changes)
            after = _change(connection, changes, {"leased_until": self._until(now), "updated_at": now})
            timeline.append(connection, now, _told(changes, after))
            for also, jobs in _also(changes, after).items():
                also(connection, jobs)
            for effect, what in chain.from_iterable(change.points for change in changes):
                crashpoint(effect, f"before_{what}")
        return [after[change.job.id] for change in changes]


def _change(connection: Connection, changes: Sequence[Change], alive: Mapping[str, Any]) -> Mapping[int, Job]:
    """Write the columns of jobs, those that the same columns are written of together.

    The jobs are in nobody else's hands, so that no two transactions wait for each other's rows.

    Raises:
        LeaseLostError: not all of them are in the hands of those who write.
    """
    if len({change.job.id for change in changes}) < len(changes):
        # A statement would tell that the job was written, not for whom: each is asked for its own fence.
        raise LeaseLostError("two write about one job, which is in the hands of one of them at most")
    alike: dict[tuple[str, ...], dict[int, tuple[Job, Mapping[str, Any]]]] = {}
    for change in changes:
        values = {**alive, **change.values}
        alike.setdefault(tuple(values), {})[change.job.id] = (change.job, values)
    after: dict[int, Job] = {}
    for names, some in alike.items():
        rows = [(job.id, job.fence, *values.values()) for job, values in some.values()]
        written = _update(connection, names, rows)
        for lost in (id_ for id_ in some if id_ not in written):
            raise LeaseLostError(f"job {lost} is in other hands")
        after |= {id_: _after(*some[id_], news) for id_, news in written.items()}
    return after


def _after(job: Job, values: Mapping[str, Any], news: Mapping[str, Any]) -> Job:
    known = {name: value for name, value in values.items() if name in _KNOWN}
    return replace(job, **{**known, **news, "details": known.get("details", job.details) or {}})


def _also(
    changes: Sequence[Change], after: Mapping[int, Job]
) -> Mapping[Callable[[Connection, Sequence[Job]], None], Sequence[Job]]:
    """Return what else belongs into the transaction, with the jobs for which it does."""
    wanted: dict[Callable[[Connection, Sequence[Job]], None], list[Job]] = {}
    for change in changes:
        if change.also is not None:
            wanted.setdefault(change.also, []).append(after[change.job.id])
    return wanted


def _told(changes: Sequence[Change], after: Mapping[int, Job]) -> Iterator[tuple[int, Stage, Entry]]:
    """Yield what the timelines say of changes."""
    for change in changes:
        job = after[change.job.id]
        for entry in change.entries:
            yield job.id, job.stage, entry


def _claim(connection: Connection, changes: Sequence[Change]) -> None:
    """Claim numbers for jobs, and give up what they claimed before: a job has one number.

    No question about an earlier number of a job is open where it claims one: that number is free again.

    Raises:
        RefusedError: `number_clash`.
    """
    # In one order everywhere: two that wait for each other's numbers would wait for ever.
    wanted = sorted(
        (change.job.account, storable(change.number), change.job.id) for change in changes if change.number
    )
    if not wanted:
        return
    names = ("account", "number_key", "job_id")
    raw.insert(connection, _CLAIM, names, wanted, otherwise="ON CONFLICT DO NOTHING")
    jobs, values = raw.among(connection, _CLAIM, "job_id", [id_ for *_, id_ in wanted])
    claimed = f"SELECT {', '.join(names)} FROM number_claim WHERE {jobs}"  # noqa: S608 - our own columns
    claims = {tuple(row) for row in connection.exec_driver_sql(claimed, values)}
    for account, number, _ in (each for each in wanted if each not in claims):
        holder = connection.execute(_HOLDER, {"account": account, "number_key": number}).scalar_one()
        raise RefusedError("number_clash", {"other": str(holder)})
    for account, number, _ in claims.difference(wanted):
        connection.execute(_FREE, {"account": account, "number_key": number})


def free_numbers(connection: Connection, jobs: Sequence[Job]) -> None:
    """Give up what jobs have claimed: others may have these numbers."""
    connection.execute(delete(NumberClaimRow).where(NumberClaimRow.job_id.in_([job.id for job in jobs])))


def _update(
    connection: Connection, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> Mapping[int, Mapping[str, Any]]:
    """Write columns of jobs that are in the hands of whoever has their fence; return the news of those written."""
    columns = ("id", "fence", *names)
    written = connection.exec_driver_sql(
        _guarded(connection.dialect, columns, raw.listed(connection, len(columns), len(rows))),
        raw.given(connection, _JOB, columns, rows),
    )
    return {
        id_: {name: raw.read(connection, _JOB, name, value) for name, value in zip(_NEWS, news, strict=True)}
        for id_, *news in written
    }


@lru_cache(raw.KEPT)
def _guarded(dialect: Dialect, columns: tuple[str, ...], rows: str) -> str:
    id_, fence, *others = (
        f"{name} = {raw.typed(dialect, _JOB, name, f'v.column{place}')}"
        for place, name in enumerate(columns, start=1)
    )
    return (
        f"UPDATE job SET {', '.join(others)} FROM {rows}"  # noqa: S608 - names of our own columns
        f" WHERE job.{id_} AND job.{fence} AND job.status = '{Status.RUNNING}'"
        f" RETURNING job.id, {', '.join(f'job.{name}' for name in _NEWS)}"
    )
