"""The tables of the ledger: what was intended, done and learnt, and what is due."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)

from connector.domain.archive import Keeping, Piece
from connector.domain.invoice import Kind
from connector.domain.job import Effect, Stage, Status
from connector.ledger.columns import (
    Base,
    Choice,
    Document,
    Exact,
    Facts,
    Id,
    Instant,
    Prefixed,
    Prose,
    Roughly,
    Words,
    column,
    optional,
)


class JobRow(Base):
    """One invoice of one source. The stage grows; status, lease and due time come and go."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("source", "company", "key"),  # found twice, kept once
        Index("ix_job_due", "account", "due_at", sqlite_where=text("status = 'pending'"),
              postgresql_where=text("status = 'pending'")),
        Index("ix_job_source_due", "source", "account", "due_at", sqlite_where=text("status = 'pending'"),
              postgresql_where=text("status = 'pending'")),
        Index("ix_job_leased", "leased_until", sqlite_where=text("status = 'running'"),
              postgresql_where=text("status = 'running'")),
        Index("ix_job_status_reason", "status", "reason"),
        Index("ix_job_original", "source", "original_key", sqlite_where=text("original_key IS NOT NULL"),
              postgresql_where=text("original_key IS NOT NULL")),
        Index("ix_job_number", "number", "source", "company"),
        Index("ix_job_sent", "sent_at", sqlite_where=text("sent_at IS NOT NULL"),
              postgresql_where=text("sent_at IS NOT NULL")),
        Index("ix_job_account_sent", "account", "sent_at", sqlite_where=text("sent_at IS NOT NULL"),
              postgresql_where=text("sent_at IS NOT NULL")),
        Index("ix_job_reference", "reference", sqlite_where=text("reference IS NOT NULL"),
              postgresql_where=text("reference IS NOT NULL")),
        Index("ix_job_mark_due", "account", sqlite_where=text("mark_due = 1"), postgresql_where=text("mark_due")),
        Index("ix_job_unrecorded", "source", sqlite_where=text("state_unrecorded = 1"),
              postgresql_where=text("state_unrecorded")),
        # What the console lists, latest first: each filter that may be alone has an order to be read in.
        Index("ix_job_status", "status", "id"),
        Index("ix_job_account", "account", "id"),
        Index("ix_job_issue_date", "issue_date", "id"),
        Index("ix_job_stage", "stage", "id", sqlite_where=text("stage <> 'recorded'"),
              postgresql_where=text("stage <> 'recorded'")),
        Index("ix_job_reason", "reason", "id", sqlite_where=text("reason IS NOT NULL"),
              postgresql_where=text("reason IS NOT NULL")),
        Index("ix_job_remote_state", "remote_state", "id", sqlite_where=text("remote_state IS NOT NULL"),
              postgresql_where=text("remote_state IS NOT NULL")),
        Index("ix_job_customer_key", "customer_key", "id"),
        Index("ix_job_size", "size"),
        Index("ix_job_tax_number", "tax_number", "id", sqlite_where=text("tax_number IS NOT NULL"),
              postgresql_where=text("tax_number IS NOT NULL")),
        Index("ix_job_ramp", "account", "ramp_step", sqlite_where=text("ramp_step IS NOT NULL"),
              postgresql_where=text("ramp_step IS NOT NULL")),
        Index("ix_job_contact", "account", "contact_id", sqlite_where=text("contact_id IS NOT NULL"),
              postgresql_where=text("contact_id IS NOT NULL")),
    )  # fmt: skip

    id = column(Id, Identity(), primary_key=True)
    source = column(Words(64))
    company = column(Words(64))
    key = column(Words(255))
    account = column(Words(64))
    kind = column(Choice(Kind))
    number = optional(Prefixed)
    issue_date = optional(Date)
    confirmed_on = optional(Date)  # in the ERP, where it remembers that
    currency = optional(Words(8))
    total = optional(Exact)  # payable, positive for credit notes too
    customer = optional(Words(255))
    size = optional(Roughly)  # the total, roughly: to be searched for
    customer_key = optional(Prefixed)  # the name as it is searched for
    tax_number = optional(Words(64))  # of the customer, in one spelling; once it was judged
    original_key = optional(Words(255))  # of what it corrects, also where found by number
    original_number = optional(Words(255))
    original_date = optional(Date)
    changed_at = column(Instant)  # in the ERP

    stage = column(Choice(Stage))
    status = column(Choice(Status))
    reason = optional(Words(64))
    details = optional(Facts)
    attempts = column(Integer, default=0)  # failures of the present step
    due_at = column(Instant)

    lease_owner = optional(Words(255))
    leased_until = optional(Instant)  # outlasts any call; a dead worker's lapses
    fence = column(Integer, default=0)  # grows with every lease: stale holders are told apart
    lapses = column(Integer, default=0)  # leases in a row that ended without a word

    open_effect = optional(Choice(Effect))  # intended, outcome not known yet
    open_since = optional(Instant)
    looks = column(Integer, default=0)  # look-ups in a row that found nothing
    payload = optional(LargeBinary)  # frozen with the first intent
    fingerprint = optional(Words(64))  # of the document last judged
    content = optional(LargeBinary)  # what was issued, packed; see domain/content.py

    contact_id = optional(Words(64))
    reference = optional(Words(64))
    xref = optional(Words(255))
    remote_state = optional(Words(64))
    state_changed_at = optional(Instant)  # at B2Brouter; None before the first news
    state_event = optional(Words(64))  # the event that told it; None: it was read
    state_note = optional(Prose)  # why, in the words of the receiver or the network
    state_recorded_at = optional(Instant)  # of the state that the ERP was last told
    state_unrecorded = column(Boolean, default=False)  # the ERP has not been told yet
    mark_due = column(Boolean, default=False)  # to be acknowledged or marked at B2Brouter
    acknowledged = column(Boolean, default=False)
    report_refused = column(Boolean, default=False)  # by a tax authority, and not closed since

    created_at = column(Instant)
    updated_at = column(Instant)
    sent_at = optional(Instant)
    ramp_step = optional(Integer)  # of the account's first run; see `connector.ledger.ramp`


