"""Rows of the configured queries -> canonical invoices. No queries here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

from connector.adapters.database import BYTES, Row, exact, plain
from connector.adapters.identities import SIREN, SIRET, french_id, is_public_body
from connector.adapters.sql.days import Days, days_in
from connector.adapters.sql.reader import ONLY_COMPANY, Documents
from connector.adapters.sql.settings import SqlOptions
from connector.adapters.sql.sums import computed_tax_totals
from connector.domain.countries import country_code, state_of
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import (
    ZERO,
    AllowanceCharge,
    Attachment,
    Invoice,
    Kind,
    LegalId,
    Line,
    Original,
    Party,
    Payment,
    Tax,
    TaxKind,
    TaxTotal,
    Totals,
    decimal_text,
    money,
)

Value = TypeVar("Value")

# In Spanish ERPs as a rule S and N; BIT(1) of MySQL gives the bytes 0 and 1.
_YES: Final = frozenset({"1", "t", "true", "y", "yes", "s", "si", "sí", "\x01"})
_NO: Final = frozenset({"0", "f", "false", "n", "no", "", "\x00"})
_NO_FRACTION: Final = re.compile(r"(?<=\d)\.0+$")
_DIR3_ROLES: Final = (("01", "dir3_fiscal"), ("02", "dir3_receiver"), ("03", "dir3_payer"))
_LEGAL_IDS: Final = (("0009", "siret"), ("0002", "siren"), ("8017", "service_code"))


@dataclass(frozen=True, slots=True)
class Mapper:
    """Makes canonical invoices from what the reader read in one go."""

    options: SqlOptions
    documents: Documents
    lines: dict[str, list[Row]] = field(default_factory=dict)  # by document
    taxes: dict[str, list[Row]] = field(default_factory=dict)  # by line
    tax_totals: dict[str, list[Row]] = field(default_factory=dict)  # by document
    attachments: dict[str, list[Row]] = field(default_factory=dict)  # by document

    @classmethod
    def of(cls, documents: Documents, options: SqlOptions) -> Mapper:
        """Return a mapper of these rows."""
        return cls(
            options,
            documents,
            _grouped(documents.lines, "document_key"),
            _grouped(documents.taxes or (), "line_key"),
            _grouped(documents.tax_totals or (), "document_key"),
            _grouped(documents.attachments, "document_key"),
        )

    def invoices(self) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return every document, or why it cannot be one; one bad document does not harm the others."""
        headers = _grouped(self.documents.headers, "document_key")
        return {key: self._invoice_or_error(key, rows) for key, rows in headers.items()}

    def _invoice_or_error(self, key: str, rows: Sequence[Row]) -> Invoice | DocumentNotUsableError:
        try:
            if len(rows) > 1:
                raise ValueError(f"the query header gives {len(rows)} rows")
            return self._invoice(key, rows[0])
        except (ValueError, ArithmeticError) as error:
            return DocumentNotUsableError(
                f"Document {rows[0]['number'] or key} of the ERP cannot be read: {error}.",
                key=key,
                action="Correct the document in the ERP, or the queries of the source.",
            )

    def _invoice(self, key: str, row: Row) -> Invoice:
        kind = self.kind(row["kind"])
        lines = tuple(self._line(line, self.sign(kind)) for line in self.lines.get(key, []))
        return Invoice(
            key=key,
            company=company(row),
            confirmed=truth(row["confirmed"], "confirmed"),
            kind=kind,
            number=plain(row["number"]),
            series=plain(row.get("series")),
            issue_date=self.days.read(row["issue_date"]),
            due_date=self.days.read(row.get("due_date")),
            currency=currency(row),
            seller=_party(row, "seller"),
            buyer=_party(row, "buyer"),
            buyer_email=plain(row.get("invoice_email")),
            lines=lines,
            tax_totals=self._tax_totals(key, row, lines, kind),
            totals=self._totals(row, kind),
            payment=Payment(
                iban=plain(row.get("payment_iban")),
                bic=plain(row.get("payment_bic")),
                method=_method(row.get("payment_method")),
                method_text=plain(row.get("payment_method_text")),
                terms=plain(row.get("payment_terms")),
                reference=plain(row.get("payment_reference")),
            ),
            buyer_reference=plain(row.get("buyer_reference")),
            purchase_order=plain(row.get("purchase_order")),
            contract=plain(row.get("contract")),
            sales_order=plain(row.get("sales_order")),
            note=plain(row.get("note")),
            original=_original(row, self.days),
            amend_reason=plain(row.get("amend_reason")),
            delivery_date=self.days.read(row.get("delivery_date")),
            attachments=tuple(_attachment(file) for file in self.attachments.get(key, ())),
            reference=plain(row.get("reference")),
            xref=plain(row.get("xref")),
        )

    def kind(self, value: Any) -> Kind:
        """Return what the ERP's word for a kind means."""
        try:
            return self.options.kinds[str(value).strip()]
        except KeyError:
            raise ValueError(f"the kind {value!r} is not one of {', '.join(self.options.kinds)}") from None

    def sign(self, kind: Kind) -> int:
        """Return by what the ERP's amounts are to be multiplied."""
        negative = kind is Kind.CREDIT_NOTE and self.options.credit_note_amounts == "negative"
        return -1 if negative else 1

    def head_kind(self, value: Any) -> Kind:
        """Return the kind for a list of heads; loading the document tells what is not known there."""
        return self.options.kinds.get(str(value).strip(), Kind.INVOICE)

    @property
    def days(self) -> Days:
        """What reads the days of the documents."""
        return days_in(self.options.timezone)

    # --- lines

    def _line(self, row: Row, sign: int) -> Line:
        quantity, price = amount(row, "quantity"), amount(row, "net_price")
        net = sign * amount(row, "net_amount")
        if sign < 0 and price < 0:
            price = -price
        elif sign < 0:
            quantity = -quantity
        base = amount(row, "base_quantity") if row.get("base_quantity") is not None else Decimal(1)
        if base <= 0:
            raise ValueError(f"base_quantity is {base}")
        return Line(
            description=plain(row["description"]) or "",
            quantity=quantity,
            net_price=price,
            net_amount=net,
            base_quantity=base,
            unit=plain(row.get("unit")),
            unit_name=plain(row.get("unit_name")),
            article_code=plain(row.get("article_code")),
            allowances=_discount(row, lowers=quantity * price / base >= net),
            taxes=self._line_taxes(row),
        )

    def _line_taxes(self, row: Row) -> tuple[Tax, ...]:
        if self.documents.taxes is not None:
            return tuple(sorted((_tax(tax) for tax in self.taxes.get(str(row.get("line_key")), [])), key=_rank))
        if row.get("tax_percent") is None:
            return ()
        return (_tax({name.removeprefix("tax_"): value for name, value in row.items()}),)

    # --- totals

    def _tax_totals(self, key: str, header: Row, lines: Sequence[Line], kind: Kind) -> tuple[TaxTotal, ...]:
        if self.documents.tax_totals is None:
            return computed_tax_totals(lines, self._totals(header, kind), currency(header) or "")
        sign = self.sign(kind)
        totals = (
            TaxTotal(tax=_tax(row), base=sign * amount(row, "base"), amount=sign * amount(row, "amount"))
            for row in self.tax_totals.get(key, [])
        )
        return tuple(sorted(totals, key=lambda total: (_rank(total.tax), total.base, total.amount)))

    def _totals(self, row: Row, kind: Kind) -> Totals:
        sign, code = self.sign(kind), currency(row)
        withheld = amount(row, "withholding") if row.get("withholding") is not None else ZERO
        return Totals(
            net=in_cents(sign * amount(row, "net"), code),
            tax=in_cents(sign * amount(row, "tax"), code),
            withholding=in_cents(-abs(withheld), code),
            payable=in_cents(sign * amount(row, "payable"), code),
        )


