"""Personal data of documents that are past: taken out, while what proves that each was issued once stays.

Of a job stay source, company, key, number, dates, totals, reference, cross-reference, states and the timeline; name,
tax number, the request as it left, what was issued and all texts go. The archive is not touched: the law asks for
invoices to be kept, and says for how long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)

from connector.domain.identity import tax_number_spelling
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

_BY_TAX_NUMBER: Final = "tax:"
"""How the identity of a contact begins that is told by its tax number."""

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was erased."""

    jobs: int
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Which tax number of the ledger a person means, in its one spelling."""

    number: str | None = None
    """The given one, else the only one with two letters of a country before it; None: there is none, or several."""
    others: tuple[str, ...] = ()
    """The same digits with two letters before them: perhaps another's, perhaps the same customer's."""


class Erasure:
    """Takes personal data out of a ledger."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def tax_number(self, given: str) -> Meant:
        """Return which of the ledger's tax numbers, of whatever age, a person means, however it is spelled."""
        meant = _spellings(given)
        contact = func.substr(ContactLinkRow.identity, len(_BY_TAX_NUMBER) + 1)
        by_number = ContactLinkRow.identity.startswith(_BY_TAX_NUMBER)
        known = select(JobRow.tax_number).where(_is_or_ends_with(JobRow.tax_number, meant))
        linked = select(contact).where(by_number, _is_or_ends_with(contact, meant))
        with self._database.read() as connection:
            found = sorted({*connection.execute(known.union(linked)).scalars()})
        exact = [spelling for spelling in meant if spelling in found]
        number = next(iter(exact or found)) if exact or len(found) == 1 else None
        return Meant(number=number, others=tuple(each for each in found if each != number))

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
            tax_number: only of the customer with this number, in the ledger's spelling: see `tax_number`. Answers
                of registers about others stay.
        """
        contacts_meant = self._contacts_of(tax_number)
        jobs, last = 0, 0
        while ids := self._some(before, tax_number, after=last):
            with self._database.write() as connection:
                _erase_jobs(connection, ids)
            jobs, last = jobs + len(ids), ids[-1]
        contacts = self._erase_contacts(and_(contacts_meant, _forgettable(before)))
        with self._database.write() as connection:
            if tax_number is None:
                connection.execute(delete(VatNumberRow).where(VatNumberRow.asked_at < before))
                connection.execute(delete(DirectoryRow).where(DirectoryRow.valid_until < before))
            now = self._database.clock.now()
            write_deed(connection, now, who=who, what=ERASED, subject="", count=jobs, note=note)
        return Erased(jobs=jobs, contacts=contacts)

    def _contacts_of(self, tax_number: str | None) -> ColumnElement[bool]:
        """Return which contacts are meant: all, or one customer's, by its number or by what was issued to them."""
        if tax_number is None:
            return true()
        issued = select(JobRow.account, JobRow.contact_id).where(JobRow.tax_number == tax_number).distinct()
        with self._database.read() as connection:
            names = [(row.account, row.contact_id) for row in connection.execute(issued)]
        return or_(
            ContactLinkRow.identity == f"{_BY_TAX_NUMBER}{tax_number}",
            tuple_(ContactLinkRow.account, ContactLinkRow.contact_id).in_(names),
        )

    def _erase_contacts(self, forgettable: ColumnElement[bool]) -> int:
        """Forget contacts; the next document of that customer looks it up again. Return how many."""
        name = tuple_(ContactLinkRow.account, ContactLinkRow.identity)
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


def _spellings(given: str) -> Sequence[str]:
    """Return how the ledger may spell a number: a Greek one has the prefix EL, and the country in an ERP is GR."""
    plain = tax_number_spelling(given, None) or ""
    greek = [tax_number_spelling(given, "GR") or ""] if plain.startswith("GR") else []
    return [plain, *greek]


def _is_or_ends_with(number: Any, meant: Sequence[str]) -> ColumnElement[bool]:
    """Whether a number is one of some, or one with two letters before it."""
    letters = (func.substr(number, place, 1) for place in (1, 2))
    prefixed = (func.upper(letter) != func.lower(letter) for letter in letters)
    return or_(number.in_(meant), and_(func.substr(number, 3).in_(meant), *prefixed))


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
