"""Our documents and customers as bodies of requests. Nobody else knows how the API names its fields.

The same arguments give the same bytes: what was frozen with an intent can be compared and sent again.
Field list: invoice_fields.csv; rules: API reference 5.2, 8.1-8.5.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from connector.b2brouter import codes
from connector.b2brouter.exactjson import Value, plain, read, write
from connector.b2brouter.figures import Figures, figures
from connector.domain.correction import by_spanish_law, remote_sign
from connector.domain.countries import state_of
from connector.domain.errors import RefusedError
from connector.domain.identity import SERVICE_CODE, SIRET
from connector.domain.invoice import REMOTE_TYPE, AllowanceCharge, Invoice, Line, Party, Payment, Tax, TaxKind, money
from connector.domain.recipient import DIR3, Delivery, Unit, is_for_chorus, service_code, siret_of
from connector.domain.rounding import Adjustment, Levy, Row, Sheet

ALLOWANCE_CHARGES: Final = "2026-03-02"
"""First version with `allowance_charges_attributes` and `base_quantity` (API reference 1.3)."""
INVOICE_REFERENCES: Final = "2026-04-20"
"""First version with `invoice_references` in place of the flat amend fields."""

T = TypeVar("T")

_SHORT: Final = 255
_DESCRIPTION: Final = 2500
_ZERO_ONLY: Final = frozenset({"E", "Z", "NS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What the body of one invoice is made from, beside the invoice itself."""

    invoice: Invoice
    contact_id: str
    file_reference: str
    api_version: str
    amend_reason: str | None  # Spain: where the ERP gives none

    @property
    def modern(self) -> bool:
        """Whether allowances and base quantities can be told."""
        return self.api_version >= ALLOWANCE_CHARGES

    @property
    def sign(self) -> int:
        """The sign of our amounts over there."""
        return remote_sign(self.invoice)


def invoice_payload(
    invoice: Invoice,
    *,
    contact_id: str,
    file_reference: str,
    api_version: str,
    amend_reason: str | None = None,
) -> bytes:
    """Return the body that creates the invoice, unsent (API reference 7.1).

    Raises:
        RefusedError: `withholding_unnamed`, the API's name of a withholding tax is not known; `rounding_untold`, this
            version of the API has no place for cash rounding.
        ValueError: number, date or currency is missing, or a tax has no percentage; validation comes first.
    """
    issue = Issue(
        invoice=invoice,
        contact_id=contact_id,
        file_reference=file_reference,
        api_version=api_version,
        amend_reason=amend_reason,
    )
    # Beside the invoice, not within it: there the flag has no effect (API reference 7.1).
    return write({"send_after_import": False, "invoice": _invoice(issue)})


def sheet(invoice: Invoice, *, api_version: str) -> Sheet:
    """Return the figures that the body of an invoice tells, for our own computation of the totals.

    Raises:
        RefusedError: as `invoice_payload`.
    """
    issue = Issue(invoice=invoice, contact_id="", file_reference="", api_version=api_version, amend_reason=None)
    return Sheet(
        digits=money(invoice.currency or "").digits,
        rows=tuple(_row(line, issue) for line in _all_lines(issue)),
        adjustments=tuple(
            Adjustment(is_charge=entry.is_charge, amount=entry.amount, tax=_levy(entry.taxes[0], entry.taxes, issue))
            for entry in invoice.allowances
            if _stays_in_header(entry, issue)
        ),
        untaxed=invoice.totals.rounding,
    )


def _row(line: Line, issue: Issue) -> Row:
    told = _figures(line, issue)
    own = Figures(quantity=line.quantity * issue.sign, price=line.net_price, base_quantity=line.base_quantity)
    return Row(
        text=line.description,
        quantity=told.quantity,
        price=told.price,
        base_quantity=told.base_quantity,
        reduction=told.reduction,
        taxes=tuple(_levy(tax, line.taxes, issue) for tax in line.taxes),
        erp_net=line.net_amount * issue.sign,
        retold=not told.reduction and told.gross != own.gross,
    )


def _levy(tax: Tax, beside: Iterable[Tax], issue: Issue) -> Levy:
    return Levy(codes.tax_name(tax, issue.invoice.seller.country) or "", _category(tax, beside) or "S", _percent(tax))


