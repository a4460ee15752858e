"""The throw-away databases of the built-in adapters: those that the ERPs made themselves, and the booking example."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.odoo import OdooAdapter
from connector.adapters.sql import SqlAdapter
from connector.adapters.testing import Expected, SqlSource
from connector.adapters.tryton import TrytonAdapter
from connector.domain.invoice import Kind
from connector.ports import Adapter
from tests.support.dolibarr import DolibarrDatabase
from tests.support.odoo import OdooDatabase
from tests.support.tryton import TrytonDatabase

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def as_utc(moment: datetime) -> str:
    """As most databases take a time stamp without zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def expected(invoice: Mapping[str, Any], tax: Decimal, withholding: Decimal) -> Expected:
    """What the ERP's own models say of a document; tax and withholding with the sign that the ERP keeps."""
    negative = invoice["kind"] == "credit_note" and Decimal(invoice["total"]) < 0
    sign = -1 if negative else 1
    original = invoice["original"] if invoice["kind"] == "credit_note" else None
    return Expected(
        key=str(invoice["id"]),
        number=invoice["number"],
        issue_date=date.fromisoformat(invoice["issue_date"]),
        net=sign * Decimal(invoice["untaxed"]),
        tax=sign * tax,
        withholding=sign * withholding,
        payable=sign * Decimal(invoice["total"]),
        lines=tuple(sign * Decimal(line["subtotal"]) for line in invoice["lines"]),
        kind=Kind(invoice["kind"]),
        currency=invoice["currency"],
        original=str(original["id"]) if original else None,
    )


def with_signed_taxes(invoice: Mapping[str, Any]) -> Expected:
    """Odoo and Tryton keep one total of all taxes; those of negative rate are withheld."""
    withheld = sum((Decimal(tax["amount"]) for tax in invoice["taxes"] if tax["percent"].startswith("-")), Decimal(0))
    return expected(invoice, Decimal(invoice["tax"]) - withheld, withheld)


class GenuineSource(SqlSource):
    """A database in which documents have whole numbers for keys, after those that the ERP made."""

    table: ClassVar[str]
    key: ClassVar[str] = "id"
    stamp: ClassVar[str] = "write_date"
    first_free: ClassVar[int] = 5_000_000

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._last = self.first_free

    def _add(self, changed_at: datetime, **values: Any) -> str:
        self._last += 1
        given = {name: value for name, value in values.items() if value is not None}
        first = self.documents()[0].key
        row = {self.key: self._last, self.stamp: as_utc(changed_at), **given}
        self.copy(self.table, f"{self.key} = {first}", **row)
        return str(self._last)

    def _fill(self, count: int, number: str) -> None:
        first = int(self._add(datetime(2026, 12, 1, tzinfo=UTC), **{number: "M"}))
        self.multiply(self.table, self.key, first, count, **{number: f"CONCAT('M', {self.key}, '-{{step}}')"})


class OdooSource(GenuineSource):
    table = "account_move"
    needed_column = "account_move.invoice_date"
    needed_table = "account_move_line"
    written = ("account_move.x_b2b_reference", "account_move.x_b2b_xref")

    def __init__(self, database: OdooDatabase) -> None:
        super().__init__(database.url)
        self.database = database

    def open_at(self, url: str, **options: Any) -> Adapter:
        return OdooAdapter.open("erp", url, options)

    def documents(self) -> Sequence[Expected]:
        return [with_signed_taxes(invoice) for invoice in self.database.expected["invoices"] if invoice["sendable"]]

    def unconfirmed(self) -> Sequence[str]:
        return [str(invoice["id"]) for invoice in self.database.expected["invoices"] if not invoice["sendable"]]

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        number = f"ADDED/{self._last}"
        return self._add(changed_at, name=number, invoice_date=issue_date, company_id=company and int(company))

    def change(self, key: str, *, changed_at: datetime) -> None:
        self.execute("UPDATE account_move SET narration = 'changed' WHERE id = :key", key=int(key))
        self.execute("UPDATE account_move SET write_date = :at WHERE id = :key", at=as_utc(changed_at), key=int(key))

    def unconfirm(self, key: str) -> None:
        self.execute("UPDATE account_move SET state = 'draft' WHERE id = :key", key=int(key))

    def spoil(self, key: str) -> None:
        self.execute("UPDATE account_move_line SET quantity = 'NaN' WHERE move_id = :key", key=int(key))

    def fill(self, count: int) -> None:
        self._fill(count, "name")


