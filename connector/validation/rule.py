"""What a rule is: a small function over the canonical invoice that has a name, a level and a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.domain.invoice import AllowanceCharge, Invoice, Line, Tax


class Level(StrEnum):
    """What a broken rule does to a document."""

    BLOCK = "block"  # it is held
    WARN = "warn"  # it goes, and its timeline says what is wrong


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule: a reason of the error catalogue with the facts that its sentence names."""

    reason: str
    details: Mapping[str, str] = field(default_factory=dict)


Check = Callable[[Invoice, datetime], Iterator[Problem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. Its id is the reason of the catalogue that it gives, and its name in the configuration."""

    id: str
    check: Check
    level: Level  # where the account's settings say nothing
    source: str
    settled: bool = False  # the level cannot be lowered: without it, no document could be made, or a wrong one

    def __call__(self, invoice: Invoice, now: datetime) -> Iterator[Problem]:
        """Yield what is wrong."""
        return self.check(invoice, now)


def rule(
    id: str,  # noqa: A002 - the word of the configuration
    *,
    source: str,
    level: Level = Level.BLOCK,
    settled: bool = False,
) -> Callable[[Check], Rule]:
    """Make a rule of a function that yields problems of just this reason."""

    def made(check: Check) -> Rule:
        return Rule(id=id, check=check, level=level, source=source, settled=settled)

    return made


def taxable(invoice: Invoice) -> Iterator[Line | AllowanceCharge]:
    """Yield the lines, and what lowers or raises the whole document: it is taxed like a line."""
    yield from invoice.lines
    yield from invoice.allowances


def taxes(invoice: Invoice) -> Iterator[tuple[Line | AllowanceCharge, Tax]]:
    """Yield every tax with what it is on."""
    return ((entry, tax) for entry in taxable(invoice) for tax in entry.taxes)


def name_of(entry: Line | AllowanceCharge) -> str:
    """Return what a person knows a line by."""
    first = next(iter(entry.description.splitlines()), "")
    return first[:80] or "(a line without text)"
