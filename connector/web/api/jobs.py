"""Invoices over the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from connector.domain.job import Stage, Status
from connector.ledger import Ledger
from connector.ledger.actions import ACTS
from connector.ledger.causes import LONGEST_KEY
from connector.ledger.originals import GIVEN_UP
from connector.ledger.queries import Filter, Place
from connector.ledger.records import Job
from connector.operations.records import cause_record, event_record
from connector.web.api.caller import Actor, Key, Reader, once
from connector.web.api.records import Acted, CauseRecord, Causes, EventRecord, JobPage, JobRecord, JobWithEvents
from connector.web.api.values import Amount, Day, Reason

JobId = Annotated[int, Path(ge=1, lt=2**63)]

Action = Literal["retry", "hold", "release", "skip"]


class Wanted(BaseModel):
    """Which invoices are meant; what is left out does not narrow."""

    model_config = ConfigDict(extra="forbid")

    status: Status | None = None
    stage: Stage | None = None
    reason: Reason | None = None
    cause: str | None = Field(
        None, max_length=LONGEST_KEY, pattern=r"^[^\x00]*$", description="`cause` of one of `/causes`."
    )
    remote_state: str | None = Field(None, max_length=64, description="State at B2Brouter, as it calls it.")
    source: str | None = Field(None, max_length=64)
    account: str | None = Field(None, max_length=64)
    since: Day | None = Field(None, description="First day of issue.")
    until: Day | None = Field(None, description="Last day of issue.")
    at_least: Amount | None = Field(None, description="Smallest total.")
    at_most: Amount | None = Field(None, description="Largest total.")
    search: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="As in the console: number, customer, tax number, reference.",
    )
    attention: bool = Field(False, description="Only what needs a person.")

    def filter(self, ledger: Ledger) -> Filter:
        """Return the filter of the ledger."""
        wanted = Filter(
            status=self.status,
            stage=self.stage,
            reason=self.reason,
            cause=self.cause,
            remote_state=_text(self.remote_state),
            source=_text(self.source),
            account=_text(self.account),
            since=self.since,
            until=self.until,
            at_least=self.at_least,
            at_most=self.at_most,
            attention=self.attention,
        )
        return replace(wanted, among=ledger.queries.named(self.search, wanted)) if self.search else wanted


class Page(Wanted):
    """Which invoices, and which of their pages."""

    after: str | None = Field(
        None, pattern=r"^([1-9][0-9]{0,6}_)?[0-9]{1,18}$", description="`next` of the last page."
    )
    limit: int = Field(100, ge=1, le=500)


class Decision(BaseModel):
    """An act that takes an invoice off its way, and why."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["hold", "skip"]
    note: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$", description="Why.")


class Onward(BaseModel):
    """An act that lets an invoice go on."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["retry", "release"]
    note: str = Field(
        "",
        max_length=1000,
        pattern=r"^[^\x00]*$",
        description="Why; needed to release a correction whose original does not go.",
    )


Act = Annotated[Decision | Onward, Field(discriminator="action")]


routes = APIRouter(tags=["invoices"])


@routes.get("/jobs")
def list_jobs(caller: Reader, page: Annotated[Page, Query()]) -> JobPage:
    """List invoices, latest first."""
    wanted = page.filter(caller.ledger)
    found = caller.ledger.queries.page(wanted, after=_place(page.after), limit=page.limit)
    return JobPage(jobs=[JobRecord.of(job) for job in found.jobs], next=_shown(found.next), cut=wanted.cut)


@routes.get("/jobs/{job_id}")
def read_job(caller: Reader, job_id: JobId) -> JobWithEvents:
    """Tell everything about one invoice."""
    job = _job(caller.ledger, job_id)
    events = [EventRecord(**event_record(event)) for event in caller.ledger.queries.timeline(job.id)]
    return JobWithEvents(**JobRecord.of(job).model_dump(), events=events)


@routes.post("/jobs/{job_id}/actions", response_model=Acted)
def act_on_job(caller: Actor, job_id: JobId, wish: Act, key: Key) -> Response:
    """Retry, hold, release or skip one invoice."""
    job = _job(caller.ledger, job_id)
    if wish.action == "release" and job.reason in GIVEN_UP and not wish.note.strip():
        raise HTTPException(409, "The original of this correction does not go: say why it is to go alone.")

    def act() -> Acted:
        done = caller.ledger.actions.perform(ACTS[wish.action], [job], who=caller.who, note=wish.note.strip())
        return Acted(changed=bool(done), job=JobRecord.of(_job(caller.ledger, job_id)))

    return once(caller, key, wish, act)


@routes.get("/causes")
def list_causes(caller: Reader) -> Causes:
    """Group what needs a person by what is to be cured."""
    return Causes(causes=[CauseRecord(**cause_record(cause)) for cause in caller.request.app.state.causes.get()])


def _job(ledger: Ledger, job_id: int) -> Job:
    job = next(iter(ledger.queries.jobs(Filter(ids=[job_id]))), None)
    if job is None:
        raise HTTPException(404, "There is no such invoice.")
    return job


def _text(value: str | None) -> str | None:
    return value.replace("\0", "") if value else None


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    day, _, number = after.rpartition("_")
    return Place(id=int(number), day=date.fromordinal(min(int(day), date.max.toordinal())) if day else None)


def _shown(place: Place | None) -> str | None:
    if place is None:
        return None
    return f"{place.day.toordinal()}_{place.id}" if place.day else str(place.id)
