"""Files of an invoice: the legal document, the original, the PDF, attachments."""

from datetime import timedelta
from xml.sax.saxutils import escape

from connector.simulator.calls import Answer, Call
from connector.simulator.codes import DOCUMENT_TYPES
from connector.simulator.documents import Invoice
from connector.simulator.problems import not_allowed, not_found
from connector.simulator.world import World

_UBL = "urn:oasis:names:specification:ubl:schema:xsd"


def download_as(call: Call) -> Answer:
    """`legal`, `original`, or any document type."""
    invoice, wanted = call.invoice(), call.params["format"]
    if wanted == "original":
        return _original(invoice)
    if wanted == "legal":
        return _legal(call.world, invoice)
    if wanted not in DOCUMENT_TYPES:
        raise not_allowed("document_type_code")
    if DOCUMENT_TYPES[wanted] == "pdf":
        return _pdf(call.world, invoice)
    return _xml(call.world, invoice)


def download_legal(call: Call) -> Answer:
    """The address found in `download_legal_url` once a document was sent."""
    return _legal(call.world, call.invoice())


def download_attachment(call: Call) -> Answer:
    invoice, position = call.invoice(), call.params["position"]
    if not position.isdigit() or int(position) >= len(invoice.attachments):
        raise not_found("Attachment")
    found = invoice.attachments[int(position)]
    return Answer(content=found.content, content_type="application/octet-stream")


def _original(invoice: Invoice) -> Answer:
    if invoice.original is None:
        raise not_found("Original file")
    return Answer(content=invoice.original, content_type="application/xml")


def _legal(world: World, invoice: Invoice) -> Answer:
    """What the receiver got: nothing before the document was sent."""
    if not invoice.sent_times:
        raise not_found("Legal file")
    if invoice.original is not None:
        return _original(invoice)
    return _xml(world, invoice)


def _pdf(world: World, invoice: Invoice) -> Answer:
    """PDFs are made in the background: 404 until then. Simplified documents get theirs by sending."""
    ready = invoice.created_at + timedelta(seconds=world.switches.pdf_seconds / world.switches.speed)
    unsent = invoice.type == "IssuedSimplifiedInvoice" and not invoice.sent_times
    if unsent or world.clock.now() < ready:
        raise not_found("PDF")
    return Answer(content=pdf(_summary(world, invoice)), content_type="application/pdf")


def _xml(world: World, invoice: Invoice) -> Answer:
    return Answer(content=ubl(world, invoice).encode(), content_type="application/xml")


def ubl(world: World, invoice: Invoice) -> str:
    """A short UBL document: enough to prove which invoice it is and what it comes to."""
    kind = "CreditNote" if invoice.is_credit_note else "Invoice"
    account, totals = world.accounts[invoice.account_id], invoice.totals
    money = f'currencyID="{invoice.currency}"'
    tax = totals.total - totals.subtotal - totals.untaxed
    subtotals = "".join(
        f"<cac:TaxSubtotal><cbc:TaxableAmount {money}>{row.base}</cbc:TaxableAmount>"
        f"<cbc:TaxAmount {money}>{row.amount}</cbc:TaxAmount>"
        f"<cac:TaxCategory><cbc:ID>{row.tax.category}</cbc:ID>"
        f"<cbc:Percent>{row.tax.percent:f}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
        f"</cac:TaxCategory></cac:TaxSubtotal>"
        for row in totals.taxes
    )
    lines = "".join(
        f"<cac:{kind}Line><cbc:ID>{position}</cbc:ID><cbc:LineExtensionAmount {money}>{net}"
        f"</cbc:LineExtensionAmount><cac:Item><cbc:Name>{escape(str(line.fields.get('description') or ''))}"
        f"</cbc:Name></cac:Item>"
        f"<cac:Price><cbc:PriceAmount {money}>{line.price:f}</cbc:PriceAmount></cac:Price>"
        f"</cac:{kind}Line>"
        for position, (line, net) in enumerate(zip(invoice.lines, totals.line_nets, strict=False), start=1)
    )
    seller = _party(account.name, account.tin_value)
    name, tin = buyer(world, invoice)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{kind} xmlns="{_UBL}:{kind}-2" xmlns:cac="{_UBL}:CommonAggregateComponents-2"'
        f' xmlns:cbc="{_UBL}:CommonBasicComponents-2"><cbc:ID>{escape(invoice.number)}</cbc:ID>'
        f"<cbc:IssueDate>{invoice.issue_date}</cbc:IssueDate>"
        f"<cbc:DocumentCurrencyCode>{invoice.currency}</cbc:DocumentCurrencyCode>"
        f"<cac:AccountingSupplierParty>{seller}</cac:AccountingSupplierParty>"
        f"<cac:AccountingCustomerParty>{_party(name, tin)}</cac:AccountingCustomerParty>"
        f"<cac:TaxTotal><cbc:TaxAmount {money}>{tax}</cbc:TaxAmount>{subtotals}</cac:TaxTotal>"
        f"<cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount {money}>{totals.subtotal}</cbc:TaxExclusiveAmount>"
        f"<cbc:TaxInclusiveAmount {money}>{totals.total}</cbc:TaxInclusiveAmount>"
        f"<cbc:PayableAmount {money}>{totals.total}</cbc:PayableAmount></cac:LegalMonetaryTotal>"
        f"{lines}</{kind}>\n"
    )


def buyer(world: World, invoice: Invoice) -> tuple[str, str | None]:
    """Name and tax number of the recipient."""
    contact = world.contacts.get(invoice.contact_id) if invoice.contact_id is not None else None
    if contact is None:
        return str(invoice.buyer.get("name") or ""), invoice.buyer.get("tin_value")
    return contact.name, contact.tin_value


def _party(name: str, tin: str | None) -> str:
    number = (
        f"<cac:PartyTaxScheme><cbc:CompanyID>{escape(tin)}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID>"
        "</cac:TaxScheme></cac:PartyTaxScheme>"
        if tin
        else ""
    )
    return (
        f"<cac:Party><cac:PartyName><cbc:Name>{escape(name)}</cbc:Name></cac:PartyName>{number}"
        f"<cac:PartyLegalEntity><cbc:RegistrationName>{escape(name)}</cbc:RegistrationName>"
        "</cac:PartyLegalEntity></cac:Party>"
    )


def _summary(world: World, invoice: Invoice) -> list[str]:
    totals, (name, _) = invoice.totals, buyer(world, invoice)
    return [
        f"{invoice.type} {invoice.number}",
        f"{invoice.issue_date}  {world.accounts[invoice.account_id].name}",
        f"To: {name}",
        *(f"{row.tax.name} {row.tax.percent:f} %: {row.base} / {row.amount}" for row in totals.taxes),
        f"Subtotal {totals.subtotal}  Total {totals.total} {invoice.currency}",
        "Made by the simulator. Not a legal document.",
    ]


def pdf(rows: list[str]) -> bytes:
    """One page of text, as the smallest valid PDF that holds it."""
    shown = " ".join(f"({_pdf_text(row)}) Tj T*" for row in rows)
    stream = f"BT /F1 12 Tf 16 TL 60 780 Td {shown} ET".encode("cp1252", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources 6 0 R >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Font << /F1 4 0 R >> >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for position, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (position, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + trailer


def _pdf_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
