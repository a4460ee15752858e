"""Rows of the ledger as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from connector.domain import catalogue
from connector.domain.content import content, pack
from connector.domain.invoice import Invoice, Kind
from connector.domain.job import Effect, Stage, Status
from connector.ledger.tables import JobRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The job of one invoice as the ledger has it."""

    id: int
    source: str
    company: str
    key: str
    account: str
    kind: Kind
    number: str | None
    issue_date: date | None
    currency: str | None
    total: Decimal | None
    customer: str | None
    original_key: str | None
    original_number: str | None
    original_date: date | None
    changed_at: datetime
    stage: Stage
    status: Status
    reason: str | None
    details: dict[str, str]
    attempts: int
    due_at: datetime
    lease_owner: str | None
    leased_until: datetime | None
    fence: int
    lapses: int
    open_effect: Effect | None
    open_since: datetime | None
    looks: int
    payload: bytes | None
    fingerprint: str | None
    contact_id: str | None
    reference: str | None
    xref: str | None
    remote_state: str | None
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None

    @property
    def message(self) -> str | None:
        """The reason in one sentence, from the catalogue."""
        return catalogue.reason(self.reason).message(self.details) if self.reason else None

    @property
    def cure(self) -> str | None:
        """What to do about the reason, from the catalogue."""
        return catalogue.reason(self.reason).advice(self.details) if self.reason else None


COLUMNS = tuple(getattr(JobRow, name) for name in Job.__dataclass_fields__)


def job_of(row: Row[Any]) -> Job:
    """Read a row that was selected with `COLUMNS`."""
    return Job(**row._mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a job's timeline, about to be written."""

    what: str
    effect: Effect | None = None
    outcome: str | None = None
    reason: str | None = None
    details: dict[str, str] | None = None
    request_id: str | None = None
    who: str | None = None
    note: str | None = None


def judged(invoice: Invoice) -> dict[str, Any]:
    """Return the columns that say which document the work goes on with, whatever it was when it was found."""
    return {
        "fingerprint": invoice.fingerprint(),
        "number": invoice.number,
        "issue_date": invoice.issue_date,
        "currency": invoice.currency,
        "total": invoice.totals.payable,
    }


def issuing(invoice: Invoice) -> dict[str, Any]:
    """Return the columns that say what is about to be issued: with what it says, to be compared with later."""
    return {**judged(invoice), "content": pack(content(invoice))}