class TrytonSource(GenuineSource):
    table = "account_invoice"
    needed_column = "account_invoice.invoice_date"
    needed_table = "account_invoice_tax"
    written = ("account_invoice.b2brouter_id", "account_invoice.b2brouter_xref")
    lacks: ClassVar[Mapping[str, str]] = {
        "discount": "Tryton keeps prices after discount only: its core has no discounts."
    }

    def __init__(self, database: TrytonDatabase) -> None:
        super().__init__(database.url)
        self.database = database
        self.execute("ALTER TABLE account_invoice ADD b2brouter_id INTEGER")
        self.execute("ALTER TABLE account_invoice ADD b2brouter_xref VARCHAR")
        self.copy("company_company", "id = 1", id=2)
        self.execute("UPDATE account_invoice SET company = 2 WHERE id = 3")

    def open_at(self, url: str, **options: Any) -> Adapter:
        return TrytonAdapter.open("erp", url, {"write_back": "columns", **options})

    def documents(self) -> Sequence[Expected]:
        return [with_signed_taxes(invoice) for invoice in self.database.sendable.values()]

    def unconfirmed(self) -> Sequence[str]:
        return [str(invoice["id"]) for invoice in self.database.expected["invoices"] if not invoice["sendable"]]

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        issued = issue_date and issue_date.isoformat()
        return self._add(changed_at, number="ADDED", invoice_date=issued, company=company and int(company))

    def change(self, key: str, *, changed_at: datetime) -> None:
        self.execute("UPDATE account_invoice SET comment = 'changed' WHERE id = :key", key=int(key))
        self.execute(
            "UPDATE account_invoice SET write_date = :at WHERE id = :key", at=as_utc(changed_at), key=int(key)
        )

    def unconfirm(self, key: str) -> None:
        self.execute("UPDATE account_invoice SET state = 'cancelled' WHERE id = :key", key=int(key))

    def spoil(self, key: str) -> None:
        bad = "CAST('many' AS BLOB)" if self.database.backend == "sqlite" else "'NaN'"
        self.execute(f"UPDATE account_invoice_line SET unit_price = {bad} WHERE invoice = :key", key=int(key))

    def fill(self, count: int) -> None:
        first = int(self._add(datetime(2026, 12, 1, tzinfo=UTC), number="M"))
        self.multiply(self.table, "id", first, count)


class DolibarrSource(GenuineSource):
    """On a database that all tests share: what is renamed gets its name back."""

    table = "llx_facture"
    key = "rowid"
    stamp = "tms"
    needed_column = "llx_facture.datef"
    needed_table = "llx_facturedet"
    written = tuple(
        f"llx_facture_extrafields.{column}" for column in ("rowid", "fk_object", "tms", "b2b_reference", "b2b_xref")
    )

    def __init__(self, database: DolibarrDatabase) -> None:
        super().__init__(database.url)
        self.database = database
        self._undo: list[str] = []
        for name, value in (("MAIN_INFO_SOCIETE_NOM", "Deuxième SARL"), ("MAIN_MONNAIE", "EUR")):
            self.execute(
                "INSERT INTO llx_const (name, entity, value) VALUES (:name, 2, :value)", name=name, value=value
            )
        self.execute("UPDATE llx_facture SET entity = 2 WHERE rowid = 2")

    def open_at(self, url: str, **options: Any) -> Adapter:
        return DolibarrAdapter.open("erp", url, options)

    def documents(self) -> Sequence[Expected]:
        return [
            expected(
                invoice,
                Decimal(invoice["vat"]) + Decimal(invoice["localtax1"]),
                Decimal(invoice["localtax2"]),
            )
            for invoice in self.database.sendable.values()
        ]

    def unconfirmed(self) -> Sequence[str]:
        return [str(invoice["id"]) for invoice in self.database.invoices if not invoice["sendable"]]

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        number = f"ADDED-{self._last}"
        return self._add(changed_at, ref=number, datef=issue_date, entity=company and int(company))

    def change(self, key: str, *, changed_at: datetime) -> None:
        changed = "UPDATE llx_facture SET note_public = 'changed', tms = :at WHERE rowid = :key"
        self.execute(changed, at=as_utc(changed_at), key=int(key))

    def unconfirm(self, key: str) -> None:
        self.execute("UPDATE llx_facture SET fk_statut = 0, tms = tms WHERE rowid = :key", key=int(key))

    def spoil(self, key: str) -> None:
        self.execute(
            "UPDATE llx_facture SET multicurrency_code = 'USD', localtax2 = -100, tms = tms WHERE rowid = :key",
            key=int(key),
        )

    def fill(self, count: int) -> None:
        self._fill(count, "ref")

    def drop_column(self) -> str:
        name = super().drop_column()
        self._undo.append(f"ALTER TABLE llx_facture RENAME COLUMN {name}_gone TO {name}")
        return name

    def drop_table(self) -> str:
        name = super().drop_table()
        self._undo.append(f"RENAME TABLE {name}_gone TO {name}")
        return name

    def close(self) -> None:
        super().close()
        for statement in self._undo:
            self.execute(statement)


