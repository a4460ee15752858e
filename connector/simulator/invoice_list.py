"""Lists of invoices: filters, order and pages."""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Final

from connector.simulator.calls import FLAGS, Answer, Call, conditions, listed
from connector.simulator.codes import INVOICE_TYPES, STATES
from connector.simulator.documents import Invoice
from connector.simulator.identifiers import normalised
from connector.simulator.problems import bad_request, not_allowed
from connector.simulator.render import invoice_row
from connector.simulator.versions import ALLOWANCE_CHARGES

_SEARCHED: Final = frozenset({"tin_value", "cin_value", "name", "country"})


def list_invoices(call: Call) -> Answer:
    account = call.account()
    call.entry.number = call.query.get("number")
    kind = call.query.get("type", "IssuedInvoice")
    if kind not in INVOICE_TYPES:
        raise not_allowed("type")
    found = list(_filtered(call, [inv for inv in _numbered(call, account.id) if inv.type == kind], kind))
    if call.world.switches.list_order == "newest":
        found.reverse()
    offset, limit = call.page()
    rows = [invoice_row(call, invoice) for invoice in found[offset : offset + limit]]
    return listed(call, "invoices", rows, len(found))


def _numbered(call: Call, account_id: int) -> Iterable[Invoice]:
    """The invoices whose number matches, oldest first; an index answers the exact question."""
    wanted, mode = call.query.get("number"), call.world.switches.number_filter
    if not wanted:
        return call.world.invoices_of[account_id].values()
    if mode == "exact":
        return call.world.invoices_numbered.get((account_id, wanted), ())
    invoices = call.world.invoices_of[account_id].values()
    if mode == "prefix":
        return [invoice for invoice in invoices if invoice.number.startswith(wanted)]
    parts = [part.strip() for part in wanted.split(",")]
    return [invoice for invoice in invoices if any(part in invoice.number for part in parts)]


def _filtered(call: Call, invoices: list[Invoice], kind: str) -> Iterable[Invoice]:
    found: Iterable[Invoice] = _already_listed(call, invoices)
    found = _by_dates(call, found)
    found = _by_changes(call, found)
    found = _by_states(call, found)
    found = _by_recipient(call, found)
    if kind == "ReceivedInvoice":
        # Without `ack=true` the list of received documents hides what was acknowledged, by anyone.
        acknowledged = bool(call.flag("ack"))
        found = [invoice for invoice in found if (invoice.ack_at is not None) == acknowledged]
    return found


def _already_listed(call: Call, invoices: list[Invoice]) -> list[Invoice]:
    now = call.world.clock.now()
    return [invoice for invoice in invoices if invoice.listed_from is None or invoice.listed_from <= now]


def _by_dates(call: Call, invoices: Iterable[Invoice]) -> Iterable[Invoice]:
    """Dates of the document, both ends included; never the date of arrival."""
    if (start := call.day("date_from")) is not None:
        invoices = [invoice for invoice in invoices if invoice.issue_date >= start]
    if (end := call.day("date_to")) is not None:
        invoices = [invoice for invoice in invoices if invoice.issue_date <= end]
    if (start := call.day("due_date_from")) is not None:
        invoices = [invoice for invoice in invoices if invoice.due_date is not None and invoice.due_date >= start]
    if (end := call.day("due_date_to")) is not None:
        invoices = [invoice for invoice in invoices if invoice.due_date is not None and invoice.due_date <= end]
    return invoices


def _by_changes(call: Call, invoices: Iterable[Invoice]) -> Iterable[Invoice]:
    if (since := call.instant("state_updated_at_from")) is not None:
        if call.world.switches.state_filter_by == "date":
            since = datetime.combine(since.astimezone(UTC), time.min, UTC)
        invoices = [invoice for invoice in invoices if invoice.state_updated_at >= since]
    if (since := call.instant("updated_at_from")) is not None:
        invoices = [invoice for invoice in invoices if invoice.updated_at >= since]
    return invoices


def _by_states(call: Call, invoices: Iterable[Invoice]) -> Iterable[Invoice]:
    """Flags named after states: those set to true are kept; without any, those set to false are left out."""
    flags = {name: FLAGS.get(value.lower()) for name, value in call.query.items() if name in STATES}
    kept = {name for name, flag in flags.items() if flag}
    left_out = {name for name, flag in flags.items() if flag is False}
    if kept:
        return [invoice for invoice in invoices if invoice.state in kept]
    if left_out:
        return [invoice for invoice in invoices if invoice.state not in left_out]
    return invoices


def _by_recipient(call: Call, invoices: Iterable[Invoice]) -> Iterable[Invoice]:
    """`query=tin_value=…` from 2026-03-02 on, `taxcode=…` before."""
    if call.version < ALLOWANCE_CHARGES:
        taxcode = call.query.get("taxcode")
        wanted = {"tin_value": taxcode} if taxcode else {}
    else:
        wanted = conditions(call.query["query"]) if call.query.get("query") else {}
    if unknown := set(wanted) - _SEARCHED:
        raise bad_request(f"cannot search invoices by {', '.join(sorted(unknown))}")
    return [inv for inv in invoices if _is_for(call, inv, wanted)] if wanted else invoices


def _is_for(call: Call, invoice: Invoice, wanted: dict[str, str]) -> bool:
    contact = call.world.contacts.get(invoice.contact_id) if invoice.contact_id is not None else None
    fields = contact.fields if contact is not None else invoice.buyer
    return all(normalised(str(fields.get(name) or "")) == normalised(value) for name, value in wanted.items())
