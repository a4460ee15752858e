"""What people do to jobs: retry, hold, release, skip, link. Each act is in the timeline with who and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from connector.domain.invoice import Invoice
from connector.domain.job import Event, Stage, Status, allows, is_case, next_status
from connector.ledger import cases, timeline
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.jobs import release, release_followers, still
from connector.ledger.originals import siblings
from connector.ledger.pen import free_numbers
from connector.ledger.queries import Filter
from connector.ledger.records import LIGHT_COLUMNS, Entry, Job, issuing, job_of
from connector.ledger.tables import JobRow

_BATCH = 500
_PAGE = 1000

DECIDED_BY_RETRY: Final = frozenset(
    {"outcome_unknown", "remote_missing", "totals_differ", "undeliverable", "attachments_unclear"}
)
"""Reasons on which a retry is a decision, by the catalogue: the step that meets the same again goes on where it
stopped before. They stay with the job until then."""

_UNSENT: Final = frozenset({Stage.CREATED, Stage.VERIFIED})
"""Stages at which a document stands at B2Brouter that was not sent yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One kind of act: what it does to the status, and to which jobs it may be done."""

    name: str
    event: Event
    statuses: frozenset[Status]

    def fits(self, job: Job) -> bool:
        """Whether the act makes sense for a job."""
        if self.event is Event.SKIPPED and is_case(job.status, job.reason):
            return True  # the case is let be, not the document
        if job.status not in self.statuses or not allows(job.status, self.event):
            return False
        # What stands at B2Brouter cannot be declared unissued here.
        return self.event is not Event.SKIPPED or job.open_effect is None

    def clause(self) -> ColumnElement[bool]:
        """Return the same as a condition."""
        fitting = JobRow.status.in_([status for status in self.statuses if allows(status, self.event)])
        if self.event is not Event.SKIPPED:
            return fitting
        return or_(and_(fitting, JobRow.open_effect.is_(None)), cases.CASE)


RETRY = Act(name="retry", event=Event.RELEASED, statuses=frozenset({Status.HELD, Status.WAITING, Status.PENDING}))
HOLD = Act(name="hold", event=Event.HELD, statuses=frozenset({Status.PENDING, Status.WAITING}))
RELEASE = Act(name="release", event=Event.RELEASED, statuses=frozenset({Status.HELD, Status.SKIPPED}))
SKIP = Act(name="skip", event=Event.SKIPPED, statuses=frozenset({Status.PENDING, Status.WAITING, Status.HELD}))

ACTS: Final = {act.name: act for act in (RETRY, HOLD, RELEASE, SKIP)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Which jobs an act would change, and which of the meant ones it does not fit."""

    fitting: Sequence[Job]
    unfit: Sequence[Job]


