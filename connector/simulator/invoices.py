"""Invoices: create, read, change, delete, and hand over for delivery."""

from dataclasses import replace
from typing import Any, Final

from connector.simulator.calls import Answer, Call, day, permitted, single, truth
from connector.simulator.contacts import matched_or_made
from connector.simulator.datauri import unpacked
from connector.simulator.documents import Account, Attachment, Invoice, InvoiceLine
from connector.simulator.invoice_content import (
    NESTED_IN_LINES,
    adjustments,
    check_for_authority,
    currency,
    delivery_errors,
    header_fields,
    invoice_type,
    issue_date,
    line,
    lines,
    recalculate,
    rows_of,
)
from connector.simulator.numbers import next_number, number_is_free
from connector.simulator.problems import ApiProblem, blank, conflict, not_allowed, taken
from connector.simulator.render import invoice_view
from connector.simulator.states import check_deletable, mark_as, queue, send
from connector.simulator.versions import ALLOWANCE_CHARGES, INVOICE_REFERENCES
from connector.simulator.world import World

NESTED: Final = (
    "bank_account", "contact", "invoice_lines_attributes", "allowance_charges_attributes", "invoice_references",
    "payments_on_account",
)  # fmt: skip
_EDITABLE: Final = frozenset({"new", "error"})


def create_invoice(call: Call) -> Answer:
    """Store a document; with `send_after_import` beside it, queue it as well.

    A send that fails after a good create is swallowed: the answer is 201 all the same, and only the
    state tells.
    """
    account, payload = call.account(), call.payload()
    invoice = stored_invoice(call, account, call.wrapped("invoice", *NESTED))
    if truth(payload.get("ack", False)):
        invoice.ack_at = call.world.clock.now()
    if truth(payload.get("send_after_import", False)) and not invoice.errors:
        queue(call.world, invoice)
    return single(call, "invoice", invoice_view(call, invoice), created_status(call))


def created_status(call: Call) -> int:
    return 201 if call.version >= ALLOWANCE_CHARGES else 200


def stored_invoice(call: Call, account: Account, values: dict[str, Any]) -> Invoice:
    """Check and keep a new document.

    Raises:
        ApiProblem: 422, for the first rule that it breaks; nothing is stored then.
    """
    world, now = call.world, call.world.clock.now()
    kind, issued = invoice_type(values), issue_date(values)
    series = str(values["series_code"]) if values.get("series_code") else None
    number = str(values.get("number") or "") or next_number(world, account.id)
    call.entry.number = number
    draft = Invoice(0, account.id, kind, number, issued, currency(values, account), now, now, now, series_code=series)
    draft.due_date = day(values["due_date"], "due_date") if values.get("due_date") else None
    draft.fields = header_fields(world, values, call.version)
    draft.lines = lines(world, values, call.version)
    draft.adjustments = adjustments(world, values, call.version)
    check_for_authority(account, draft)
    check_number(call, draft)
    _set_contact(call, account, draft, values)
    recalculate(account, draft)
    draft.errors = delivery_errors(account, draft)
    return keep(call, draft)


def keep(call: Call, invoice: Invoice) -> Invoice:
    """Give a checked document its id and its place in the lists."""
    world = call.world
    invoice.id = world.next_id("invoice")
    invoice.listed_from = call.listed_from()
    world.add_invoice(invoice)
    world.effect(
        "invoice",
        "created",
        invoice.id,
        account=invoice.account_id,
        number=invoice.number,
        file_reference=invoice.fields.get("file_reference"),
        total=invoice.totals.total,
    )
    return invoice


def check_number(call: Call, draft: Invoice) -> None:
    """Raise `parameter_taken` where a document of this number stands in the way."""
    if len(draft.number) > 255:
        raise not_allowed("number", "Number is too long (maximum is 255 characters)")
    if not call.world.switches.number_guard or call.number_was_free:
        return
    if not number_is_free(
        call.world, draft.account_id, draft.type, draft.series_code, draft.number, draft.issue_date
    ):
        raise taken("number")


