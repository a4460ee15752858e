"""What a digest tells: the cases that its recipient has not been told of, by cause; those told before as one sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from connector.domain import catalogue
from connector.domain.alarms import Audience
from connector.domain.catalogue import Who
from connector.ledger.causes import Cause, Groups
from connector.ledger.outbox import Outbox
from connector.notify.recipients import Recipient

MOST_CAUSES: Final = 30
"""Causes that a digest tells one by one."""

MOST_NUMBERS: Final = 10
"""Invoices that it names for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A digest before it is in the outbox."""

    fact: Mapping[str, Any]  # empty: nothing to tell
    told: Mapping[int, str]  # reasons by job, of what is new in it
    gone: Sequence[int]  # jobs that are no cases any more

    @property
    def has_news(self) -> bool:
        """Whether it tells of cases that were not told before."""
        return bool(self.told)


def draft(outbox: Outbox, to: Recipient) -> Draft:
    """Return what a recipient would be told now."""
    known = outbox.told(to.name)
    gone = set(known)
    told: dict[int, str] = {}
    new, old = Groups(), Groups()
    numbers: dict[int, str] = {}
    for row in outbox.cases(_needing_a_person()):
        if not _concerns(row, to):
            continue
        gone.discard(row.id)
        if known.get(row.id) == row.reason:
            old.add(row)
            continue
        told[row.id] = row.reason
        if new.add(row).count <= MOST_NUMBERS:
            numbers[row.id] = row.number or f"#{row.id}"
    return Draft(fact=_fact(new.causes(), old.causes(), numbers), told=told, gone=list(gone))


def _needing_a_person() -> list[str]:
    return [code for code, entry in catalogue.reasons().items() if entry.who in {Who.ACCOUNTANT, Who.OPERATOR}]


def _concerns(row: Any, to: Recipient) -> bool:
    return to.hears_of(row.account) and Audience.of(catalogue.reason(row.reason).who) in to.audiences


def _fact(new: Sequence[Cause], old: Sequence[Cause], numbers: Mapping[int, str]) -> dict[str, Any]:
    if not new and not old:
        return {}
    return {
        "new": [_cause(cause, numbers) for cause in new[:MOST_CAUSES]],
        "news": _sum(new),
        "further": _sum(new[MOST_CAUSES:]),
        "open": _sum(old),
        "all": _sum([*new, *old]),
    }


def _cause(cause: Cause, numbers: Mapping[int, str]) -> dict[str, Any]:
    return {
        "reason": cause.reason,
        "details": cause.details,
        "count": cause.count,
        "sums": _plain(cause.sums),
        "oldest": _day(cause.oldest),
        "numbers": [numbers[job] for job in cause.ids[:MOST_NUMBERS]],
        "filter": {"reason": cause.reason, **_narrowed(cause)},
    }


def _narrowed(cause: Cause) -> dict[str, str]:
    """What narrows the console's list to one cause, as far as a list can be."""
    names = {"account": "account", "source": "source", "customer": "q"}
    return {parameter: cause.facts[name] for name, parameter in names.items() if cause.facts.get(name)}


def _sum(causes: Sequence[Cause]) -> dict[str, Any]:
    sums: dict[str, Decimal] = {}
    for cause in causes:
        for currency, value in cause.sums.items():
            sums[currency] = sums.get(currency, Decimal(0)) + value
    return {
        "causes": len(causes),
        "count": sum(cause.count for cause in causes),
        "sums": _plain(sums),
        "oldest": _day(min(filter(None, (cause.oldest for cause in causes)), default=None)),
    }


def _plain(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: format(value, "f") for currency, value in sums.items()}


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
