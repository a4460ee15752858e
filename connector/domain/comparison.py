"""The ERP's document and what B2Brouter made of it, field by field.

What the answer does not say is not compared, but the total must be there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from connector.domain.correction import remote_sign
from connector.domain.identity import tax_number_key
from connector.domain.invoice import REMOTE_TYPE, ZERO, Invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFigures:
    """What an answer of B2Brouter says of a document, as far as it is to be compared."""

    type: str | None
    number: str | None
    series: str | None
    issue_date: date | None
    currency: str | None
    subtotal: Decimal | None
    total: Decimal | None
    taxes: Sequence[tuple[Decimal, Decimal | None, Decimal]] | None  # percent, base, amount
    contact_tax_number: str | None
    is_credit_note: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs."""

    field: str
    erp: str
    remote: str

    def __str__(self) -> str:
        return f"{self.field} {self.erp} (ERP) / {self.remote} (B2Brouter)"


def compare_heads(invoice: Invoice, remote: RemoteFigures) -> list[Difference]:
    """Compare what says which document it is: type, number, series, date, currency, recipient."""
    pairs: list[tuple[str, object, object]] = [
        ("type", REMOTE_TYPE, remote.type),
        ("number", invoice.number, remote.number),
        ("date", invoice.issue_date, remote.issue_date),
        ("currency", invoice.currency, remote.currency),
    ]
    if _sign(invoice, remote) > 0:  # else the sign of the amounts says it
        pairs.append(("credit note", invoice.is_credit_note, remote.is_credit_note))
    if invoice.series:
        pairs.append(("series", invoice.series, remote.series))
    wanted = tax_number_key(invoice.buyer.tax_number, invoice.buyer.country)
    if wanted and wanted != tax_number_key(remote.contact_tax_number, invoice.buyer.country):
        pairs.append(("recipient", wanted, tax_number_key(remote.contact_tax_number, None)))  # shown as it is there
    return [
        Difference(field=field, erp=str(erp), remote=str(there))
        for field, erp, there in pairs
        if there is not None and str(erp) != str(there)
    ]


def compare_totals(invoice: Invoice, remote: RemoteFigures) -> list[Difference]:
    """Compare subtotal, each tax and the total, to the last cent."""
    sign, totals = _sign(invoice, remote), invoice.totals
    found = list(_amounts("total", totals.payable * sign, remote.total, invoice.slack([totals.payable]), needed=True))
    found += _amounts("subtotal", totals.net * sign, remote.subtotal, invoice.slack([totals.net]))
    if remote.taxes is not None:
        found += _taxes(invoice, _erp_taxes(invoice, sign), _remote_taxes(remote.taxes))
    return found


def excess(invoice: Invoice, remote: RemoteFigures) -> Decimal | None:
    """Return by how much total and taxes differ at most; None where that is no matter of rounding alone.

    All figures must be stated, with the same subtotal and the same taxes on both sides.
    """
    if remote.total is None or remote.subtotal is None or remote.taxes is None:
        return None
    sign = _sign(invoice, remote)
    erp, there = _erp_taxes(invoice, sign), _remote_taxes(remote.taxes)
    unmatched = {percent for percent, amount in {**erp, **there}.items() if amount} - (erp.keys() & there.keys())
    if unmatched or not _same(invoice.totals.net * sign, remote.subtotal):
        return None
    gaps = [invoice.totals.payable * sign - remote.total]
    gaps += [erp.get(percent, Decimal(0)) - there.get(percent, Decimal(0)) for percent in {*erp, *there}]
    return max(map(abs, gaps))


def is_within(gap: Decimal | None, limit: Decimal) -> bool:
    """Whether an `excess` is no greater than what is allowed."""
    return gap is not None and (gap < limit or _same(gap, limit))


def _sign(invoice: Invoice, remote: RemoteFigures) -> int:
    """Return -1 where B2Brouter shows amounts with the opposite sign of ours, else +1.

    An imported credit note keeps the amounts of its file: below zero, or positive with a flag that is compared.
    """
    if invoice.file_digest is not None and invoice.is_credit_note:
        return -1 if remote.total is not None and remote.total < 0 else 1
    return remote_sign(invoice)


def _amounts(
    field: str, erp: Decimal, there: Decimal | None, slack: Decimal, *, needed: bool = False
) -> Iterator[Difference]:
    if there is None:
        if needed:
            yield Difference(field=field, erp=_text(erp), remote="not stated")
    elif not _same(erp, there, slack):
        yield Difference(field=field, erp=_text(erp), remote=_text(there))


Sums = Mapping[Decimal, Decimal]


def _erp_taxes(invoice: Invoice, sign: int) -> Sums:
    return _sums((total.tax.percent or Decimal(0), total.amount * sign) for total in invoice.tax_totals)


def _remote_taxes(taxes: Iterable[tuple[Decimal, Decimal | None, Decimal]]) -> Sums:
    return _sums((percent, amount) for percent, _, amount in taxes)


def _sums(amounts: Iterable[tuple[Decimal, Decimal]]) -> Sums:
    """Amounts by percentage: names are display texts at B2Brouter, and one rate may come in several categories."""
    sums: dict[Decimal, Decimal] = defaultdict(Decimal)
    for percent, amount in amounts:
        sums[percent.normalize()] += amount
    return sums


def _taxes(invoice: Invoice, erp: Sums, there: Sums) -> Iterator[Difference]:
    for percent in sorted({*erp, *there}):
        wanted, got = erp.get(percent, Decimal(0)), there.get(percent, Decimal(0))
        summed = (total.amount for total in invoice.tax_totals if (total.tax.percent or 0) == percent)
        if not _same(wanted, got, invoice.slack(summed)):
            yield Difference(field=f"tax {percent:f} %", erp=_text(wanted), remote=_text(got))


_NOISE = Decimal("0.000001")
"""What a binary fraction may add to an amount in somebody's JSON; far below any currency's smallest unit."""


def _same(one: Decimal, other: Decimal, slack: Decimal = ZERO) -> bool:
    return abs(one - other) < _NOISE + slack


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}" if amount == amount.quantize(Decimal("0.01")) else f"{amount:f}"