def _set_contact(call: Call, account: Account, draft: Invoice, values: dict[str, Any]) -> None:
    """The recipient by `contact_id` or inline; simplified documents keep theirs to themselves."""
    inline = values.get("contact")
    if draft.type == "IssuedSimplifiedInvoice" and call.version >= ALLOWANCE_CHARGES:
        draft.buyer = permitted(inline) if isinstance(inline, dict) else {}
        return
    if values.get("contact_id") is not None:
        draft.contact_id = _contact_id(call, account, values["contact_id"])
    elif isinstance(inline, dict):
        draft.contact_id = _inline_contact(call, account, draft, inline)
    elif draft.type != "IssuedSimplifiedInvoice":
        raise blank("contact")


def _contact_id(call: Call, account: Account, value: object) -> int:
    text = str(value)
    known = call.world.contacts_of[account.id]
    if not text.isdigit() or int(text) not in known:
        raise blank("contact")
    return int(text)


def _inline_contact(call: Call, account: Account, draft: Invoice, inline: dict[str, Any]) -> int | None:
    identified = inline.get("tin_value") or inline.get("cin_value")
    if not identified and call.version < INVOICE_REFERENCES:
        if not inline.get("name"):
            raise blank("contact")
        draft.buyer = permitted(inline)  # before 2026-04-20 an inline contact needs no identifier
        return None
    return matched_or_made(call.world, account, permitted(inline), call.version).id


def number_seen_free(world: World, account: Account, values: dict[str, Any]) -> bool:
    """What a server that checks in code, not by an index, sees when a request arrives."""
    values = permitted(values)
    try:
        kind, issued = invoice_type(values), issue_date(values)
    except ApiProblem:
        return False
    series = str(values["series_code"]) if values.get("series_code") else None
    return number_is_free(world, account.id, kind, series, str(values.get("number") or ""), issued)


# --------------------------------------------------------------- one invoice


def read_invoice(call: Call) -> Answer:
    invoice = call.invoice()
    if call.flag("ack"):
        _acknowledge(call, invoice)
    include = {word.strip() for word in call.query.get("include", "").split(",")}
    return single(call, "invoice", invoice_view(call, invoice, include))


def update_invoice(call: Call) -> Answer:
    """Partial update of header and lines, of a document that has not left."""
    invoice, values, world = call.invoice(), call.wrapped("invoice", *NESTED), call.world
    if invoice.state not in _EDITABLE:
        raise conflict(f"Cannot edit invoices in state {invoice.state}")
    account = world.accounts[invoice.account_id]
    if values.get("type", invoice.type) != invoice.type:
        raise not_allowed("type")
    changed_lines = _changed_lines(call, invoice, values)
    _change_header(call, account, invoice, values)
    invoice.lines = changed_lines
    if invoice.original is None:  # the totals of a file are its own
        recalculate(account, invoice)
    invoice.errors = delivery_errors(account, invoice)
    invoice.updated_at = world.clock.now()
    world.save(invoice)
    world.effect("invoice", "updated", invoice.id, number=invoice.number, total=invoice.totals.total)
    return single(call, "invoice", invoice_view(call, invoice))


def _change_header(call: Call, account: Account, invoice: Invoice, values: dict[str, Any]) -> None:
    """Check everything first: a refused change leaves the document as it was."""
    fields = header_fields(call.world, values, call.version)
    given = {name for name in fields if name in values or (name == "references" and fields[name])}
    issued = issue_date(values) if values.get("date") else invoice.issue_date
    due = day(values["due_date"], "due_date") if values.get("due_date") else invoice.due_date
    code = currency(values, account) if values.get("currency") else invoice.currency
    wanted = values.get("contact_id")
    contact_id = _contact_id(call, account, wanted) if wanted is not None else invoice.contact_id
    entries = adjustments(call.world, values, call.version) or invoice.adjustments
    if "number" in values and str(values["number"]) != invoice.number:
        _renumber(call, invoice, str(values["number"]))
    invoice.issue_date, invoice.due_date, invoice.currency = issued, due, code
    invoice.contact_id, invoice.adjustments = contact_id, entries
    invoice.fields |= {name: fields[name] for name in given}


