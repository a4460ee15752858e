"""The canonical invoice, in the terms of EN 16931 (BT and BG numbers in the comments).

The ERP's own figures are carried, never recomputed: adapters fill this in, validation judges it, the
B2Brouter payload is made from it. Amounts of credit notes are positive here; the kind carries the sign.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final

ZERO = Decimal(0)


class Kind(StrEnum):
    """What the document is (BT-3): 380 is an invoice, 381 a credit note."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


REMOTE_TYPE: Final = "IssuedInvoice"
"""The type at B2Brouter of all that is issued here, credit notes among them (API reference 8.1).

It is created, looked for, followed and compared. A document of another type is never taken for ours, nor sent.
"""


_SINCE: Final[Mapping[str, bool]] = {"added": True}
"""Marks a field that came when ledgers were full already: as long as it says nothing, fingerprints are as before."""


class TaxKind(StrEnum):
    """Which family a tax belongs to; the sign of its rate is not enough to tell."""

    VAT = "vat"
    SURCHARGE = "surcharge"  # Spanish equivalence surcharge, on top of VAT
    WITHHOLDING = "withholding"  # lowers what is payable, not the invoice total of EN 16931


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """One tax of a line or of the totals (BG-30, BG-23)."""

    kind: TaxKind = TaxKind.VAT
    percent: Decimal | None  # BT-152, per cent; negative for withholding; None: an amount-only ("absolute") tax
    category: str | None = None  # BT-151: S, Z, E, AE, K, G, O, NS …; None: the ERP's tax is not mapped
    reason: str | None = None  # BT-121/BT-120: why nothing is charged (Spain E1-E6, N1, N2; VATEX codes)
    name: str | None = None  # the tax family as B2Brouter spells it (IVA, TVA, IRPF …); None: by country
    source_name: str = ""  # what the ERP calls it, for messages


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """The ERP's total of one tax over the document (BG-23)."""

    tax: Tax
    base: Decimal  # BT-116
    amount: Decimal  # BT-117; negative for withholding


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceCharge:
    """A reduction (allowance) or an addition (charge) of a line or of the document (BG-20/21, BG-27/28)."""

    is_charge: bool = False
    amount: Decimal  # BT-92/99/136/141, a positive magnitude before tax
    description: str = ""
    taxes: tuple[Tax, ...] = ()  # document level only


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """BG-25, as the ERP states it."""

    description: str  # BT-153
    quantity: Decimal  # BT-129; negative lowers the document
    net_price: Decimal  # BT-146, before tax, per `base_quantity` units
    net_amount: Decimal  # BT-131, after the line's allowances, as the ERP rounded it
    base_quantity: Decimal = Decimal(1)  # BT-149
    unit: str | None = None  # BT-130, UN/ECE code
    unit_name: str | None = field(default=None, metadata=_SINCE)  # as the ERP has it, of a unit that is not everyday
    article_code: str | None = None  # BT-155
    allowances: tuple[AllowanceCharge, ...] = ()
    taxes: tuple[Tax, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalId:
    """A registered identifier of a party with its scheme (BT-47, BT-46): SIRET is scheme 0009."""

    scheme: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """BG-4 or BG-7: a legal entity, with its own address."""

    key: str = ""  # the ERP's identifier of the party
    name: str
    tax_number: str | None = None  # BT-31/BT-48, as the ERP stores it
    legal_ids: tuple[LegalId, ...] = ()
    country: str | None = None  # BT-40/BT-55, ISO 3166-1 alpha-2, upper case
    address: str = ""
    address2: str = ""
    city: str = ""
    postal_code: str = ""
    province: str = ""
    email: str | None = None
    phone: str | None = None
    language: str | None = None  # ISO 639-1
    is_company: bool = True
    is_public_body: bool = False
    dir3_codes: tuple[tuple[str, str], ...] = ()  # FACe: (role 01 fiscal | 02 receiver | 03 payer, code)
    recipient_code: str | None = None  # Italy: codice destinatario
    certified_email: str | None = None  # Italy: PEC

    def legal_id(self, scheme: str) -> str | None:
        """Return the identifier of that scheme, if the party has one."""
        return next((legal.value for legal in self.legal_ids if legal.scheme == scheme), None)


_NOT_TO_AN_ACCOUNT: Final = frozenset({"10", "20", "48", "49", "54", "55", "59"})
"""Cash, cheque and cards; and direct debit, whose account is the payer's (UNCL 4461)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """BG-16: how the customer pays."""

    iban: str | None = None  # BT-84
    bic: str | None = None  # BT-86
    terms: str | None = None  # BT-20
    reference: str | None = None  # BT-83
    method: str | None = field(default=None, metadata=_SINCE)  # BT-81, UNCL 4461; None: by transfer to the account
    method_text: str | None = field(default=None, metadata=_SINCE)  # BT-82, in words
    other_account: str | None = field(default=None, metadata=_SINCE)  # of a bank that has no IBANs: it is not told

    @property
    def account(self) -> str | None:
        """The seller's account as those are told it who pay to it; None where they pay otherwise."""
        return None if self.method in _NOT_TO_AN_ACCOUNT else self.iban


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """BG-3: the invoice that a credit note lowers or a debit note raises."""

    key: str | None  # the source's own identifier; None: known by number only
    number: str  # BT-25
    date: date | None = None  # BT-26
    confirmed: bool = True  # whether the ERP counts it as issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """BG-24: a file that goes out with the document. Its content is read when it is needed."""

    name: str  # as the recipient sees it, with its ending
    size: int  # bytes
    digest: str  # what the ERP tells one content from another by: a check sum, or a version
    is_view: bool = False  # the document itself as people read it, shown in place of B2Brouter's own PDF


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """BG-22, as the ERP computed them; magnitudes are positive for credit notes too."""

    net: Decimal  # BT-109, before tax
    tax: Decimal  # BT-110 with surcharges, without withholding
    withholding: Decimal = ZERO  # zero or negative
    rounding: Decimal = field(
        default=ZERO, metadata=_SINCE
    )  # BT-114: cash rounding, in no tax's base; negative: lowers
    payable: Decimal  # net + tax + withholding + rounding: what the ERP shows as the document's total

    @property
    def with_tax(self) -> Decimal:
        """BT-112, the invoice total of EN 16931, before withholding."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One confirmed document of the ERP."""

    key: str  # the source's own primary identifier
    company: str
    confirmed: bool  # False: draft, cancelled, or back to draft; it must not leave
    kind: Kind
    number: str | None  # BT-1
    series: str | None = None
    issue_date: date | None  # BT-2
    due_date: date | None = None  # BT-9
    currency: str | None  # BT-5, ISO 4217
    seller: Party  # BG-4
    buyer: Party  # BG-7
    buyer_email: str | None = None  # of the contact chosen for this document, where it differs from the buyer's
    lines: tuple[Line, ...]
    allowances: tuple[AllowanceCharge, ...] = ()
    tax_totals: tuple[TaxTotal, ...]
    totals: Totals
    payment: Payment = Payment()
    buyer_reference: str | None = None  # BT-10; Chorus Pro: the service code
    purchase_order: str | None = None  # BT-13
    contract: str | None = None  # BT-12
    sales_order: str | None = None  # BT-14, the seller's own order number
    note: str | None = None  # BT-22, plain text
    original: Original | None = None  # BG-3: of a credit note, and of an invoice that is a debit note
    further_originals: tuple[Original, ...] = field(default=(), metadata=_SINCE)  # BG-3, of a correction of several
    amend_reason: str | None = None  # Spain: R1-R5
    delivery_date: date | None = None  # BT-72
    file_digest: str | None = None  # SHA-256 of the file that goes to B2Brouter as it is; None: made from this
    attachments: tuple[Attachment, ...] = ()
    reference: str | None = None  # what the ERP already holds from an earlier write-back; not content
    xref: str | None = None
    _known_fingerprint: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def is_credit_note(self) -> bool:
        """Whether the document lowers what was billed before."""
        return self.kind is Kind.CREDIT_NOTE

    @property
    def originals(self) -> tuple[Original, ...]:
        """All that the document corrects, the main one first."""
        return (self.original, *self.further_originals) if self.original else ()

    def slack(self, amounts: Iterable[Decimal]) -> Decimal:
        """Return what may lie between amounts of this document and the same ones, or their sum, as they are rounded.

        The ERP's own figures are those that people see: nothing. A file that is imported may state more decimals than
        its currency has: half of the smallest unit for each amount that does.
        """
        if self.file_digest is None:
            return ZERO
        unit = money(self.currency or "").unit
        return unit / 2 * sum(amount % unit != 0 for amount in amounts)

    def fingerprint(self) -> str:
        """Return a hash of all content: it differs exactly when the ERP document or its customer changed."""
        known = self._known_fingerprint
        if known is None:
            content = replace(self, reference=None, xref=None)
            canonical = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            known = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
            object.__setattr__(self, "_known_fingerprint", known)  # a document is asked for it at every step
        return known


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):  # first, for most are
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    names = _names(value.__class__)
    if names is None:
        return value
    content = {name: _plain(getattr(value, name)) for name in names}
    for name, default in _added(value.__class__):
        if content[name] == default:
            del content[name]
    return content


@cache
def _names(kind: Any) -> tuple[str, ...] | None:
    return tuple(each.name for each in fields(kind) if each.compare) if is_dataclass(kind) else None


@cache
def _added(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((each.name, _plain(each.default)) for each in fields(kind) if each.metadata == _SINCE)


def decimal_text(value: Decimal) -> str:
    """One text per number: databases disagree about trailing zeros, and 1.50 is the same amount as 1.5."""
    if value == 0:
        return "0"
    plain = format(value, "f")  # normalize() would round to the context's precision
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The minor unit of a currency."""

    currency: str
    digits: int

    @property
    def unit(self) -> Decimal:
        """The smallest amount: 0.01 for the euro."""
        return _UNITS[self.digits]


_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


_UNITS = {digits: Decimal(1).scaleb(-digits) for digits in (0, 2, 3)}


@lru_cache(maxsize=256)
def money(currency: str) -> Money:
    """Return the minor unit of an ISO 4217 currency."""
    return Money(currency=currency, digits=_DIGITS.get(currency, 2))
