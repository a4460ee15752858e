"""The tables of the ledger: what was intended, done and learnt, and what is due."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from connector.domain.invoice import Kind
from connector.domain.job import Effect, Stage, Status

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC. SQLite has no zones: there it is stored in UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values: they are bugs."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal number as text: no database may round it, and none of our queries computes with it."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write plain digits, never an exponent."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read them back."""
        return None if value is None else Decimal(value)


class Facts(TypeDecorator[dict[str, str]]):
    """The facts that fill a catalogue sentence, as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        """Write JSON."""
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str]:
        """Read JSON; nothing stored means no facts."""
        return json.loads(value) if value else {}


class Choice(TypeDecorator[Any]):
    """A string enumeration, stored by value and readable in any SQL tool."""

    impl = String(24)
    cache_ok = True

    def __init__(self, kind: type[Any]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value."""
        return None if value is None else str(self.kind(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the member."""
        return None if value is None else self.kind(value)


_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself


class Base(DeclarativeBase):
    """All tables."""

    metadata = MetaData(naming_convention=_NAMES)


class JobRow(Base):
    """One invoice of one source. The stage grows; status, lease and due time come and go."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("source", "company", "key"),  # found twice, kept once
        Index("ix_job_due", "account", "due_at", sqlite_where=text("status = 'pending'"),
              postgresql_where=text("status = 'pending'")),
        Index("ix_job_leased", "leased_until", sqlite_where=text("status = 'running'"),
              postgresql_where=text("status = 'running'")),
        Index("ix_job_status_reason", "status", "reason"),
        Index("ix_job_original", "source", "original_key"),
        Index("ix_job_number", "number", "source", "company"),
        Index("ix_job_sent", "sent_at"),
        Index("ix_job_ramp", "account", "ramp_step", sqlite_where=text("ramp_step IS NOT NULL"),
              postgresql_where=text("ramp_step IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(_Id, Identity(), primary_key=True)
    source: Mapped[str] = mapped_column(String(64))
    company: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(255))
    account: Mapped[str] = mapped_column(String(64))
    kind: Mapped[Kind] = mapped_column(Choice(Kind))
    number: Mapped[str | None] = mapped_column(String(255))
    issue_date: Mapped[date | None] = mapped_column(Date)
    currency: Mapped[str | None] = mapped_column(String(8))
    total: Mapped[Decimal | None] = mapped_column(Exact)  # payable, positive for credit notes too
    customer: Mapped[str | None] = mapped_column(String(255))
    original_key: Mapped[str | None] = mapped_column(String(255))  # of what it corrects, also where found by number
    original_number: Mapped[str | None] = mapped_column(String(255))
    original_date: Mapped[date | None] = mapped_column(Date)
    changed_at: Mapped[datetime] = mapped_column(Instant)  # in the ERP

    stage: Mapped[Stage] = mapped_column(Choice(Stage))
    status: Mapped[Status] = mapped_column(Choice(Status))
    reason: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, str]] = mapped_column(Facts, nullable=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)  # failures of the present step
    due_at: Mapped[datetime] = mapped_column(Instant)

    lease_owner: Mapped[str | None] = mapped_column(String(255))
    leased_until: Mapped[datetime | None] = mapped_column(Instant)  # outlasts any call; a dead worker's lapses
    fence: Mapped[int] = mapped_column(Integer, default=0)  # grows with every lease: stale holders are told apart
    lapses: Mapped[int] = mapped_column(Integer, default=0)  # leases in a row that ended without a word

    open_effect: Mapped[Effect | None] = mapped_column(Choice(Effect))  # intended, outcome not known yet
    open_since: Mapped[datetime | None] = mapped_column(Instant)
    looks: Mapped[int] = mapped_column(Integer, default=0)  # look-ups in a row that found nothing
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)  # frozen with the first intent
    fingerprint: Mapped[str | None] = mapped_column(String(64))  # of the document last judged
    content: Mapped[bytes | None] = mapped_column(LargeBinary)  # what was issued, packed; see domain/content.py

    contact_id: Mapped[str | None] = mapped_column(String(64))
    reference: Mapped[str | None] = mapped_column(String(64))
    xref: Mapped[str | None] = mapped_column(String(255))
    remote_state: Mapped[str | None] = mapped_column(String(64))

    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    ramp_step: Mapped[int | None] = mapped_column(Integer)  # of the account's first run; see `connector.ledger.ramp`


