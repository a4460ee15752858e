"""A ledger in memory that keeps every promise of the real one that steps, journey and sweep rely on.

Some twenty times faster, so that all pairs of faults can be played on every commit. `test_twin.py` plays a
sample of the schedules, nightly every single fault, on both and compares what happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from connector.domain.errors import LeaseLostError, RefusedError
from connector.domain.identity import number_key
from connector.domain.invoice import Invoice
from connector.domain.job import Effect, Event, Stage, Status, next_status
from connector.ledger.actions import DECIDED_BY_RETRY
from connector.ledger.contacts import ContactLink
from connector.ledger.jobs import POISON
from connector.ledger.queries import TimelineEvent
from connector.ledger.records import Entry, Job, Progress, intent, judged
from connector.ports import Found
from tests.support.clock import FakeClock

_FREE: Mapping[str, Any] = {"lease_owner": None, "leased_until": None}
_COLUMNS = tuple(Job.__dataclass_fields__)
_READ = attrgetter(*_COLUMNS)
_WRITE = {name: getattr(Job, name).__set__ for name in _COLUMNS}


def _with(job: Job, values: Mapping[str, Any]) -> Job:
    """Like `dataclasses.replace`, several times faster: most of a schedule's time went there."""
    after = object.__new__(Job)
    for name, value in zip(_COLUMNS, _READ(job), strict=True):
        _WRITE[name](after, values.get(name, value))
    return after


_CLOSED: Mapping[str, Any] = {"open_effect": None, "open_since": None, "looks": 0}


def _reached(stages: Sequence[Progress]) -> dict[str, Any]:
    return {name: value for each in stages for name, value in {**each.columns(), "details": {}}.items()}


