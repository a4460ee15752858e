"""Rows of Odoo -> canonical invoices. No queries here, and no arithmetic that changes a figure of the ERP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from connector.adapters.database import Row, exact, plain
from connector.adapters.figures import discount_of, net_price, rounds_to
from connector.adapters.odoo import taxes as odoo_taxes
from connector.adapters.odoo.attachments import attachments
from connector.adapters.odoo.parties import party
from connector.adapters.odoo.reader import Documents
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.texts import plain_text
from connector.adapters.values import day, unit_name
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import (
    ZERO,
    AllowanceCharge,
    Invoice,
    Kind,
    Line,
    Original,
    Payment,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
)

ISSUED_TYPES: Final = frozenset({"out_invoice", "out_refund"})

# Odoo's own units, by the name they have in its source, in the codes of UN/ECE recommendation 20.
_UNITS: Final = {
    "Units": "C62",
    "Dozens": "DZN",
    "Hours": "HUR",
    "Days": "DAY",
    "Minutes": "MIN",
    "kg": "KGM",
    "g": "GRM",
    "t": "TNE",
    "Ton": "TNE",
    "L": "LTR",
    "ml": "MLT",
    "m³": "MTQ",
    "m": "MTR",
    "km": "KMT",
    "cm": "CMT",
    "mm": "MMT",
    "m²": "MTK",
    "KWH": "KWH",
}


@dataclass(frozen=True, slots=True)
class Mapper:
    """Makes canonical invoices from what the reader read in one go."""

    documents: Documents
    taxes: Mapping[int, Tax]
    options: Mapping[str, TaxMapping]

    @classmethod
    def of(cls, documents: Documents, options: Mapping[str, TaxMapping]) -> Mapper:
        """Return a mapper that knows what each tax means."""
        taxes = {key: odoo_taxes.tax(row, options) for key, row in documents.taxes.items()}
        return cls(documents, taxes, options)

    def invoices(self) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return every document, or why it cannot be one; one bad document does not harm the others."""
        return {str(row["id"]): self._invoice_or_error(row) for row in self.documents.headers}

    def _invoice_or_error(self, row: Row) -> Invoice | DocumentNotUsableError:
        key = str(row["id"])
        try:
            return self._invoice(row)
        except (ValueError, ArithmeticError) as error:
            name = _number(row["number"]) or f"with the id {key}"
            return DocumentNotUsableError(
                f"Document {name} of the ERP cannot be read: {error}.",
                key=key,
                action="Correct the document in Odoo.",
            )

    def _invoice(self, row: Row) -> Invoice:
        parties = self.documents.parties
        buyer = party(
            parties.get(row["commercial_partner_id"]),
            self.documents.dir3.get(row["commercial_partner_id"], ()),
        )
        contact = parties.get(row["partner_id"])
        contact_email = plain(contact["email"]) if contact else None
        return Invoice(
            key=str(row["id"]),
            company=str(row["company_id"]),
            confirmed=row["state"] == "posted" and row["move_type"] in ISSUED_TYPES,
            kind=kind(row["move_type"]),
            number=_number(row["number"]),
            issue_date=day(row["invoice_date"]),
            due_date=day(row["invoice_date_due"]),
            currency=row["currency"],
            seller=party(parties.get(row["company_partner_id"])),
            buyer=buyer,
            buyer_email=contact_email if contact_email != buyer.email else None,
            lines=tuple(self._lines(row)),
            allowances=tuple(self._early_payment(row)),
            tax_totals=self._tax_totals(row),
            totals=self._totals(row),
            payment=Payment(
                **_account(row["iban"]),
                bic=plain(row["bic"]),
                terms=plain(odoo_taxes.label(row["payment_terms"], buyer.language)),
                reference=plain(row["payment_reference"]),
            ),
            buyer_reference=plain(row["buyer_reference"]),
            purchase_order=_purchase_order(row),
            contract=plain(row["contract_reference"]),
            sales_order=plain(row["invoice_origin"]),
            note=_note(row),
            original=_original(row),
            delivery_date=day(row["delivery_date"]),
            attachments=attachments(self.documents.files.get(row["id"], ())),
            reference=plain(row.get("written_reference")),
            xref=plain(row.get("written_xref")),
        )

    # --- lines

    def _lines(self, header: Row) -> list[Line]:
        customer = self.documents.parties.get(header["commercial_partner_id"])
        language = customer["lang"] if customer else None
        return [self._line(row, header["currency"], language) for row in self._rows(header, "product")]

    def _rows(self, header: Row, kind: str) -> list[Row]:
        return [row for row in self.documents.lines.get(header["id"], []) if row["display_type"] == kind]

    def _line(self, row: Row, currency: str | None, language: str | None) -> Line:
        quantity, price = _amount(row, "quantity"), _amount(row, "price_unit")
        discount, net = _amount(row, "discount"), _amount(row, "price_subtotal")
        gross = quantity * price
        allowances: tuple[AllowanceCharge, ...] = ()
        base, unit = Decimal(1), _UNITS.get(odoo_taxes.label(row["unit"]))
        if rounds_to(gross * (100 - discount) / 100, net, currency):
            allowances = discount_of(gross - net, discount)
        else:  # the price includes tax
            price, base = net_price(net, quantity)
        return Line(
            description=plain(row["description"]) or "",
            quantity=quantity,
            net_price=price,
            net_amount=net,
            base_quantity=base,
            unit=unit,
            unit_name=unit_name(odoo_taxes.label(row["unit"], language), unit),
            article_code=plain(row["article_code"]),
            allowances=allowances,
            taxes=tuple(self.taxes[key] for key in self._tax_keys(row["id"])),
        )

    def _tax_keys(self, line: int) -> list[int]:
        """Return the taxes of a line in Odoo's own order, without those that say nothing."""
        keys = {key for key in self.documents.line_taxes.get(line, ()) if not _is_void(self.taxes[key])}
        return sorted(keys, key=lambda key: (self.documents.taxes[key]["sequence"] or 0, key))

    def _early_payment(self, header: Row) -> list[AllowanceCharge]:
        """Return the discount for early payment where the taxes are lower by it, whether or not it comes to that.

        The net amount is not lower: what is taken from the base of the taxes is added again, without tax.
        """
        return [
            AllowanceCharge(
                is_charge=amount > 0,
                amount=abs(amount),
                description=plain(row["description"]) or "",
                taxes=self._taxes_or_none(row),
            )
            for row in self._rows(header, "epd")
            if (amount := _booked(row, header))
        ]

    def _taxes_or_none(self, row: Row) -> tuple[Tax, ...]:
        found = tuple(self.taxes[key] for key in self._tax_keys(row["id"]))
        return found or (odoo_taxes.untaxed(plain(row["description"]) or "", self.options),)

    # --- totals

    def _tax_totals(self, header: Row) -> tuple[TaxTotal, ...]:
        """Amounts from the tax rows, which a tax of 0 has not; bases as Odoo prints them, from the lines."""
        bases: dict[int, Decimal] = {}
        nets = [(row, _amount(row, "price_subtotal")) for row in self._rows(header, "product")]
        nets += [(row, _booked(row, header)) for row in self._rows(header, "epd")]
        for row, net in nets:
            for key in self._tax_keys(row["id"]):
                bases[key] = bases.get(key, ZERO) + net
        amounts = self._tax_amounts(header)
        return tuple(
            TaxTotal(tax=self.taxes[key], base=bases.get(key, ZERO), amount=amounts.get(key, ZERO))
            for key in sorted({*bases, *amounts})
        )

    def _tax_amounts(self, header: Row) -> dict[int, Decimal]:
        balances = self.documents.tax_amounts.get(header["id"], {})
        return {key: _sign(header) * (exact(balance) or ZERO) for key, balance in balances.items()}

    def _rounding(self, header: Row) -> Decimal:
        """Return what cash rounding adds to the document by lines of their own, without tax."""
        return sum((_booked(row, header) for row in self._rows(header, "rounding")), ZERO)

    def _totals(self, header: Row) -> Totals:
        """Odoo's amount_tax is net of withholding, and its amount_untaxed has cash rounding in it."""
        rounding = self._rounding(header)
        withheld = sum(
            (
                amount
                for key, amount in self._tax_amounts(header).items()
                if self.taxes[key].kind is TaxKind.WITHHOLDING
            ),
            ZERO,
        )
        return Totals(
            net=_amount(header, "amount_untaxed") - rounding,
            tax=_amount(header, "amount_tax") - withheld,
            withholding=withheld,
            rounding=rounding,
            payable=_amount(header, "amount_total"),
        )