class Actions:
    """The ledger as people act on it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def preview(self, act: Act, wanted: Filter) -> Preview:
        """Return what the act would do; changes nothing."""
        fitting: list[Job] = []
        unfit: list[Job] = []
        for job in self._meant(wanted):
            (fitting if act.fits(job) else unfit).append(job)
        return Preview(fitting=fitting, unfit=unfit)

    def _meant(self, wanted: Filter) -> Iterator[Job]:
        """Yield jobs by id, in pages, without their payloads."""
        query = select(*LIGHT_COLUMNS).where(wanted.clause()).order_by(JobRow.id).limit(_PAGE)
        after = 0
        while True:
            with self._database.read() as connection:
                page = [job_of(row) for row in connection.execute(query.where(JobRow.id > after))]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    def perform(self, act: Act, jobs: Sequence[Job], *, who: str, note: str) -> list[int]:
        """Do it, in batches; return the ids of the jobs that changed.

        A job that moved meanwhile is left alone, as is one that the act does not fit. Originals come before
        their credit notes, by id.
        """
        done: list[int] = []
        jobs = [job for job in jobs if act.fits(job)]
        for start in range(0, len(jobs), _BATCH):
            with self._database.write() as connection:
                now = self._database.clock.now()
                changed = [
                    job for job in jobs[start : start + _BATCH] if perform_one(connection, act, job, who, note, now)
                ]
                if changed:
                    write_deed(connection, now, who=who, what=act.name, note=note, **_about(changed))
            done += [job.id for job in changed]
        return done

    def link(
        self,
        job: Job,
        *,
        reference: str,
        remote_state: str | None,
        invoice: Invoice,
        stage: Stage,
        who: str,
        note: str,
    ) -> bool:
        """Tie a job to a document that exists at B2Brouter; return whether the job was still at rest.

        `invoice` is the ERP's document with which it was compared.
        """
        now = self._database.clock.now()
        guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
        values = {
            "stage": stage,
            "status": Status.PENDING,
            "reference": reference,
            "remote_state": remote_state,
            "state_changed_at": None,
            "state_event": None,
            "state_note": None,
            **issuing(invoice),
            "payload": None,  # what was frozen here did not make that document: it is not ours to delete
            "reason": None,
            "details": None,
            "attempts": 0,
            "open_effect": None,
            "open_since": None,
            "looks": 0,
            "due_at": now,
            "updated_at": now,
        }
        with self._database.write() as connection:
            if not connection.execute(update(JobRow).where(guard).values(values)).rowcount:
                return False
            entry = Entry(what="link", details={"reference": reference}, who=who, note=note)
            timeline.append(connection, now, [(job.id, stage, entry)])
            write_deed(connection, now, who=who, what="link", note=note, **_about([job]))
        return True

    def retry_exhausted(self, *, who: str, note: str) -> int:
        """Try again what was given up after too many transient faults; return how many."""
        wanted = self.preview(RETRY, Filter(status=Status.HELD, reason="retries_exhausted"))
        return len(self.perform(RETRY, wanted.fitting, who=who, note=note))


def _let_be(connection: Connection, job: Job, who: str, note: str, now: datetime) -> bool:
    """Close the case of a document that was sent by a person's word; what was issued stays issued."""
    guard = and_(JobRow.id == job.id, JobRow.status == job.status, still(job))
    closed = {"reason": None, "details": None, "updated_at": now}
    if not connection.execute(update(JobRow).where(guard).values(closed)).rowcount:
        return False
    entry = Entry(what="dismissed", reason=job.reason, details=job.details, who=who, note=note)
    timeline.append(connection, now, [(job.id, job.stage, entry)])
    if job.reason == cases.REASON and job.reference is not None:
        cases.let_be(connection, job.reference)
    cases.judge(connection, JobRow.id == job.id, now)
    return True


def perform_one(
    connection: Connection,
    act: Act,
    job: Job,
    who: str,
    note: str,
    now: datetime,
    *,
    spared: ColumnElement[bool] | None = None,
) -> bool:
    """Do an act to one job that it fits; return whether the job was still as it was read.

    Of the other corrections that go on where one is left out, those that are `spared` do not.
    """
    if act.event is Event.SKIPPED and is_case(job.status, job.reason):
        return _let_be(connection, job, who, note, now)
    values: dict[str, Any] = {"status": next_status(job.status, act.event), "updated_at": now}
    if act.event is Event.HELD:
        values |= {"reason": "held_by_person", "details": {"who": who, "note": note}}
    else:
        values |= {"attempts": 0, "due_at": now}
        if act.event is not Event.RELEASED or job.reason not in DECIDED_BY_RETRY:
            values |= {"reason": None, "details": None}
        if job.status is Status.SKIPPED and job.stage in _UNSENT:
            values["fingerprint"] = None  # its number may be another's by now: it is withdrawn, and made anew
    guard = and_(JobRow.id == job.id, JobRow.status == job.status, JobRow.fence == job.fence)
    if not connection.execute(update(JobRow).where(guard).values(values)).rowcount:
        return False
    if act.event is Event.SKIPPED and not job.stage.reached(Stage.SENT):
        release_followers(connection, [job], now)  # to be judged anew: their original will not be issued
        others = siblings(job)
        release(connection, others if spared is None else and_(others, ~spared), now)
        free_numbers(connection, [job])
    entry = Entry(what=act.name, reason=job.reason, details=job.details, who=who, note=note)
    timeline.append(connection, now, [(job.id, job.stage, entry)])
    if act.event is Event.SKIPPED and job.stage.reached(Stage.SENT):
        cases.judge_left_out(connection, job.id, now)
    return True


def _about(jobs: Sequence[Job]) -> dict[str, Any]:
    """Say what a deed was about."""
    if len(jobs) == 1:
        return {"subject": jobs[0].number or f"id {jobs[0].id}", "job_id": jobs[0].id, "count": 1}
    return {"subject": jobs[0].account if len({job.account for job in jobs}) == 1 else "", "count": len(jobs)}