class TwinJobs:
    """The jobs as workers see them."""

    def __init__(
        self, clock: FakeClock, lease_seconds: float, owner: Callable[[], str], is_dead: Callable[[str], bool]
    ) -> None:
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._owner = owner
        self._is_dead = is_dead
        self.rows: dict[int, Job] = {}
        self.told: dict[int, list[tuple[datetime, Stage, Entry]]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._vain: Counter[int] = Counter()
        self._reached: dict[int, datetime] = {}

    def lease(
        self,
        account: str,
        limit: int,
        *,
        sources: Sequence[str] | None = None,
        suspects: bool = False,
        overdue: float = 0.0,
    ) -> list[Job]:
        now = self._clock.now()
        due_before = now - timedelta(seconds=overdue)
        due = [
            job
            for job in self.rows.values()
            if job.status is Status.PENDING
            and job.account == account
            and job.due_at <= due_before
            and (job.lapses > 0) == suspects
        ]
        taken = sorted(due, key=lambda job: (job.lapses, job.due_at, job.id))[:limit]
        return [
            self._put(
                job,
                status=next_status(Status.PENDING, Event.LEASED),
                lease_owner=self._owner(),
                leased_until=now + self._lease,
                fence=job.fence + 1,
                updated_at=now,
            )
            for job in taken
        ]

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
        values = _reached(owed) | {"open_effect": effect, "open_since": self._clock.now(), "looks": 0}
        if payload is not None:
            values["payload"] = payload
        if invoice is not None:
            values |= judged(invoice)
            self._claim(job, invoice)
        after = self._change(job, [*(each.told() for each in owed), intent(effect, payload, version)], **values)
        if owed:
            self._arrived(job)
        return after

    def saw(self, job: Job, state: str) -> Job:
        entry = Entry(what="state", outcome="read", details={"state": state})
        return self._change(job, [entry], remote_state=state)

    def claim(self, job: Job, invoice: Invoice) -> Job:
        self._claim(job, invoice)
        return self._change(job, [], number=invoice.number, issue_date=invoice.issue_date)

    def _claim(self, job: Job, invoice: Invoice) -> None:
        self._held(job)
        number = number_key(invoice)
        for claim in [c for c, id_ in self._numbers.items() if id_ == job.id and c[1] != number]:
            del self._numbers[claim]
        holder = self._numbers.setdefault((job.account, number), job.id)
        if holder != job.id:
            raise RefusedError("number_clash", {"other": str(holder)})

    def note(self, job: Job, entry: Entry) -> Job:
        return self._change(job, [entry])

    def show_life(self, job: Job) -> Job:
        return self._change(job, [])

    def look(self, job: Job) -> Job:
        return self._change(job, [Entry(what="looked_up", effect=job.open_effect)], looks=job.looks + 1)

    def in_vain(self, job: Job) -> int:
        return self._vain[job.id]

    def close_intent(
        self, job: Job, *, outcome: str, request_id: str | None = None, details: Mapping[str, str] | None = None
    ) -> Job:
        progress = {"attempts": 0, "lapses": 0} if outcome == "done" else {}
        entry = Entry(what="outcome", effect=job.open_effect, outcome=outcome)
        return self._change(job, [entry], **_CLOSED, **progress)

    def advance(
        self, job: Job, stage: Stage, *, entry: Entry | None = None, owed: Sequence[Progress] = (), **values: Any
    ) -> Job:
        reached = [*owed, Progress(stage, entry or Entry(what="reached"), values)]
        changed = _reached(reached)
        if stage is Stage.SENT:
            changed["sent_at"] = self._clock.now()
        if stage is Stage.RECORDED:
            changed |= {"status": next_status(Status.RUNNING, Event.ARRIVED), **_FREE}
        after = self._change(job, [each.told() for each in reached], **changed)
        if stage is Stage.FOUND:
            self._numbers = {claim: id_ for claim, id_ in self._numbers.items() if id_ != job.id}
        self._arrived(job)
        return after

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
        changed = {
            "status": next_status(Status.RUNNING, event),
            "reason": reason,
            "details": dict(details),
            "attempts": attempts,
            "lapses": 0,
            "due_at": self._clock.now() + timedelta(seconds=delay),
            **_FREE,
            **values,
        }
        after = self._change(job, [entry] if entry else [], **changed)
        self._vain[job.id] += reason == "not_arrived"
        return after

    def reached_at(self, job: Job) -> datetime:
        return self._reached[job.id]

    def _arrived(self, job: Job) -> None:
        self._reached[job.id] = self._clock.now()
        self.forget_failures(job)

    def forget_failures(self, job: Job) -> None:
        """A person lets it go on, or it is another step that fails."""
        del self._vain[job.id]

    def give_back(self, job: Job) -> None:
        here = self.rows[job.id]
        if here.fence == job.fence and here.status is Status.RUNNING:
            self._put(here, status=next_status(Status.RUNNING, Event.RETURNED), **_FREE)

    def rescue(self) -> int:
        now = self._clock.now()
        count = 0
        for job in list(self.rows.values()):
            if job.status is not Status.RUNNING:
                continue
            if self._is_dead(job.lease_owner or "") or (job.leased_until and job.leased_until < now):
                self._free(job, now)
                count += 1
        return count

    def _free(self, job: Job, now: datetime) -> None:
        lapses = job.lapses + 1
        values: dict[str, Any] = {"fence": job.fence + 1, "lapses": lapses, "updated_at": now, **_FREE}
        if job.open_effect is not None and job.looks == 0:
            values["open_since"] = now
        if lapses >= POISON:
            values |= {"status": next_status(Status.RUNNING, Event.STUCK), "reason": "crashed", "lapses": 0}
        else:
            values |= {"status": next_status(Status.RUNNING, Event.LEASE_LAPSED), "due_at": now}
        self._put(job, **values)

    def release_ready(self) -> int:
        return 0  # no credit notes here

    def next_due(self, *, sources: Sequence[str] | None = None, but: Collection[str] = ()) -> datetime | None:
        return min(
            (
                time
                for job in self.rows.values()
                for time in (
                    job.due_at if job.status is Status.PENDING else None,
                    job.leased_until if job.status is Status.RUNNING else None,
                )
                if time is not None
            ),
            default=None,
        )

    def _held(self, job: Job) -> Job:
        here = self.rows[job.id]
        if here.fence != job.fence or here.status is not Status.RUNNING:
            raise LeaseLostError(f"job {job.id} is in other hands")
        return here

    def _change(self, job: Job, entries: Sequence[Entry], **values: Any) -> Job:
        here = self._held(job)
        now = self._clock.now()
        after = self._put(here, **{"leased_until": now + self._lease, "updated_at": now, **values})
        self.told.setdefault(job.id, []).extend((now, entry.stage or after.stage, entry) for entry in entries)
        return after

    def _put(self, job: Job, **values: Any) -> Job:
        after = self.rows[job.id] = _with(job, values)
        return after


class TwinQueries:
    """Reading, as far as a worker does."""

    def __init__(self, jobs: TwinJobs) -> None:
        self._jobs = jobs

    def timeline(self, job_id: int) -> list[TimelineEvent]:
        return [
            TimelineEvent(
                at=at,
                what=entry.what,
                stage=stage,
                effect=entry.effect,
                outcome=entry.outcome,
                reason=entry.reason,
                details=entry.details or {},
                request_id=entry.request_id,
                who=entry.who,
                note=entry.note,
            )
            for at, stage, entry in self._jobs.told.get(job_id, [])
        ]


class TwinInbox:
    """What webhooks told: none come here."""

    def states_to_come(self, reference: str) -> list[str]:
        return []


class TwinContacts:
    """The contact links."""

    def __init__(
        self, clock: FakeClock, lease_seconds: float, owner: Callable[[], str], is_dead: Callable[[str], bool]
    ) -> None:
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._owner = owner
        self._is_dead = is_dead
        self.rows: dict[tuple[str, str], ContactLink] = {}
        self._told: dict[tuple[str, str], datetime] = {}

    def told_at(self, account: str, contact_id: str) -> datetime | None:
        known = [
            self._told[key] for key, link in self.rows.items() if (key[0], link.contact_id) == (account, contact_id)
        ]
        return max(known, default=None)

    def get(self, account: str, identity: str) -> ContactLink | None:
        return self.rows.get((account, identity))

    def known(self, account: str, identities: Sequence[str]) -> dict[str, ContactLink]:
        return {name: self.rows[account, name] for name in identities if (account, name) in self.rows}

    def claim(self, account: str, identity: str) -> ContactLink | None:
        now = self._clock.now()
        link = self.rows.get((account, identity)) or ContactLink(
            account=account,
            identity=identity,
            contact_id=None,
            customer=None,
            payload=None,
            own_email=None,
            ask_at=None,
            open_since=None,
            taken=False,
            looks=0,
            lease_owner=None,
            leased_until=None,
            fence=0,
        )
        self.rows.setdefault((account, identity), link)
        free = (
            link.lease_owner is None
            or self._is_dead(link.lease_owner)
            or (link.leased_until is not None and link.leased_until < now)
        )
        if not free:
            return None
        return self._put(
            link,
            lease_owner=self._owner(),
            leased_until=now + self._lease,
            fence=link.fence + 1,
            open_since=now
            if link.open_since is not None and link.lease_owner is not None and link.looks == 0
            else link.open_since,
        )

    def begin(self, link: ContactLink) -> ContactLink:
        return self._change(link, open_since=self._clock.now(), taken=False, looks=0)

    def hidden(self, link: ContactLink) -> ContactLink:
        return self._change(link, open_since=self._clock.now(), taken=True, looks=1)

    def unanswered(self, link: ContactLink) -> ContactLink:
        return self._change(link, open_since=self._clock.now())

    def look(self, link: ContactLink) -> ContactLink:
        return self._change(link, looks=link.looks + 1)

    def not_created(self, link: ContactLink) -> ContactLink:
        return self._change(link, open_since=None, taken=False, looks=0)

    def store(
        self,
        link: ContactLink,
        *,
        contact_id: str,
        customer: str,
        payload: bytes | None,
        own_email: str | None = None,
        ask_at: datetime | None = None,
    ) -> ContactLink:
        known = {"contact_id": contact_id, "customer": customer, "payload": payload, "own_email": own_email}
        return self._change(link, **known, ask_at=ask_at, open_since=None, taken=False, looks=0, **_FREE)

    def release(self, link: ContactLink) -> None:
        here = self.rows[link.account, link.identity]
        if here.fence == link.fence:
            self._put(here, **_FREE)

    def forget(self, account: str, contact_id: str) -> None:
        for link in list(self.rows.values()):
            if link.account == account and link.contact_id == contact_id:
                self._put(link, contact_id=None, customer=None, payload=None, own_email=None, ask_at=None)

    def _change(self, link: ContactLink, **values: Any) -> ContactLink:
        here = self.rows[link.account, link.identity]
        if here.fence != link.fence:
            raise LeaseLostError(f"contact {link.identity} is in other hands")
        self._told[link.account, link.identity] = self._clock.now()
        return self._put(here, **{"leased_until": self._clock.now() + self._lease, **values})

    def _put(self, link: ContactLink, **values: Any) -> ContactLink:
        after = self.rows[link.account, link.identity] = replace(link, **values)
        return after


class Twin:
    """The ledger as the simulation uses it."""

    def __init__(
        self, clock: FakeClock, lease_seconds: float, owner: Callable[[], str], is_dead: Callable[[str], bool]
    ) -> None:
        self._clock = clock
        self.jobs = TwinJobs(clock, lease_seconds, owner, is_dead)
        self.contacts = TwinContacts(clock, lease_seconds, owner, is_dead)
        self.inbox = TwinInbox()
        self.queries = TwinQueries(self.jobs)

    def add(self, source: str, account: str, found: Found) -> None:
        now = self._clock.now()
        job = Job(
            id=len(self.jobs.rows) + 1,
            source=source,
            company=found.company,
            key=found.key,
            account=account,
            kind=found.kind,
            number=found.number,
            issue_date=found.issue_date,
            confirmed_on=found.confirmed_on,
            currency=found.currency,
            total=found.total,
            customer=found.customer,
            tax_number=None,
            original_key=found.original_key,
            original_number=None,
            original_date=None,
            changed_at=found.changed_at,
            stage=Stage.FOUND,
            status=Status.PENDING,
            reason=None,
            details={},
            attempts=0,
            due_at=now,
            lease_owner=None,
            leased_until=None,
            fence=0,
            lapses=0,
            open_effect=None,
            open_since=None,
            looks=0,
            payload=None,
            fingerprint=None,
            contact_id=None,
            reference=None,
            xref=None,
            remote_state=None,
            state_changed_at=None,
            state_event=None,
            state_note=None,
            state_recorded_at=None,
            report_refused=False,
            created_at=now,
            updated_at=now,
            sent_at=None,
        )
        self.jobs.rows[job.id] = job

    def all_jobs(self) -> list[Job]:
        return list(self.jobs.rows.values())

    def links(self) -> list[ContactLink]:
        return list(self.contacts.rows.values())

    def retry(self, job: Job) -> None:
        values: dict[str, Any] = {"attempts": 0, "due_at": self._clock.now()}
        if job.reason not in DECIDED_BY_RETRY:
            values |= {"reason": None, "details": {}}
        self.jobs.rows[job.id] = replace(job, status=next_status(job.status, Event.RELEASED), **values)
        self.jobs.forget_failures(job)
