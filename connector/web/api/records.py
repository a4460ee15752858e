"""What the API answers, as models that its description is made from; the records are those of the command line."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from connector.domain import catalogue
from connector.ledger.bulks import Bulk
from connector.ledger.records import Job
from connector.ledger.sources import REASON
from connector.operations.records import comparison_record, job_record
from connector.operations.standing import AccountStanding, SourceStanding
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
    cut: bool = Field(description="Whether a search would have found more than its pages show: say more then.")


class CauseRecord(BaseModel):
    """One cause, and the invoices that rest because of it."""

    cause: str = Field(description="Its key: the filter `cause` has the invoices that rest because of it.")
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


class ComparisonRecord(BaseModel):
    """One comparison of ERP, ledger and B2Brouter for an account, and what it came to."""

    id: int
    account: str
    started_at: str | None
    finished_at: str | None = Field(description="Null: it is under way.")
    from_: str | None = Field(alias="from", description="First day of issue; null: from the beginning.")
    to: str | None
    erp: int = Field(description="Documents on each side.")
    ledger: int
    remote: int
    differences: int
    for_person: int = Field(description="How many of them a person must cure.")
    by_reason: dict[str, int]
    fault: str | None = Field(description="Why it could not be made.")


class Comparisons(BaseModel):
    """The last comparisons, newest first."""

    comparisons: list[ComparisonRecord]


class DifferenceRecord(BaseModel):
    """One thing that is not the same on all sides."""

    reason: str
    who: str
    account: str
    source: str | None
    company: str | None
    key: str | None
    id: int | None = Field(description="Of the invoice here.")
    number: str | None
    issue_date: str | None
    currency: str | None
    total: str | None
    reference: str | None
    message: str
    action: str
    command: str = Field(description="That cures it, or shows how.")


class DifferencePage(BaseModel):
    """Some differences; of a comparison, 10,000 are remembered one by one."""

    differences: list[DifferenceRecord]
    next: int | None = Field(description="Give it as `after` for the next page; null on the last one.")


class AskedRecord(BaseModel):
    """A comparison that will be made."""

    account: str
    asked: bool


class AccountRecord(BaseModel):
    """One account; one that was never used has little to tell."""

    name: str
    environment: str | None
    account_id: str | None
    tax_number: str | None
    paused_reason: str | None
    paused_by: str | None = Field(description="Null: a fault paused it, and it is probed.")
    paused_message: str | None
    paused_at: str | None
    paused_until: str | None
    failed_probes: int
    requests_in_minute: int = Field(description="To B2Brouter, in the last minute that was counted.")
    webhook_secret: bool = Field(description="Whether events of its webhook can be believed.")
    webhook_last_event_at: str | None
    webhook_proved_at: str | None = Field(description="Since when looks found nothing that webhooks had not told.")
    archive_due_files: int | None = Field(description="Null: there is no archive.")
    comparison: ComparisonRecord | None = Field(description="The last one of ERP, ledger and B2Brouter.")

    @classmethod
    def of(cls, one: AccountStanding) -> AccountRecord:
        """Return an account."""
        state = one.state
        stamp = ("environment", "account_id", "tax_number", "paused_reason", "paused_by")
        reason = state.paused_reason if state else None
        return cls(
            name=one.name,
            **{name: getattr(state, name, None) for name in stamp},
            paused_message=catalogue.reason(reason).message(state.paused_details) if state and reason else None,
            paused_at=instant(state.paused_at) if state else None,
            paused_until=instant(state.probe_at) if state and state.paused_by else None,
            failed_probes=state.probes if state else 0,
            requests_in_minute=one.requests,
            webhook_secret=one.webhook_secret,
            webhook_last_event_at=instant(one.webhook_at),
            webhook_proved_at=instant(one.webhook_proved_at),
            archive_due_files=one.backlog.files if one.backlog else None,
            comparison=ComparisonRecord(**comparison_record(one.compared)) if one.compared else None,
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
    late: bool = Field(description="Whether the last look is too long ago.")
    paused_by: str | None
    paused_message: str | None
    paused_at: str | None
    paused_until: str | None

    @classmethod
    def of(cls, one: SourceStanding) -> SourceRecord:
        """Return a source."""
        pause = one.pause
        return cls(
            name=one.name,
            adapter=one.adapter,
            discovered_at=instant(one.looked_at),
            swept_at=instant(one.swept_at),
            late=one.late,
            paused_by=pause.who if pause else None,
            paused_message=catalogue.reason(REASON).message(pause.facts(one.name)) if pause else None,
            paused_at=instant(pause.at) if pause else None,
            paused_until=instant(pause.until) if pause else None,
        )


class Sources(BaseModel):
    """All sources."""

    sources: list[SourceRecord]
