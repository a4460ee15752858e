"""Jobs that change hands: from the account they were found under to the one that issues for their company now."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from connector.domain import catalogue
from connector.domain.job import Event, Stage, Status, next_status
from connector.ledger import timeline
from connector.ledger.database import Database
from connector.ledger.jobs import release
from connector.ledger.records import Entry, Job
from connector.ledger.tables import JobRow, NumberClaimRow

REASON: Final = "account_changed"
"""Why a job is held that cannot change hands."""

_EARLY: Final = frozenset({Stage.FOUND, Stage.CONTACT_READY})
_UNSENT: Final = _EARLY | {Stage.CREATED, Stage.VERIFIED}
_FREE: Final = and_(JobRow.stage.in_(_EARLY), JobRow.open_effect.is_(None))
# What is left out as well: a person may change their mind.
_AT_REST: Final = JobRow.status.in_([Status.PENDING, Status.WAITING, Status.HELD, Status.SKIPPED])
_RESTING: Final = and_(_FREE, _AT_REST)
_BOUND: Final = and_(JobRow.stage.in_(_UNSENT), ~_FREE, JobRow.status.in_([Status.PENDING, Status.WAITING]))
_HOMELESS: Final = and_(_FREE, JobRow.status == Status.PENDING)
_OF_BEFORE: Final = {"contact_id": None, "payload": None, "ramp_step": None}
"""What a job had of its account: contact, the bytes that name it, a place in the first run."""

# Of all sources: for one of them SQLite reads all its jobs, by the index of its keys.
_PRESENT: Final = (
    select(JobRow.source, JobRow.company, JobRow.account).where(_AT_REST, JobRow.stage.in_(_UNSENT)).distinct()
)

_KNOWN_FOR: Final = 60.0
"""Seconds for which what rests of a source need not be read again: a thousand sources ask one after another."""

_BATCH: Final = 500


def may_change_hands(job: Job) -> bool:
    """Whether nothing of a document is at B2Brouter, as far as can be known."""
    return job.stage in _EARLY and job.open_effect is None


class Handover:
    """The ledger as the configuration sees it: whose account issues for which company."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database
        self._lock = threading.Lock()
        self._present: Mapping[str, Collection[tuple[str, str]]] = {}
        self._asked: set[str] = set()  # for which sources, since that was read
        self._known_until = -math.inf

    def assign(self, source: str, account_of: Callable[[str], str | None], *, seconds: float = math.inf) -> int:
        """Give jobs of a source that rest to the accounts that issue for their companies now; return how many.

        Those of which something may be at B2Brouter stay where they are, and those of companies without an account:
        they are held, for it may be that nobody works for their account at this source any more.

        After so many seconds the rest is left for another time.
        """
        until = time.monotonic() + seconds
        count = 0
        for company, before in self._rests(source):
            now = account_of(company)
            if now == before:
                continue
            jobs = and_(JobRow.source == source, JobRow.company == company, JobRow.account == before)
            held = partial(self._hold, facts={"source": source, "company": company, "account": before})
            self._each(and_(jobs, _BOUND), held, until)
            if now is None:
                self._each(and_(jobs, _HOMELESS), held, until)
            else:
                count += self._each(and_(jobs, _RESTING), partial(self._give, account=now), until)
        return count

    def _rests(self, source: str) -> Collection[tuple[str, str]]:
        """Return the companies and accounts of what rests of a source; read for all at once, for each source anew."""
        with self._lock:
            now = self._database.clock.monotonic()
            if source in self._asked or now >= self._known_until:
                self._present, self._asked = self._read(), set()
                self._known_until = now + _KNOWN_FOR
            self._asked.add(source)
            return self._present.get(source, ())

    def _read(self) -> Mapping[str, Collection[tuple[str, str]]]:
        present: dict[str, list[tuple[str, str]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(_PRESENT):
                present.setdefault(row.source, []).append((row.company, row.account))
        return present

    def _each(self, jobs: ColumnElement[bool], act: Callable[[Connection, Sequence[int]], None], until: float) -> int:
        """Do something to jobs, some at a time; return to how many. Those that are in use are passed over."""
        some = select(JobRow.id).where(jobs).order_by(JobRow.id).limit(_BATCH)
        count = last = 0
        while True:
            with self._database.write() as connection:
                further = some.where(JobRow.id > last).with_for_update(skip_locked=True)
                ids = connection.execute(further).scalars().all()
                if ids:
                    act(connection, ids)
            count += len(ids)
            if len(ids) < _BATCH or time.monotonic() >= until:
                return count
            last = ids[-1]

    def _hold(self, connection: Connection, ids: Sequence[int], facts: dict[str, str]) -> None:
        now, entry = self._database.clock.now(), Entry(what=str(Event.STUCK), reason=REASON, details=facts)
        held = {"status": Status.HELD, "reason": REASON, "details": facts, "attempts": 0, "updated_at": now}
        those = update(JobRow).where(JobRow.id.in_(ids)).values(held).returning(JobRow.id, JobRow.stage)
        timeline.append(connection, now, [(row.id, row.stage, entry) for row in connection.execute(those)])

    def hand_over(self, job: Job, account: str) -> None:
        """Give a leased job to another account, due at once; nothing happens if it is in other hands already."""
        held = and_(JobRow.id == job.id, JobRow.fence == job.fence, JobRow.status == Status.RUNNING)
        free = {"status": next_status(Status.RUNNING, Event.RETURNED), "lease_owner": None, "leased_until": None}
        with self._database.write() as connection:
            if connection.execute(update(JobRow).where(held).values(free)).rowcount:
                self._give(connection, [job.id], account)

    def _give(self, connection: Connection, ids: Sequence[int], account: str) -> None:
        """Change the account of jobs; those that rest because of the one of before go on."""
        now, ours = self._database.clock.now(), JobRow.id.in_(ids)
        found = connection.execute(select(JobRow.id, JobRow.stage, JobRow.account).where(ours)).all()
        connection.execute(delete(NumberClaimRow).where(NumberClaimRow.job_id.in_(ids)))
        connection.execute(update(JobRow).where(ours).values(account=account, updated_at=now, **_OF_BEFORE))
        told = [
            (row.id, row.stage, Entry(what="handed_over", details={"before": row.account, "account": account}))
            for row in found
        ]
        timeline.append(connection, now, told)
        of_before = and_(JobRow.status != Status.SKIPPED, JobRow.reason.in_(_of_account()))
        release(connection, and_(ours, or_(JobRow.status == Status.PENDING, of_before)), now)


def _of_account() -> list[str]:
    """The reasons that are about the account: another one has to judge anew."""
    return [code for code, entry in catalogue.reasons().items() if "account" in entry.cause]
