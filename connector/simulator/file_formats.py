"""Files that are handed in: UBL, CII and Facturae, read as far as number, dates, parties, taxes, totals and lines."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from xml.etree import ElementTree as ET

from connector.simulator.calls import day, decimal
from connector.simulator.problems import ApiProblem, blank, not_allowed
from connector.simulator.totals import Tax, TaxAmount, Totals

_VAT_NAMES: Final = {
    "es": "IVA",
    "it": "IVA",
    "pt": "IVA",
    "fr": "TVA",
    "be": "TVA",
    "de": "MwSt",
    "nl": "BTW",
}
_UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_CII: Final = "{urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100}CrossIndustryInvoice"
_FACTURAE: Final = re.compile(r"\{https?://www\.facturae\.(es|gob\.es)/.*\}Facturae")
_NUMBERS: Final = (
    re.compile(rb"ExchangedDocument>\s*<(?:\w+:)?ID(?:\s[^>]*)?>([^<]+)<"),
    re.compile(rb"<InvoiceHeader>\s*<InvoiceNumber>([^<]+)<"),
    re.compile(rb"<(?:\w+:)?ID(?:\s[^>]*)?>([^<]+)<"),
)


@dataclass(frozen=True, slots=True)
class FileLine:
    """One line of a file."""

    quantity: Decimal
    price: Decimal
    taxes: list[Tax]
    description: str | None


def number_at_a_glance(content: bytes) -> str | None:
    """The document's number before the file is read in earnest."""
    match = next(filter(None, (pattern.search(content) for pattern in _NUMBERS)), None)
    return match[1].decode("utf-8", "replace").strip() if match is not None else None


def unknown_format() -> ApiProblem:
    return not_allowed("file", "Unknown format")


class File(ABC):
    """A parsed file. Names of elements count, whatever their prefixes."""

    def __init__(self, root: ET.Element) -> None:
        self.root = root

    def text(self, *path: str, within: ET.Element | None = None) -> str | None:
        """The text at the end of a path."""
        start = self.root if within is None else within
        found = start.findtext("/".join(f"{{*}}{part}" for part in path))
        return found.strip() or None if found is not None else None

    def needed(self, *path: str, within: ET.Element | None = None) -> str:
        value = self.text(*path, within=within)
        if value is None:
            raise blank(path[-1])
        return value

    def amount(self, *path: str, within: ET.Element | None = None) -> Decimal:
        return decimal(self.needed(*path, within=within), path[-1])

    def all(self, *path: str, within: ET.Element | None = None) -> Iterator[ET.Element]:
        start = self.root if within is None else within
        yield from start.iterfind("/".join(f"{{*}}{part}" for part in path))

    @abstractmethod
    def number(self) -> str: ...

    def series(self) -> str | None:
        return None

    @abstractmethod
    def issue_date(self) -> date: ...

    @abstractmethod
    def due_date(self) -> date | None: ...

    @abstractmethod
    def currency(self) -> str: ...

    @abstractmethod
    def is_credit_note(self) -> bool: ...

    @abstractmethod
    def party(self, role: str) -> dict[str, Any]:
        """The contact that the file's `Supplier` or `Customer` would be."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """Order number, buyer's reference, and what is corrected."""

    @abstractmethod
    def totals(self, country: str) -> Totals: ...

    @abstractmethod
    def lines(self, country: str) -> list[FileLine]: ...

    def reference(self, number: str | None, on: str | None) -> list[dict[str, Any]]:
        return [{"reference_type": "amend", "number": number, "date": on, "reason": None}] if number else []


def open_file(content: bytes) -> File:
    """Recognise a format by its content.

    Raises:
        ApiProblem: it is none of those that are known.
    """
    if b"<!DOCTYPE" in content[:4096]:
        raise unknown_format()  # entities have no place in an invoice
    try:
        root = ET.fromstring(content)  # noqa: S314 - document types are refused above
    except ET.ParseError as error:
        raise unknown_format() from error
    if root.tag in {f"{{{_UBL}{kind}-2}}{kind}" for kind in ("Invoice", "CreditNote")}:
        return Ubl(root)
    if root.tag == _CII:
        return Cii(root)
    if _FACTURAE.fullmatch(root.tag):
        return Facturae(root)
    raise unknown_format()