# --- single values ---------------------------------------------------------------------------------------


def company(row: Row) -> str:
    """Return the issuing company of a row; the only one, where the query does not name it."""
    value = row.get("company")
    return ONLY_COMPANY if value is None else str(value)


def currency(row: Row) -> str | None:
    """Return the code of the document's currency, in capitals as ISO 4217 has it."""
    code = plain(row["currency"])
    return code.upper() if code else None


def amount(row: Row, column: str) -> Decimal:
    """Return a number that has to be there."""
    try:
        value = exact(row[column])
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None
    if value is None:
        raise ValueError(f"{column} is empty")
    return value


def in_cents(value: Decimal, currency: str | None) -> Decimal:
    """Return the same amount, written with all digits of its currency; doubles come without their zeros."""
    rounded = value.quantize(money(currency or "").unit)
    return (rounded if rounded == value else value) + ZERO  # no negative zero


def readable(convert: Callable[[Any], Value | None], value: Any) -> Value | None:
    """Return a value for a list of heads; None where it cannot be read, which loading will tell."""
    try:
        return convert(value)
    except ValueError:
        return None


def truth(value: Any, column: str) -> bool:
    """Return yes or no; a number by its value, as 1.00.

    Raises:
        ValueError: it says neither; names the column.
    """
    said = bytes(value).decode(errors="replace") if isinstance(value, BYTES) else str(value)
    word = _NO_FRACTION.sub("", said.strip().lower())
    if value is None or word in _NO:
        return False
    if word in _YES:
        return True
    raise ValueError(f"{column} is {value!r}, which is neither yes nor no")


_KINDS: Final = tuple(TaxKind)


def _rank(tax: Tax) -> tuple[Any, ...]:
    """Order taxes: that of the rows is the database's whim, and must not make two documents of one."""
    known = tax.percent is not None
    return (
        _KINDS.index(tax.kind),
        known,
        tax.percent or 0,
        *(text or "" for text in (tax.category, tax.reason, tax.name, tax.source_name)),
    )


