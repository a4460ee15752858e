"""Facturae 3.2, 3.2.1 and 3.2.2, signed or not: the Spanish format. One invoice to a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from connector.adapters.folder.values import adjustment, company_of, completed, vat
from connector.adapters.folder.xml import Node, UnreadableError
from connector.domain.countries import country_code
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

ROOT: Final = "Facturae"
_NAMESPACES: Final = re.compile(r"https?://www\.facturae\.(es|gob\.es)/.*")

_CORRECTIVE: Final = frozenset({"OR", "CR"})
"""Invoice classes of corrections, original and copy."""

_TAX_NAMES: Final = {"01": "IVA", "02": "IPSI", "03": "IGIC"}
_WITHHOLDING_NAMES: Final = {"04": "IRPF"}
_SPECIAL_EVENTS: Final = {"01": "E", "02": "NS"}
"""What is taxable without being charged: exempt, not subject to the tax."""

_UNITS: Final = {
    "01": "C62",
    "02": "HUR",
    "03": "KGM",
    "04": "LTR",
    "10": "BX",
    "11": "DAY",
    "19": "MTR",
    "20": "MMT",
}
"""UnitOfMeasure as UN/ECE code; 11 is not in the scheme before 3.2.2."""

_DIR3_ROLES: Final = frozenset({"01", "02", "03"})


def is_facturae(root: Node) -> bool:
    """Whether it is a Facturae of whatever version."""
    return root.name == ROOT and bool(_NAMESPACES.fullmatch(root.namespace))


def read(root: Node) -> Invoice:
    """Return what the document says.

    Raises:
        UnreadableError: another version, several invoices, or a figure is missing or cannot be read.
    """
    version = root.text("FileHeader", "SchemaVersion") or "?"
    if not re.fullmatch(r"3\.2(\.\d)?", version):
        raise UnreadableError(f"is a Facturae of version {version}; only 3.2 to 3.2.2 are read")
    invoices = list(root.all("Invoices", "Invoice"))
    if len(invoices) != 1:
        raise UnreadableError(f"holds {len(invoices)} invoices; each needs a file of its own")
    return _invoice(root, invoices[0])


def _invoice(root: Node, document: Node) -> Invoice:
    seller = _party(root.first("Parties", "SellerParty"))
    tax_totals = (*_taxes(document), *_withheld(document))
    totals = _totals(document)
    corrects = document.text("InvoiceHeader", "InvoiceClass") in _CORRECTIVE
    return Invoice(
        key="",
        company=company_of(seller),
        confirmed=True,
        # A correction that raises what was billed, or states it anew, is an invoice that names an earlier one.
        kind=Kind.CREDIT_NOTE if corrects and totals.payable < 0 else Kind.INVOICE,
        number=document.text("InvoiceHeader", "InvoiceNumber"),
        series=document.text("InvoiceHeader", "InvoiceSeriesCode"),
        issue_date=document.day("InvoiceIssueData", "IssueDate"),
        due_date=max(filter(None, (row.day("InstallmentDueDate") for row in _installments(document))), default=None),
        currency=document.text("InvoiceIssueData", "InvoiceCurrencyCode"),
        seller=seller,
        buyer=_party(root.first("Parties", "BuyerParty")),
        lines=tuple(_line(line) for line in document.all("Items", "InvoiceLine")),
        allowances=tuple(_general(document)),
        tax_totals=tax_totals,
        totals=totals,
        payment=_payment(document),
        buyer_reference=document.text("Items", "InvoiceLine", "FileReference"),
        purchase_order=document.text("Items", "InvoiceLine", "ReceiverTransactionReference"),
        contract=document.text("Items", "InvoiceLine", "ReceiverContractReference"),
        sales_order=document.text("Items", "InvoiceLine", "IssuerTransactionReference"),
        note=document.text("AdditionalData", "InvoiceAdditionalInformation"),
        original=_original(document),
        delivery_date=document.day("InvoiceIssueData", "OperationDate"),
    )


def _original(document: Node) -> Original | None:
    corrected = document.first("InvoiceHeader", "Corrective")
    number = corrected and corrected.text("InvoiceNumber")
    if not corrected or not number:
        return None
    return Original(key=None, number=number, date=corrected.day("InvoiceIssueDate"))


def _installments(document: Node) -> Iterator[Node]:
    return document.all("PaymentDetails", "Installment")


def _payment(document: Node) -> Payment:
    account = next((row.first("AccountToBeCredited") for row in _installments(document)), None)
    return Payment(
        iban=account.text("IBAN") if account else None,
        bic=account.text("BIC") if account else None,
    )


# ---------------------------------------------------------------- parties


def _party(found: Node | None) -> Party:
    if found is None:
        return Party(name="")
    legal, person = found.first("LegalEntity"), found.first("Individual")
    entity = legal or person or found
    spanish, foreign = entity.first("AddressInSpain"), entity.first("OverseasAddress")
    address = spanish or foreign or entity
    code, _, town = (address.text("PostCodeAndTown") or "").partition(" ")
    known = Party(
        name=legal.words("CorporateName") if legal else _full_name(entity),
        tax_number=found.text("TaxIdentification", "TaxIdentificationNumber"),
        country=country_code(address.text("CountryCode")),
        dir3_codes=tuple(_offices(found)),
        is_company=person is None,
        address=address.words("Address"),
        city=address.text("Town") or town,
        postal_code=address.text("PostCode") or code,
        province=address.words("Province"),
        email=entity.text("ContactDetails", "ElectronicMail"),
        phone=entity.text("ContactDetails", "Telephone"),
    )
    return completed(known)


def _full_name(person: Node) -> str:
    return " ".join(filter(None, (person.text(part) for part in ("Name", "FirstSurname", "SecondSurname"))))


def _offices(found: Node) -> Iterable[tuple[str, str]]:
    for centre in found.all("AdministrativeCentres", "AdministrativeCentre"):
        role, code = centre.text("RoleTypeCode"), centre.text("CentreCode")
        if role in _DIR3_ROLES and code:
            yield role, code


# ---------------------------------------------------------------- taxes and amounts


def _taxes(where: Node, event: Node | None = None) -> Iterator[TaxTotal]:
    for row in where.all("TaxesOutputs", "Tax"):
        rate, base = row.needed("TaxRate"), row.amount("TaxableBase", "TotalAmount") or Decimal(0)
        name = _TAX_NAMES.get(row.text("TaxTypeCode") or "")
        yield TaxTotal(
            tax=_vat(rate, name, event), base=base, amount=row.amount("TaxAmount", "TotalAmount") or Decimal(0)
        )
        surcharge = row.amount("EquivalenceSurcharge")
        if surcharge:
            tax = Tax(kind=TaxKind.SURCHARGE, percent=surcharge, category="S", source_name=f"RE {surcharge:f} %")
            amount = row.amount("EquivalenceSurchargeAmount", "TotalAmount") or Decimal(0)
            yield TaxTotal(tax=tax, base=base, amount=amount)


def _vat(rate: Decimal, name: str | None, event: Node | None) -> Tax:
    if rate:
        return vat("S", rate, name=name)
    category = _SPECIAL_EVENTS.get((event and event.text("SpecialTaxableEventCode")) or "", "Z")
    return vat(category, rate, event.text("SpecialTaxableEventReason") if event else None, name)


def _withheld(where: Node) -> Iterator[TaxTotal]:
    for row in where.all("TaxesWithheld", "Tax"):
        rate = row.needed("TaxRate")
        name = _WITHHOLDING_NAMES.get(row.text("TaxTypeCode") or "")
        tax = Tax(kind=TaxKind.WITHHOLDING, percent=-abs(rate), name=name, source_name=f"{name or '?'} {rate:f} %")
        amount = row.amount("TaxAmount", "TotalAmount") or Decimal(0)
        yield TaxTotal(tax=tax, base=row.amount("TaxableBase", "TotalAmount") or Decimal(0), amount=-amount)


def _totals(document: Node) -> Totals:
    sums = document.first("InvoiceTotals")
    if sums is None:
        raise UnreadableError("has no InvoiceTotals")
    return Totals(
        net=sums.needed("TotalGrossAmountBeforeTaxes"),
        tax=sums.needed("TotalTaxOutputs"),
        withholding=-(sums.amount("TotalTaxesWithheld") or Decimal(0)),
        payable=sums.needed("InvoiceTotal"),
    )


def _general(document: Node) -> Iterator[AllowanceCharge]:
    """Reductions and additions of the whole document; they share the lines' taxes where there is but one kind.

    Over several kinds they have none: the format says no more than the bases that are left.
    """
    taxes = {tuple(_line(line).taxes) for line in document.all("Items", "InvoiceLine")}
    shared = next(iter(taxes)) if len(taxes) == 1 else ()
    totals = document.first("InvoiceTotals") or document
    yield from _adjustments(totals.all("GeneralDiscounts", "Discount"), "Discount", shared)
    yield from _adjustments(totals.all("GeneralSurcharges", "Charge"), "Charge", shared)


def _adjustments(rows: Iterable[Node], name: str, taxes: tuple[Tax, ...] = ()) -> Iterator[AllowanceCharge]:
    for row in rows:
        yield adjustment(
            is_charge=name == "Charge",
            amount=row.needed(f"{name}Amount"),
            description=row.text(f"{name}Reason"),
            taxes=taxes,
        )


def _line(line: Node) -> Line:
    event = line.first("SpecialTaxableEvent")
    totals = [*_taxes(line, event), *_withheld(line)]
    allowances = [
        *_adjustments(line.all("DiscountsAndRebates", "Discount"), "Discount"),
        *_adjustments(line.all("Charges", "Charge"), "Charge"),
    ]
    unit = line.text("UnitOfMeasure") or ""
    return Line(
        description=line.text("ItemDescription") or "",
        quantity=line.needed("Quantity"),
        net_price=line.needed("UnitPriceWithoutTax"),
        net_amount=line.needed("GrossAmount"),
        unit=_UNITS.get(unit),
        article_code=line.text("ArticleCode"),
        allowances=tuple(allowances),
        taxes=tuple(total.tax for total in totals),
    )