class Ubl(File):
    """UBL 2.1."""

    @property
    def kind(self) -> str:
        return self.root.tag.rpartition("}")[2]

    def number(self) -> str:
        return self.needed("ID")

    def issue_date(self) -> date:
        return day(self.needed("IssueDate"), "date")

    def due_date(self) -> date | None:
        due = self.text("DueDate") or self.text("PaymentMeans", "PaymentDueDate")
        return day(due, "due_date") if due else None

    def currency(self) -> str:
        return self.needed("DocumentCurrencyCode")

    def is_credit_note(self) -> bool:
        return self.kind == "CreditNote" or self.text("InvoiceTypeCode") == "381"

    def party(self, role: str) -> dict[str, Any]:
        party = next(self.all(f"Accounting{role}Party", "Party"), None)
        if party is None:
            raise blank(f"{role.lower()}_party")
        endpoint = next(self.all("EndpointID", within=party), None)
        country = self.text("PostalAddress", "Country", "IdentificationCode", within=party)
        name = self.text("PartyLegalEntity", "RegistrationName", within=party)
        scheme = endpoint.get("schemeID") if endpoint is not None else None
        return {
            "name": name or self.text("PartyName", "Name", within=party),
            "tin_value": self.text("PartyTaxScheme", "CompanyID", within=party),
            "cin_value": self.text("PartyLegalEntity", "CompanyID", within=party),
            "pin_scheme": scheme if scheme != "9957" else None,
            "pin_value": (endpoint.text or "").strip() if endpoint is not None else None,
            "country": (country or "").lower() or None,
            "address": self.text("PostalAddress", "StreetName", within=party),
            "city": self.text("PostalAddress", "CityName", within=party),
            "postalcode": self.text("PostalAddress", "PostalZone", within=party),
        }

    def fields(self) -> dict[str, Any]:
        corrected = self.all("BillingReference", "InvoiceDocumentReference")
        return {
            "buyer_reference": self.text("BuyerReference"),
            "ponumber": self.text("OrderReference", "ID"),
            "references": [
                reference
                for found in corrected
                for reference in self.reference(self.text("ID", within=found), self.text("IssueDate", within=found))
            ],
        }

    def totals(self, country: str) -> Totals:
        return Totals(
            line_nets=[self.amount("LineExtensionAmount", within=line) for line in self.all(f"{self.kind}Line")],
            taxes=[self._tax(row, country) for row in self.all("TaxTotal", "TaxSubtotal")],
            subtotal=self.amount("LegalMonetaryTotal", "TaxExclusiveAmount"),
            total=self.amount("LegalMonetaryTotal", "TaxInclusiveAmount"),
        )

    def _tax(self, row: ET.Element, country: str) -> TaxAmount:
        category = self.text("TaxCategory", "ID", within=row) or "S"
        percent = decimal(self.text("TaxCategory", "Percent", within=row) or "0", "percent")
        reason = self.text("TaxCategory", "TaxExemptionReason", within=row)
        return TaxAmount(
            Tax(_VAT_NAMES.get(country, "VAT"), category, percent, reason),
            self.amount("TaxableAmount", within=row),
            self.amount("TaxAmount", within=row),
        )

    def lines(self, country: str) -> list[FileLine]:
        quantity = "InvoicedQuantity" if self.kind == "Invoice" else "CreditedQuantity"
        return [
            FileLine(
                decimal(self.text(quantity, within=row) or "1", "quantity"),
                decimal(self.text("Price", "PriceAmount", within=row) or "0", "price"),
                self._line_taxes(row, country),
                self.text("Item", "Name", within=row),
            )
            for row in self.all(f"{self.kind}Line")
        ]

    def _line_taxes(self, row: ET.Element, country: str) -> list[Tax]:
        category = self.text("Item", "ClassifiedTaxCategory", "ID", within=row)
        if category is None:
            return []
        percent = self.text("Item", "ClassifiedTaxCategory", "Percent", within=row) or "0"
        return [Tax(_VAT_NAMES.get(country, "VAT"), category, decimal(percent, "percent"))]