class EventRow(Base):
    """The timeline: append-only, one row for whatever happened to a job."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_job", "job_id", "id"),)

    id = column(Id, Identity(), primary_key=True)
    job_id = column(Id, ForeignKey("job.id"))
    at = column(Instant)
    what = column(Words(32))
    stage = column(Choice(Stage))
    effect = optional(Choice(Effect))
    outcome = optional(Words(16))
    reason = optional(Words(64))
    details = optional(Facts)
    request_id = optional(Words(128))  # to quote to B2Brouter's support
    answer = optional(LargeBinary)  # what B2Brouter said, compressed; see domain/evidence.py
    who = optional(Words(128))  # a person; nothing means the connector itself
    note = optional(Prose)


class InboxRow(Base):
    """What webhooks told: kept by the id of the event, however often it comes, until it is settled and after."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("account", "code", "event_id"),  # told twice, kept once
        Index("ix_inbox_unsettled", "subject", sqlite_where=text("settled_at IS NULL"),
              postgresql_where=text("settled_at IS NULL")),
        Index("ix_inbox_open", "code", "received_at", sqlite_where=text("settled_at IS NULL AND outcome IS NULL"),
              postgresql_where=text("settled_at IS NULL AND outcome IS NULL")),
        Index("ix_inbox_received", "account", "received_at"),
    )  # fmt: skip

    id = column(Id, Identity(), primary_key=True)
    account = column(Words(64))  # whose address it was sent to
    code = column(Words(64))
    event_id = column(Words(64))
    subject = optional(Words(64))  # id of the invoice or tax report
    document = optional(Words(64))  # of a tax report: id of its invoice
    state = optional(Words(64))
    note = optional(Prose)
    triggered_at = optional(Instant)
    received_at = column(Instant)
    settled_at = optional(Instant)
    outcome = optional(Words(16))  # of one that is not settled: `foreign`, it was put aside
    body = column(LargeBinary)  # as it came