def number_of(payload: bytes) -> str:
    """Return the number of the invoice that a body of `invoice_payload` creates."""
    number: str = read(payload)["invoice"]["number"]
    return number


def _invoice(issue: Issue) -> dict[str, Value]:
    return {
        **_header(issue.invoice),
        "contact_id": _id(issue.contact_id),
        "file_reference": issue.file_reference,
        **_references(issue.invoice),
        **_payment(issue.invoice),
        **_correction(issue),
        **_document_allowances(issue),
        "invoice_lines_attributes": [
            _line(line, position, issue) for position, line in enumerate(_all_lines(issue), start=1)
        ],
    }


def _header(invoice: Invoice) -> dict[str, Value]:
    return _filled(
        type=REMOTE_TYPE,
        number=_given(invoice.number, "number"),
        series_code=_text(invoice.series),
        date=_given(invoice.issue_date, "issue date").isoformat(),
        terms="custom" if invoice.due_date else None,
        due_date=_day(invoice.due_date),
        currency=_given(invoice.currency, "currency").upper(),
    )


def _references(invoice: Invoice) -> dict[str, Value]:
    return _filled(
        ponumber=_text(invoice.purchase_order),
        buyer_reference=_text(invoice.buyer_reference) or _text(service_code(invoice)),
        contract_number=_text(invoice.contract),
        sales_order_reference=_text(invoice.sales_order),
        delivery_date=_day(invoice.delivery_date),
        extra_info=_text(invoice.note, limit=None),
        contact_email_override=_text(invoice.buyer_email),
    )


def _payment(invoice: Invoice) -> dict[str, Value]:
    """Tell how to pay, and our account to those alone who pay to it.

    A means that needs an account is told in words alone where there is none: receivers refuse its number then.
    """
    payment = invoice.payment
    iban = codes.compact(payment.account or "")
    bic = codes.compact(payment.bic or "")
    method = _payment_method(payment)
    in_words = None if iban else codes.NEED_AN_ACCOUNT.get(method or 0)
    told = _filled(
        bank_account=_filled(type="iban", iban=iban, bic=bic or None) if iban else None,
        payment_method=None if in_words else method,
        payment_method_text=_text(payment.method_text),
        payment_terms=_text(payment.terms),
        remittance_information=_text(payment.reference),
    )
    in_france = state_of(invoice.seller.country) == "FR"
    return (_told_in_france(invoice) if in_france else _filled(payment_method_text=in_words)) | told


def _payment_method(payment: Payment) -> int | None:
    """Return how the customer pays; to an account, by transfer unless the ERP says otherwise."""
    if payment.method:
        return codes.payment_method(payment.method)
    return codes.CREDIT_TRANSFER if codes.compact(payment.iban or payment.other_account or "") else None


def _told_in_france(invoice: Invoice) -> dict[str, Value]:
    """Say how, when and under which reference to pay where the ERP does not: French reporting demands it (API 12)."""
    due = invoice.due_date
    return {
        "payment_method_text": codes.french_method(_payment_method(invoice.payment)),
        "payment_terms": f"Échéance : {due:%d/%m/%Y}" if due else "À réception",
        "remittance_information": _given(_text(invoice.number), "number"),
    }


def _correction(issue: Issue) -> dict[str, Value]:
    """Say that this is a correction, of what, and why (API reference 8.5).

    A debit note is an invoice that names the earlier one: its reference is the same, its sign that of any invoice.
    """
    invoice, original = issue.invoice, issue.invoice.original
    if not invoice.is_credit_note and original is None:
        return {}
    # In Spain the amounts say it by their sign: together with the flag, they would turn twice.
    flag = True if invoice.is_credit_note and issue.sign > 0 else None
    reason = invoice.amend_reason or (issue.amend_reason if by_spanish_law(invoice) else None)
    if issue.api_version < INVOICE_REFERENCES:
        return _filled(
            is_credit_note=flag,
            amended_number=_text(original.number) if original else None,
            amended_date=_day(original.date) if original else None,
            amend_reason=reason,
        )
    references: list[Value] = [
        _filled(reference_type="amend", number=_text(each.number), date=_day(each.date), reason=reason)
        for each in invoice.originals
    ]
    return _filled(is_credit_note=flag, invoice_references=references or None)


