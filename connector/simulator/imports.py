"""Import of finished files: UBL, read as far as number, dates, parties, taxes, totals and lines.

Totals come from the file, they are not calculated anew. The recipient is matched by tax number or
made; the issuer must be the account.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

from connector.simulator.calls import Answer, Call, day, decimal, single
from connector.simulator.contacts import matched_or_made
from connector.simulator.currencies import MINOR_UNITS
from connector.simulator.datauri import unpacked
from connector.simulator.documents import Account, Invoice, InvoiceLine
from connector.simulator.identifiers import normalised
from connector.simulator.invoice_content import check_for_authority
from connector.simulator.invoices import check_number, created_status, keep
from connector.simulator.problems import ApiProblem, bad_request, blank, not_allowed
from connector.simulator.render import invoice_view
from connector.simulator.states import queue
from connector.simulator.totals import Tax, TaxAmount, Totals
from connector.simulator.world import World

_CAC: Final = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
_CBC: Final = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_ROOTS: Final = {
    f"{{urn:oasis:names:specification:ubl:schema:xsd:{kind}-2}}{kind}": kind for kind in ("Invoice", "CreditNote")
}
_FIRST_ID: Final = re.compile(rb"<(?:\w+:)?ID(?:\s[^>]*)?>([^<]+)<")
_GLANCE: Final = 5_000_000  # bytes; larger files are not looked at in advance
_OCTETS: Final = "application/octet-stream"
_VAT_NAMES: Final = {
    "es": "IVA",
    "it": "IVA",
    "pt": "IVA",
    "fr": "TVA",
    "be": "TVA",
    "de": "MwSt",
    "nl": "BTW",
}


def import_invoice(call: Call) -> Answer:
    """Store a file as an issued or a received document, and send it at once where asked."""
    content_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _OCTETS:
        return Answer(406, content=b"", content_type="text/plain")
    account, original = call.account(), unpacked(call.body)
    document = _Ubl(original)
    call.entry.number = document.text("ID")
    issued = _is_issued(call, account, document)
    invoice = _draft(call, account, document, issued=issued)
    invoice.original = original
    check_number(call, invoice)
    check_for_authority(account, invoice)
    if issued:
        _set_recipient(call, account, invoice, document)
    else:
        seller = document.party("Supplier")
        invoice.buyer = {"name": seller["name"], "tin_value": seller["tin_value"]}
    keep(call, invoice)
    if issued and call.flag("send_after_import"):
        queue(call.world, invoice)
    return single(call, "invoice", invoice_view(call, invoice), created_status(call))


def number_in(content: bytes) -> str | None:
    """The document's number at a glance, before the file is read in earnest."""
    if len(content) > _GLANCE:
        return None
    try:
        match = _FIRST_ID.search(unpacked(content))
    except ApiProblem:
        return None
    return match[1].decode("utf-8", "replace").strip() if match is not None else None


def validate_document(call: Call) -> Answer:
    """Check a file without storing it: 200, or 400 with what is wrong."""
    try:
        document = _Ubl(unpacked(call.body))
        _read_totals(document, "eur")
    except ApiProblem as problem:
        raise bad_request(problem.message) from problem
    return Answer(body={"valid": True, "errors": []})


class _Ubl:
    """A parsed UBL invoice or credit note."""

    def __init__(self, content: bytes) -> None:
        if b"<!DOCTYPE" in content[:4096]:
            raise _unknown_format()  # entities have no place in an invoice
        try:
            self.root = ET.fromstring(content)  # noqa: S314 - document types are refused above
        except ET.ParseError as error:
            raise _unknown_format() from error
        if self.root.tag not in _ROOTS:
            raise _unknown_format()
        self.kind = _ROOTS[self.root.tag]

    def text(self, *path: str, within: ET.Element | None = None) -> str | None:
        """The text at the end of a path; all but its last part are aggregates."""
        tags = [f"{_CAC}{part}" for part in path[:-1]] + [f"{_CBC}{path[-1]}"]
        start = self.root if within is None else within
        found = start.findtext("/".join(tags))
        return found.strip() or None if found is not None else None

    def needed(self, *path: str, within: ET.Element | None = None) -> str:
        value = self.text(*path, within=within)
        if value is None:
            raise blank(path[-1])
        return value

    def all(self, *path: str) -> Iterator[ET.Element]:
        yield from self.root.iterfind("/".join(f"{_CAC}{part}" for part in path))

    def party(self, role: str) -> dict[str, Any]:
        """The contact that the file's `Supplier` or `Customer` would be."""
        party = self.root.find(f"{_CAC}Accounting{role}Party/{_CAC}Party")
        if party is None:
            raise blank(f"{role.lower()}_party")
        endpoint = party.find(f"{_CBC}EndpointID")
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


def _unknown_format() -> ApiProblem:
    return not_allowed("file", "Unknown format")


