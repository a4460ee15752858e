"""A small ERP in memory and an adapter that keeps every promise of the port, for the suite's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from pydantic import Field

from connector.adapters.options import AdapterOptions, read
from connector.adapters.testing import Expected, ThrowAwaySource
from connector.adapters.testing.source import Cells
from connector.domain.errors import (
    DocumentNotUsableError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    WriteBackRefusedError,
)
from connector.domain.invoice import AllowanceCharge, Invoice, Kind, Line, Original, Party, Tax, TaxTotal, Totals
from connector.ports import CheckRow, Company, Found, Position

Row = dict[str, Any]
VAT: Final = Tax(percent=Decimal(21), category="S", source_name="VAT 21 %")
PASSWORD: Final = "the-right-one"


@dataclass
class Tables:
    """The ERP: one table of documents, a password, and whoever is connected."""

    documents: dict[str, Row] = field(default_factory=dict)
    names: set[str] = field(default_factory=lambda: {"documents"})
    gone: set[str] = field(default_factory=set)  # columns
    password: str = PASSWORD
    sessions: set[int] = field(default_factory=set)
    queries: list[str] = field(default_factory=list)


def row(key: str, **values: Any) -> Row:
    """A confirmed invoice of one line: 10.5 × 9.125 = 95.81, with 21 % of VAT."""
    number = int(key)
    plain: Row = {
        "key": key,
        "company": "1",
        "state": "confirmed",
        "kind": Kind.INVOICE,
        "number": f"F-{key}",
        "issue_date": date(2026, 9, 1 + number % 20),
        "changed_at": datetime(2026, 9, 1, 8, number % 60, tzinfo=UTC),
        "currency": "EUR",
        "net": Decimal("95.81"),
        "tax": Decimal("20.12"),
        "payable": Decimal("115.93"),
        "lines": [("Work", Decimal("10.5"), Decimal("9.125"), Decimal(0), Decimal("95.81"))],
        "original": None,
        "reference": None,
        "xref": None,
    }
    return plain | values


def filled() -> Tables:
    """The sample: a discount, a negative line, a credit note, two companies, a draft and a cancelled document."""
    rebate = [
        ("Work", Decimal(2), Decimal(60), Decimal(20), Decimal(100)),
        ("Returned", Decimal(-1), Decimal("4.19"), Decimal(0), Decimal("-4.19")),
    ]
    rows = [
        row("1"),
        row("2", lines=rebate),
        row("3", kind=Kind.CREDIT_NOTE, original="1"),
        row("4", company="2", number="F-1"),
        row("5", state="draft", number=None),
        row("6", state="cancelled"),
        row("7"),
    ]
    return Tables({each["key"]: each for each in rows})


class ReferenceOptions(AdapterOptions):
    """Options of the reference adapter."""

    password: str = Field(PASSWORD, description="What the ERP asks for.")
    companies: dict[str, str] = Field(default_factory=dict, description="Names of companies, by key.")


class ReferenceAdapter:
    """See `connector.ports.Adapter`. `_rows` is the one place where the ERP is asked."""

    Options: ClassVar[type[ReferenceOptions]] = ReferenceOptions

    def __init__(self, tables: Tables, **options: Any) -> None:
        self.tables = tables
        self.options = read(self.Options, options, source="erp")

    def identity(self) -> str:
        return "memory:erp"

    def check(self) -> Sequence[CheckRow]:
        try:
            self._rows()
        except (SchemaChangedError, SourceNotPermittedError) as error:
            return [CheckRow(name="tables", status="failed", message=error.message)]
        return [CheckRow(name="tables", status="ok", message="there")]

    def companies(self) -> Sequence[Company]:
        keys = sorted({each["company"] for each in self._rows()})
        return [Company(key=key, name=f"Company {key}", tax_number=None, country="ES") for key in keys]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        rows = [each for each in self._rows() if self.is_listed(each)]
        rows = [each for each in rows if since is None or each["issue_date"] >= since]
        rows = [each for each in rows if companies is None or each["company"] in companies]
        rows = [each for each in rows if after is None or self.comes_after(each, after)]
        return [self.head(each) for each in sorted(rows, key=self.order)[:limit]]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        return {each["key"]: self.usable(each) for each in self._rows(keys)}

    def record(self, key: str, reference: str, xref: str) -> None:
        present = next(iter(self._rows([key])), None)
        if present is None:
            raise WriteBackRefusedError(f"There is no document {key}.")
        wanted = {"reference": reference, "xref": xref}
        if any(present[name] not in {None, value} for name, value in wanted.items()):
            raise WriteBackRefusedError(f"Document {key} has another reference.")
        self.write(key, wanted)

    def close(self) -> None:
        self.tables.sessions.discard(id(self))

    # ------------------------------------------------------------ parts, to be broken one by one

    def is_listed(self, each: Row) -> bool:
        return bool(each["state"] == "confirmed")

    def order(self, each: Row) -> tuple[datetime, str]:
        return self.stamp(each), each["key"]

    def comes_after(self, each: Row, after: Position) -> bool:
        return self.order(each) > (after.changed_at, after.key)

    def stamp(self, each: Row) -> datetime:
        stamp: datetime = each["changed_at"]
        return stamp

    def head(self, each: Row) -> Found:
        return Found(
            key=each["key"],
            company=each["company"],
            changed_at=self.stamp(each),
            number=each["number"],
            kind=each["kind"],
            issue_date=each["issue_date"],
            currency=each["currency"],
            total=each["payable"],
            original_key=each["original"],
        )

    def usable(self, each: Row) -> Invoice | DocumentNotUsableError:
        try:
            return self.invoice(each)
        except (TypeError, ArithmeticError) as error:
            return DocumentNotUsableError(f"{each['number']} cannot be read: {error}.", key=each["key"])

    def invoice(self, each: Row) -> Invoice:
        return Invoice(
            key=each["key"],
            company=each["company"],
            confirmed=self.is_listed(each),
            kind=each["kind"],
            number=each["number"],
            issue_date=each["issue_date"],
            currency=each["currency"],
            seller=Party(name=f"Company {each['company']}"),
            buyer=Party(name="Customer"),
            lines=tuple(self.line(*line) for line in each["lines"]),
            tax_totals=(TaxTotal(tax=VAT, base=+each["net"], amount=+each["tax"]),),
            totals=Totals(net=+each["net"], tax=+each["tax"], payable=+each["payable"]),
            original=self.original(each),
            reference=each["reference"],
            xref=each["xref"],
        )

    def line(self, text: str, quantity: Decimal, price: Decimal, discount: Decimal, net: Decimal) -> Line:
        allowances = (AllowanceCharge(amount=discount),) if discount else ()
        return Line(
            description=text,
            quantity=quantity,
            net_price=price,
            net_amount=net,
            allowances=allowances,
            taxes=(VAT,),
        )

    def original(self, each: Row) -> Original | None:
        return None if each["original"] is None else Original(key=each["original"], number=f"F-{each['original']}")

    def write(self, key: str, wanted: Mapping[str, str]) -> None:
        self.tables.documents[key].update(wanted)

    def connect(self) -> None:
        if self.options.password != self.tables.password:
            raise SourceNotPermittedError("The ERP refuses our password.")
        self.tables.sessions.add(id(self))

    def _rows(self, keys: Sequence[str] | None = None) -> list[Row]:
        self.connect()
        self.tables.queries.append("SELECT")
        if "documents" not in self.tables.names:
            raise SchemaChangedError("There is no table documents.")
        if self.tables.gone:
            raise SchemaChangedError(f"There is no column documents.{next(iter(self.tables.gone))}.")
        documents = dict(self.tables.documents)
        return [documents[key] for key in dict.fromkeys(documents if keys is None else keys) if key in documents]


class OneSession(ReferenceAdapter):
    """As adapters of real servers: what was open is used again, and the first use after a loss fails."""

    def __init__(self, tables: Tables, **options: Any) -> None:
        super().__init__(tables, **options)
        self.opened = False

    def connect(self) -> None:
        if self.opened and id(self) not in self.tables.sessions:
            self.opened = False
            raise SourceUnavailableError("The connection was lost.")
        super().connect()
        self.opened = True


class ReferenceSource(ThrowAwaySource):
    """The throw-away source of the reference adapter, or of a broken one."""

    written = ("documents.reference", "documents.xref")

    def __init__(self, adapter: Callable[..., ReferenceAdapter] = ReferenceAdapter) -> None:
        super().__init__()
        self.tables = filled()
        self.make = adapter

    def open(self, **options: Any) -> ReferenceAdapter:
        return self.make(self.tables, **options)

    def documents(self) -> Sequence[Expected]:
        return [
            Expected(
                key=each["key"],
                number=each["number"],
                issue_date=each["issue_date"],
                net=Decimal("95.81"),
                tax=Decimal("20.12"),
                payable=Decimal("115.93"),
                lines=tuple(line[-1] for line in each["lines"]),
                kind=each["kind"],
                original=each["original"],
            )
            for each in filled().documents.values()
            if each["state"] == "confirmed"
        ]

    def unconfirmed(self) -> Sequence[str]:
        return ["5", "6"]

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        key = str(1000 + len(self.tables.documents))
        first = self.tables.documents["1"]
        self.tables.documents[key] = row(
            key,
            changed_at=changed_at,
            issue_date=issue_date or first["issue_date"],
            company=company or first["company"],
        )
        return key

    def change(self, key: str, *, changed_at: datetime) -> None:
        self.tables.documents[key].update(changed_at=changed_at, number="F-changed")

    def unconfirm(self, key: str) -> None:
        self.tables.documents[key]["state"] = "draft"

    def spoil(self, key: str) -> None:
        self.tables.documents[key]["net"] = None

    def fill(self, count: int) -> None:
        plain = row("1", changed_at=datetime(2026, 10, 1, tzinfo=UTC))
        self.tables.documents |= {str(10**6 + n): {**plain, "key": str(10**6 + n)} for n in range(count)}

    def drop_column(self) -> str:
        self.tables.gone.add("net")
        return "net"

    def drop_table(self) -> str:
        self.tables.names.clear()
        return "documents"

    def wrong_password(self) -> tuple[ReferenceAdapter, str]:
        return self.open(password="not-that-one"), "not-that-one"

    def cut_connections(self) -> None:
        self.tables.sessions.clear()

    def snapshot(self) -> Cells:
        documents = deepcopy(self.tables.documents)
        return {("documents", key, column): each[column] for key, each in documents.items() for column in each}

    @contextmanager
    def queries(self) -> Iterator[list[str]]:
        self.tables.queries = []
        yield self.tables.queries
