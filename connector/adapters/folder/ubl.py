"""UBL 2.1, Invoice and CreditNote, as EN 16931 binds them (CEN/TS 16931-3-2)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from connector.adapters.folder.values import CREDIT_NOTES, adjustment, company_of, completed, vat, with_reasons
from connector.adapters.folder.xml import Node
from connector.domain.invoice import (
    AllowanceCharge,
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

ROOTS: Final = {
    ("urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", "Invoice"),
    ("urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2", "CreditNote"),
}
_VAT: Final = "VAT"


def read(root: Node) -> Invoice:
    """Return what the document says.

    Raises:
        UnreadableError: a figure is missing or cannot be read.
    """
    currency = root.text("DocumentCurrencyCode")
    seller = _party(root, "AccountingSupplierParty")
    tax_totals = tuple(_tax_totals(root, currency))
    originals = tuple(dict.fromkeys(_originals(root)))
    return Invoice(
        key="",
        company=company_of(seller),
        confirmed=True,
        kind=_kind(root),
        number=root.text("ID"),
        issue_date=root.day("IssueDate"),
        due_date=root.day("DueDate") or root.day("PaymentMeans", "PaymentDueDate"),
        currency=currency,
        seller=seller,
        buyer=_party(root, "AccountingCustomerParty"),
        lines=tuple(_line(line, tax_totals) for line in root.all(f"{root.name}Line")),
        allowances=tuple(_adjustments(root, tax_totals)),
        tax_totals=tax_totals,
        totals=_totals(root, currency, tax_totals),
        payment=_payment(root),
        buyer_reference=root.text("BuyerReference"),
        purchase_order=root.text("OrderReference", "ID"),
        sales_order=root.text("OrderReference", "SalesOrderID"),
        contract=root.text("ContractDocumentReference", "ID"),
        note=root.text("Note"),
        original=originals[0] if originals else None,
        further_originals=originals[1:],
        delivery_date=root.day("Delivery", "ActualDeliveryDate"),
    )


def _kind(root: Node) -> Kind:
    lowers = root.name == "CreditNote" or root.text("InvoiceTypeCode") in CREDIT_NOTES
    return Kind.CREDIT_NOTE if lowers else Kind.INVOICE


def _originals(root: Node) -> Iterator[Original]:
    for reference in root.all("BillingReference", "InvoiceDocumentReference"):
        if number := reference.text("ID"):
            yield Original(key=None, number=number, date=reference.day("IssueDate"))


def _party(root: Node, role: str) -> Party:
    found = root.first(role, "Party")
    if found is None:
        return Party(name="")
    legal = found.first("PartyLegalEntity", "CompanyID")
    others = [*found.all("PartyIdentification", "ID"), *found.all("EndpointID")]
    registered = [(legal.attribute("schemeID"), legal.value())] if legal else []
    numbered = [(node.attribute("schemeID"), node.value()) for node in others if _is_register(node)]
    known = Party(
        name=found.text("PartyLegalEntity", "RegistrationName") or found.words("PartyName", "Name"),
        tax_number=_tax_number(found),
        country=found.text("PostalAddress", "Country", "IdentificationCode"),
        address=found.words("PostalAddress", "StreetName"),
        address2=found.words("PostalAddress", "AdditionalStreetName"),
        city=found.words("PostalAddress", "CityName"),
        postal_code=found.words("PostalAddress", "PostalZone"),
        province=found.words("PostalAddress", "CountrySubentity"),
        email=found.text("Contact", "ElectronicMail"),
        phone=found.text("Contact", "Telephone"),
    )
    return completed(known, [*registered, *numbered])


def _is_register(node: Node) -> bool:
    """Schemes from 99 on are tax numbers in another dress, as Peppol addresses have them."""
    scheme = node.attribute("schemeID") or ""
    return scheme.isdigit() and not scheme.startswith("99")


def _tax_number(found: Node) -> str | None:
    schemes = list(found.all("PartyTaxScheme"))
    numbered = [(scheme.text("TaxScheme", "ID"), scheme.text("CompanyID")) for scheme in schemes]
    by_scheme = {name: number for name, number in reversed(numbered) if number}
    return by_scheme.get(_VAT) or by_scheme.get(None)


def _payment(root: Node) -> Payment:
    means = root.first("PaymentMeans")
    account = means and means.first("PayeeFinancialAccount")
    return Payment(
        iban=account.text("ID") if account else None,
        bic=account.text("FinancialInstitutionBranch", "ID") if account else None,
        terms=root.text("PaymentTerms", "Note"),
        reference=means.text("PaymentID") if means else None,
    )


# ---------------------------------------------------------------- taxes and amounts


def _own_totals(root: Node, currency: str | None) -> Iterator[Node]:
    """Yield those in the document's currency: a second one may tell the tax in that of the books (BT-111)."""
    for total in root.all("TaxTotal"):
        amount = total.first("TaxAmount")
        if amount is None or amount.attribute("currencyID") in {None, currency}:
            yield total


