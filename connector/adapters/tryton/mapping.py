"""Rows of Tryton -> canonical invoices. No queries here.

The one figure that is computed is the net amount of a line, which Tryton does not store either: quantity times
price, rounded half to even to the currency. Credit notes turn positive here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from typing import Final

from connector.adapters.database import Row, plain
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.tryton import taxes as tryton_taxes
from connector.adapters.tryton.parties import party
from connector.adapters.tryton.reader import Documents
from connector.adapters.tryton.values import amount, number
from connector.adapters.values import day, unit_name
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import (
    ZERO,
    Invoice,
    Kind,
    Line,
    Original,
    Party,
    Payment,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
)

# Tryton's own units, by symbol, in the codes of UN/ECE recommendation 20.
_UNITS: Final = {
    "u": "C62",
    "kg": "KGM",
    "g": "GRM",
    "c": "CTM",
    "lb": "LBR",
    "oz": "ONZ",
    "s": "SEC",
    "min": "MIN",
    "h": "HUR",
    "d": "DAY",
    "m": "MTR",
    "km": "KMT",
    "cm": "CMT",
    "mm": "MMT",
    "ft": "FOT",
    "yd": "YRD",
    "in": "INH",
    "mi": "SMI",
    "m³": "MTQ",
    "l": "LTR",
    "cm³": "CMQ",
    "in³": "INQ",
    "ft³": "FTQ",
    "m²": "MTK",
    "cm²": "CMK",
    "a": "ARE",
    "ha": "HAR",
    "in²": "INK",
    "ft²": "FTK",
    "yd²": "YDK",
    "J": "JOU",
    "MJ": "3B",
    "kW⋅h": "KWH",
    "MW⋅h": "MWH",
}


@dataclass(frozen=True)
class Mapper:
    """Makes canonical invoices from what the reader read in one go."""

    documents: Documents
    options: Mapping[str, TaxMapping]

    def invoices(self) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return every document, or why it cannot be one; one bad document does not harm the others."""
        return {str(row["id"]): self._invoice_or_error(row) for row in self.documents.headers}

    def _invoice_or_error(self, row: Row) -> Invoice | DocumentNotUsableError:
        key = str(row["id"])
        try:
            return self._invoice(row)
        except (ValueError, ArithmeticError) as error:
            name = plain(row["number"]) or f"with the id {key}"
            return DocumentNotUsableError(
                f"Document {name} of the ERP cannot be read: {error}.",
                key=key,
                action="Correct the document in Tryton.",
            )

    def _invoice(self, row: Row) -> Invoice:
        totals = self._totals(row)
        sign = -1 if totals.payable < 0 else 1
        originals = self._originals(row) if sign < 0 else ()
        return Invoice(
            key=str(row["id"]),
            company=str(row["company"]),
            confirmed=bool(row["issued"]),
            kind=kind(totals.payable),
            number=plain(row["number"]),
            issue_date=day(row["invoice_date"]),
            due_date=day(row["due_date"]),
            currency=row["currency"],
            seller=self._seller(row),
            buyer=party(
                self.documents.parties,
                row["party"],
                row["party_name"],
                address=row["invoice_address"],
                tax_identifier=row["party_tax_identifier"],
            ),
            lines=tuple(self._line(line, row, sign) for line in self.documents.lines.get(row["id"], ())),
            tax_totals=tuple(
                TaxTotal(tax=total.tax, base=sign * total.base + 0, amount=sign * total.amount + 0)
                for total in self._tax_totals(row)
            ),
            totals=Totals(
                net=sign * totals.net + 0,
                tax=sign * totals.tax + 0,
                withholding=sign * totals.withholding + 0,
                rounding=sign * totals.rounding + 0,
                payable=sign * totals.payable + 0,
            ),
            payment=self._payment(row),
            purchase_order=plain(row["reference"]),
            note="\n".join(text for text in (plain(row["description"]), plain(row["comment"])) if text) or None,
            original=originals[0] if originals else None,
            further_originals=originals[1:],
            reference=plain(row["written_reference"]),
            xref=plain(row["written_xref"]),
        )

    # --- parties and payment

    def _seller(self, row: Row) -> Party:
        return party(self.documents.parties, row["seller"], row["seller_name"], tax_identifier=row["tax_identifier"])

    def _payment(self, row: Row) -> Payment:
        """The company's first account in the currency of the document, else the first without a currency."""
        terms = plain(row["payment_terms"])
        accounts = self.documents.bank_numbers.get(row["seller"], ())
        for currency in (row["currency_id"], None):
            for account in accounts:
                if account["currency"] == currency:
                    return Payment(iban=plain(account["iban"]), bic=plain(account["bic"]), terms=terms)
        return Payment(terms=terms)

    def _originals(self, row: Row) -> tuple[Original, ...]:
        return tuple(
            Original(
                key=str(original["id"]),
                number=plain(original["number"]) or "",
                date=day(original["invoice_date"]),
                confirmed=bool(original["issued"]),
            )
            for original in self.documents.originals.get(row["id"], ())
        )

    # --- lines

    def _line(self, row: Row, header: Row, sign: int) -> Line:
        unit = _UNITS.get(row["unit"] or "")
        return Line(
            description=plain(row["description"]) or "",
            quantity=sign * amount(row, "quantity") + 0,
            net_price=amount(row, "unit_price"),
            net_amount=sign * _net(row, header) + 0,
            unit=unit,
            unit_name=unit_name(row["unit"], unit),
            article_code=plain(row["article_code"]),
            taxes=tuple(self._tax(key) for key in self._charged(row["id"])),
        )

    def _charged(self, line: int) -> list[int]:
        """Return the taxes of a line in Tryton's order: its own, and their children; a mere parent is none."""
        chosen = set(self.documents.line_taxes.get(line, ()))
        rows = self.documents.taxes
        while more := {key for key, row in rows.items() if row["parent"] in chosen} - chosen:
            chosen |= more
        return [key for key, row in rows.items() if key in chosen and row["type"] != "none"]

    def _tax(self, key: int) -> Tax:
        row = self.documents.taxes[key]
        return tryton_taxes.tax(row, self.options, self._countries.get(row["company"]))

    @cached_property
    def _countries(self) -> Mapping[int, str | None]:
        """The country of each company, which its taxes are of."""
        sellers = {row["company"]: row for row in self.documents.headers}
        return {company: self._seller(row).country for company, row in sellers.items()}

    # --- totals, with Tryton's signs

    def _tax_totals(self, header: Row) -> list[TaxTotal]:
        """One of each tax. Tryton has two rows of a tax where lines of the document have both signs."""
        sums: dict[Tax | int, TaxTotal] = {}
        for row in self.documents.tax_rows.get(header["id"], ()):
            tax = tryton_taxes.manual(row["description"]) if row["tax"] is None else self._tax(row["tax"])
            which = tax if row["tax"] is None else row["tax"]
            base, charged = amount(row, "base"), amount(row, "amount")
            known = sums.get(which)
            if known:
                base, charged = known.base + base, known.amount + charged
            sums[which] = TaxTotal(tax=tax, base=base, amount=charged)
        return list(sums.values())

    def _totals(self, header: Row) -> Totals:
        """Tryton's own totals; before it stores them on posting, the sums that it shows.

        Cash rounding is in the total alone, and in no tax.
        """
        taxes = self._tax_totals(header)
        withheld = sum((total.amount for total in taxes if total.tax.kind is TaxKind.WITHHOLDING), ZERO)
        net = amount(header, "untaxed_amount_cache")
        tax = amount(header, "tax_amount_cache")
        payable = amount(header, "total_amount_cache")
        if header["total_amount_cache"] is None:
            lines = self.documents.lines.get(header["id"], ())
            net = sum((_net(row, header) for row in lines), ZERO)
            tax = sum((total.amount for total in taxes), ZERO)
            payable = net + tax
        rounding = payable - net - tax if header["cash_rounding"] else ZERO
        return Totals(net=net, tax=tax - withheld, withholding=withheld, rounding=rounding, payable=payable)


def kind(total: Decimal | None) -> Kind:
    """Return what a customer invoice with that total is: Tryton numbers those below zero as credit notes."""
    return Kind.CREDIT_NOTE if total is not None and total < 0 else Kind.INVOICE


def _net(row: Row, header: Row) -> Decimal:
    """As Tryton computes it each time: rounded to the currency, halves to even."""
    step = number(header["rounding"]) or Decimal(1).scaleb(-(header["digits"] or 0))
    exact = amount(row, "quantity") * amount(row, "unit_price")
    return (exact / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step
