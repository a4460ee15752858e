"""Import of finished files: UBL, CII or Facturae.

Totals come from the file, they are not calculated anew. The recipient is matched by tax number or
made; the issuer must be the account.
"""

from typing import Any, Final

from connector.simulator.calls import Answer, Call, single
from connector.simulator.contacts import matched_or_made
from connector.simulator.currencies import MINOR_UNITS
from connector.simulator.datauri import unpacked
from connector.simulator.documents import Account, Invoice, InvoiceLine
from connector.simulator.file_formats import File, number_at_a_glance, open_file
from connector.simulator.identifiers import normalised
from connector.simulator.invoice_content import check_for_authority
from connector.simulator.invoices import check_number, created_status, keep
from connector.simulator.problems import ApiProblem, bad_request, blank, not_allowed
from connector.simulator.render import invoice_view
from connector.simulator.states import queue
from connector.simulator.world import World

_GLANCE: Final = 5_000_000  # bytes; larger files are not looked at in advance
_OCTETS: Final = "application/octet-stream"


def import_invoice(call: Call) -> Answer:
    """Store a file as an issued or a received document, and send it at once where asked."""
    content_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _OCTETS:
        return Answer(406, content=b"", content_type="text/plain")
    account, original = call.account(), unpacked(call.body)
    document = open_file(original)
    call.entry.number = document.number()
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
        return number_at_a_glance(unpacked(content))
    except ApiProblem:
        return None


def validate_document(call: Call) -> Answer:
    """Check a file without storing it: 200, or 400 with what is wrong."""
    try:
        open_file(unpacked(call.body)).totals("es")
    except ApiProblem as problem:
        raise bad_request(problem.message) from problem
    return Answer(body={"valid": True, "errors": []})


def _is_issued(call: Call, account: Account, document: File) -> bool:
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


def _draft(call: Call, account: Account, document: File, *, issued: bool) -> Invoice:
    now = call.world.clock.now()
    invoice = Invoice(
        0,
        account.id,
        "IssuedInvoice" if issued else "ReceivedInvoice",
        document.number(),
        document.issue_date(),
        document.currency(),
        now,
        now,
        now,
    )
    if invoice.currency not in MINOR_UNITS:
        raise not_allowed("currency")
    invoice.series_code = document.series()
    invoice.due_date = document.due_date()
    invoice.fields = {"is_credit_note": document.is_credit_note(), **document.fields()}
    invoice.totals = document.totals(account.country)
    invoice.lines = _lines(call.world, document, account.country)
    return invoice


def _lines(world: World, document: File, country: str) -> list[InvoiceLine]:
    rows = document.lines(country)
    if not rows:
        raise blank("invoice_lines")
    return [
        InvoiceLine(
            world.next_id("line"), row.quantity, row.price, taxes=row.taxes, fields={"description": row.description}
        )
        for row in rows
    ]


def _set_recipient(call: Call, account: Account, invoice: Invoice, document: File) -> None:
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
