"""Jobs that rest for one and the same cause, to be cured at one stroke: the customer, the tax, the account."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, false, func, literal, or_, type_coerce

from connector.domain import catalogue
from connector.domain.identity import storable
from connector.domain.invoice import Kind
from connector.ledger.tables import JobRow

COLUMNS: Final[tuple[Any, ...]] = (
    JobRow.id,
    JobRow.reason,
    JobRow.details,
    JobRow.source,
    JobRow.company,
    JobRow.account,
    JobRow.customer,
    JobRow.kind,
    JobRow.total,
    JobRow.currency,
    JobRow.issue_date,
    JobRow.updated_at,
)
"""What grouping reads of a job."""

_OF_THE_JOB: Final = ("source", "company", "account", "customer")

_TOLD: Final = 300
"""Characters of a fact that tell a cause from others in an address: a message may be as long as it likes."""

LONGEST_KEY: Final = 4000
"""Characters of the key of a cause at most."""

_DETAILS: Final = func.coalesce(type_coerce(JobRow.details, String), "")


@dataclass(slots=True, kw_only=True)
class Cause:
    """One cause, and what rests because of it."""

    reason: str
    facts: Mapping[str, str]  # what makes it one cause, as the catalogue's entry names it
    details: dict[str, str]  # what all cases have in common; `catalogue.DIFFERENT` where they differ
    ids: list[int] = field(default_factory=list)
    sums: dict[str, Decimal] = field(default_factory=dict)  # by currency; credit notes are subtracted
    oldest: date | None = None  # date of issue
    newest: date | None = None
    since: datetime | None = None  # when the first of them came to rest

    @property
    def key(self) -> str:
        """What names it in an address, and to the API; `Filter.cause` has the jobs that rest because of it."""
        parts = [self.reason, *(value[:_TOLD] for value in self.facts.values())]
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))

    @property
    def count(self) -> int:
        """How many invoices it concerns."""
        return len(self.ids)

    @property
    def entry(self) -> catalogue.Reason:
        """Who acts, and how."""
        return catalogue.reason(self.reason)

    def message(self, language: str | None = None) -> str:
        """Return it in one sentence, with count and sums; see `Reason.message`."""
        return catalogue.summed_up(self.reason, self.details, self.count, self.sums, language)

    def advice(self, language: str | None = None) -> str:
        """Return the cure."""
        return self.entry.advice(self.details, language)

    def add(self, row: Any) -> None:
        """Count a job."""
        if row.details != self.details:
            self._compare(row.details)
        self.ids.append(row.id)
        if row.total is not None:
            signed = -row.total if row.kind is Kind.CREDIT_NOTE else row.total
            currency = row.currency or "?"
            self.sums[currency] = self.sums.get(currency, Decimal(0)) + signed
        if row.issue_date is not None:
            self.oldest = min(self.oldest or row.issue_date, row.issue_date)
            self.newest = max(self.newest or row.issue_date, row.issue_date)
        self.since = min(self.since or row.updated_at, row.updated_at)

    def _compare(self, details: Mapping[str, str]) -> None:
        for name in {*self.details, *details}:
            if self.details.get(name) != details.get(name):
                self.details[name] = catalogue.DIFFERENT


class Groups:
    """Sorts jobs into causes, one after the other."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, ...], Cause] = {}

    def add(self, row: Any) -> Cause:
        """Count a job that has a reason, or a row selected with `COLUMNS`; return its cause."""
        facts = identifying(row.reason, row.details, {name: getattr(row, name) or "" for name in _OF_THE_JOB})
        key = (row.reason, *facts.values())
        cause = self._found.get(key)
        if cause is None:
            cause = self._found[key] = Cause(reason=row.reason, facts=facts, details=dict(row.details))
        cause.add(row)
        return cause

    def causes(self) -> list[Cause]:
        """Return what was found, most frequent first."""
        return sorted(self._found.values(), key=lambda cause: (-cause.count, cause.oldest or date.max, cause.ids[0]))


def grouped(rows: Iterable[Any]) -> list[Cause]:
    """Return the causes of jobs that have a reason, or of rows selected with `COLUMNS`: most frequent first."""
    groups = Groups()
    for row in rows:
        groups.add(row)
    return groups.causes()


def identifying(reason: str, details: Mapping[str, str], job: Mapping[str, str]) -> dict[str, str]:
    """Return the facts that make a case one cause with others, by the catalogue: of the case, else of the job."""
    return {name: details.get(name, job.get(name, "")) for name in catalogue.reason(reason).cause}


def told(key: str) -> list[str]:
    """Return the reason of a cause, and the facts that make it one, by its key; nothing where that is no key."""
    try:
        parts = json.loads(key)
    except (ValueError, RecursionError):
        return []
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts) or not parts:
        return []
    known = catalogue.reasons().get(parts[0])
    return parts if known is not None and len(known.cause) == len(parts) - 1 else []


def clause(key: str) -> ColumnElement[bool]:
    """Return the condition of the jobs that rest because of one cause."""
    if not (parts := told(key)):
        return false()
    return and_(JobRow.reason == parts[0], *_same(catalogue.reason(parts[0]).cause, parts[1:]))


def _same(names: Iterable[str], values: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    for name, value in zip(names, values, strict=True):
        of_the_job = func.coalesce(getattr(JobRow, name), "") if name in _OF_THE_JOB else literal("")
        yield or_(_says(_fact(name, value)), and_(~_says(f'"{name}": '), of_the_job == storable(value)))


def _fact(name: str, value: str) -> str:
    """Return how the facts of a case are written where this is one of them; see `Facts`."""
    fact = json.dumps({name: value}, ensure_ascii=False)[1:-1]
    return storable(fact[:-1] if len(value) == _TOLD else fact)


def _says(part: str) -> ColumnElement[bool]:
    """Whether the facts have this part: quotes within a value are written otherwise than those around it."""
    return func.replace(_DETAILS, part, "") != _DETAILS
