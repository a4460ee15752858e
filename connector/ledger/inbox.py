"""What webhooks told: stored at once, settled later, kept for a while as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, exists, func, or_, select, union, update

from connector.domain.job import Stage, Status
from connector.domain.notice import INVOICE_CHANGED, REPORT_CHANGED, Notice
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.loose import different
from connector.ledger.tables import InboxRow, JobRow, TaxReportRow

KEPT: Final = timedelta(days=90)
"""How long an event is kept after it was settled, and how long one waits for an invoice that nobody knows."""

FOLLOWED: Final = and_(
    JobRow.reference.is_not(None),
    JobRow.stage.in_([Stage.SENT, Stage.RECORDED]),
    JobRow.status != Status.RUNNING,  # its worker writes down what the answer to the sending said
)
"""Jobs whose state at B2Brouter may be written down: sent, and in nobody's hands."""

FOREIGN: Final = "foreign"
"""What an event is about that was put aside: a document that nobody here knows, such as one that others issue."""

_UNKNOWN: Final = timedelta(hours=1)
"""After this an event is put aside: others may tell of many, and what is open is looked through every few seconds."""

_LATELY: Final = timedelta(days=1)
"""What was sent since then may be what an event that was put aside is about; well above the time between sortings."""

_TOLD_MOST: Final = 100
"""Events about one document; it has some ten states in its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One event of the inbox."""

    id: int
    account: str
    event_id: str
    subject: str
    document: str | None
    state: str
    note: str | None
    triggered_at: datetime | None
    received_at: datetime
    body: bytes


_COLUMNS = tuple(getattr(InboxRow, name) for name in Letter.__dataclass_fields__)

_UNSETTLED = InboxRow.settled_at.is_(None)
_OPEN = and_(_UNSETTLED, InboxRow.outcome.is_(None))
_OF_INVOICE = InboxRow.code == INVOICE_CHANGED
_OF_REPORT = InboxRow.code == REPORT_CHANGED
_WITH_NEWS = union(
    select(JobRow.account).join(InboxRow, InboxRow.subject == JobRow.reference).where(_OPEN, _OF_INVOICE, FOLLOWED),
    select(TaxReportRow.account).join(InboxRow, InboxRow.subject == TaxReportRow.id).where(_OPEN, _OF_REPORT),
    select(JobRow.account).join(InboxRow, InboxRow.document == JobRow.reference).where(_OPEN, _OF_REPORT, FOLLOWED),
)
_REPORT_KNOWN = exists(select(TaxReportRow.id).where(TaxReportRow.id == InboxRow.subject))
_SENT_LATELY = select(JobRow.reference).where(JobRow.sent_at >= bindparam("lately"))
_ASIDE = update(InboxRow).where(_UNSETTLED, InboxRow.outcome == FOREIGN).values(outcome=None)
_TAKE_UP = (
    _ASIDE.where(_OF_INVOICE, InboxRow.subject.in_(_SENT_LATELY)),
    _ASIDE.where(_OF_REPORT, InboxRow.document.in_(_SENT_LATELY)),
    _ASIDE.where(_OF_REPORT, _REPORT_KNOWN),
)
_OLD = update(InboxRow).where(_OPEN, InboxRow.received_at < bindparam("before")).values(outcome=FOREIGN)


_ADDRESSED: Final = different(InboxRow.account)
_LAST: Final = select(func.max(InboxRow.received_at)).where(InboxRow.account == _ADDRESSED.c.value)
_LAST_OF_EACH: Final = select(_ADDRESSED.c.value, _LAST.correlate(_ADDRESSED).scalar_subquery().label("at")).where(
    _ADDRESSED.c.value.is_not(None)
)


def _issued_here(document: Any) -> ColumnElement[bool]:
    return exists(select(JobRow.id).where(JobRow.reference == document))


_PUT_ASIDE = (
    _OLD.where(_OF_INVOICE, ~_issued_here(InboxRow.subject)),
    _OLD.where(_OF_REPORT, ~_issued_here(InboxRow.document), ~_REPORT_KNOWN),
)


def _job_of(document: Any, account: str) -> Select[Any]:
    """Return the query for an account's job of a document, if it may be written to now.

    SQLite would sooner read all jobs of the account than look one up by its reference, so it is not told that there
    is an index of accounts.
    """
    return select(JobRow.id).where(JobRow.reference == document, JobRow.account + "" == account, FOLLOWED)


