"""What an auditor would ask: was anything made twice, sent twice, or left behind?

Answers come from the documents alone, deleted ones included, so they hold whatever a client claims.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from connector.simulator.codes import ISSUED_TYPES
from connector.simulator.documents import Contact, Invoice
from connector.simulator.identifiers import normalised
from connector.simulator.world import World


def audit(world: World) -> dict[str, Any]:
    """Findings per account, and their sums."""
    with world.lock:
        accounts = {str(account_id): _account(world, account_id) for account_id in sorted(world.accounts)}
    return {
        "duplicates": sum(len(found["duplicates"]) for found in accounts.values()),
        "duplicate_references": sum(len(found["duplicate_references"]) for found in accounts.values()),
        "double_sends": sum(len(found["double_sends"]) for found in accounts.values()),
        "duplicate_contacts": sum(len(found["duplicate_contacts"]) for found in accounts.values()),
        "accounts": accounts,
    }


def _account(world: World, account_id: int) -> dict[str, Any]:
    living = [inv for inv in world.invoices_of[account_id].values() if inv.type in ISSUED_TYPES]
    deleted = [inv for inv in world.deleted_invoices.values() if inv.account_id == account_id]
    states: dict[str, int] = defaultdict(int)
    for invoice in living:
        states[invoice.state] += 1
    return {
        "invoices": len(living),
        "deleted": len(deleted),
        "sent": sum(1 for invoice in living if invoice.sent_times),
        "never_sent": sorted(invoice.number for invoice in living if not invoice.sent_times),
        "states": dict(sorted(states.items())),
        "duplicates": [
            {"number": invoices[0].number, "series_code": invoices[0].series_code, "ids": _ids(invoices)}
            for invoices in _repeated(living, _identity)
        ],
        "duplicate_references": [
            {"file_reference": invoices[0].fields["file_reference"], "ids": _ids(invoices)}
            for invoices in _repeated(living, lambda inv: inv.fields.get("file_reference"))
        ],
        "double_sends": _double_sends([*living, *deleted]),
        "contacts": len(world.contacts_of[account_id]),
        "duplicate_contacts": [
            {"tin_value": contacts[0].tin_value, "ids": [contact.id for contact in contacts]}
            for contacts in _same_number(world.contacts_of[account_id])
        ],
        "numbers": _numbers([*living, *deleted]),
    }


def _numbers(invoices: list[Invoice]) -> dict[str, dict[str, int]]:
    """Per number: how often a document was created, deleted, and queued for delivery."""
    counted: dict[str, dict[str, int]] = {}
    for invoice in invoices:
        row = counted.setdefault(invoice.number, {"created": 0, "deleted": 0, "sent": 0})
        row["created"] += 1
        row["deleted"] += invoice.deleted_at is not None
        row["sent"] += invoice.sent_times
    return counted


def _double_sends(invoices: list[Invoice]) -> list[dict[str, Any]]:
    """A number that was queued more than once, in one document or in several."""
    sent: dict[tuple[str, str, int], list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        if invoice.sent_times:
            sent[_identity(invoice)].append(invoice)
    return [
        {"number": number, "series_code": series or None, "ids": _ids(found), "times": times}
        for (number, series, _), found in sent.items()
        if (times := sum(invoice.sent_times for invoice in found)) > 1
    ]


def _same_number(contacts: Mapping[int, Contact]) -> Iterable[list[Contact]]:
    """Contacts that are one and the same company by tax number; units of an organisation aside."""
    alone = [contact for contact in contacts.values() if contact.parent_id is None]
    by_number: dict[str, list[Contact]] = defaultdict(list)
    for contact in alone:
        if contact.tin_value:
            by_number[normalised(contact.tin_value)].append(contact)
    return [found for found in by_number.values() if len(found) > 1]


def _repeated(invoices: Iterable[Invoice], key: Callable[[Invoice], Hashable]) -> list[list[Invoice]]:
    groups: dict[Hashable, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        if (value := key(invoice)) is not None:
            groups[value].append(invoice)
    return [found for found in groups.values() if len(found) > 1]


def _identity(invoice: Invoice) -> tuple[str, str, int]:
    """What one document of an account is told apart by: number, series and year."""
    return invoice.number, invoice.series_code or "", invoice.issue_date.year


def _ids(invoices: Iterable[Invoice]) -> list[int]:
    return [invoice.id for invoice in invoices]
