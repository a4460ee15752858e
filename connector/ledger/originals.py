"""Which document corrects which: what is looked up before a correction goes, and who waits for whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select

from connector.domain.identity import key_spellings, references_to
from connector.domain.invoice import Kind, Original
from connector.domain.job import Stage, Status
from connector.ledger import raw
from connector.ledger.database import Database
from connector.ledger.records import COLUMNS, Job, job_of
from connector.ledger.tables import JobRow

GIVEN_UP: Final = frozenset({"original_not_issued", "original_skipped", "original_deleted"})
"""Reasons of a held correction whose original does not go. A person may release it all the same, with a note: then
it refers to the original by number and date, as to one that was issued elsewhere."""

_JOB: Final[Any] = JobRow.__table__
_OUT: Final = (Stage.SENT, Stage.RECORDED)

RESTS_FOR_ORIGINAL: Final[ColumnElement[bool]] = or_(
    and_(JobRow.status == Status.WAITING, JobRow.reason == "original_waiting"),
    and_(JobRow.status == Status.HELD, JobRow.reason.in_([*GIVEN_UP, "original_circular"])),
)
"""The corrections that are judged anew when their original has been sent."""


FOLLOWERS: Final[ColumnElement[bool]] = and_(
    JobRow.source == bindparam("of_source"),
    JobRow.company == bindparam("of_company"),
    JobRow.original_key.in_([bindparam("of_key"), bindparam("of_bare_key")]),
    RESTS_FOR_ORIGINAL,
)
"""The corrections that rest because of one document, to be named when this is executed: `of_document`."""

_BLANKS: Final = " " * 255
"""As many as a key has characters at most."""


def of_document(source: str, company: str, key: str) -> Mapping[str, str]:
    """Return what names a document to `FOLLOWERS`."""
    return {"of_source": source, "of_company": company, "of_key": key, "of_bare_key": key.strip()}


def followed(connection: Connection, done: Sequence[Job]) -> Collection[tuple[str, str, str]]:
    """Return those of some documents that any correction follows, by source, company and key: few have one."""
    keys: dict[str, list[str]] = {}
    for job in done:
        keys.setdefault(job.source, []).extend(references_to(job.key))
    named = {*chain.from_iterable(_followed(connection, *each) for each in keys.items())}
    ours = {(job.source, job.company, job.key) for job in done}
    return [each for each in ours if any((*each[:2], key) in named for key in references_to(each[2]))]


def _followed(connection: Connection, source: str, keys: Sequence[str]) -> Sequence[tuple[str, str, str]]:
    one = raw.mark(connection)
    some, values = raw.among(connection, _JOB, "original_key", keys)
    found = connection.exec_driver_sql(
        f"SELECT company, original_key FROM job WHERE source = {one}"  # noqa: S608 - marks alone
        f" AND original_key IS NOT NULL AND {some}",
        (source, *values),
    )
    return [(source, company, key) for company, key in found]


def siblings(correction: Job) -> ColumnElement[bool]:
    """Return the other corrections of what a document corrects that are held because all together are too much."""
    return and_(
        JobRow.source == correction.source,
        JobRow.company == correction.company,
        JobRow.original_key == correction.original_key,
        JobRow.id != correction.id,
        JobRow.status == Status.HELD,
        JobRow.reason == "credited_too_much",
    )


def overtaken() -> ColumnElement[bool]:
    """Return the resting corrections whose original changed while they were lying down, or was found since."""
    there = JobRow.__table__.alias().c
    same_company = and_(there.source == JobRow.source, there.company == JobRow.company)
    by_key = select(there.id).where(same_company, there.key.in_(_spellings(JobRow.original_key, JobRow.key)))
    by_number = select(there.id).where(
        same_company,
        JobRow.original_key.is_(None),
        there.number == JobRow.original_number,
        or_(JobRow.original_date.is_(None), there.issue_date == JobRow.original_date),
    )
    is_out = there.stage.in_(_OUT)
    gave_up = or_(there.status == Status.SKIPPED, there.reason == "erp_deleted")
    awaited = JobRow.reason == "original_waiting"
    changed = or_(
        by_key.where(is_out).exists(), by_number.where(is_out).exists(), and_(awaited, by_key.where(gave_up).exists())
    )
    return and_(RESTS_FOR_ORIGINAL, changed)


def _spellings(key: Any, like: Any) -> Sequence[ColumnElement[str]]:
    """Return what `key_spellings` does, of columns. Nothing is asked of the other document's key: it has an index."""
    missing = func.length(like) - func.length(key)
    filled = (func.substr(key + _BLANKS, 1, func.length(like)), func.substr(_BLANKS + key, 256 - missing))
    return [key, *(case((missing > 0, each), else_=key) for each in filled)]


class Originals:
    """The ledger as one asks it before a correction goes."""

    def __init__(self, database: Database) -> None:
        """Read a ledger."""
        self._database = database

    def find(self, job: Job, original: Original) -> Sequence[Job]:
        """Return the jobs of what a document corrects: several only where nothing but a number is known.

        Args:
            job: of the document.
            original: as the ERP names it; by key, else by number, and by date where it is given.
        """
        if original.key is not None:
            return self._by_key(job, original.key, job.key)
        if not original.number:
            return []
        of_that_day = [JobRow.issue_date == original.date] if original.date else []
        return self._jobs(job, JobRow.number == original.number, *of_that_day)

    def circle(self, job: Job) -> Sequence[Job]:
        """Return the documents that correct one another in a ring, from this one on; empty where there is none.

        A ring that this document only leads to is the affair of those within it, and one that has been sent
        already keeps nobody waiting.
        """
        chain, seen = [job], {job.id}
        while key := chain[-1].original_key:
            following = self._by_key(job, key, chain[-1].key)
            if not following or following[0].stage in _OUT:
                return []
            if following[0].id == job.id:
                return chain
            if following[0].id in seen:
                return []
            chain.append(following[0])
            seen.add(following[0].id)
        return []

    def credited(self, original: Job) -> Decimal:
        """Return by how much all corrections of a document lower it; those that a person left out do not count."""
        corrections = self._jobs(
            original,
            JobRow.original_key.in_(references_to(original.key)),
            JobRow.currency == original.currency,
            JobRow.status != Status.SKIPPED,
        )
        return sum((_signed(correction) for correction in corrections), Decimal(0))

    def _by_key(self, near: Job, key: str, like: str) -> list[Job]:
        """Return the document of a key; only where there is none, that whose key has blanks besides."""
        found = self._jobs(near, JobRow.key.in_(key_spellings(key, like)))
        return [each for each in found if each.key == key] or found

    def _jobs(self, near: Job, *conditions: Any) -> list[Job]:
        query = select(*COLUMNS).where(JobRow.source == near.source, JobRow.company == near.company, *conditions)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query.order_by(JobRow.id))]


def _signed(correction: Job) -> Decimal:
    total = correction.total or Decimal(0)
    return total if correction.kind is Kind.CREDIT_NOTE else -total