def _tax_totals(root: Node, currency: str | None) -> Iterator[TaxTotal]:
    for row in (row for total in _own_totals(root, currency) for row in total.all("TaxSubtotal")):
        yield TaxTotal(
            tax=_tax(row.first("TaxCategory")), base=row.needed("TaxableAmount"), amount=row.needed("TaxAmount")
        )
    for row in root.all("WithholdingTaxTotal", "TaxSubtotal"):
        percent = row.amount("TaxCategory", "Percent")
        tax = Tax(kind=TaxKind.WITHHOLDING, percent=None if percent is None else -abs(percent))
        yield TaxTotal(tax=tax, base=row.needed("TaxableAmount"), amount=-row.needed("TaxAmount"))


def _tax(category: Node | None) -> Tax:
    if category is None:
        return vat(None, None)
    reason = category.text("TaxExemptionReasonCode") or category.text("TaxExemptionReason")
    return vat(category.text("ID"), category.amount("Percent"), reason)


def _totals(root: Node, currency: str | None, tax_totals: tuple[TaxTotal, ...]) -> Totals:
    with_tax = root.needed("LegalMonetaryTotal", "TaxInclusiveAmount")
    withheld = sum((row.amount for row in tax_totals if row.tax.kind is TaxKind.WITHHOLDING), Decimal(0))
    return Totals(
        net=root.needed("LegalMonetaryTotal", "TaxExclusiveAmount"),
        tax=_all_tax(root, currency),
        withholding=withheld,
        payable=with_tax + withheld,
    )


def _all_tax(root: Node, currency: str | None) -> Decimal:
    amounts = (total.first("TaxAmount") for total in _own_totals(root, currency))
    return sum((amount.number() for amount in amounts if amount is not None), Decimal(0))


def _adjustments(where: Node, tax_totals: tuple[TaxTotal, ...]) -> Iterator[AllowanceCharge]:
    for row in where.all("AllowanceCharge"):
        taxes = tuple(_tax(category) for category in row.all("TaxCategory"))
        yield adjustment(
            is_charge=row.truth("ChargeIndicator"),
            amount=row.needed("Amount"),
            description=row.text("AllowanceChargeReason"),
            taxes=with_reasons(taxes, tax_totals),
        )


def _line(line: Node, tax_totals: tuple[TaxTotal, ...]) -> Line:
    quantity = line.first("InvoicedQuantity") or line.first("CreditedQuantity")
    taxes = tuple(_tax(category) for category in line.all("Item", "ClassifiedTaxCategory"))
    net = line.needed("LineExtensionAmount")
    price = line.amount("Price", "PriceAmount")
    return Line(
        description=line.text("Item", "Name") or line.text("Item", "Description") or "",
        quantity=quantity.number() if quantity else Decimal(1),
        net_price=net if price is None else price,
        net_amount=net,
        base_quantity=line.amount("Price", "BaseQuantity") or Decimal(1),
        unit=quantity.attribute("unitCode") if quantity else None,
        article_code=line.text("Item", "SellersItemIdentification", "ID"),
        allowances=tuple(_adjustments(line, ())),
        taxes=with_reasons(taxes, tax_totals),
    )