# ---------------------------------------------------------------- lines, allowances, taxes


def _all_lines(issue: Issue) -> Iterable[Line]:
    """Yield the ERP's lines, and the document's allowances that only a line can carry."""
    yield from issue.invoice.lines
    for entry in issue.invoice.allowances:
        if not _stays_in_header(entry, issue):
            yield _as_line(entry)


def _stays_in_header(entry: AllowanceCharge, issue: Issue) -> bool:
    """Whether the header can carry an entry: it has room for one tax, and its sign below zero is disputed."""
    return issue.modern and issue.sign > 0 and len(entry.taxes) == 1


def _as_line(entry: AllowanceCharge) -> Line:
    quantity = Decimal(1 if entry.is_charge else -1)
    return Line(
        description=_name_of(entry),
        quantity=quantity,
        net_price=entry.amount,
        net_amount=quantity * entry.amount,
        taxes=entry.taxes,
    )


def _name_of(entry: AllowanceCharge) -> str:
    return entry.description.strip() or ("Charge" if entry.is_charge else "Discount")


def _document_allowances(issue: Issue) -> dict[str, Value]:
    entries: list[Value] = [
        {
            **_allowance(entry.amount, _name_of(entry), is_charge=entry.is_charge),
            "tax_attributes": _tax(entry.taxes[0], entry.taxes, issue.invoice.seller.country),
        }
        for entry in issue.invoice.allowances
        if _stays_in_header(entry, issue)
    ]
    entries += _rounding(issue)
    return {"allowance_charges_attributes": entries} if entries else {}


def _rounding(issue: Issue) -> list[Value]:
    """Tell cash rounding: in the total alone, beside all taxes (API reference 8.4, 8.7).

    Below zero a charge makes the total greater too, and an allowance less: the sign is that of the magnitude.
    """
    rounding = issue.invoice.totals.rounding
    if not rounding:
        return []
    if not issue.modern:
        raise RefusedError("rounding_untold", {"amount": f"{rounding:f}", "version": issue.api_version})
    return [_allowance(abs(rounding), "Rounding", is_charge=rounding > 0, apply_taxes=False)]


def _line(line: Line, position: int, issue: Issue) -> dict[str, Value]:
    told = _figures(line, issue)
    return _filled(
        position=position,
        article_code=_text(line.article_code),
        description=_description(line),
        quantity=told.quantity,
        unit=codes.UNITS.get(line.unit or "", codes.OTHER_UNIT) if line.unit or line.unit_name else None,
        price=told.price,
        base_quantity=told.base_quantity if told.base_quantity != 1 else None,
        **_reduction(told, line, modern=issue.modern),
        taxes_attributes=[_tax(tax, line.taxes, issue.invoice.seller.country) for tax in line.taxes],
    )


def _description(line: Line) -> str | None:
    """Return the text, with the unit at its end where the API has no number for it and nothing else tells it."""
    name = _text(line.unit_name or line.unit)
    if name is None or line.unit in codes.UNITS or _names_unit(line.description, name):
        return _text(line.description, limit=_DESCRIPTION)
    end = f" ({name})"
    text = _text(line.description, limit=_DESCRIPTION - len(end))
    return f"{text}{end}" if text else None


def _names_unit(text: str, unit: str) -> bool:
    """Whether a unit stands behind a figure or at the end: anywhere else, `in` or `a` is a word like any other."""
    name = re.escape(unit)
    return re.search(rf"\d\s*{name}(?!\w)|(?<!\w){name}\W*$", text, re.IGNORECASE) is not None


def _figures(line: Line, issue: Issue) -> Figures:
    digits = money(issue.invoice.currency or "").digits
    return figures(line, sign=issue.sign, digits=digits, modern=issue.modern)


def _reduction(told: Figures, line: Line, *, modern: bool) -> dict[str, Value]:
    """Tell what lies between price and net amount as one allowance, or one charge (API reference 8.4)."""
    if not told.reduction:
        return {}
    is_charge, amount = told.reduction < 0, abs(told.reduction)
    fitting = [entry for entry in line.allowances if entry.is_charge == is_charge]
    names = dict.fromkeys(map(_name_of, fitting or line.allowances))
    reason = _text("; ".join(names)) or ""
    if modern:
        return {"allowance_charges_attributes": [_allowance(amount, reason, is_charge=is_charge)]}
    if is_charge:
        return {"charge_amount": amount, "charge_reason": reason}
    return {"discount_amount": amount, "discount_text": reason}