class Cii(File):
    """Cross Industry Invoice."""

    _TRADE: Final = "SupplyChainTradeTransaction"
    _SETTLEMENT: Final = (_TRADE, "ApplicableHeaderTradeSettlement")

    def number(self) -> str:
        return self.needed("ExchangedDocument", "ID")

    def issue_date(self) -> date:
        return self._day(self.needed("ExchangedDocument", "IssueDateTime", "DateTimeString"), "date")

    def due_date(self) -> date | None:
        path = ("SpecifiedTradePaymentTerms", "DueDateDateTime", "DateTimeString")
        due = self.text(*self._SETTLEMENT, *path)
        return self._day(due, "due_date") if due else None

    def _day(self, text: str, param: str) -> date:
        return day(f"{text[:4]}-{text[4:6]}-{text[6:]}", param)

    def currency(self) -> str:
        return self.needed(*self._SETTLEMENT, "InvoiceCurrencyCode")

    def is_credit_note(self) -> bool:
        return self.text("ExchangedDocument", "TypeCode") == "381"

    def party(self, role: str) -> dict[str, Any]:
        named = "SellerTradeParty" if role == "Supplier" else "BuyerTradeParty"
        party = next(self.all(self._TRADE, "ApplicableHeaderTradeAgreement", named), None)
        if party is None:
            raise blank(f"{role.lower()}_party")
        taxes = self.all("SpecifiedTaxRegistration", "ID", within=party)
        country = self.text("PostalTradeAddress", "CountryID", within=party)
        return {
            "name": self.text("Name", within=party),
            "tin_value": next(((row.text or "").strip() for row in taxes if row.get("schemeID") == "VA"), None),
            "cin_value": self.text("SpecifiedLegalOrganization", "ID", within=party),
            "pin_value": None,
            "country": (country or "").lower() or None,
            "address": self.text("PostalTradeAddress", "LineOne", within=party),
            "city": self.text("PostalTradeAddress", "CityName", within=party),
            "postalcode": self.text("PostalTradeAddress", "PostcodeCode", within=party),
        }

    def fields(self) -> dict[str, Any]:
        agreement = (self._TRADE, "ApplicableHeaderTradeAgreement")
        corrected = (*self._SETTLEMENT, "InvoiceReferencedDocument")
        on = self.text(*corrected, "FormattedIssueDateTime", "DateTimeString")
        return {
            "buyer_reference": self.text(*agreement, "BuyerReference"),
            "ponumber": self.text(*agreement, "BuyerOrderReferencedDocument", "IssuerAssignedID"),
            "references": self.reference(
                self.text(*corrected, "IssuerAssignedID"), self._day(on, "date").isoformat() if on else None
            ),
        }

    def totals(self, country: str) -> Totals:
        sums = (*self._SETTLEMENT, "SpecifiedTradeSettlementHeaderMonetarySummation")
        return Totals(
            line_nets=[
                self.amount(
                    "SpecifiedLineTradeSettlement",
                    "SpecifiedTradeSettlementLineMonetarySummation",
                    "LineTotalAmount",
                    within=line,
                )
                for line in self._rows()
            ],
            taxes=[
                TaxAmount(
                    self._tax(row, country),
                    self.amount("BasisAmount", within=row),
                    self.amount("CalculatedAmount", within=row),
                )
                for row in self.all(*self._SETTLEMENT, "ApplicableTradeTax")
            ],
            subtotal=self.amount(*sums, "TaxBasisTotalAmount"),
            total=self.amount(*sums, "GrandTotalAmount"),
        )

    def _rows(self) -> Iterator[ET.Element]:
        return self.all(self._TRADE, "IncludedSupplyChainTradeLineItem")

    def _tax(self, row: ET.Element, country: str) -> Tax:
        percent = decimal(self.text("RateApplicablePercent", within=row) or "0", "percent")
        category = self.text("CategoryCode", within=row) or "S"
        return Tax(_VAT_NAMES.get(country, "VAT"), category, percent, self.text("ExemptionReason", within=row))

    def lines(self, country: str) -> list[FileLine]:
        price = ("SpecifiedLineTradeAgreement", "NetPriceProductTradePrice", "ChargeAmount")
        return [
            FileLine(
                self.amount("SpecifiedLineTradeDelivery", "BilledQuantity", within=row),
                self.amount(*price, within=row),
                [
                    self._tax(tax, country)
                    for tax in self.all("SpecifiedLineTradeSettlement", "ApplicableTradeTax", within=row)
                ],
                self.text("SpecifiedTradeProduct", "Name", within=row),
            )
            for row in self._rows()
        ]


