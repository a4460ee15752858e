"""The life of an invoice: from `new` through `sending` to what the receiver makes of it.

Source: the vendor's list of states, the notes on its sandbox, and the ancestor for the states from
which a document may be sent (again). Waits are simulated seconds, set by the switches.
"""

from datetime import timedelta
from typing import Final

from connector.simulator.codes import GLN_SCHEME, ISSUED_TYPES, MARK_AS_TARGETS, TRANSPORTS
from connector.simulator.documents import Account, Contact, Invoice, Step
from connector.simulator.problems import blank, conflict, not_allowed
from connector.simulator.tax_reports import report_on, settings_that_report
from connector.simulator.world import World

SENDABLE: Final = frozenset({"new", "error", "discarded", "refused"})
DELETABLE: Final = frozenset({"new", "error", "discarded", "invalid", "ocr_failed"})

# Receivers of the sandbox whose GLN decides what happens after `sent`.
REFUSING_GLN: Final = "9506215594996"
FAILING_GLN: Final = "9500047420799"
REGISTERING_GLN: Final = "9508397101047"

_REFUSAL: Final = ("Refused by the receiver", "REFUSED_BY_RECEIVER")
_NO_RECEIVER: Final = ("The receiver is not registered in Peppol", "PEPPOL_NO_RECEIVER")
_NO_REPORT: Final = (
    "Nothing to deliver: the transport is download and no tax report is enabled",
    "NOT_DELIVERABLE",
)


def send(world: World, invoice: Invoice) -> None:
    """Queue a document for delivery.

    Raises:
        ApiProblem: it was sent before, or has errors that keep it from being delivered.
    """
    again = invoice.state not in SENDABLE or _french_in_error(world, invoice)
    if again and world.switches.second_send != "accepted":
        message = f"Cannot re-send invoices in state {invoice.state}"
        raise conflict(message) if world.switches.second_send == "409" else not_allowed("state", message)
    if invoice.errors and invoice.state != "error":  # in that state they tell how the last delivery ended
        raise not_allowed("errors", f"Could not send invoice {invoice.number}: {invoice.errors[0]}")
    queue(world, invoice)


def queue(world: World, invoice: Invoice) -> None:
    """Put a document on its way; everything that follows comes by itself."""
    invoice.sent_times += 1
    account = world.accounts[invoice.account_id]
    account.transactions_count += 1
    invoice.errors = []
    invoice.error_code = invoice.error_message = None
    invoice.refuse_reason = invoice.refuse_reason_code = None
    world.effect("invoice", "sent", invoice.id, number=invoice.number, times=invoice.sent_times)
    change_state(world, invoice, "sending")
    report_on(world, invoice)
    _plan(world, invoice, account)
    world.save(account)
    arm(world, invoice)


def change_state(
    world: World, invoice: Invoice, state: str, note: str | None = None, code: str | None = None
) -> None:
    """Set the state with its details and tell the webhooks.

    The from-state is not looked at: notices of networks arrive in any order.
    """
    before, invoice.state = invoice.state, state
    invoice.state_updated_at = world.clock.now()
    if world.switches.state_change_updates:
        invoice.updated_at = invoice.state_updated_at
    if state == "error":
        invoice.error_code, invoice.error_message = code, note
        invoice.errors = [note] if note and note not in invoice.errors else invoice.errors
    if state == "refused":
        invoice.refuse_reason, invoice.refuse_reason_code = note, code
    world.effect("invoice", "state", invoice.id, number=invoice.number, before=before, after=state)
    if invoice.type in ISSUED_TYPES:
        world.announce("issued_invoice.state_change", invoice.account_id, invoice.id, state, note)
    world.save(invoice)


def mark_as(world: World, invoice: Invoice, state: object, reason: str | None, code: str | None) -> None:
    """Relabel a document; nothing is delivered."""
    if not state:
        raise blank("state")
    if state not in MARK_AS_TARGETS[invoice.type]:
        raise not_allowed("state")
    change_state(world, invoice, str(state), reason, code)


def check_deletable(world: World, invoice: Invoice) -> None:
    """Raise 409 for a document that was handed over, or that a tax authority knows of."""
    if world.switches.delete_allowed == "any":
        return
    if invoice.state not in DELETABLE:
        raise conflict(f"Cannot delete invoices in state {invoice.state}")
    if any(world.tax_reports[report_id].state == "registered" for report_id in invoice.tax_report_ids):
        raise conflict("The invoice has registered tax reports")