class EventRow(Base):
    """The timeline: append-only, one row for whatever happened to a job."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_job", "job_id", "id"),)

    id: Mapped[int] = mapped_column(_Id, Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(_Id, ForeignKey("job.id"))
    at: Mapped[datetime] = mapped_column(Instant)
    what: Mapped[str] = mapped_column(String(32))
    stage: Mapped[Stage] = mapped_column(Choice(Stage))
    effect: Mapped[Effect | None] = mapped_column(Choice(Effect))
    outcome: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, str]] = mapped_column(Facts, nullable=True)
    request_id: Mapped[str | None] = mapped_column(String(128))  # to quote to B2Brouter's support
    who: Mapped[str | None] = mapped_column(String(128))  # a person; nothing means the connector itself
    note: Mapped[str | None] = mapped_column(Text)


class NumberClaimRow(Base):
    """Which job owns a number at an account: one writer per (account, number) at a time."""

    __tablename__ = "number_claim"

    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    number_key: Mapped[str] = mapped_column(String(600), primary_key=True)
    job_id: Mapped[int] = mapped_column(_Id, ForeignKey("job.id"), index=True)


class ContactLinkRow(Base):
    """Which contact at B2Brouter stands for a recipient. Made under a lease, so that it is made once."""

    __tablename__ = "contact_link"

    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity: Mapped[str] = mapped_column(String(255), primary_key=True)
    contact_id: Mapped[str | None] = mapped_column(String(64))
    customer: Mapped[str | None] = mapped_column(Text)  # of the ERP, whose data the contact has
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)  # what the ERP said when it was last told
    ask_at: Mapped[datetime | None] = mapped_column(Instant)  # the directory gave no answer: ask again
    open_since: Mapped[datetime | None] = mapped_column(Instant)  # a create was intended, outcome not known yet
    taken: Mapped[bool] = mapped_column(Boolean, default=False)  # the open question is where the number's owner is
    looks: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    leased_until: Mapped[datetime | None] = mapped_column(Instant)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class VatNumberRow(Base):
    """What the register of VAT numbers last answered about a number."""

    __tablename__ = "vat_number"

    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    registered: Mapped[bool] = mapped_column(Boolean)
    asked_at: Mapped[datetime] = mapped_column(Instant)


class DirectoryRow(Base):
    """What the directory said of an identifier, for a while."""

    __tablename__ = "directory"

    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    identifier: Mapped[str] = mapped_column(String(255), primary_key=True)  # country, scheme and value
    transport: Mapped[str | None] = mapped_column(String(64))  # None: it is not there
    document: Mapped[str | None] = mapped_column(String(255))
    valid_until: Mapped[datetime] = mapped_column(Instant)


class SourceRow(Base):
    """How far discovery has come in a source, and which database that source is."""

    __tablename__ = "source"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity: Mapped[str | None] = mapped_column(String(512))
    changed_at: Mapped[datetime | None] = mapped_column(Instant)
    key: Mapped[str | None] = mapped_column(String(255))
    discovered_at: Mapped[datetime | None] = mapped_column(Instant)
    swept_at: Mapped[datetime | None] = mapped_column(Instant)
    compared_at: Mapped[datetime | None] = mapped_column(Instant)  # the last issued document that was read again:
    compared_id: Mapped[int | None] = mapped_column(_Id)  # when it was sent, and its job
    rechecked_id: Mapped[int | None] = mapped_column(_Id)  # the last resting job that was read again


class AccountRow(Base):
    """What an account is stamped with, and whether it is paused."""

    __tablename__ = "account"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    environment: Mapped[str | None] = mapped_column(String(32))
    host: Mapped[str | None] = mapped_column(String(255))
    account_id: Mapped[str | None] = mapped_column(String(64))  # as configured: id or identifier
    remote_id: Mapped[str | None] = mapped_column(String(64))  # as answers show it
    tax_number: Mapped[str | None] = mapped_column(String(64))
    rounding_method: Mapped[str | None] = mapped_column(String(32))  # how the account calculates, as last read
    round_before_sum: Mapped[bool | None] = mapped_column(Boolean)
    apply_taxes_per_line: Mapped[bool | None] = mapped_column(Boolean)
    number_guard: Mapped[bool | None] = mapped_column(Boolean)  # found by a probe; None: never probed
    list_delay: Mapped[float | None] = mapped_column(Double)  # seconds, found by a probe
    probed_at: Mapped[datetime | None] = mapped_column(Instant)
    paused_reason: Mapped[str | None] = mapped_column(String(64))
    paused_details: Mapped[dict[str, str]] = mapped_column(Facts, nullable=True)
    paused_at: Mapped[datetime | None] = mapped_column(Instant)
    probe_at: Mapped[datetime | None] = mapped_column(Instant)
    probes: Mapped[int] = mapped_column(Integer, default=0)
    rung_at: Mapped[datetime | None] = mapped_column(Instant)  # when a worker's bell was last rung
    ramp_step: Mapped[int | None] = mapped_column(Integer)  # of the first run, from 1; None: not begun, 0: over


class StampRow(Base):
    """Which database this ledger is, so that a copy of it is seen; and who said so, where somebody did."""

    __tablename__ = "stamp"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity: Mapped[str] = mapped_column(String(512))
    bound_at: Mapped[datetime | None] = mapped_column(Instant)
    who: Mapped[str | None] = mapped_column(String(128))
    note: Mapped[str | None] = mapped_column(Text)


class BudgetRow(Base):
    """The common request pace of all processes that share an API key. Times in seconds since 1970."""

    __tablename__ = "budget"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    next_at: Mapped[float] = mapped_column(Double)
    paused_until: Mapped[float] = mapped_column(Double)
    lowered: Mapped[float | None] = mapped_column(Double)
    lowered_at: Mapped[float] = mapped_column(Double)


class LeaseRow(Base):
    """Who holds an office of which there is one, such as that of the scheduler."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(255))
    leased_until: Mapped[datetime | None] = mapped_column(Instant)