def _allowance(amount: Decimal, description: str, *, is_charge: bool, apply_taxes: bool = True) -> dict[str, Value]:
    return _filled(
        allowance_charge_indicator="charge" if is_charge else "allowance",
        amount=amount,
        apply_taxes=apply_taxes,
        description=_text(description),
    )


def _tax(tax: Tax, beside: Iterable[Tax], issuer: str | None) -> dict[str, Value]:
    name = codes.tax_name(tax, issuer)
    if name is None:
        facts = {"tax": tax.source_name or str(tax.percent), "country": issuer or "(none)"}
        raise RefusedError("withholding_unnamed", facts)
    return _filled(
        name=name,
        category=_category(tax, beside),
        percent=_percent(tax),
        comment=_text(tax.reason),
    )


def _percent(tax: Tax) -> Decimal:
    percent = _given(tax.percent, "percentage")
    return -abs(percent) if tax.kind is TaxKind.WITHHOLDING else percent


def _category(tax: Tax, beside: Iterable[Tax]) -> str | None:
    """Return the category: a surcharge needs that of the VAT beside it, a withholding one with a rate."""
    if tax.kind is TaxKind.VAT:
        return tax.category
    if tax.kind is TaxKind.SURCHARGE:
        return next((vat.category for vat in beside if vat.kind is TaxKind.VAT), tax.category)
    return "S" if tax.category is None or tax.category in _ZERO_ONLY else tax.category


# ---------------------------------------------------------------- contacts


def contact_payload(
    buyer: Party, *, integration_code: str, unit: Unit | None = None, parent_id: str | None = None
) -> bytes:
    """Return what the ERP says of a customer, or of a unit under the contact of its body (API reference 5.2, 5.3)."""
    country = (buyer.country or "").upper() or None
    name = _filled(name=_text(buyer.name), country=country and country.lower())
    if unit is not None:
        # It has its body's tax number by itself, and may not have another (API reference 1.3).
        of_body = _filled(parent_id=_id(parent_id) if parent_id else None)
        service = {"cin1_scheme": unit.scheme, "cin1_value": unit.code} if unit.scheme == SERVICE_CODE else {}
        return _contact({**of_body, **name, **_address(buyer), **service, "integration_code": integration_code})
    return _contact(
        {
            **name,
            **_numbers(buyer, country),
            **_filled(
                recipient_code=_text((buyer.recipient_code or "").upper()),
                certified_email=_text(buyer.certified_email),
            ),
            **_address(buyer),
            "language": codes.language(buyer.language, country),
            "is_client": True,
            "public_sector": buyer.is_public_body,
            "integration_code": integration_code,
        }
    )


def usual_delivery(buyer: Party, unit: Unit | None = None) -> Delivery | None:
    """Return the only way that leads to a public body; None where the directory or the account decides.

    French ones are reached by Chorus Pro, units as their body is (5.3); Spanish ones with three offices by FACe.
    """
    if unit is None:
        return CHORUS if is_for_chorus(buyer) else None
    return FACE if unit.scheme == DIR3 else None


CHORUS: Final = Delivery("fr.chorus", "xml.ubl.invoice.chorus")
FACE: Final = Delivery("es.face", "xml.facturae.3.2.2")

_AS_IN_THE_GUIDE: Final[Mapping[str, Value]] = {"is_provider": True, "terms": "custom", "currency": "EUR"}
"""What the guide to Chorus Pro says of a body beside."""


def new_contact_payload(payload: bytes, delivery: Delivery | None) -> bytes:
    """Return the body that creates a contact: what the ERP says, and what is left to people afterwards."""
    fields: dict[str, Value] = read(payload)["contact"]
    beside = _AS_IN_THE_GUIDE if delivery == CHORUS else {}
    return _contact({**fields, **beside, **(_delivery(delivery) if delivery else {})})


def without_tax_number(payload: bytes) -> bytes:
    """Return the body of a contact without the number that another one has already."""
    fields: dict[str, Value] = read(payload)["contact"]
    return _contact({name: value for name, value in fields.items() if name not in {"tin_scheme", "tin_value"}})


