"""How documents look in answers, by API version."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final

from connector.simulator.calls import Call, document_id
from connector.simulator.documents import Contact, Invoice, InvoiceLine, TaxReport
from connector.simulator.totals import Adjustment, Tax, TaxAmount, line_base
from connector.simulator.versions import ALLOWANCE_CHARGES, ERROR_FIELDS, INVOICE_REFERENCES

CONTACT_FIELDS: Final = (
    "name", "email", "phone", "website", "address", "address2", "city", "postalcode", "province", "country",
    "language", "currency", "tin_scheme", "tin_value", "cin_scheme", "cin_value", "cin1_scheme", "cin1_value",
    "cin2_scheme", "cin2_value", "pin_scheme", "pin_value", "is_client", "is_provider", "integration_code",
    "payment_method", "terms", "public_sector", "parent_id", "transport_type_code", "document_type_code",
    "recipient_code", "certified_email",
)  # fmt: skip
HEADER_FIELDS: Final = (
    "terms", "language", "contact_email_override", "bank_account", "payment_method", "payment_method_text",
    "payment_terms", "remittance_information", "ponumber", "buyer_reference", "sales_order_reference",
    "contract_number", "receiving_advice_reference", "delivery_note_number", "buyer_accounting_reference",
    "file_reference", "extra_info", "legal_literals", "tax_point_date", "delivery_date", "exchange_rate",
    "exchange_date", "invoicing_period_start", "invoicing_period_end", "type_code", "document_type_code",
    "is_credit_note", "is_amend", "payments_on_account", "amounts_withheld", "tax_currency_code",
    "tax_amount_in_tax_currency",
)  # fmt: skip
_QR: Final = (  # a picture of one dot: whoever shows it can be tested, whoever scans it cannot
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
LINE_FIELDS: Final = ("description", "unit", "position", "article_code", "extension_amount")


def scheme(code: str | None, version: str) -> str | int | None:
    """A scheme's code: text of four characters from 2026-03-02 on, a whole number before."""
    return code if code is None or version >= ALLOWANCE_CHARGES else int(code)


def contact_view(call: Call, contact: Contact) -> dict[str, Any]:
    view: dict[str, Any] = {"id": document_id(call.world, contact.id)}
    for name in CONTACT_FIELDS:
        value = contact.fields.get(name)
        view[name] = scheme(value, call.version) if name.endswith("_scheme") else value
    view["parent_id"] = document_id(call.world, contact.parent_id)
    view["in_dgfip_annuaire"] = None
    view["created_at"], view["updated_at"] = contact.created_at, contact.updated_at
    return view


def invoice_row(call: Call, invoice: Invoice) -> dict[str, Any]:
    """An invoice in a list: no account, `ack_at` always null."""
    return _invoice_view(call, invoice) | {"ack_at": None}


def invoice_view(call: Call, invoice: Invoice, include: Collection[str] = ()) -> dict[str, Any]:
    """An invoice read by its id."""
    account = call.world.accounts[invoice.account_id]
    view = _invoice_view(call, invoice)
    view["account"] = {"id": document_id(call.world, account.id), "name": account.name}
    view["ack_at"] = invoice.ack_at
    if "lines" in include or "detailed_lines" in include:
        view["lines"] = [_line_view(call, invoice, index) for index in range(len(invoice.lines))]
    if "buyer" in include:
        contact = _stored_contact(call, invoice)
        view["buyer"] = contact_view(call, contact) if contact is not None else invoice.buyer
    return view


def tax_report_view(call: Call, report: TaxReport) -> dict[str, Any]:
    invoice = call.world.invoices.get(report.invoice_id) or call.world.deleted_invoices[report.invoice_id]
    return {
        "id": document_id(call.world, report.id),
        "type": report.code,
        "state": report.state,
        "label": f"{report.code} {invoice.number}",
        "invoice_id": document_id(call.world, invoice.id),
        "invoice_number": invoice.number,
        "invoice_date": invoice.issue_date,
        "qr": _QR,
        "identifier": f"https://verification.example/{report.code}?id={report.id}&num={invoice.number}",
        "chained_at": report.created_at,
        "sent_at": report.created_at,
        "ledger_id": None,
        "has_errors": False,
        "has_warnings": False,
        "errors": [],
        "warnings": [],
        "correction": report.correction,
        "annullation": report.annullation,
        "corrected_by_id": report.corrected_by_id,
        "created_at": report.created_at,
        "updated_at": report.updated_at,
    }


