"""What the API answers, as models that its description is made from; the records are those of the command line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from connector.ledger.accounts import AccountState
from connector.ledger.bulks import Bulk
from connector.ledger.records import Job
from connector.operations.records import job_record
from connector.operations.texts import instant


class JobRecord(BaseModel):
    """One invoice: decimals as strings, instants in UTC."""

    id: int
    source: str
    company: str
    key: str
    account: str
    kind: str
    number: str | None
    issue_date: str | None
    customer: str | None
    currency: str | None
    total: str | None
    stage: str
    status: str
    reason: str | None
    message: str | None = Field(description="The reason in a sentence.")
    action: str | None = Field(description="What to do about it.")
    who: str | None = Field(description="Who must act.")
    details: dict[str, str]
    contact_id: str | None
    reference: str | None
    xref: str | None
    remote_state: str | None
    attempts: int
    open_effect: str | None
    due_at: str | None
    sent_at: str | None
    created_at: str | None
    updated_at: str | None

    @classmethod
    def of(cls, job: Job) -> JobRecord:
        """Return a job."""
        return cls(**{name: value for name, value in job_record(job).items() if name in cls.model_fields})


class EventRecord(BaseModel):
    """One entry of a timeline."""

    at: str | None
    what: str
    stage: str
    effect: str | None
    outcome: str | None
    reason: str | None
    message: str | None
    details: dict[str, Any]
    request_id: str | None
    who: str | None
    note: str | None


class JobWithEvents(JobRecord):
    """One invoice with its timeline, oldest entry first."""

    events: list[EventRecord]


class JobPage(BaseModel):
    """Some invoices, latest first."""

    jobs: list[JobRecord]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last one.")


class CauseRecord(BaseModel):
    """One cause, and the invoices that rest because of it."""

    reason: str
    who: str
    message: str
    action: str
    facts: dict[str, str]
    count: int
    sums: dict[str, str]
    oldest: str | None
    newest: str | None
    since: str | None
    ids: list[int]


class Causes(BaseModel):
    """What needs a person, by cause, most frequent first."""

    causes: list[CauseRecord]


class Acted(BaseModel):
    """What came of an act on one invoice."""

    changed: bool = Field(description="False where the act does not fit the invoice as it is now.")
    job: JobRecord


class BulkRecord(BaseModel):
    """One act on many invoices, and how far it is."""

    id: int
    action: str
    note: str
    who: str
    pace: int | None
    total: int
    done: int
    changed: int
    left_alone: int
    stopped: bool
    created_at: str | None
    ended_at: str | None

    @classmethod
    def of(cls, bulk: Bulk) -> BulkRecord:
        """Return a bulk."""
        same = ("id", "note", "who", "pace", "total", "done", "changed", "left_alone", "stopped")
        values = {name: getattr(bulk, name) for name in same}
        times = {"created_at": instant(bulk.created_at), "ended_at": instant(bulk.ended_at)}
        return cls(action=bulk.act, **values, **times)


class AccountRecord(BaseModel):
    """One account."""

    name: str
    environment: str | None = None
    account_id: str | None = None
    tax_number: str | None = None
    paused_reason: str | None = None
    paused_by: str | None = None
    paused_at: str | None = None
    paused_until: str | None = None

    @classmethod
    def of(cls, name: str, state: AccountState | None) -> AccountRecord:
        """Return an account; one that was never used has no more than its name."""
        if state is None:
            return cls(name=name)
        return cls(
            name=name,
            environment=state.environment,
            account_id=state.account_id,
            tax_number=state.tax_number,
            paused_reason=state.paused_reason,
            paused_by=state.paused_by,
            paused_at=instant(state.paused_at),
            paused_until=instant(state.probe_at) if state.paused_by else None,
        )


class Accounts(BaseModel):
    """All accounts."""

    accounts: list[AccountRecord]


class SourceRecord(BaseModel):
    """One ERP database."""

    name: str
    adapter: str
    discovered_at: str | None
    swept_at: str | None


class Sources(BaseModel):
    """All sources."""

    sources: list[SourceRecord]