def _is_issued(call: Call, account: Account, document: _Ubl) -> bool:
    """Whether the account is the seller (issued) or the buyer (received) of the file."""
    wanted = call.flag("issued")
    sells = _is_account(account, document.party("Supplier"))
    buys = _is_account(account, document.party("Customer"))
    if wanted is not None and (sells if wanted else buys):
        return wanted
    if wanted is None and (sells or buys):
        return sells
    raise not_allowed("tin_value", "The tax numbers of the file do not belong to the account")


def _is_account(account: Account, party: dict[str, Any]) -> bool:
    own = {normalised(value) for value in (account.tin_value, account.cin_value) if value}
    prefix = account.country.upper()
    own |= {value.removeprefix(prefix) for value in own}
    named = (party["tin_value"], party["cin_value"], party["pin_value"])
    return any(normalised(value) in own for value in named if value)


def _draft(call: Call, account: Account, document: _Ubl, *, issued: bool) -> Invoice:
    now = call.world.clock.now()
    due = document.text("DueDate") or document.text("PaymentMeans", "PaymentDueDate")
    invoice = Invoice(
        0,
        account.id,
        "IssuedInvoice" if issued else "ReceivedInvoice",
        document.needed("ID"),
        day(document.needed("IssueDate"), "date"),
        document.needed("DocumentCurrencyCode"),
        now,
        now,
        now,
    )
    if invoice.currency not in MINOR_UNITS:
        raise not_allowed("currency")
    invoice.due_date = day(due, "due_date") if due else None
    invoice.fields = {
        "is_credit_note": document.kind == "CreditNote" or document.text("InvoiceTypeCode") == "381",
        "buyer_reference": document.text("BuyerReference"),
        "ponumber": document.text("OrderReference", "ID"),
        "references": _references(document),
    }
    invoice.totals = _read_totals(document, account.country)
    invoice.lines = _read_lines(call.world, document, account.country)
    return invoice


def _set_recipient(call: Call, account: Account, invoice: Invoice, document: _Ubl) -> None:
    values = {name: value for name, value in document.party("Customer").items() if value}
    contact = matched_or_made(call.world, account, values, call.version)
    chosen = {
        name: call.query[f"{name}_for_contact"]
        for name in ("transport_type_code", "document_type_code")
        if call.query.get(f"{name}_for_contact")
    }
    if chosen:
        call.world.change_contact(contact, contact.fields | chosen)
    invoice.contact_id = contact.id


def _references(document: _Ubl) -> list[dict[str, Any]]:
    return [
        {
            "reference_type": "amend",
            "number": document.text("ID", within=found),
            "date": document.text("IssueDate", within=found),
            "reason": None,
        }
        for found in document.all("BillingReference", "InvoiceDocumentReference")
    ]


def _read_totals(document: _Ubl, country: str) -> Totals:
    name = _VAT_NAMES.get(country, "VAT")
    taxes = []
    for row in document.all("TaxTotal", "TaxSubtotal"):
        category = document.text("TaxCategory", "ID", within=row) or "S"
        percent = decimal(document.text("TaxCategory", "Percent", within=row) or "0", "percent")
        reason = document.text("TaxCategory", "TaxExemptionReason", within=row)
        base = decimal(document.needed("TaxableAmount", within=row), "TaxableAmount")
        amount = decimal(document.needed("TaxAmount", within=row), "TaxAmount")
        taxes.append(TaxAmount(Tax(name, category, percent, reason), base, amount))
    return Totals(
        line_nets=[
            decimal(document.needed("LineExtensionAmount", within=line), "LineExtensionAmount")
            for line in document.all(f"{document.kind}Line")
        ],
        taxes=taxes,
        subtotal=decimal(document.needed("LegalMonetaryTotal", "TaxExclusiveAmount"), "subtotal"),
        total=decimal(document.needed("LegalMonetaryTotal", "TaxInclusiveAmount"), "total"),
    )


def _read_lines(world: World, document: _Ubl, country: str) -> list[InvoiceLine]:
    quantity = "InvoicedQuantity" if document.kind == "Invoice" else "CreditedQuantity"
    rows = list(document.all(f"{document.kind}Line"))
    if not rows:
        raise blank("invoice_lines")
    return [
        InvoiceLine(
            world.next_id("line"),
            decimal(document.text(quantity, within=row) or "1", "quantity"),
            decimal(document.text("Price", "PriceAmount", within=row) or "0", "price"),
            taxes=_line_taxes(document, row, country),
            fields={"description": document.text("Item", "Name", within=row)},
        )
        for row in rows
    ]


def _line_taxes(document: _Ubl, row: ET.Element, country: str) -> list[Tax]:
    category = document.text("Item", "ClassifiedTaxCategory", "ID", within=row)
    if category is None:
        return []
    percent = document.text("Item", "ClassifiedTaxCategory", "Percent", within=row) or "0"
    return [Tax(_VAT_NAMES.get(country, "VAT"), category, decimal(percent, "percent"))]