def _invoice_view(call: Call, invoice: Invoice) -> dict[str, Any]:
    world, totals = call.world, invoice.totals
    view: dict[str, Any] = {
        "id": document_id(world, invoice.id),
        "type": invoice.type,
        "number": invoice.number,
        "series_code": invoice.series_code,
        "state": invoice.state,
        "state_updated_at": invoice.state_updated_at,
        "date": invoice.issue_date,
        "due_date": invoice.due_date,
        "currency": invoice.currency,
        "subtotal": totals.subtotal,
        "taxes": [_tax_amount_view(row) for row in totals.taxes],
        "total": totals.total,
        "contact": _contact_summary(call, invoice),
    }
    fields = invoice.fields
    view.update({name: fields.get(name) for name in HEADER_FIELDS})
    view["is_credit_note"] = invoice.is_credit_note
    if call.version < ALLOWANCE_CHARGES:
        view["type_document"] = view.pop("type_code")
    else:
        view["allowance_charges"] = [_adjustment_view(entry) for entry in invoice.adjustments]
    view.update(_references(fields.get("references", []), call.version))
    view.update(_outcome_view(call, invoice))
    view["created_at"], view["updated_at"] = invoice.created_at, invoice.updated_at
    return view


def _outcome_view(call: Call, invoice: Invoice) -> dict[str, Any]:
    view: dict[str, Any] = {
        "tax_report_ids": [document_id(call.world, report_id) for report_id in invoice.tax_report_ids],
        "errors": invoice.errors,
        "refuse_reason": invoice.refuse_reason,
        "refuse_reason_code": invoice.refuse_reason_code,
        "download_legal_url": f"/attachments/download/{invoice.id}" if invoice.sent_times else None,
        "attachments": [
            {"filename": item.filename, "link": f"/attachments/{invoice.id}/{position}"}
            for position, item in enumerate(invoice.attachments)
        ],
    }
    if call.version >= ERROR_FIELDS:
        view["error_code"], view["error_message"] = invoice.error_code, invoice.error_message
    return view


def _references(references: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """What the document corrects: a list from 2026-04-20 on, flat fields before."""
    if version >= INVOICE_REFERENCES:
        return {"invoice_references": references}
    first = references[0] if references else {}
    return {
        "amended_number": first.get("number"),
        "amended_date": first.get("date"),
        "amend_reason": first.get("reason"),
    }


def _contact_summary(call: Call, invoice: Invoice) -> dict[str, Any]:
    contact = _stored_contact(call, invoice)
    if contact is None:
        return {"id": None, "name": invoice.buyer.get("name")}
    return {"id": document_id(call.world, contact.id), "name": contact.name}


def _stored_contact(call: Call, invoice: Invoice) -> Contact | None:
    return call.world.contacts.get(invoice.contact_id) if invoice.contact_id is not None else None


def _tax_amount_view(row: TaxAmount) -> dict[str, Any]:
    """A row of the breakdown; its name is a text for people, so only percent and base identify it."""
    return {
        "name": f"{row.tax.name} {row.tax.percent:.2f}%".replace(".", ","),
        "category": row.tax.category,
        "percent": row.tax.percent,
        "base": row.base,
        "amount": row.amount,
    }


def _line_view(call: Call, invoice: Invoice, index: int) -> dict[str, Any]:
    line: InvoiceLine = invoice.lines[index]
    view: dict[str, Any] = {"id": document_id(call.world, line.id)}
    view.update({name: line.fields.get(name) for name in LINE_FIELDS})
    view["quantity"], view["price"] = line.quantity, line.price
    view["total_cost"] = _short(line_base(line.figures))
    view["net_amount"] = invoice.totals.line_nets[index] if index < len(invoice.totals.line_nets) else None
    view["taxes"] = [_tax_view(tax) for tax in line.taxes]
    if call.version >= ALLOWANCE_CHARGES:
        view["base_quantity"] = line.base_quantity
        view["allowance_charges"] = [_adjustment_view(entry) for entry in line.adjustments]
    return view


def _tax_view(tax: Tax) -> dict[str, Any]:
    return {"name": tax.name, "category": tax.category, "percent": tax.percent, "comment": tax.comment}


def _adjustment_view(entry: Adjustment) -> dict[str, Any]:
    view = {
        "allowance_charge_indicator": "charge" if entry.is_charge else "allowance",
        "amount": entry.amount,
        "percentage": entry.percentage,
        "apply_taxes": entry.apply_taxes,
        "is_reimbursable_expense": entry.is_reimbursable_expense,
        "description": entry.description,
    }
    return view | ({"tax": _tax_view(entry.tax)} if entry.tax is not None else {})


def _short(amount: Decimal) -> Decimal:
    """At most ten decimals: a quotient may have many more."""
    return round(amount, 10).normalize() if amount else Decimal(0)
