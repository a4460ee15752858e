"""What an adapter's author supplies: an ERP that the suite may spoil, and the few things that happen in one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, NoReturn

import pytest

from connector.domain.invoice import Kind
from connector.ports import Adapter

Cells = Mapping[tuple[str, str, str], Any]
"""All values of an ERP, by (table, row, column)."""

SHEET: Final = "adapter_conformance"
"""Property of a test report that says to whose verdict sheet it belongs."""

NOT_IN_THE_SAMPLE: Final = frozenset({"fraction", "negative_line", "discount", "credit_note", "second_company"})
"""What the sample documents should have. One that the ERP cannot express goes into `lacks`, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A confirmed document of the sample, as the ERP itself shows it. All amounts of credit notes are positive."""

    key: str
    number: str
    issue_date: date
    net: Decimal
    tax: Decimal  # VAT and surcharges, without withholding
    withholding: Decimal = Decimal(0)  # zero or negative
    payable: Decimal
    lines: tuple[Decimal, ...]  # net amounts, in their order
    kind: Kind = Kind.INVOICE
    currency: str = "EUR"
    original: str | None = None  # key of the invoice that a credit note lowers


class ThrowAwaySource(ABC):
    """An ERP made for one test. Every method but `open` and `documents` may be left out, for a written reason.

    `lacks` holds these reasons, by the name of the method (or of what the sample cannot show); the verdict sheet
    shows them. What is neither supplied nor in `lacks` fails its rules.
    """

    lacks: ClassVar[Mapping[str, str]] = {}

    local_time: ClassVar[bool] = False
    """Whether the ERP writes its times without zone in local time: the hour that comes twice a year is ambiguous."""

    written: ClassVar[Sequence[str]] = ()
    """The columns, as table.column, that a write-back may change."""

    def __init__(self) -> None:
        self._opened: list[Adapter] = []

    # ------------------------------------------------------------ always

    @abstractmethod
    def open(self, **options: Any) -> Adapter:
        """Return a new adapter of this ERP; `options` win over those it usually has.

        Raises:
            UsageError: an option is wrong.
        """

    @abstractmethod
    def documents(self) -> Sequence[Expected]:
        """Return all confirmed documents that are there at the beginning, as the ERP shows them."""

    # ------------------------------------------------------------ what users of the ERP do

    def unconfirmed(self) -> Sequence[str]:
        """Return the keys of documents that are there at the beginning and must not leave: drafts, cancelled ones."""
        self.not_supplied("unconfirmed")

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        """Confirm one more document, like the first one but for its key and number; return its key.

        Args:
            changed_at: aware; what the ERP would write as the time of the last change.
            issue_date: that of the first document, unless given.
            company: that of the first document, unless given.
        """
        self.not_supplied("add")

    def change(self, key: str, *, changed_at: datetime) -> None:
        """Change the content of a document, such as the text of a line, as a user would."""
        self.not_supplied("change")

    def unconfirm(self, key: str) -> None:
        """Take a document back to draft, or cancel it."""
        self.not_supplied("unconfirm")

    def spoil(self, key: str) -> None:
        """Put something into a document that no adapter can read, such as an empty amount."""
        self.not_supplied("spoil")

    def fill(self, count: int) -> None:
        """Add so many confirmed documents, quickly; lines are not needed."""
        self.not_supplied("fill")

    # ------------------------------------------------------------ what goes wrong

    def drop_column(self) -> str:
        """Take away a column that reading needs; return its name as messages shall have it."""
        self.not_supplied("drop_column")

    def drop_table(self) -> str:
        """Take away a table that reading needs; return its name."""
        self.not_supplied("drop_table")

    def wrong_password(self) -> tuple[Adapter, str]:
        """Return an adapter with a password that the ERP refuses, and that password."""
        self.not_supplied("wrong_password")

    def cut_connections(self) -> None:
        """End all connections to the ERP, as its restart would."""
        self.not_supplied("cut_connections")

    # ------------------------------------------------------------ what is seen from outside

    def snapshot(self) -> Cells:
        """Return all values of the ERP."""
        self.not_supplied("snapshot")

    def queries(self) -> AbstractContextManager[list[str]]:
        """Return a context that collects the queries that go to the ERP meanwhile."""
        self.not_supplied("queries")

    # ------------------------------------------------------------ for the suite

    def adapter(self, **options: Any) -> Adapter:
        """Return a new adapter, which is closed with the source."""
        opened = self.open(**options)
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        """Close all adapters; derive it to remove what the source made."""
        for adapter in self._opened:
            adapter.close()

    def reason(self, part: str) -> str:
        """Return why a part is not supplied; empty where nobody said."""
        return self.lacks.get(part, "").strip()

    def not_supplied(self, part: str) -> NoReturn:
        """Skip the rule with the reason that was written for this part; without one, the rule fails."""
        reason = self.reason(part)
        if reason:
            pytest.skip(reason)
        pytest.fail(
            f'Nobody supplies {part}: give {type(self).__name__} such a thing, or write lacks["{part}"] = why not.',
            pytrace=False,
        )

    def parts(self) -> frozenset[str]:
        """Return what `lacks` may speak of."""
        own = {
            name for name, member in vars(ThrowAwaySource).items() if callable(member) and not name.startswith("_")
        }
        machinery = {"open", "documents", "adapter", "close", "reason", "not_supplied", "parts"}
        return frozenset(own - machinery) | {"written"} | NOT_IN_THE_SAMPLE