def kind(move_type: str) -> Kind:
    """Return the canonical kind of a move."""
    return Kind.CREDIT_NOTE if _is_credit(move_type) else Kind.INVOICE


def _is_void(tax: Tax) -> bool:
    """A surcharge or withholding of 0 % (Odoo has them for fiscal positions) is no tax of the document."""
    return tax.kind is not TaxKind.VAT and tax.percent == 0


def _is_credit(move_type: str) -> bool:
    return move_type.endswith("_refund")


def _sign(header: Row) -> int:
    """The sign of a balance that makes it an amount: what an invoice charges is negative in the books."""
    return 1 if _is_credit(header["move_type"]) else -1


def _number(name: str | None) -> str | None:
    """A draft has "/" or nothing; a document that went back to draft keeps its number."""
    number = plain(name)
    return None if number == "/" else number


def _amount(row: Row, column: str) -> Decimal:
    try:
        return exact(row[column]) or ZERO
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def _booked(row: Row, header: Row) -> Decimal:
    """Return what a row of the books adds to its document."""
    return _sign(header) * _amount(row, "amount_currency")


def _account(stored: str | None) -> dict[str, str | None]:
    """Return an account as what it is: Odoo keeps those of banks without IBANs in the same column."""
    account = plain(stored)
    is_iban = account is None or re.match(r"[A-Za-z]{2}\d{2}", account, re.ASCII)
    return {"iban": account} if is_iban else {"other_account": account}


def _purchase_order(row: Row) -> str | None:
    """The customer's order (BT-13): Chorus Pro's field where it exists, else Odoo's customer reference."""
    ordered = plain(row["purchase_order_reference"])
    if ordered:
        return ordered
    return None if _is_reason(row) else plain(row["ref"])


def _is_reason(row: Row) -> bool:
    """Whether `ref` is the text of a wizard ("Reversal of: INV/1, returned", "INV/1, more work").

    The wizards that credit or debit an invoice put its number and the reason into the customer's reference.
    """
    number = _number(row["original_number"])
    return number is not None and number in (row["ref"] or "")


def _note(row: Row) -> str | None:
    texts = [plain(row["ref"]) if _is_reason(row) else None, plain_text(row["narration"])]
    return "\n".join(text for text in texts if text) or None


def _original(row: Row) -> Original | None:
    if row["original_id"] is None:
        return None
    return Original(
        key=str(row["original_id"]),
        number=_number(row["original_number"]) or "",
        date=day(row["original_date"]),
        confirmed=row["original_state"] == "posted",
    )


def found_total(value: Any) -> Decimal | None:
    """Return the total of a head; None where it is not a number, which loading the document will explain."""
    try:
        return exact(value)
    except ValueError:
        return None
