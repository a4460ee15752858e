"""What a server received, compared with what Odoo's own models say of the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from connector.simulator import World
from tests.e2e.minimal_b2brouter import MinimalB2Brouter

Tax = tuple[Decimal, Decimal, Decimal]  # percent, base, amount

HELD: Final[Mapping[str, Mapping[str, str]]] = {
    "17": {
        "INV09": "vat_number_wrong",
        "INV11": "buyer_identifier_missing",  # outside the EU, without any number
        "INV29": "tax_missing",
        "CN03": "original_missing",
        "CN04": "original_not_issued",
        "CN06": "buyer_identifier_missing",
    },
    "19": {
        "INV09": "vat_number_wrong",
        "INV11": "buyer_identifier_missing",
        "INV17": "totals_differ",  # Odoo 19 rounds the base once: no sum of its lines gives it
        "INV29": "tax_missing",
        "CN03": "original_missing",
        "CN04": "original_not_issued",
        "CN06": "buyer_identifier_missing",
    },
}
"""All that is confirmed and cannot go, by version and name of the document, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One document as a server keeps it."""

    id: str
    account: str
    number: str
    issue_date: str
    due_date: str | None
    currency: str
    subtotal: Decimal
    total: Decimal
    taxes: tuple[Tax, ...]
    lines: tuple[tuple[Decimal, Decimal], ...]  # quantity, net
    recipient: str | None  # tax number
    purchase_order: str | None
    is_credit_note: bool
    original: tuple[str, str] | None  # number, date
    file_reference: str
    sent: int


def received_by(world: World) -> list[Received]:
    """Read the simulator's documents."""
    with world.lock:
        return [
            Received(
                id=str(invoice.id),
                account=str(invoice.account_id),
                number=invoice.number,
                issue_date=invoice.issue_date.isoformat(),
                due_date=invoice.due_date.isoformat() if invoice.due_date else None,
                currency=invoice.currency,
                subtotal=invoice.totals.subtotal,
                total=invoice.totals.total,
                taxes=tuple((row.tax.percent, row.base, row.amount) for row in invoice.totals.taxes),
                lines=tuple(
                    (line.quantity, net) for line, net in zip(invoice.lines, invoice.totals.line_nets, strict=True)
                ),
                recipient=world.contacts[invoice.contact_id].tin_value if invoice.contact_id else None,
                purchase_order=invoice.fields.get("ponumber"),
                is_credit_note=invoice.is_credit_note,
                original=_original(invoice.fields),
                file_reference=str(invoice.fields.get("file_reference")),
                sent=invoice.sent_times,
            )
            for invoice in world.invoices.values()
        ]


def _original(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    for entry in fields.get("references") or ():
        if entry.get("number"):
            return str(entry["number"]), str(entry["date"])
    return None


def compare(documents: Iterable[Mapping[str, Any]], received: Iterable[Received]) -> None:
    """See that exactly these documents were issued, each once and with exactly its content."""
    wanted = {(str(document["company_id"]), document["number"]): document for document in documents}
    there = list(received)
    found = {(document.account, document.number): document for document in there}
    assert len(found) == len(there), f"numbers received twice: {sorted(d.number for d in there)}"
    dates = {document["id"]: document["issue_date"] for document in wanted.values()}
    sent = {name for name, document in found.items() if document.sent}
    assert sent == set(wanted), f"missing {set(wanted) - sent}, too many {sent - set(wanted)}"
    faults = [
        f"{document['key']}: {what}: {got} instead of {want}"
        for name, document in wanted.items()
        for what, want, got in _facts(document, found[name], dates)
        if want != got
    ]
    assert not faults, "\n".join(faults)


def _facts(
    document: Mapping[str, Any], received: Received, dates: Mapping[int, str]
) -> Iterable[tuple[str, object, object]]:
    credit = document["kind"] == "credit_note"
    spanish = document["company_id"] == 1
    sign = -1 if credit and spanish else 1  # API reference 8.5
    yield "times sent", 1, received.sent
    yield "issue date", document["issue_date"], received.issue_date
    yield "due date", document["due_date"], received.due_date
    yield "currency", document["currency"], received.currency
    yield "subtotal", sign * Decimal(document["untaxed"]), received.subtotal
    yield "total", sign * Decimal(document["total"]), received.total
    yield (
        "taxes",
        _by_percent((t["percent"], t["base"], t["amount"]) for t in document["taxes"]),
        _by_percent((percent, sign * base, sign * amount) for percent, base, amount in received.taxes),
    )
    lines = [(sign * Decimal(line["quantity"]), sign * Decimal(line["subtotal"])) for line in document["lines"]]
    yield "lines", lines, list(received.lines)
    yield "recipient", document["customer"]["vat"], received.recipient
    yield "credit note flag", credit and not spanish, received.is_credit_note
    if credit:
        original = document["original"]
        yield "original", (original["number"], dates[original["id"]]), received.original


def _by_percent(taxes: Iterable[tuple[Any, Any, Any]]) -> dict[Decimal, tuple[Decimal, Decimal]]:
    """Sum up: a server does not know that two taxes of 21 % are different ones in the ERP."""
    sums: dict[Decimal, tuple[Decimal, Decimal]] = {}
    for percent, base, amount in taxes:
        known = sums.get(Decimal(percent), (Decimal(0), Decimal(0)))
        sums[Decimal(percent)] = known[0] + Decimal(base), known[1] + Decimal(amount)
    return sums


def received_by_minimal(server: MinimalB2Brouter) -> list[Received]:
    """Read the documents of the second server, whose floats are exact to the cent."""
    return [
        Received(
            id=str(invoice["id"]),
            account=str(invoice["account"]),
            number=invoice["number"],
            issue_date=invoice["date"],
            due_date=invoice.get("due_date"),
            currency=invoice["currency"],
            subtotal=_decimal(invoice["subtotal"]),
            total=_decimal(invoice["total"]),
            taxes=tuple(
                (_decimal(tax["percent"]), _decimal(tax["base"]), _decimal(tax["amount"])) for tax in invoice["taxes"]
            ),
            lines=tuple(
                (_decimal(line["quantity"]), _decimal(net))
                for line, net in zip(invoice["invoice_lines_attributes"], invoice["nets"], strict=True)
            ),
            recipient=server.contacts[int(invoice["contact_id"])].get("tin_value"),
            purchase_order=invoice.get("ponumber"),
            is_credit_note=bool(invoice.get("is_credit_note")),
            original=(invoice["amended_number"], invoice["amended_date"]) if "amended_number" in invoice else None,
            file_reference=invoice["file_reference"],
            sent=invoice["sent"],
        )
        for invoice in server.invoices.values()
    ]


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
