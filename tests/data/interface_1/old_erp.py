"""An adapter as it was written for interface 1 of the contract. It is never changed: newer cores must take it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from connector.domain.errors import DocumentNotUsableError, WriteBackRefusedError
from connector.domain.invoice import Invoice, Kind, Line, Party, Tax, TaxTotal, Totals
from connector.ports import CheckRow, Company, Found, Position

VAT = Tax(percent=Decimal(21), category="S", source_name="VAT 21 %")


class OldOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    table: str = "bill"


class OldAdapter:
    Options = OldOptions

    def __init__(self, path: str, options: OldOptions) -> None:
        self._path = path
        self._table = options.table

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> OldAdapter:
        return cls((url or "").removeprefix("sqlite:///"), OldOptions(**options))

    def identity(self) -> str:
        return f"sqlite:{self._path}"

    def check(self) -> Sequence[CheckRow]:
        return [CheckRow(name="table", status="ok", message=f"{len(self._rows('1 = 1'))} bills")]

    def companies(self) -> Sequence[Company]:
        return [Company(key="1", name="Old S.A.", tax_number="ESB76543214", country="ES")]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        if companies is not None and "1" not in companies:
            return []
        start = ("", 0) if after is None else (after.changed_at.strftime("%Y-%m-%d %H:%M:%S"), int(after.key or 0))
        rows = self._rows(
            "state = 'sent' AND (changed, id) > (?, ?) AND day >= ? ORDER BY changed, id LIMIT ?",
            *start,
            since.isoformat() if since else "",
            limit,
        )
        return [
            Found(
                key=str(row["id"]),
                company="1",
                changed_at=datetime.fromisoformat(row["changed"]).replace(tzinfo=UTC),
                number=row["number"],
                kind=Kind.INVOICE,
                issue_date=date.fromisoformat(row["day"]),
                currency="EUR",
                total=Decimal(row["net"]) + Decimal(row["vat"]),
            )
            for row in rows
        ]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        marks = ", ".join("?" for _ in keys)
        return {str(row["id"]): self._invoice(row) for row in self._rows(f"id IN ({marks})", *keys)}

    def record(self, key: str, reference: str, xref: str) -> None:
        wanted = f"{reference} {xref}"
        with closing(sqlite3.connect(self._path)) as connection, connection:
            changed = connection.execute(
                f"UPDATE {self._table} SET written = ? WHERE id = ? AND COALESCE(written, ?) = ?",
                (wanted, key, wanted, wanted),
            ).rowcount
        if changed != 1:
            raise WriteBackRefusedError(f"Bill {key} has another reference, or is gone.")

    def close(self) -> None:
        pass

    def _rows(self, where: str, *values: object) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self._path)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(f"SELECT * FROM {self._table} WHERE {where}", values).fetchall()

    @staticmethod
    def _invoice(row: sqlite3.Row) -> Invoice:
        net, vat = Decimal(row["net"]), Decimal(row["vat"])
        return Invoice(
            key=str(row["id"]),
            company="1",
            confirmed=row["state"] == "sent",
            kind=Kind.INVOICE,
            number=row["number"],
            issue_date=date.fromisoformat(row["day"]),
            currency="EUR",
            seller=Party(name="Old S.A.", tax_number="ESB76543214", country="ES"),
            buyer=Party(
                key="7",
                name="Comprador, S.L.",
                tax_number="ESA58818501",
                country="ES",
                address="Calle Mayor, 1",
                city="Madrid",
                postal_code="28013",
                email="facturas@comprador.example",
            ),
            lines=(Line(description="Work", quantity=Decimal(1), net_price=net, net_amount=net, taxes=(VAT,)),),
            tax_totals=(TaxTotal(tax=VAT, base=net, amount=vat),),
            totals=Totals(net=net, tax=vat, payable=net + vat),
        )