def notice(world: World, invoice_id: int, state: str, note: str | None = None, code: str | None = None) -> None:
    """A message of the network, at any time and in any order, as tests send it.

    Raises:
        KeyError: there is no such invoice.
    """
    with world.lock:
        invoice = world.invoices[invoice_id]
        _note_change(world, invoice, state, note, code)
        world.commit()
    world.flush_events()


def arm(world: World, invoice: Invoice) -> None:
    """Have the next step of a document done when it is due; also after a restart."""
    if invoice.steps:
        step = invoice.steps[0]
        world.at(step.due, lambda: _take(world, invoice, step))


def _take(world: World, invoice: Invoice, step: Step) -> None:
    if invoice.deleted_at is not None or not invoice.steps or invoice.steps[0] is not step:
        return
    invoice.steps.pop(0)
    _note_change(world, invoice, step.state, step.note, step.code)
    arm(world, invoice)


def _note_change(world: World, invoice: Invoice, state: str, note: str | None, code: str | None) -> None:
    """Change the state without a request, and say so in the journal."""
    with world.recorded() as effects:
        change_state(world, invoice, state, note, code)
    entry = world.journal.open(
        world.clock.now(), "TIMER", "", account=invoice.account_id, number=invoice.number, effects=effects
    )
    world.journal.written(entry)


def _plan(world: World, invoice: Invoice, account: Account) -> None:
    """Work out the coming states from the way of delivery and the receiver."""
    switches = world.switches
    due = world.clock.now() + timedelta(seconds=switches.sending_seconds / switches.speed)
    invoice.steps = []
    for state, note, code in _outcome(world, invoice, account):
        invoice.steps.append(Step(due, state, note, code))
        due += timedelta(seconds=switches.network_seconds / switches.speed)


def _outcome(world: World, invoice: Invoice, account: Account) -> list[tuple[str, str | None, str | None]]:
    contact = world.contacts.get(invoice.contact_id) if invoice.contact_id is not None else None
    transport = transport_of(world, account, contact)
    if transport == "download":
        reported = settings_that_report(account)
        return [("issued", None, None)] if reported else [("error", *_NO_REPORT)]
    sent: tuple[str, None, None] = ("sent", None, None)
    if transport == "peppol":
        return [sent, *_peppol_answer(contact)]
    _, reports_back = TRANSPORTS[transport]
    if reports_back and world.switches.networks_confirm:
        return [sent, ("registered", None, None)]
    return [sent]


def _peppol_answer(contact: Contact | None) -> list[tuple[str, str | None, str | None]]:
    gln = _gln(contact)
    if gln == FAILING_GLN:
        return [("error", *_NO_RECEIVER)]
    if gln == REFUSING_GLN:
        return [("registered", None, None), ("refused", *_REFUSAL)]
    return [("registered", None, None)]


def _gln(contact: Contact | None) -> str | None:
    if contact is None:
        return None
    for field in ("pin", "cin", "cin1", "cin2", "tin"):
        if contact.fields.get(f"{field}_scheme") == GLN_SCHEME:
            return str(contact.fields.get(f"{field}_value"))
    return None


def transport_of(world: World, account: Account, contact: Contact | None) -> str:
    """The contact's own way, else its body's, the directory's, the account's; an unknown code falls to the last."""
    if contact is None:
        return "email"  # simplified documents: sending makes the PDF and mails it, no network answers
    body = world.contacts.get(contact.parent_id) if contact.parent_id is not None else None
    chosen: str | None = contact.fields.get("transport_type_code")
    if chosen is None and body is not None:
        chosen = body.fields.get("transport_type_code")
    if chosen is None:
        for value in (contact.tin_value, contact.cin_value):
            entry = world.directory.get(value or "")
            if entry is not None and "Invoice" in entry:
                chosen = entry["Invoice"]["transport_type_code"]
    return chosen if chosen is not None and chosen in TRANSPORTS else account.default_transport


def _french_in_error(world: World, invoice: Invoice) -> bool:
    """French documents in error must be deleted and made anew, as clients have found."""
    french = world.accounts[invoice.account_id].country == "fr"
    return french and invoice.state == "error" and not world.switches.french_resend