class TaxReportRow(Base):
    """What was told to a tax authority about a document, as B2Brouter shows it."""

    __tablename__ = "tax_report"
    __table_args__ = (
        Index("ix_tax_report_reference", "reference"),
        Index("ix_tax_report_open", "account", "ask_at", sqlite_where=text("settled = 0"),
              postgresql_where=text("NOT settled")),
        Index("ix_tax_report_unrecorded", "account", sqlite_where=text("unrecorded = 1"),
              postgresql_where=text("unrecorded")),
    )  # fmt: skip

    id = column(Words(64), primary_key=True)  # B2Brouter's
    account = column(Words(64))
    reference = column(Words(64))  # of the document
    kind = optional(Words(32))  # verifactu, tbai, dgfip …
    label = optional(Words(255))
    state = optional(Words(64))  # raw; None: it was not read yet
    changed_at = optional(Instant)
    url = optional(Prose)  # where anybody can verify it
    qr = optional(Prose)  # the same as a picture, PNG in base 64
    problem = optional(Prose)  # what the authority finds wrong
    corrects = optional(Boolean)  # it corrects or annuls an earlier one
    corrected_by = optional(Words(64))  # the one that corrects or annuls it
    refused = column(Boolean, default=False)  # and neither corrected nor let be by a person since
    settled = column(Boolean, default=False)  # nothing more is expected of the authority
    ask_at = column(Instant)  # until it is settled: when a look asks for it again
    unrecorded = column(Boolean, default=False)  # the ERP has not been told yet


class NumberClaimRow(Base):
    """Which job owns a number at an account: one writer per (account, number) at a time."""

    __tablename__ = "number_claim"

    account = column(Words(64), primary_key=True)
    number_key = column(Words(600), primary_key=True)
    job_id = column(Id, ForeignKey("job.id"), index=True)


class ContactLinkRow(Base):
    """Which contact at B2Brouter stands for a recipient. Made under a lease, so that it is made once."""

    __tablename__ = "contact_link"

    account = column(Words(64), primary_key=True)
    identity = column(Words(255), primary_key=True)
    contact_id = optional(Words(64))
    customer = optional(Prose)  # of the ERP, whose data the contact has
    payload = optional(LargeBinary)  # what the ERP said when it was last told
    own_email = optional(Prose)  # the customer's, which the contact had not when it was found
    ask_at = optional(Instant)  # the directory gave no answer: ask again
    open_since = optional(Instant)  # a create was intended, outcome not known yet
    taken = column(Boolean, default=False)  # the open question is where the number's owner is
    looks = column(Integer, default=0)
    lease_owner = optional(Words(255))
    leased_until = optional(Instant)
    fence = column(Integer, default=0)
    updated_at = column(Instant)


class VatNumberRow(Base):
    """What the register of VAT numbers last answered about a number."""

    __tablename__ = "vat_number"

    number = column(Words(64), primary_key=True)
    registered = column(Boolean)
    asked_at = column(Instant)


class DirectoryRow(Base):
    """What the directory said of an identifier, for a while."""

    __tablename__ = "directory"

    account = column(Words(64), primary_key=True)
    identifier = column(Words(255), primary_key=True)  # country, scheme and value
    transport = optional(Words(64))  # None: it is not there
    document = optional(Words(255))
    valid_until = column(Instant)


class SourceRow(Base):
    """How far discovery has come in a source, and which database that source is."""

    __tablename__ = "source"

    name = column(Words(64), primary_key=True)
    identity = optional(Words(512))
    changed_at = optional(Instant)
    key = optional(Words(255))
    discovered_at = optional(Instant)
    swept_at = optional(Instant)
    swept_for = optional(Words(64))  # for which start date and companies
    found_at = optional(Instant)  # when a document was last new; at first, the source
    compared_at = optional(Instant)  # the last issued document that was read again:
    compared_id = optional(Id)  # when it was sent, and its job
    rechecked_id = optional(Id)  # the last resting job that was read again
    paused_at = optional(Instant)
    paused_by = optional(Words(128))
    paused_note = optional(Prose)
    paused_until = optional(Instant)  # None: until somebody resumes it