class Facturae(File):
    """Facturae 3.2.x; of a batch, the first invoice."""

    _NAMES: Final = {"01": "IVA", "02": "IPSI", "03": "IGIC", "04": "IRPF"}
    _INVOICE: Final = ("Invoices", "Invoice")
    _COUNTRIES: Final = {"esp": "es", "fra": "fr", "prt": "pt", "deu": "de", "ita": "it"}

    def number(self) -> str:
        return self.needed(*self._INVOICE, "InvoiceHeader", "InvoiceNumber")

    def series(self) -> str | None:
        return self.text(*self._INVOICE, "InvoiceHeader", "InvoiceSeriesCode")

    def issue_date(self) -> date:
        return day(self.needed(*self._INVOICE, "InvoiceIssueData", "IssueDate"), "date")

    def due_date(self) -> date | None:
        due = self.text(*self._INVOICE, "PaymentDetails", "Installment", "InstallmentDueDate")
        return day(due, "due_date") if due else None

    def currency(self) -> str:
        return self.needed(*self._INVOICE, "InvoiceIssueData", "InvoiceCurrencyCode")

    def is_credit_note(self) -> bool:
        """Its amounts below zero say that; the flag would turn them again."""
        return False

    def party(self, role: str) -> dict[str, Any]:
        party = next(self.all("Parties", "SellerParty" if role == "Supplier" else "BuyerParty"), None)
        if party is None:
            raise blank(f"{role.lower()}_party")
        country = (self.text("*", "AddressInSpain", "CountryCode", within=party) or "").lower()
        return {
            "name": self.text("LegalEntity", "CorporateName", within=party),
            "tin_value": self.text("TaxIdentification", "TaxIdentificationNumber", within=party),
            "cin_value": None,
            "pin_value": None,
            "country": self._COUNTRIES.get(country),
            "address": self.text("*", "AddressInSpain", "Address", within=party),
            "city": self.text("*", "AddressInSpain", "Town", within=party),
            "postalcode": self.text("*", "AddressInSpain", "PostCode", within=party),
        }

    def fields(self) -> dict[str, Any]:
        corrected = (*self._INVOICE, "InvoiceHeader", "Corrective")
        return {
            "buyer_reference": None,
            "ponumber": self.text(*self._INVOICE, "Items", "InvoiceLine", "ReceiverTransactionReference"),
            "references": self.reference(
                self.text(*corrected, "InvoiceNumber"), self.text(*corrected, "InvoiceIssueDate")
            ),
        }

    def totals(self, country: str) -> Totals:
        sums = (*self._INVOICE, "InvoiceTotals")
        return Totals(
            line_nets=[
                self.amount("GrossAmount", within=line) for line in self.all(*self._INVOICE, "Items", "InvoiceLine")
            ],
            taxes=[
                TaxAmount(
                    tax,
                    self.amount("TaxableBase", "TotalAmount", within=row),
                    self.amount("TaxAmount", "TotalAmount", within=row) * (-1 if tax.percent < 0 else 1),
                )
                for row, tax in self._taxes(next(self.all(*self._INVOICE)))
            ],
            subtotal=self.amount(*sums, "TotalGrossAmountBeforeTaxes"),
            total=self.amount(*sums, "InvoiceTotal"),
        )

    def _taxes(self, within: ET.Element) -> Iterator[tuple[ET.Element, Tax]]:
        for kind, sign in (("TaxesOutputs", 1), ("TaxesWithheld", -1)):
            for row in self.all(kind, "Tax", within=within):
                name = self._NAMES.get(self.text("TaxTypeCode", within=row) or "", "IVA")
                percent = self.amount("TaxRate", within=row) * sign
                yield row, Tax(name, "S" if percent else "E", percent)

    def lines(self, country: str) -> list[FileLine]:
        return [
            FileLine(
                self.amount("Quantity", within=row),
                self.amount("UnitPriceWithoutTax", within=row),
                [tax for _, tax in self._taxes(row)],
                self.text("ItemDescription", within=row),
            )
            for row in self.all(*self._INVOICE, "Items", "InvoiceLine")
        ]
