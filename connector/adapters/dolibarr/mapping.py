"""Rows of Dolibarr -> canonical invoices. No queries here, and no arithmetic that changes a figure of the ERP.

All amounts are DOUBLE in Dolibarr: they are rounded to cents when they are read. A credit note has negative prices
and totals and positive quantities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from connector.adapters.database import Row, exact, plain
from connector.adapters.dolibarr import taxes as dolibarr_taxes
from connector.adapters.dolibarr.parties import buyer, company_country, seller
from connector.adapters.dolibarr.reader import Documents
from connector.adapters.dolibarr.settings import DolibarrOptions
from connector.adapters.dolibarr.texts import words
from connector.adapters.figures import discount_of, net_price, rounds_to
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
    money,
)

_REPLACEMENT: Final = 1
_CREDIT_NOTE: Final = 2
_SITUATION: Final = 5
_ISSUED_TYPES: Final = frozenset({0, 1, 2, 3, 5})

# Dolibarr's dictionary of units (`llx_c_units.code`) in the codes of UN/ECE recommendation 20.
_UNITS: Final = {
    "T": "TNE", "KG": "KGM", "G": "GRM", "MG": "MGM", "OZ": "ONZ", "LB": "LBR", "M": "MTR", "DM": "DMT",
    "CM": "CMT", "MM": "MMT", "FT": "FOT", "IN": "INH", "M2": "MTK", "DM2": "DMK", "CM2": "CMK", "MM2": "MMK",
    "FT2": "FTK", "IN2": "INK", "M3": "MTQ", "DM3": "DMQ", "CM3": "CMQ", "MM3": "MMQ", "FT3": "FTQ", "IN3": "INQ",
    "OZ3": "OZA", "L": "LTR", "GAL": "GLL", "P": "C62", "SET": "SET", "S": "SEC", "MI": "MIN", "H": "HUR",
    "D": "DAY", "W": "WEE", "MO": "MON", "Y": "ANN",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _LineTax:
    """One tax of one line. `family` is the column that it comes from: tva, localtax1 or localtax2."""

    family: str
    tax: Tax
    base: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Mapper:
    """Makes canonical invoices from what the reader read in one go."""

    documents: Documents
    options: DolibarrOptions

    def invoices(self) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return every document, or why it cannot be one; one bad document does not harm the others."""
        return {str(row["id"]): self._invoice_or_error(row) for row in self.documents.headers}

    def _invoice_or_error(self, row: Row) -> Invoice | DocumentNotUsableError:
        key = str(row["id"])
        try:
            return self._invoice(row)
        except (ValueError, ArithmeticError) as error:
            return DocumentNotUsableError(
                f"Document {number_of(row['number']) or f'with the id {key}'} of the ERP cannot be read: {error}.",
                key=key,
                action="Correct the document in Dolibarr.",
            )

    def _invoice(self, row: Row) -> Invoice:
        fields = self.documents.buyer_fields.get(row["buyer_id"])
        party = buyer(row, fields, self.options)
        contact_email = plain(self.documents.contacts.get(row["id"]))
        written = self.documents.written.get(row["id"], {})
        reader = _Figures(row, self.documents, self.options)
        tax_totals = reader.tax_totals()
        return Invoice(
            key=str(row["id"]),
            company=str(row["entity"]),
            confirmed=row["type"] in _ISSUED_TYPES and _is_issued(row["fk_statut"], row["close_code"]),
            kind=kind(row["type"]),
            number=number_of(row["number"]),
            issue_date=day(row["datef"]),
            due_date=day(row["date_lim_reglement"]),
            currency=currency_of(row),
            seller=seller(row["entity"], self._company(row)),
            buyer=party,
            buyer_email=contact_email if contact_email != party.email else None,
            lines=tuple(reader.lines()),
            allowances=reader.stamp(),
            tax_totals=tax_totals,
            totals=reader.totals(tax_totals),
            payment=Payment(
                iban=_iban(row["iban"]),
                bic=plain(row["bic"]),
                terms=words(row["payment_terms"]),
                **_how_paid(row),
                reference=plain(row["payment_reference"]),
            ),
            buyer_reference=plain(fields.get(self.options.service_code_column)) if fields else None,
            purchase_order=plain(row["ref_client"]),
            note=words(row["note_public"]),
            original=self._original(row),
            reference=plain(written.get(self.options.reference_column)),
            xref=plain(written.get(self.options.xref_column)),
        )

    def _company(self, row: Row) -> Mapping[str, str]:
        return self.documents.companies.get(row["entity"], {})

    def _original(self, row: Row) -> Original | None:
        """What a credit note lowers; and what a replacement replaces, if that was issued.

        An invoice is replaced as a rule before anybody saw it: then the replacement is the first one to leave. What
        was issued shows it by our reference, wherever that is written; without a write-back only the ledger knows.
        """
        if row["original_id"] is None or row["type"] not in {_CREDIT_NOTE, _REPLACEMENT}:
            return None
        written = self.documents.written.get(row["original_id"], {})
        told = self.options.write_back != "none"
        if row["type"] == _REPLACEMENT and told and not plain(written.get(self.options.reference_column)):
            return None
        return Original(
            key=str(row["original_id"]),
            number=number_of(row["original_number"]) or "",
            date=day(row["original_date"]),
            confirmed=_is_issued(row["original_statut"], row["original_close_code"]),
        )