class AccountRow(Base):
    """What an account is stamped with, and whether it is paused."""

    __tablename__ = "account"

    name = column(Words(64), primary_key=True)
    environment = optional(Words(32))
    host = optional(Words(255))
    account_id = optional(Words(64))  # as configured: id or identifier
    remote_id = optional(Words(64))  # as answers show it
    tax_number = optional(Words(64))
    rounding_method = optional(Words(32))  # how the account calculates, as last read
    round_before_sum = optional(Boolean)
    apply_taxes_per_line = optional(Boolean)
    arithmetic_at = optional(Instant)  # when it was last asked how it calculates
    number_guard = optional(Boolean)  # found by a probe; None: never probed
    list_delay = optional(Roughly)  # seconds, found by a probe
    probed_at = optional(Instant)
    paused_reason = optional(Words(64))
    paused_details = optional(Facts)
    paused_at = optional(Instant)
    paused_by = optional(Words(128))  # a person; nothing else ends such a pause early
    probe_at = optional(Instant)
    probes = column(Integer, default=0)
    ramp_step = optional(Integer)  # of the first run, from 1; None: not begun, 0: over
    polled_at = optional(Instant)  # when the last whole look at the states began
    poll_after = optional(Instant)  # not to be looked again before, after a failure
    webhooks_proved_at = optional(Instant)  # a look found nothing they had not told
    archived_to = optional(Instant)  # the files of what was sent until then are noted
    compare_asked_at = optional(Instant)  # a person wants its three sides compared


class ArchiveRow(Base):
    """One file of an issued document, and how far its keeping has come."""

    __tablename__ = "archive"
    __table_args__ = (
        UniqueConstraint("job_id", "piece"),
        Index("ix_archive_due", "account", "due_at", sqlite_where=text("keeping IN ('due', 'storing')"),
              postgresql_where=text("keeping IN ('due', 'storing')")),
        Index("ix_archive_unlisted", "id", sqlite_where=text("keeping = 'kept' AND list_number IS NULL"),
              postgresql_where=text("keeping = 'kept' AND list_number IS NULL")),
        Index("ix_archive_name", "name"),
        Index("ix_archive_absent", "account", sqlite_where=text("keeping = 'absent'"),
              postgresql_where=text("keeping = 'absent'")),
    )  # fmt: skip

    id = column(Id, Identity(), primary_key=True)
    job_id = column(Id, ForeignKey("job.id"))
    account = column(Words(64))
    piece = column(Choice(Piece))
    keeping = column(Choice(Keeping))
    due_at = column(Instant)
    tries = column(Integer, default=0)  # in vain, in a row
    reason = optional(Words(64))  # why the last try was in vain
    details = optional(Facts)
    missing_since = optional(Instant)  # when B2Brouter first answered that there is none
    name = optional(Words(255))  # in the archive
    sha256 = optional(Words(64))
    size = optional(BigInteger)
    kept_at = optional(Instant)
    list_number = optional(Integer)  # of the archive's list that names it


class ArchiveListRow(Base):
    """One list of the archive: a manifest that names the one before it."""

    __tablename__ = "archive_list"

    number = column(Integer, primary_key=True, autoincrement=False)
    name = column(Words(255))
    sha256 = column(Words(64))
    made_at = column(Instant)


class ReconciliationRow(Base):
    """One comparison of ERP, ledger and B2Brouter for an account, and what it came to."""

    __tablename__ = "reconciliation"
    __table_args__ = (Index("ix_reconciliation_account", "account", "id"),)

    id = column(Id, Identity(), primary_key=True)
    account = column(Words(64))
    owner = optional(Words(255))  # the process that makes it
    started_at = column(Instant)
    finished_at = optional(Instant)
    first_day = optional(Date)  # of issue
    last_day = optional(Date)
    erp = column(Integer)  # documents on each side
    ledger = column(Integer)
    remote = column(Integer)
    differences = column(Integer)
    for_person = column(Integer)
    by_reason = optional(Facts)
    fault = optional(Prose)  # why it could not be made