def delivery_payload(delivery: Delivery) -> bytes:
    """Return the body that tells a contact how documents reach it; who is reached by Chorus Pro is a public body."""
    beside: dict[str, Value] = {"public_sector": True} if delivery == CHORUS else {}
    return _contact({**beside, **_delivery(delivery)})


def contact_changes(before: bytes, after: bytes) -> bytes | None:
    """Return the body that tells what the ERP changed, and nothing else; None where that is nothing.

    What people set at B2Brouter in other fields stays. A field that the ERP has no value for any more is left as it
    is: an explicit null is refused in places (API reference 2.1).
    """
    known = read(before)["contact"]
    changes = {name: value for name, value in read(after)["contact"].items() if known.get(name) != value}
    return _contact(changes) if changes else None


def _contact(fields: dict[str, Value]) -> bytes:
    return write({"contact": fields})


def _delivery(delivery: Delivery) -> dict[str, Value]:
    return {"transport_type_code": delivery.transport, "document_type_code": delivery.document}


def _numbers(buyer: Party, country: str | None) -> dict[str, Value]:
    """Return tax and registered numbers; of a body of Chorus Pro its SIRET alone, for the service is a unit's."""
    tax = _tax_number(buyer.tax_number, country)
    if is_for_chorus(buyer):
        return {**tax, "cin_scheme": SIRET, "cin_value": siret_of(buyer)}
    return {**tax, **_legal_ids(buyer)}


def _tax_number(number: str | None, country: str | None) -> dict[str, Value]:
    found = codes.tax_number(number, country)
    return {"tin_scheme": found[0], "tin_value": found[1]} if found else {}


_PLACES: Final = {SERVICE_CODE: "cin1", codes.ELECTRONIC_ADDRESS: "pin"}


def _legal_ids(buyer: Party) -> dict[str, Value]:
    """Put each identifier where its scheme belongs; of those for the one main place, a SIRET goes first."""
    ids: dict[str, Value] = {}
    known = [(legal.scheme.zfill(4), legal.value.strip()) for legal in buyer.legal_ids]
    for scheme, value in sorted(known, key=lambda legal: legal[0] != SIRET):
        place = _PLACES.get(scheme, "cin")
        if value and f"{place}_scheme" not in ids:
            shown = _compact_digits(value) if place == "cin" else value
            ids |= {f"{place}_scheme": scheme, f"{place}_value": shown}
    return ids


def _compact_digits(value: str) -> str:
    """Drop the blanks and dots of a number such as `130 015 332 00013`; other codes stay as they are."""
    compact = codes.compact(value)
    return compact if compact.isdigit() else value


def _address(buyer: Party) -> dict[str, Value]:
    return _filled(
        email=_text(buyer.email),
        phone=_text(buyer.phone),
        address=_text(buyer.address),
        address2=_text(buyer.address2),
        city=_text(buyer.city),
        postalcode=_text(buyer.postal_code),
        province=_text(buyer.province),
    )


# ---------------------------------------------------------------- values


def _filled(**fields: Value | None) -> dict[str, Value]:
    """Keep what is there: some fields refuse an explicit null (API reference 2.1)."""
    return {name: value for name, value in fields.items() if value is not None}


def _given(value: T | None, what: str) -> T:
    if value is None:
        raise ValueError(f"{what} is missing; validation should have held the document")
    return value


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _id(identifier: str) -> Value:
    """Ids are numbers in the API and texts with us."""
    number = identifier.isascii() and identifier.isdigit() and plain(Decimal(identifier)) == identifier
    return int(identifier) if number else identifier


def _text(value: str | None, *, limit: int | None = _SHORT) -> str | None:
    """Return a text without what XML cannot carry, cut where it is too long; None if nothing is left."""
    given = value or ""
    text = (given if given.isprintable() else "".join(map(_printable, given))).strip()
    if limit is not None and len(text) > limit:
        end = limit - 1
        while end > 0 and unicodedata.combining(text[end]):
            end -= 1
        text = text[:end].rstrip() + "…"
    return text or None


def _printable(character: str) -> str:
    allowed = character in "\t\n\r" or unicodedata.category(character) not in {"Cc", "Cs"}
    return character if allowed and character not in "\ufffe\uffff" else " "
