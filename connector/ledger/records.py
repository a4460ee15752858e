"""Rows of the ledger as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, null

from connector.domain import catalogue
from connector.domain.content import content, pack
from connector.domain.identity import file_digest, tax_number_key
from connector.domain.invoice import Invoice, Kind
from connector.domain.job import Effect, Stage, Status
from connector.ledger.tables import JobRow

WRITE_BACK: Final = "write_back"
"""The fact of an entry of the timeline that says whether anything was written into the ERP: `OFF` where not."""

OFF: Final = "none"


BYTES: Final = "bytes"
"""The fact of an intent that tells its request from any other: the digest of what was about to be sent."""

VERSION: Final = "version"
"""The fact of an intent that tells for which version of the API its request was written."""


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
    confirmed_on: date | None
    currency: str | None
    total: Decimal | None
    customer: str | None
    tax_number: str | None
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
    state_changed_at: datetime | None
    state_event: str | None
    state_note: str | None
    state_recorded_at: datetime | None
    report_refused: bool
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None

    @property
    def seen(self) -> tuple[Status, str | None, datetime]:
        """What somebody who looked at it has seen: whatever happens to it meanwhile, this is another one then."""
        return self.status, self.reason, self.updated_at

    @property
    def message(self) -> str | None:
        """The reason in one sentence, from the catalogue."""
        return catalogue.reason(self.reason).message(self.details) if self.reason else None

    @property
    def cure(self) -> str | None:
        """What to do about the reason, from the catalogue."""
        return catalogue.reason(self.reason).advice(self.details) if self.reason else None


_NAMES = tuple(Job.__dataclass_fields__)
COLUMNS = tuple(getattr(JobRow, name) for name in _NAMES)

LIGHT_COLUMNS = tuple(null().label("payload") if column is JobRow.payload else column for column in COLUMNS)
"""The same without the bytes of the request."""


def job_of(row: Row[Any]) -> Job:
    """Read a row that was selected with `COLUMNS`."""
    return Job(**dict(zip(_NAMES, row, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a job's timeline, about to be written."""

    what: str
    effect: Effect | None = None
    outcome: str | None = None
    reason: str | None = None
    details: dict[str, str] | None = None
    request_id: str | None = None
    answer: bytes | None = None  # packed
    who: str | None = None
    note: str | None = None
    stage: Stage | None = None  # None: where the job is once all is written that is written with this

    def values(self, stage: Stage) -> dict[str, Any]:
        """Return its columns, for a job at a stage."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"stage": self.stage or stage}


@dataclass(frozen=True, slots=True)
class Progress:
    """A stage that a job in hand has reached, as it is written: alone, or with what is written next."""

    stage: Stage
    entry: Entry
    values: Mapping[str, Any] = field(default_factory=dict)  # further columns

    def columns(self) -> dict[str, Any]:
        """Return what it changes: the open question is settled, the failures of the step are forgotten."""
        return {
            "stage": self.stage,
            "attempts": 0,
            "lapses": 0,  # progress: whatever killed the workers before is behind us
            "open_effect": None,
            "open_since": None,
            "looks": 0,
            "reason": None,
            "details": None,
            **self.values,
        }

    def told(self) -> Entry:
        """Return the line of the timeline."""
        return replace(self.entry, stage=self.stage)

    def of(self, job: Job) -> Job:
        """Return the job as it will be."""
        return replace(job, **{**self.columns(), "details": {}})


def intent(effect: Effect, payload: bytes | None, version: str | None) -> Entry:
    """Return the line of the timeline that stands before an effect."""
    written_for = {VERSION: version} if version else {}
    facts = {BYTES: file_digest(payload), **written_for} if payload else None
    return Entry(what="intent", effect=effect, details=facts)


def judged(invoice: Invoice) -> dict[str, Any]:
    """Return the columns that say which document the work goes on with, whatever it was when it was found."""
    return {
        "fingerprint": invoice.fingerprint(),
        "number": invoice.number,
        "issue_date": invoice.issue_date,
        "currency": invoice.currency,
        "total": invoice.totals.payable,
        "size": invoice.totals.payable,
        "tax_number": (tax_number_key(invoice.buyer.tax_number, invoice.buyer.country) or "")[:64] or None,
    }


def issuing(invoice: Invoice) -> dict[str, Any]:
    """Return the columns that say what is about to be issued: with what it says, to be compared with later."""
    return {**judged(invoice), "content": pack(content(invoice))}