class _Figures:
    """Lines, taxes and totals of one document, in its currency and positive for a credit note."""

    def __init__(self, header: Row, documents: Documents, options: DolibarrOptions) -> None:
        self._header = header
        self._rows = documents.lines.get(header["id"], [])
        self._notes = documents.rate_notes
        self._options = options
        self._sign = -1 if kind(header["type"]) is Kind.CREDIT_NOTE else 1
        self._currency = currency_of(header)
        self._foreign = is_foreign(header)
        self._country = company_country(documents.companies.get(header["entity"], {}))
        if header["type"] == _SITUATION:
            self._rows = self._of_this_situation()

    def _of_this_situation(self) -> list[Row]:
        """Return lines with what this situation bills.

        By a setting of Dolibarr's, lines have all that was done so far, and only the header is without what the
        situations before have billed.
        """
        total, slack = self._amount(self._header, "total_ht"), money(self._currency or "").unit * len(self._rows)
        whole, later = self._rows, [_without_before(row) for row in self._rows]
        sums = [sum((self._amount(row, "total_ht") for row in rows), ZERO) for rows in (whole, later)]
        for rows, found in zip((whole, later), sums, strict=True):
            if abs(found - total) <= slack:
                return rows
        raise ValueError(
            f"its lines add up to {sums[0]:f} and, without the situation before, to {sums[1]:f}, not {total:f}"
        )

    def lines(self) -> list[Line]:
        return [self._line(row) for row in self._rows]

    def stamp(self) -> tuple[AllowanceCharge, ...]:
        """Return the revenue stamp, which some countries add to an invoice, as a charge without a tax."""
        amount = self._amount(self._header, "revenuestamp", foreign="")
        charge = AllowanceCharge(is_charge=amount > 0, amount=abs(amount), description="Revenue stamp")
        return (charge,) if amount else ()

    def tax_totals(self) -> tuple[TaxTotal, ...]:
        """Sums of the lines' amounts; where a family has one rate only, its total in the header counts.

        The two differ where the site has chosen to round once per document.
        """
        sums: dict[tuple[str, Tax], tuple[Decimal, Decimal]] = {}
        for row in self._rows:
            for each in self._line_taxes(row):
                base, amount = sums.get((each.family, each.tax), (ZERO, ZERO))
                sums[each.family, each.tax] = base + each.base, amount + each.amount
        families = [family for family, _ in sums]
        return tuple(
            TaxTotal(tax=tax, base=base, amount=self._total(family) if families.count(family) == 1 else amount)
            for (family, tax), (base, amount) in sums.items()
        )

    def totals(self, tax_totals: tuple[TaxTotal, ...]) -> Totals:
        withheld = sum((total.amount for total in tax_totals if total.tax.kind is TaxKind.WITHHOLDING), ZERO)
        taxed = sum((self._total(family) for family in ("tva", "localtax1", "localtax2")), ZERO)
        stamps = sum((part.amount if part.is_charge else -part.amount for part in self.stamp()), ZERO)
        return Totals(
            net=self._amount(self._header, "total_ht") + stamps,
            tax=taxed - withheld,
            withholding=withheld,
            payable=self._amount(self._header, "total_ttc"),
        )

    def _line(self, row: Row) -> Line:
        quantity, price = _number(row, "qty"), self._price(row)
        if price < 0:
            quantity, price = -quantity, -price
        discount, net = _number(row, "remise_percent"), self._amount(row, "total_ht")
        gross = quantity * price
        allowances: tuple[AllowanceCharge, ...] = ()
        base, unit = Decimal(1), _UNITS.get(row["unit"] or "")
        if rounds_to(gross * (100 - discount) / 100, net, self._currency):
            allowances = discount_of(gross - net, discount)
        else:  # part of a situation, or a price with tax
            price, base = net_price(net, quantity)
            if price < 0:  # less was done than had been billed
                quantity, price = -quantity, -price
        return Line(
            description=_description(row),
            quantity=quantity,
            net_price=price,
            net_amount=net,
            base_quantity=base,
            unit=unit,
            unit_name=unit_name(row["unit_label"] or row["unit"], unit),
            article_code=plain(row["article_code"]),
            allowances=allowances,
            taxes=tuple(each.tax for each in self._line_taxes(row)),
        )

    def _line_taxes(self, row: Row) -> list[_LineTax]:
        net = self._amount(row, "total_ht")
        vat = dolibarr_taxes.vat(row, self._country, self._notes, self._options.taxes)
        found = [_LineTax("tva", vat, net, self._amount(row, "total_tva"))]
        for which in (1, 2):
            amount = self._local(row, f"total_localtax{which}")
            if dolibarr_taxes.applies(row[f"localtax{which}_tx"], amount, net):
                tax = dolibarr_taxes.local(row, which, self._country, self._options.taxes)
                found.append(_LineTax(f"localtax{which}", tax, net, amount))
        return found

    def _total(self, family: str) -> Decimal:
        return self._amount(self._header, "total_tva") if family == "tva" else self._local(self._header, family)

    def _price(self, row: Row) -> Decimal:
        return self._sign * _number(row, "foreign_subprice" if self._foreign else "subprice")

    def _local(self, row: Row, column: str) -> Decimal:
        """Dolibarr keeps local taxes in the company's currency only."""
        amount = self._amount(row, column, foreign=column)
        if amount and self._foreign:
            raise ValueError(f"its local taxes are in another currency than its total in {self._currency}")
        return amount

    def _amount(self, row: Row, column: str, *, foreign: str | None = None) -> Decimal:
        name = (f"foreign_{column}" if foreign is None else foreign) if self._foreign else column
        return in_cents(self._sign * _number(row, name), self._currency) if name else ZERO


