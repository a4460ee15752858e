"""Which jobs a list shows: what its address says, as values and as a filter of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connector.domain import catalogue
from connector.domain.job import Stage, Status
from connector.ledger import Ledger
from connector.ledger.causes import LONGEST_KEY
from connector.ledger.queries import Filter
from connector.web.console.visit import query_of

_LONGEST: Final = {"cause": LONGEST_KEY}


class FilterError(ValueError):
    """A part of the address means nothing; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A filter as it stands in an address. What is empty does not narrow."""

    status: str = ""
    stage: str = ""
    reason: str = ""
    cause: str = ""
    remote_state: str = ""
    source: str = ""
    account: str = ""
    since: str = ""
    until: str = ""
    at_least: str = ""
    at_most: str = ""
    q: str = ""
    attention: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Chosen:
        """Read it from the parameters of an address or the fields of a form."""
        names = cls.__dataclass_fields__
        return cls(**{name: str(given[name]).strip()[: _LONGEST.get(name, 255)] for name in names if given.get(name)})

    def filter(self, ledger: Ledger) -> Filter:
        """Return the filter of the ledger.

        Raises:
            FilterError: something in it means nothing.
        """
        wanted = Filter(
            status=_member(Status, self.status, "status"),
            stage=_member(Stage, self.stage, "stage"),
            reason=_reason(self.reason),
            cause=self.cause or None,
            remote_state=self.remote_state or None,
            source=self.source or None,
            account=self.account or None,
            since=_day(self.since, "since"),
            until=_day(self.until, "until"),
            at_least=_amount(self.at_least, "at_least"),
            at_most=_amount(self.at_most, "at_most"),
            attention=bool(self.attention),
        )
        return replace(wanted, among=ledger.queries.named(self.q, wanted)) if self.q else wanted

    def facts(self) -> dict[str, str]:
        """Return what is not empty."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def query(self) -> str:
        """The part of an address that means the same."""
        return query_of(asdict(self))

    def hidden(self) -> Iterator[tuple[str, str]]:
        """Yield it as the hidden fields of a form."""
        yield from self.facts().items()


def _member(kind: Any, value: str, name: str) -> Any:
    if not value:
        return None
    try:
        return kind(value)
    except ValueError:
        raise FilterError(name) from None


def _reason(value: str) -> str | None:
    if value and value not in catalogue.reasons():
        raise FilterError("reason")
    return value or None


def _day(value: str, name: str) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise FilterError(name) from None


def _amount(value: str, name: str) -> Decimal | None:
    """Read an amount as people type it: with a point or a comma before the decimals."""
    plain = value.replace(" ", "").replace("\N{NARROW NO-BREAK SPACE}", "")
    if "," in plain and "." in plain:
        thousands = "," if plain.rindex(",") < plain.rindex(".") else "."
        plain = plain.replace(thousands, "")
    try:
        amount = Decimal(plain.replace(",", ".")) if plain else None
    except InvalidOperation:
        raise FilterError(name) from None
    if amount is not None and (not amount.is_finite() or abs(amount) >= 10**15):
        raise FilterError(name)
    return amount