class DifferenceRow(Base):
    """One difference that a comparison found."""

    __tablename__ = "difference"

    run_id = column(Id, ForeignKey("reconciliation.id"), primary_key=True)
    seq = column(Integer, primary_key=True, autoincrement=False)
    reason = column(Words(64))
    details = optional(Facts)
    source = optional(Words(64))
    company = optional(Words(64))
    key = optional(Words(255))
    job_id = optional(Id)
    number = optional(Words(255))
    issue_date = optional(Date)
    currency = optional(Words(8))
    total = optional(Exact)
    reference = optional(Words(64))
    command = column(Prose)


class StampRow(Base):
    """Which database this ledger is, so that a copy of it is seen; and who said so, where somebody did."""

    __tablename__ = "stamp"

    name = column(Words(64), primary_key=True)
    identity = column(Words(512))
    bound_at = optional(Instant)
    who = optional(Words(128))
    note = optional(Prose)


class BudgetRow(Base):
    """The common request pace of all processes that share an API key. Times in seconds since 1970."""

    __tablename__ = "budget"

    name = column(Words(64), primary_key=True)
    next_at = column(Double)
    paused_until = column(Double)
    lowered = optional(Double)
    lowered_at = column(Double)


class CallRow(Base):
    """How requests to B2Brouter ended and how long they took, since the ledger began: what the processes counted."""

    __tablename__ = "call"

    account = column(Words(64), primary_key=True)
    operation = column(Words(32), primary_key=True)
    status = column(Words(8), primary_key=True)  # 2xx, 4xx, 429, 5xx; none: no answer
    within = column(Integer, primary_key=True)  # milliseconds, at most; 0: longer than all others
    calls = column(BigInteger)
    seconds = column(Double)  # of all of them together


class CallMinuteRow(Base):
    """How many requests an account made in a minute; kept for a day or two."""

    __tablename__ = "call_minute"

    account = column(Words(64), primary_key=True)
    minute = column(Instant, primary_key=True)
    calls = column(Integer)


class LeaseRow(Base):
    """Who holds an office of which there is one, such as that of the scheduler."""

    __tablename__ = "lease"

    name = column(Words(128), primary_key=True)
    owner = optional(Words(255))
    leased_until = optional(Instant)


class AlarmRow(Base):
    """What is wrong with the installation as a whole: one row from its beginning to its end."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index("uq_alarm_lasting", "code", "subject", unique=True, sqlite_where=text("ended_at IS NULL"),
              postgresql_where=text("ended_at IS NULL")),
        Index("ix_alarm_open", "id", sqlite_where=text("NOT closed"), postgresql_where=text("NOT closed")),
    )  # fmt: skip

    id = column(Id, Identity(), primary_key=True)
    code = column(Words(64))  # of domain/alarms.toml
    subject = column(Words(255))  # the account or source; empty: the installation
    details = optional(Facts)
    since = column(Instant)
    ended_at = optional(Instant)
    closed = column(Boolean, default=False)  # its end is on its way to everybody


class NotificationRow(Base):
    """The outbox: what one recipient is to be told, as facts; the text is made when it goes."""

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_due", "due_at", sqlite_where=text("sent_at IS NULL"),
              postgresql_where=text("sent_at IS NULL")),
        Index("ix_notification_recipient", "recipient", "kind", "id"),
    )  # fmt: skip

    id = column(Id, Identity(), primary_key=True)
    key = column(Words(255), unique=True)  # one fact, one recipient: put in twice, told once
    recipient = column(Words(64))  # by its name in the configuration
    kind = column(Words(24))
    alarm_id = optional(Id, ForeignKey("alarm.id"))
    fact = column(Document)
    created_at = column(Instant)
    due_at = column(Instant)
    attempts = column(Integer, default=0)
    leased_until = optional(Instant)  # somebody is sending it
    sent_at = optional(Instant)


class ToldRow(Base):
    """Which cases a recipient has been told of, and for what reason; gone once the case is."""

    __tablename__ = "told"

    recipient = column(Words(64), primary_key=True)
    job_id = column(Id, ForeignKey("job.id"), primary_key=True)
    reason = column(Words(64))


class SignRow(Base):
    """When something last happened that has to happen again and again."""

    __tablename__ = "sign_of_life"

    name = column(Words(64), primary_key=True)
    at = column(Instant)