_BILLED: Final = (
    "total_ht", "total_tva", "total_localtax1", "total_localtax2", "foreign_total_ht", "foreign_total_tva",
)  # fmt: skip


def _without_before(row: Row) -> Row:
    return {**row, **{name: _number(row, name) - _number(row, f"before_{name}") for name in _BILLED}}


def kind(document_type: int) -> Kind:
    """Return the canonical kind of a document."""
    return Kind.CREDIT_NOTE if document_type == _CREDIT_NOTE else Kind.INVOICE


def number_of(ref: str | None) -> str | None:
    """Return the number; a draft that never had one is called `(PROV26)`."""
    number = plain(ref)
    return None if number is None or number.startswith("(") else number


def is_foreign(row: Row) -> bool:
    """Whether a document is in another currency than its company's; only then its own columns count."""
    return currency_of(row) != plain(row["company_currency"])


def currency_of(row: Row) -> str | None:
    """Return the currency of a document; without the module for several, the company's."""
    return plain(row["currency"]) or plain(row["company_currency"])


def in_cents(amount: Decimal, currency: str | None) -> Decimal:
    """Round what a DOUBLE made of an amount; Dolibarr keeps two decimals even where a currency has none."""
    digits = max(2, money(currency or "").digits)
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP) + 0


def _is_issued(state: int | None, close_code: str | None) -> bool:
    """A bad debt is an abandoned document that was issued."""
    return state in {1, 2} or (state == 3 and close_code == "badcustomer")


def _number(row: Row, column: str) -> Decimal:
    try:
        return exact(row[column]) or ZERO
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def _iban(value: str | None) -> str | None:
    """Later versions can encrypt accounts with a key of the web server, which nobody has here."""
    return None if not value or value.startswith("dolcrypt:") else plain(value.replace(" ", ""))


_METHODS: Final = {"VIR": "30", "PRE": "49", "LIQ": "10", "CB": "48", "CHQ": "20"}
"""Dolibarr's means of payment (`llx_c_paiement.code`) by their codes of UNCL 4461."""
_AGREED: Final = "ZZZ"


def _how_paid(row: Row) -> dict[str, str | None]:
    """Return by which means a document is paid; one of the site's own is told by its name."""
    mode = plain(row["payment_mode"])
    if mode is None or mode in _METHODS:
        return {"method": _METHODS[mode] if mode else None}
    return {"method": _AGREED, "method_text": words(row["payment_label"])}


def _description(row: Row) -> str:
    """Return what the invoice prints. An absolute discount has a mark for its kind, such as (DEPOSIT)."""
    text = words(row["description"]) or words(row["label"]) or plain(row["product_label"]) or ""
    if text.startswith("(") and row["discount_source"]:
        return f"{text} {row['discount_source']}"
    return text
