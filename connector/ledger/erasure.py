"""Personal data of documents that are past: taken out, while what proves that each was issued once stays.

Of a job stay source, company, key, number, dates, totals, reference, cross-reference, states and the timeline; name,
tax number, the request as it left, what was issued and all texts go. The archive is not touched: the law asks for
invoices to be kept, and says for how long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, or_, select, tuple_, update

from connector.domain.job import Status
from connector.ledger.database import Database
from connector.ledger.deeds import write_deed
from connector.ledger.tables import (
    ContactLinkRow,
    DirectoryRow,
    EventRow,
    JobRow,
    TaxReportRow,
    VatNumberRow,
)

ERASED: Final = "erased"
"""What the deed is called."""

_KEPT: Final = ("reference", "xref", "state", "contact", "how", "report", "kind", "content", "file")
"""Facts of the timeline that say nothing of anybody."""

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was erased."""

    jobs: int
    contacts: int


class Erasure:
    """Takes personal data out of a ledger."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def count(self, before: datetime, *, tax_number: str | None = None) -> int:
        """Return how many jobs there are to erase; see `erase`."""
        query = select(func.count()).select_from(JobRow).where(_past(before, tax_number))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def erase(self, before: datetime, *, who: str, note: str, tax_number: str | None = None) -> Erased:
        """Erase what came to its end before an instant: issued without an open case, or left out by a person.

        Args:
            before: of sending, or of the last change of what was left out.
            who: the person.
            note: why.
            tax_number: only of the customer with this number, in the spelling of `connector jobs`.
        """
        jobs, last = 0, 0
        while ids := self._some(before, tax_number, after=last):
            with self._database.write() as connection:
                _erase_jobs(connection, ids)
            jobs, last = jobs + len(ids), ids[-1]
        contacts = self._erase_contacts(before)
        with self._database.write() as connection:
            connection.execute(delete(VatNumberRow).where(VatNumberRow.asked_at < before))
            connection.execute(delete(DirectoryRow).where(DirectoryRow.valid_until < before))
            now = self._database.clock.now()
            write_deed(connection, now, who=who, what=ERASED, subject="", count=jobs, note=note)
        return Erased(jobs=jobs, contacts=contacts)

    def _erase_contacts(self, before: datetime) -> int:
        """Forget contacts; the next document of that customer looks it up again. Return how many."""
        name, forgettable = tuple_(ContactLinkRow.account, ContactLinkRow.identity), _forgettable(before)
        query = select(ContactLinkRow.account, ContactLinkRow.identity).where(forgettable)
        query = query.order_by(ContactLinkRow.account, ContactLinkRow.identity).limit(_AT_ONCE)
        count, last = 0, ("", "")
        while True:
            with self._database.read() as connection:
                names = [(row.account, row.identity) for row in connection.execute(query.where(name > last))]
            if not names:
                return count
            with self._database.write() as connection:
                count += connection.execute(delete(ContactLinkRow).where(name.in_(names), forgettable)).rowcount
            last = names[-1]

    def _some(self, before: datetime, tax_number: str | None, *, after: int) -> Sequence[int]:
        """Return the next ones by id: those that were erased already, perhaps millions, are not looked at again."""
        meant = and_(_past(before, tax_number), JobRow.id > after)
        query = select(JobRow.id).where(meant).order_by(JobRow.id).limit(_AT_ONCE)
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()


def _past(before: datetime, tax_number: str | None) -> ColumnElement[bool]:
    ended = or_(
        and_(JobRow.status == Status.DONE, JobRow.reason.is_(None), JobRow.sent_at < before),
        and_(JobRow.status == Status.SKIPPED, JobRow.reason.is_(None), JobRow.updated_at < before),
    )
    personal = or_(
        *(column.is_not(None) for column in (JobRow.customer, JobRow.tax_number, JobRow.payload, JobRow.content))
    )
    return and_(ended, personal, *([] if tax_number is None else [JobRow.tax_number == tax_number]))


def _erase_jobs(connection: Connection, ids: Sequence[int]) -> None:
    gone = dict.fromkeys(
        ("customer", "customer_key", "tax_number", "details", "payload", "content", "state_note"), None
    )
    of_jobs = connection.execute(select(JobRow.account, JobRow.reference).where(JobRow.id.in_(ids))).all()
    connection.execute(update(JobRow).where(JobRow.id.in_(ids)).values(gone))
    _erase_events(connection, ids)
    references = [row.reference for row in of_jobs if row.reference]
    connection.execute(
        update(TaxReportRow)
        .where(TaxReportRow.reference.in_(references))
        .values(url=None, qr=None, problem=None, settled=True, unrecorded=False)
    )


def _erase_events(connection: Connection, ids: Sequence[int]) -> None:
    query = select(EventRow.id, EventRow.details).where(EventRow.job_id.in_(ids))
    kept = [
        {"of_event": row.id, "kept": {name: row.details[name] for name in _KEPT if name in row.details} or None}
        for row in connection.execute(query.where(EventRow.details.is_not(None)))
    ]
    if kept:
        connection.execute(
            update(EventRow).where(EventRow.id == bindparam("of_event")).values(details=bindparam("kept")), kept
        )
    connection.execute(update(EventRow).where(EventRow.job_id.in_(ids)).values(note=None, answer=None))


def _forgettable(before: datetime) -> ColumnElement[bool]:
    """Whether no document needs a contact any more."""
    needed = exists().where(
        JobRow.account == ContactLinkRow.account,
        JobRow.contact_id == ContactLinkRow.contact_id,
        or_(JobRow.customer.is_not(None), JobRow.payload.is_not(None)),
    )
    return and_(
        ContactLinkRow.contact_id.is_not(None),
        ContactLinkRow.open_since.is_(None),
        ContactLinkRow.leased_until.is_(None),
        ContactLinkRow.updated_at < before,
        ~needed,
    )