class Inbox:
    """The ledger as webhooks see it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def put(self, account: str, notice: Notice) -> bool:
        """Store an event durably; return whether it was new. One that nobody acts on is settled from the start."""
        now = self._database.clock.now()
        values = {
            "account": account,
            "code": notice.code,
            "event_id": notice.event_id,
            "subject": notice.subject,
            "document": notice.document,
            "state": notice.state,
            "note": notice.note,
            "triggered_at": notice.triggered_at,
            "received_at": now,
            "body": notice.body,
            **({} if notice.is_known else {"settled_at": now, "outcome": "unknown"}),
        }
        insert = insert_dialect(self._database)(InboxRow).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            return connection.execute(insert.returning(InboxRow.id)).first() is not None

    def accounts_with_news(self) -> set[str]:
        """Return the accounts with unsettled events about documents whose jobs may be written to now."""
        with self._database.read() as connection:
            return set(connection.execute(_WITH_NEWS).scalars())

    def about_invoices(self, account: str, limit: int) -> list[Letter]:
        """Return unsettled events about an account's documents whose jobs may be written to now.

        Oldest change first. It may have been the address of another account that they came to: a key sees several,
        and the event names none.
        """
        ready = exists(_job_of(InboxRow.subject, account))
        return self._told(and_(_OPEN, _OF_INVOICE, ready), limit)

    def states_to_come(self, reference: str) -> list[str]:
        """Return the states that events told of a document whose job may not be written to yet, oldest first.

        They may have come to the address of another account, as above.
        """
        about = and_(_UNSETTLED, InboxRow.subject == reference, _OF_INVOICE)
        return [letter.state for letter in self._told(about, _TOLD_MOST)]

    def about_reports(self, account: str, limit: int) -> list[Letter]:
        """Return unsettled events about the tax reports on an account's documents, oldest change first."""
        known = select(TaxReportRow.id).where(TaxReportRow.id == InboxRow.subject, TaxReportRow.account == account)
        ours = _job_of(InboxRow.document, account)
        return self._told(and_(_OPEN, _OF_REPORT, or_(exists(known), exists(ours))), limit)

    def _told(self, which: ColumnElement[bool], limit: int) -> list[Letter]:
        query = select(*_COLUMNS).where(which).order_by(InboxRow.triggered_at, InboxRow.id).limit(limit)
        with self._database.read() as connection:
            return [Letter(**row._mapping) for row in connection.execute(query)]

    def settle(self, letters: Iterable[Letter], outcome: str) -> None:
        """Remember what became of events."""
        ids = [letter.id for letter in letters]
        if not ids:
            return
        values = {"settled_at": self._database.clock.now(), "outcome": outcome}
        with self._database.write() as connection:
            connection.execute(update(InboxRow).where(InboxRow.id.in_(ids)).values(values))

    def sort_out(self) -> int:
        """Put aside what nobody here knows, after an hour; return how many that were.

        It is taken up again when its document was sent from here after all, or its tax report became known.
        """
        now = self._database.clock.now()
        with self._database.write() as connection:
            for statement in _TAKE_UP:
                connection.execute(statement, {"lately": now - _LATELY})
            return sum(connection.execute(each, {"before": now - _UNKNOWN}).rowcount for each in _PUT_ASIDE)

    def last_received(self, account: str) -> datetime | None:
        """Return when an event last came to the address of an account."""
        query = select(func.max(InboxRow.received_at)).where(InboxRow.account == account)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def last_of_each(self) -> Mapping[str, datetime]:
        """Return by account when an event last came to its address; those to which none came are not in it."""
        with self._database.read() as connection:
            return {row.value: row.at for row in connection.execute(_LAST_OF_EACH)}

    def tidy(self) -> int:
        """Drop what is long settled, and what nobody ever matched; return how many."""
        before = self._database.clock.now() - KEPT
        old = and_(InboxRow.received_at < before, or_(InboxRow.settled_at < before, InboxRow.settled_at.is_(None)))
        with self._database.write() as connection:
            return connection.execute(delete(InboxRow).where(old)).rowcount