def _renumber(call: Call, invoice: Invoice, number: str) -> None:
    if not number:
        raise blank("number")
    free = number_is_free(
        call.world,
        invoice.account_id,
        invoice.type,
        invoice.series_code,
        number,
        invoice.issue_date,
        ignore=invoice.id,
    )
    if call.world.switches.number_guard and not free:
        raise taken("number")
    call.world.renumber(invoice, number)


def _changed_lines(call: Call, invoice: Invoice, values: dict[str, Any]) -> list[InvoiceLine]:
    """Rows with an id change or remove that line; rows without one are added, as nested attributes do."""
    kept = {item.id: item for item in invoice.lines}
    if invoice.original is not None and values.get("invoice_lines_attributes"):
        raise conflict("The lines of an imported document cannot be edited")
    for row in rows_of(values, "invoice_lines_attributes", *NESTED_IN_LINES):
        known = kept.get(int(row["id"])) if str(row.get("id", "")).isdigit() else None
        if row.get("id") is not None and known is None:
            raise not_allowed("id", "There is no such line")
        if known is not None and truth(row.get("_destroy", False)):
            del kept[known.id]
            continue
        made = line(call.world, row, call.version, replace(known) if known is not None else None)
        kept[made.id] = made
    if not kept:
        raise blank("invoice_lines")
    return list(kept.values())


def delete_invoice(call: Call) -> Answer:
    invoice, world = call.invoice(), call.world
    check_deletable(world, invoice)
    view = invoice_view(call, invoice) | {"deleted": True}
    world.remove_invoice(invoice)
    world.effect("invoice", "deleted", invoice.id, number=invoice.number)
    return single(call, "invoice", view) if world.switches.delete_answer == "body" else Answer(204)


def validate_invoice(call: Call) -> Answer:
    invoice = call.invoice()
    return Answer(body={"valid": not invoice.errors, "errors": invoice.errors})


def send_invoice(call: Call) -> Answer:
    """Queue a document; the result comes later, as a change of state."""
    invoice = call.invoice()
    send(call.world, invoice)
    if call.world.switches.send_answer == "empty":
        return Answer(204)
    return single(call, "invoice", invoice_view(call, invoice))


def acknowledge(call: Call) -> Answer:
    invoice = call.invoice()
    _acknowledge(call, invoice)
    if call.world.switches.ack_answer == "empty":
        return Answer(204)
    return single(call, "invoice", invoice_view(call, invoice))


def _acknowledge(call: Call, invoice: Invoice) -> None:
    invoice.ack_at = invoice.ack_at or call.world.clock.now()
    call.world.save(invoice)
    call.world.effect("invoice", "acknowledged", invoice.id, number=invoice.number)


def mark_invoice(call: Call) -> Answer:
    invoice, values = call.invoice(), permitted(call.payload())
    mark_as(call.world, invoice, values.get("state"), values.get("reason"), values.get("reason_code"))
    return single(call, "invoice", invoice_view(call, invoice))


def add_attachment(call: Call) -> Answer:
    """Keep one file, raw or as a data URI."""
    invoice = call.invoice()
    filename = call.query.get("filename")
    if not filename:
        raise blank("filename")
    content = unpacked(call.body)
    invoice.attachments.append(Attachment(filename, content, bool(call.flag("use_as_pdf_view"))))
    call.world.save(invoice)
    call.world.effect("invoice", "attached", invoice.id, number=invoice.number, filename=filename)
    return Answer(204)
