"""From the JSON of an invoice to lines, taxes, allowances and header fields; what breaks a rule is refused.

Unknown keys are dropped in silence, as is a tax without a name. Rules marked as the ancestor's come
from the open-source predecessor of the product.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

from connector.simulator.calls import day, number, permitted, truth
from connector.simulator.codes import INVOICE_TYPES, TAX_CATEGORIES, ZERO_PERCENT_CATEGORIES
from connector.simulator.currencies import MINOR_UNITS, minor_unit
from connector.simulator.documents import Account, Invoice, InvoiceLine
from connector.simulator.identifiers import iban_checks
from connector.simulator.problems import blank, invalid, not_allowed
from connector.simulator.render import HEADER_FIELDS, LINE_FIELDS
from connector.simulator.totals import Adjustment, Arithmetic, Tax, calculate
from connector.simulator.versions import ALLOWANCE_CHARGES, INVOICE_REFERENCES
from connector.simulator.world import World

_DATES: Final = (
    "tax_point_date",
    "delivery_date",
    "invoicing_period_start",
    "invoicing_period_end",
    "exchange_date",
)
_LONG_TEXTS: Final = {"extra_info": 100_000, "legal_literals": 10_000, "description": 2500}
NESTED_IN_LINES: Final = ("taxes_attributes", "allowance_charges_attributes")
_FRENCH_NUMBER: Final = re.compile(r"[A-Za-z0-9 \-+_/]{1,20}")
_DGFIP_TEXTS: Final = ("remittance_information", "payment_method_text", "payment_terms")


def invoice_type(values: dict[str, Any]) -> str:
    kind = values.get("type", "IssuedInvoice")
    if kind not in INVOICE_TYPES:
        raise not_allowed("type")
    return str(kind)


def issue_date(values: dict[str, Any]) -> date:
    if not values.get("date"):
        raise blank("date")
    return day(values["date"], "date")


def currency(values: dict[str, Any], account: Account) -> str:
    code = str(values.get("currency") or account.currency).upper()
    if code not in MINOR_UNITS:
        raise not_allowed("currency")
    return code


def header_fields(world: World, values: dict[str, Any], version: str) -> dict[str, Any]:
    """The header fields that are known, with their checks."""
    fields = {name: values[name] for name in HEADER_FIELDS if values.get(name) is not None}
    if version < ALLOWANCE_CHARGES and values.get("type_document") is not None:
        fields["type_code"] = values["type_document"]
    fields["is_credit_note"] = truth(values.get("is_credit_note", False))
    for name in _DATES:
        if name in fields:
            fields[name] = day(fields[name], name).isoformat()
    _check_bank_account(fields.get("bank_account"))
    if world.switches.ancestor_checks:
        _check_lengths(fields)
    fields["references"] = _references(values, version)
    return fields


def _check_bank_account(bank: object) -> None:
    if bank is None:
        return
    if not isinstance(bank, dict):
        raise invalid("bank_account", "is invalid")
    iban = bank.get("iban")
    if bank.get("type") == "iban" and not iban:
        raise blank("iban")
    if iban and not iban_checks(str(iban)):
        raise invalid("iban", "is incorrect")


def _check_lengths(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        limit = _LONG_TEXTS.get(name, 255)
        if isinstance(value, str) and len(value) > limit:
            raise invalid(name, f"is too long (maximum is {limit} characters)")


def _references(values: dict[str, Any], version: str) -> list[dict[str, Any]]:
    """What the document corrects: a list from 2026-04-20 on, flat fields before; the other is ignored."""
    if version >= INVOICE_REFERENCES:
        return [_reference(entry) for entry in rows_of(values, "invoice_references")]
    flat = {
        "number": values.get("amended_number"),
        "date": values.get("amended_date"),
        "reason": values.get("amend_reason") or values.get("amended_reason"),
    }
    return [_reference({"reference_type": "amend"} | flat)] if any(flat.values()) else []


def _reference(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("reference_type") != "amend":
        raise not_allowed("reference_type")
    reference = {"reference_type": "amend", "number": entry.get("number"), "reason": entry.get("reason")}
    for name in ("date", "invoicing_period_start", "invoicing_period_end"):
        if entry.get(name):
            reference[name] = day(entry[name], name).isoformat()
    return reference


# --------------------------------------------------------------------- lines


def lines(world: World, values: dict[str, Any], version: str) -> list[InvoiceLine]:
    """The lines of a new document; at least one is demanded."""
    rows = rows_of(values, "invoice_lines_attributes", *NESTED_IN_LINES)
    if not rows:
        raise blank("invoice_lines")
    return [line(world, row, version) for row in rows]


def line(world: World, row: dict[str, Any], version: str, known: InvoiceLine | None = None) -> InvoiceLine:
    """One line, new or changed: what `row` leaves out stays as it is in `known`."""
    made = known or InvoiceLine(world.next_id("line"), Decimal(0), Decimal(0))
    for name in ("quantity", "price"):
        if row.get(name) is None and known is None:
            raise blank(name)
        if row.get(name) is not None:
            setattr(made, name, number(world, row[name], name))
    if version >= ALLOWANCE_CHARGES and row.get("base_quantity") is not None:
        made.base_quantity = number(world, row["base_quantity"], "base_quantity")
        if made.base_quantity <= 0:
            raise invalid("base_quantity", "must be greater than 0")
    if "taxes_attributes" in row or known is None:
        made.taxes = _taxes(world, rows_of(row, "taxes_attributes"))
    made.adjustments = adjustments(world, row, version) or made.adjustments
    made.fields |= {name: row[name] for name in LINE_FIELDS if row.get(name) is not None}
    if world.switches.ancestor_checks:
        _check_lengths(made.fields)
    return made


def _taxes(world: World, rows: list[dict[str, Any]]) -> list[Tax]:
    taxes = [_tax(world, row) for row in rows if row.get("name")]
    if len({(tax.name, tax.percent) for tax in taxes}) < len(taxes):
        raise invalid("taxes", "contain the same tax twice")
    for tax in taxes:
        if tax.name == "RE" and not any(other.name == "IVA" and other.category == tax.category for other in taxes):
            raise invalid("taxes", "contain RE without an IVA of the same category")
    return taxes


def _tax(world: World, row: dict[str, Any]) -> Tax:
    name, category = str(row["name"]), str(row.get("category") or "S")
    if world.switches.ancestor_checks and not name.isalpha():
        raise invalid("name", "of a tax must have letters only")
    if category not in TAX_CATEGORIES:
        raise not_allowed("category")
    if row.get("percent") is None:
        raise blank("percent")
    percent = number(world, row["percent"], "percent")
    if category in ZERO_PERCENT_CATEGORIES and percent != 0:
        raise invalid("percent", f"must be 0 for category {category}")
    comment = row.get("comment")
    if isinstance(comment, str) and len(comment) > 255:
        raise invalid("comment", "is too long (maximum is 255 characters)")
    return Tax(name, category, percent, comment)


# --------------------------------------------------- allowances and charges


def adjustments(world: World, values: dict[str, Any], version: str) -> list[Adjustment]:
    """Allowances and charges of a line or of the header: a list from 2026-03-02 on, flat fields before."""
    if version < ALLOWANCE_CHARGES:
        return _flat_adjustments(world, values)
    return [_adjustment(world, row) for row in rows_of(values, "allowance_charges_attributes", "tax_attributes")]


def _adjustment(world: World, row: dict[str, Any]) -> Adjustment:
    indicator = row.get("allowance_charge_indicator")
    if indicator not in {"allowance", "charge"}:
        raise not_allowed("allowance_charge_indicator")
    tax = row.get("tax_attributes")
    return Adjustment(
        is_charge=indicator == "charge",
        amount=_magnitude(world, row, "amount"),
        percentage=_magnitude(world, row, "percentage"),
        apply_taxes=truth(row.get("apply_taxes", True)),
        description=row.get("description"),
        tax=_tax(world, permitted(tax)) if isinstance(tax, dict) and tax.get("name") else None,
        is_reimbursable_expense=truth(row.get("is_reimbursable_expense", False)),
    )


def _flat_adjustments(world: World, values: dict[str, Any]) -> list[Adjustment]:
    found = []
    for prefix, text in (("discount", "discount_text"), ("charge", "charge_reason")):
        row = {"amount": values.get(f"{prefix}_amount"), "percentage": values.get(f"{prefix}_percent")}
        if any(row.values()):
            amount, percentage = _magnitude(world, row, "amount"), _magnitude(world, row, "percentage")
            description = values.get(text)
            found.append(Adjustment(prefix == "charge", amount or None, percentage, description=description))
    return found


def _magnitude(world: World, row: dict[str, Any], name: str) -> Decimal | None:
    if row.get(name) is None:
        return None
    value = number(world, row[name], name)
    if value < 0:
        raise invalid(name, "must be positive")
    return value


# ---------------------------------------------------------------- the whole


def recalculate(account: Account, invoice: Invoice) -> None:
    """Work the totals out anew, in the way that the account's settings choose."""
    arithmetic = Arithmetic(
        minor_unit(invoice.currency),
        account.rounding_method,
        account.round_before_sum,
        account.apply_taxes_per_line,
    )
    invoice.totals = calculate([item.figures for item in invoice.lines], invoice.adjustments, arithmetic)