class BookingSource(SqlSource):
    """The booking example, mapped by the queries of its configuration."""

    needed_column = "task.quantity"
    needed_table = "project_vat"
    written = ("project.reference", "project.project_xref")
    lacks: ClassVar[Mapping[str, str]] = {
        "negative_line": "The office gives reductions as discounts; no line of its lowers an invoice."
    }

    def __init__(self, url: str, *, timezone: str = "UTC") -> None:
        super().__init__(url)
        self.zone = ZoneInfo(timezone)
        self.local_time = timezone != "UTC"  # type: ignore[misc]  # of this source, not of its class
        self.script((EXAMPLES / "booking.sql").read_text(encoding="utf-8"))
        self._last = 1000

    def open_at(self, url: str, **options: Any) -> Adapter:
        configured = tomllib.loads((EXAMPLES / "booking.toml").read_text(encoding="utf-8"))
        usual = configured["sources"]["booking"]["options"] | {"timezone": str(self.zone)}
        return SqlAdapter.open("booking", url, usual | options)

    def documents(self) -> Sequence[Expected]:
        invoices = (
            ("100", "P-2026-001", 1, ("1149.92", "241.48", "0", "1391.40"), ("1093.75", "56.17")),
            ("101", "P-2026-002", 2, ("411.11", "0", "0", "411.11"), ("411.11",)),
            ("102", "P-2026-003", 3, ("800", "168", "-120", "848"), ("800",)),
            ("103", "A-2026-001", 10, ("100", "21", "0", "121"), ("100",)),
            ("106", "P-2026-001", 14, ("900", "180", "0", "1080"), ("900",)),
        )
        return [
            Expected(
                key=key,
                number=number,
                issue_date=date(2026, 9, day),
                net=net,
                tax=tax,
                withholding=withheld,
                payable=payable,
                lines=tuple(map(Decimal, lines)),
                kind=Kind.CREDIT_NOTE if key == "103" else Kind.INVOICE,
                original="100" if key == "103" else None,
            )
            for key, number, day, amounts, lines in invoices
            for net, tax, withheld, payable in [map(Decimal, amounts)]
        ]

    def unconfirmed(self) -> Sequence[str]:
        return ["104", "105"]

    def add(self, *, changed_at: datetime, issue_date: date | None = None, company: str | None = None) -> str:
        self._last += 1
        row = {"id": self._last, "updated_at": self._local(changed_at), "invoice_number": f"ADDED-{self._last}"}
        if issue_date is not None:
            row["invoice_date"] = issue_date.isoformat()
        if company is not None:
            row["office_id"] = int(company)
        self.copy("project", "id = 100", **row)
        return str(self._last)

    def change(self, key: str, *, changed_at: datetime) -> None:
        changed = "UPDATE project SET title = 'changed', updated_at = :at WHERE id = :key"
        self.execute(changed, at=self._local(changed_at), key=int(key))

    def unconfirm(self, key: str) -> None:
        self.execute("UPDATE project SET status = 'running' WHERE id = :key", key=int(key))

    def spoil(self, key: str) -> None:
        self.execute("UPDATE project SET document = 'Z' WHERE id = :key", key=int(key))

    def fill(self, count: int) -> None:
        first = int(self.add(changed_at=datetime(2026, 12, 1, tzinfo=UTC)))
        self.multiply("project", "id", first, count)

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"