def _tax(row: Row) -> Tax:
    kind = TaxKind(str(row.get("kind") or TaxKind.VAT.value))
    percent = exact(row["percent"])
    if percent is not None and kind is TaxKind.WITHHOLDING:
        percent = -abs(percent)
    category = plain(row.get("category"))
    if category is None and percent:
        category = "S"
    return Tax(
        kind=kind,
        percent=None if percent is None else Decimal(f"{percent.normalize():f}"),
        category=category,
        reason=plain(row.get("reason")),
        name=plain(row.get("name")),
        source_name=plain(row.get("label")) or "",
    )


def _discount(row: Row, *, lowers: bool) -> tuple[AllowanceCharge, ...]:
    """Return the line's discount; on a line of negative amount it is an addition."""
    discount = exact(row.get("discount"))
    if not discount:
        return ()
    text = plain(row.get("discount_text")) or ""
    return (AllowanceCharge(is_charge=not lowers, amount=abs(discount), description=text),)


def _party(row: Row, role: str) -> Party:
    def value(name: str) -> str | None:
        return plain(row.get(f"{role}_{name}"))

    country = value("country")
    dir3 = tuple((code, center) for code, name in _DIR3_ROLES if (center := value(name)))
    is_company = row.get(f"{role}_is_company")
    legal_ids = tuple(_legal_ids(row, role))
    return Party(
        key=value("key") or "",
        name=value("name") or "",
        tax_number=value("tax_number"),
        legal_ids=legal_ids,
        country=country_code(country),
        address=value("address") or "",
        address2=value("address2") or "",
        city=value("city") or "",
        postal_code=value("postal_code") or "",
        province=value("province") or "",
        email=value("email"),
        phone=value("phone"),
        language=value("language"),
        is_company=is_company is None or truth(is_company, f"{role}_is_company"),
        is_public_body=bool(dir3) or _is_public(row, role, legal_ids),
        dir3_codes=dir3,
        recipient_code=value("recipient_code"),
        certified_email=value("certified_email"),
    )


def _method(value: Any) -> str | None:
    """Return a means of payment by its code of UNCL 4461; databases may keep it as a number of any type."""
    if isinstance(value, float | Decimal):
        value = decimal_text(Decimal(str(value)))
    code = plain(None if value is None else str(value))
    if code and not re.fullmatch(r"\d{1,2}|ZZZ", code, re.ASCII):
        raise ValueError(f"payment_method is {code!r}, which is no code of UNCL 4461")
    return code


def _is_public(row: Row, role: str, legal_ids: Sequence[LegalId]) -> bool:
    """Return what the query says of it; where it says nothing, what the numbers show: only bodies have services.

    A French body is one only with its SIRET: Chorus Pro knows establishments, and without the column nothing shall be
    held for want of it. One that is misspelt counts, for validation to tell: the body is not billed as anybody else.
    """
    column = f"{role}_is_public_body"
    if row.get(column) is not None:
        return truth(row[column], column)
    country = country_code(plain(row.get(f"{role}_country")))
    if plain(row.get(f"{role}_service_code")):
        return True
    french = [known for legal in legal_ids if legal.scheme in {SIREN, SIRET} for known in french_id(legal.value)]
    is_shown = is_public_body(country, plain(row.get(f"{role}_tax_number")), french)
    if state_of(country) != "FR" or any(known.scheme == SIRET for known in french):
        return is_shown
    misspelt = "".join(re.findall(r"\d", next((legal.value for legal in legal_ids if legal.scheme == SIRET), "")))
    return bool(misspelt) and (is_shown or misspelt.startswith(("1", "2")))


def _legal_ids(row: Row, role: str) -> Iterator[LegalId]:
    """Yield the registered identifiers: French ones by their own columns, any other by its scheme (ISO 6523)."""
    for scheme, name in _LEGAL_IDS:
        if given := plain(row.get(f"{role}_{name}")):
            yield LegalId(scheme=scheme, value=given)
    value = plain(row.get(f"{role}_legal_id"))
    if value:
        scheme = (plain(row.get(f"{role}_legal_scheme")) or "").zfill(4)
        if not re.fullmatch(r"(?!0000)\d{4}", scheme, re.ASCII):
            raise ValueError(f"{role}_legal_scheme is no scheme of four digits, which {role}_legal_id needs")
        yield LegalId(scheme=scheme, value=value)


def _attachment(row: Row) -> Attachment:
    is_view = row.get("is_view")
    return Attachment(
        name=plain(row["name"]) or "",
        size=int(row["size"] or 0),
        digest=str(row["version"] or ""),
        is_view=is_view is not None and truth(is_view, "is_view"),
    )


def _original(row: Row, days: Days) -> Original | None:
    key, number = plain(row.get("original_key")), plain(row.get("original_number"))
    if key is None and number is None:
        return None
    confirmed = row.get("original_confirmed")
    return Original(
        key=key,
        number=number or "",
        date=days.read(row.get("original_date")),
        confirmed=confirmed is None or truth(confirmed, "original_confirmed"),
    )


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row[column]), []).append(row)
    return groups