def check_for_authority(account: Account, invoice: Invoice) -> None:
    """What French reporting demands of a document, where the account has it enabled."""
    settings = account.tax_report_settings.get("dgfip")
    if settings is None or not settings.get("enabled", True) or invoice.type != "IssuedInvoice":
        return
    if not _FRENCH_NUMBER.fullmatch(invoice.number):
        raise invalid("number", "must have at most 20 letters, digits, spaces or - + _ /")
    for name in _DGFIP_TEXTS:
        if not invoice.fields.get(name):
            problem = blank(name)
            problem.message = f"{name.replace('_', ' ').capitalize()} is required for DGFiP reporting"
            raise problem


def delivery_errors(account: Account, invoice: Invoice) -> list[str]:
    """What is stored, but will never be delivered: an exempt French line that gives no reason."""
    if account.country != "fr":
        return []
    return [
        f"Line {position}: an exemption reason is required for tax category E"
        for position, item in enumerate(invoice.lines, start=1)
        if any(tax.category == "E" and not tax.comment for tax in item.taxes)
    ]


def rows_of(values: dict[str, Any], name: str, *nested: str) -> list[dict[str, Any]]:
    """A list of objects; Rails also takes an object of objects, keyed by anything."""
    rows = values.get(name) or []
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid(name, "is invalid")
    return [permitted(row, *nested) for row in rows]
