"""Cross Industry Invoice D16B, as EN 16931 binds it (CEN/TS 16931-3-3): XRechnung, Factur-X and ZUGFeRD 2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from connector.adapters.folder.values import CREDIT_NOTES, adjustment, company_of, completed, vat, with_reasons
from connector.adapters.folder.xml import Node, UnreadableError, as_day
from connector.domain.invoice import (
    AllowanceCharge,
    Invoice,
    Kind,
    Line,
    Original,
    Party,
    Payment,
    Tax,
    TaxTotal,
    Totals,
)

ROOTS: Final = {("urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100", "CrossIndustryInvoice")}

_VAT: Final = "VA"
_SUMS: Final = "SpecifiedTradeSettlementHeaderMonetarySummation"


def read(root: Node) -> Invoice:
    """Return what the document says.

    Raises:
        UnreadableError: a part or figure is missing or cannot be read.
    """
    document, trade = _part(root, "ExchangedDocument"), _part(root, "SupplyChainTradeTransaction")
    agreement = _part(trade, "ApplicableHeaderTradeAgreement")
    settlement = _part(trade, "ApplicableHeaderTradeSettlement")
    currency = settlement.text("InvoiceCurrencyCode")
    seller = _party(agreement.first("SellerTradeParty"))
    tax_totals = tuple(map(_tax_total, settlement.all("ApplicableTradeTax")))
    originals = tuple(dict.fromkeys(_originals(settlement)))
    return Invoice(
        key="",
        company=company_of(seller),
        confirmed=True,
        kind=Kind.CREDIT_NOTE if document.text("TypeCode") in CREDIT_NOTES else Kind.INVOICE,
        number=document.text("ID"),
        issue_date=_day(document.first("IssueDateTime")),
        due_date=_day(settlement.first("SpecifiedTradePaymentTerms", "DueDateDateTime")),
        currency=currency,
        seller=seller,
        buyer=_party(agreement.first("BuyerTradeParty")),
        lines=tuple(_line(line, tax_totals) for line in trade.all("IncludedSupplyChainTradeLineItem")),
        allowances=tuple(_adjustments(settlement, tax_totals)),
        tax_totals=tax_totals,
        totals=_totals(settlement, currency),
        payment=_payment(settlement),
        buyer_reference=agreement.text("BuyerReference"),
        purchase_order=agreement.text("BuyerOrderReferencedDocument", "IssuerAssignedID"),
        sales_order=agreement.text("SellerOrderReferencedDocument", "IssuerAssignedID"),
        contract=agreement.text("ContractReferencedDocument", "IssuerAssignedID"),
        note=document.text("IncludedNote", "Content"),
        original=originals[0] if originals else None,
        further_originals=originals[1:],
        delivery_date=_day(
            trade.first("ApplicableHeaderTradeDelivery", "ActualDeliverySupplyChainEvent", "OccurrenceDateTime")
        ),
    )


def _part(node: Node, name: str) -> Node:
    found = node.first(name)
    if found is None:
        raise UnreadableError(f"has no {name}")
    return found


def _day(moment: Node | None) -> date | None:
    """Read a day of the form 20260131 (format 102), which is all that EN 16931 allows."""
    text = moment and (moment.text("DateTimeString") or moment.text("Date") or moment.text("DateTime"))
    if not moment or not text:
        return None
    compact = len(text) == 8 and text.isascii() and text.isdigit()
    return as_day(f"{text[:4]}-{text[4:6]}-{text[6:]}" if compact else text, moment.name)


def _originals(settlement: Node) -> Iterator[Original]:
    for reference in settlement.all("InvoiceReferencedDocument"):
        if number := reference.text("IssuerAssignedID"):
            yield Original(key=None, number=number, date=_day(reference.first("FormattedIssueDateTime")))


def _party(found: Node | None) -> Party:
    if found is None:
        return Party(name="")
    legal = found.first("SpecifiedLegalOrganization", "ID")
    others = [*([legal] if legal else []), *found.all("GlobalID")]
    contact = found.first("DefinedTradeContact")
    known = Party(
        name=found.words("Name"),
        tax_number=_tax_number(found),
        country=found.text("PostalTradeAddress", "CountryID"),
        address=found.words("PostalTradeAddress", "LineOne"),
        address2=found.words("PostalTradeAddress", "LineTwo"),
        city=found.words("PostalTradeAddress", "CityName"),
        postal_code=found.words("PostalTradeAddress", "PostcodeCode"),
        province=found.words("PostalTradeAddress", "CountrySubDivisionName"),
        email=contact.text("EmailURIUniversalCommunication", "URIID") if contact else None,
        phone=contact.text("TelephoneUniversalCommunication", "CompleteNumber") if contact else None,
    )
    return completed(known, [(node.attribute("schemeID"), node.value()) for node in others])


def _tax_number(found: Node) -> str | None:
    numbers = found.all("SpecifiedTaxRegistration", "ID")
    return next((node.value() for node in numbers if node.attribute("schemeID") == _VAT), None)


def _payment(settlement: Node) -> Payment:
    means = settlement.first("SpecifiedTradeSettlementPaymentMeans")
    return Payment(
        iban=means.text("PayeePartyCreditorFinancialAccount", "IBANID") if means else None,
        bic=means.text("PayeeSpecifiedCreditorFinancialInstitution", "BICID") if means else None,
        terms=settlement.text("SpecifiedTradePaymentTerms", "Description"),
        reference=settlement.text("PaymentReference"),
    )


# ---------------------------------------------------------------- taxes and amounts


def _tax_total(row: Node) -> TaxTotal:
    return TaxTotal(tax=_tax(row), base=row.needed("BasisAmount"), amount=row.needed("CalculatedAmount"))


def _tax(row: Node) -> Tax:
    reason = row.text("ExemptionReasonCode") or row.text("ExemptionReason")
    return vat(row.text("CategoryCode"), row.amount("RateApplicablePercent"), reason)


def _totals(settlement: Node, currency: str | None) -> Totals:
    net, with_tax = settlement.needed(_SUMS, "TaxBasisTotalAmount"), settlement.needed(_SUMS, "GrandTotalAmount")
    taxes = [
        row for row in settlement.all(_SUMS, "TaxTotalAmount") if row.attribute("currencyID") in {None, currency}
    ]
    return Totals(net=net, tax=taxes[0].number() if taxes else with_tax - net, payable=with_tax)


def _adjustments(where: Node, tax_totals: tuple[TaxTotal, ...]) -> Iterator[AllowanceCharge]:
    for row in where.all("SpecifiedTradeAllowanceCharge"):
        yield adjustment(
            is_charge=row.truth("ChargeIndicator", "Indicator"),
            amount=row.needed("ActualAmount"),
            description=row.text("Reason"),
            taxes=with_reasons(map(_tax, row.all("CategoryTradeTax")), tax_totals),
        )


def _line(line: Node, tax_totals: tuple[TaxTotal, ...]) -> Line:
    quantity = line.first("SpecifiedLineTradeDelivery", "BilledQuantity")
    price = line.first("SpecifiedLineTradeAgreement", "NetPriceProductTradePrice")
    settlement = _part(line, "SpecifiedLineTradeSettlement")
    net = settlement.needed("SpecifiedTradeSettlementLineMonetarySummation", "LineTotalAmount")
    return Line(
        description=line.text("SpecifiedTradeProduct", "Name") or "",
        quantity=quantity.number() if quantity else Decimal(1),
        net_price=price.needed("ChargeAmount") if price else net,
        net_amount=net,
        base_quantity=(price and price.amount("BasisQuantity")) or Decimal(1),
        unit=quantity.attribute("unitCode") if quantity else None,
        article_code=line.text("SpecifiedTradeProduct", "SellerAssignedID"),
        allowances=tuple(_adjustments(settlement, ())),
        taxes=with_reasons(map(_tax, settlement.all("ApplicableTradeTax")), tax_totals),
    )
