"""What B2Brouter makes of a document's figures, and which of its ways of calculating gives the ERP's.

The server works the totals out anew, in one of twelve ways that the account's settings choose (API reference 4.1,
8.7). Here the same is done on our side, from the figures exactly as they are told to it, so that a difference can be
explained: which setting would remove it, and which line carries the cent. Fractions carry the arithmetic: nothing is
rounded but where a rule says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import product
from typing import Final

from connector.domain.comparison import RemoteFigures, compare_totals
from connector.domain.correction import remote_sign
from connector.domain.invoice import ZERO, Invoice


class Method(StrEnum):
    """How an amount becomes one of the currency's minor unit."""

    HALF_UP = "half_up"  # half away from zero
    BANKERS = "bankers"  # half to even
    TRUNCATE = "truncate"  # cut off


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of calculating: the three settings of an account."""

    method: Method = Method.HALF_UP
    round_before_sum: bool = False
    apply_taxes_per_line: bool = False

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings as B2Brouter calls them."""
        return {
            "rounding_method": str(self.method),
            "round_before_sum": str(self.round_before_sum).lower(),
            "apply_taxes_per_line": str(self.apply_taxes_per_line).lower(),
        }

    def __str__(self) -> str:
        return _told(self.settings)

    def changes_to(self, other: Way) -> Mapping[str, str]:
        """Return what would have to be set so that this way becomes the other."""
        return {name: value for name, value in other.settings.items() if self.settings[name] != value}


def _told(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


WAYS: Final[tuple[Way, ...]] = tuple(
    Way(method=method, round_before_sum=before, apply_taxes_per_line=per_line)
    for method, before, per_line in product(Method, (False, True), (False, True))
)
"""All twelve, the most usual first."""


def way(method: str | None, round_before_sum: bool | None, apply_taxes_per_line: bool | None) -> Way | None:
    """Return the way that an account's settings choose; None where the method is not said, or not known.

    A flag that is not said is not set (API reference 4.1).
    """
    if method not in set(Method):
        return None
    return Way(
        method=Method(method or ""),
        round_before_sum=bool(round_before_sum),
        apply_taxes_per_line=bool(apply_taxes_per_line),
    )


# ---------------------------------------------------------------- what is told


@dataclass(frozen=True, slots=True)
class Levy:
    """A tax as it is told; those that are equal are one row of the server's breakdown."""

    name: str
    category: str
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line as it is told: quantity × price ÷ base quantity − reduction."""

    text: str
    quantity: Decimal
    price: Decimal
    base_quantity: Decimal = Decimal(1)
    reduction: Decimal = ZERO  # an allowance; negative: a charge
    taxes: tuple[Levy, ...] = ()
    erp_net: Decimal  # what the ERP says it comes to, with the sign that it has over there
    retold: bool = False  # whether the figures are other than the ERP's, so that its amount comes out

    @property
    def exact(self) -> Fraction:
        """The net amount before it is rounded."""
        base = Fraction(self.quantity) * Fraction(self.price) / Fraction(self.base_quantity)
        # A reduction always makes the line smaller, also one below zero (API reference 8.4).
        return base - Fraction(self.reduction) if base >= 0 else base + Fraction(self.reduction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """An allowance or a charge of the whole document, under one tax."""

    is_charge: bool
    amount: Decimal
    tax: Levy


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All figures of a document that the server calculates with."""

    digits: int  # decimals of the currency
    rows: tuple[Row, ...]
    adjustments: tuple[Adjustment, ...] = ()
    untaxed: Decimal = ZERO  # in the total alone; less than zero brings it nearer to nothing


# ---------------------------------------------------------------- what becomes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The figures that the server shows."""

    nets: tuple[Decimal, ...]
    taxes: tuple[tuple[Levy, Decimal, Decimal], ...]  # base, amount
    subtotal: Decimal
    total: Decimal

    def figures(self) -> RemoteFigures:
        """Return them as an answer would show them."""
        return RemoteFigures(
            type=None,
            number=None,
            series=None,
            issue_date=None,
            currency=None,
            subtotal=self.subtotal,
            total=self.total,
            taxes=[(levy.percent, base, amount) for levy, base, amount in self.taxes],
            contact_tax_number=None,
        )


@dataclass(slots=True)
class _Portion:
    """What one line, or one adjustment that no line can carry, brings to the base of a tax."""

    net: Fraction
    share: Fraction = Fraction(0)  # of the document's adjustments
    row: Row | None = None

    @property
    def base(self) -> Fraction:
        return self.net + self.share


@dataclass(slots=True)
class _Work:
    """A calculation on its way."""

    sheet: Sheet
    way: Way
    nets: list[Fraction] = field(default_factory=list)
    portions: dict[Levy, list[_Portion]] = field(default_factory=dict)
    effects: list[Fraction] = field(default_factory=list)

    def rounded(self, amount: Fraction) -> Fraction:
        return Fraction(_ROUND[self.way.method](amount * 10**self.sheet.digits), 10**self.sheet.digits)

    def money(self, amount: Fraction) -> Decimal:
        units = _ROUND[self.way.method](amount * 10**self.sheet.digits)
        return Decimal(units).scaleb(-self.sheet.digits)


def compute(sheet: Sheet, way: Way) -> Sums:
    """Work out every figure of a document as the server does under these settings (API reference 8.7)."""
    work = _begin(sheet, way)
    rows = tuple((levy, *_levied(work, levy, portions)) for levy, portions in work.portions.items())
    subtotal = sum(work.nets, Fraction(0)) + sum(work.effects, Fraction(0))
    taxes = sum((Fraction(amount) for _, _, amount in rows), Fraction(0))
    untaxed = Fraction(sheet.untaxed) * (1 if sum(work.nets, Fraction(0)) >= 0 else -1)
    total = work.rounded(subtotal) + taxes + untaxed
    return Sums(
        nets=tuple(work.money(net) for net in work.nets),
        taxes=rows,
        subtotal=work.money(subtotal),
        total=work.money(total),
    )


def _begin(sheet: Sheet, way: Way) -> _Work:
    work = _Work(sheet, way)
    for row in sheet.rows:
        net = work.rounded(row.exact)
        work.nets.append(net)
        for levy in row.taxes:
            work.portions.setdefault(levy, []).append(_Portion(net, row=row))
    whole = sum(work.nets, Fraction(0))
    for entry in sheet.adjustments:
        size = Fraction(entry.amount)
        effect = work.rounded(size if entry.is_charge == (whole >= 0) else -size)
        work.effects.append(effect)
        _share_out(work, effect, work.portions.setdefault(entry.tax, []))
    return work


def _share_out(work: _Work, effect: Fraction, portions: list[_Portion]) -> None:
    """Spread an adjustment over the lines of its tax, by their nets; where these come to nothing it stands alone."""
    whole = sum((portion.net for portion in portions), Fraction(0))
    if whole == 0:
        portions.append(_Portion(Fraction(0), effect))
        return
    for portion in portions:
        share = effect * portion.net / whole
        portion.share += work.rounded(share) if work.way.round_before_sum else share


def _levied(work: _Work, levy: Levy, portions: Sequence[_Portion]) -> tuple[Decimal, Decimal]:
    """Return base and amount of one tax."""
    base = sum((portion.base for portion in portions), Fraction(0))
    amounts = [portion.base * Fraction(levy.percent) / 100 for portion in portions]
    if work.way.apply_taxes_per_line:
        amounts = [work.rounded(amount) for amount in amounts]
    return work.money(base), work.money(sum(amounts, Fraction(0)))


def _half_up(value: Fraction) -> int:
    units = int(abs(value) + Fraction(1, 2))
    return units if value >= 0 else -units


_ROUND: Final[Mapping[Method, Callable[[Fraction], int]]] = {
    Method.HALF_UP: _half_up,
    Method.BANKERS: round,
    Method.TRUNCATE: int,
}


# ---------------------------------------------------------------- why they differ

NOTHING: Final = "–"
NO_SETTING: Final = "no setting gives the ERP's figures"
BY_NOW: Final = "nothing: by now the settings give the ERP's figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why the server's totals are not the ERP's."""

    ways: tuple[Way, ...]  # those that give the ERP's figures
    used: Way | None  # the account's
    change: str  # the setting that would remove the difference
    line: str  # which line carries the cent
    retold: int  # lines told in another notation than the ERP's, so that their amounts are its own

    def facts(self) -> dict[str, str]:
        """Return what the ledger keeps of it."""
        return {
            "ways": "; ".join(map(str, self.ways)) or NOTHING,
            "used": str(self.used) if self.used else NOTHING,
            "change": self.change,
            "line": self.line,
            "retold": str(self.retold),
        }


def explain(invoice: Invoice, sheet: Sheet, used: Way | None) -> Explanation:
    """Find the ways that give the ERP's figures, and what keeps the account's from doing so.

    Args:
        invoice: with the ERP's figures.
        sheet: the same document as it was told.
        used: the settings of the account; None where they are not known.
    """
    fitting = tuple(one for one in WAYS if not compare_totals(invoice, compute(sheet, one).figures()))
    start = used or Way()
    target = min(fitting, key=lambda one: len(start.changes_to(one)), default=None)
    return Explanation(
        ways=fitting,
        used=used,
        change=_change(used, target),
        line=_carrier(invoice, sheet, start, target) or NOTHING,
        retold=sum(row.retold for row in sheet.rows),
    )


def _change(used: Way | None, target: Way | None) -> str:
    if target is None:
        return NO_SETTING
    return (_told(used.changes_to(target)) or BY_NOW) if used else str(target)


def _carrier(invoice: Invoice, sheet: Sheet, start: Way, target: Way | None) -> str | None:
    """Return the line in which the difference lies, with its place; None where it lies in none."""
    there = compute(sheet, start)
    apart = {place: abs(row.erp_net - there.nets[place]) for place, row in enumerate(sheet.rows)}
    found = _greatest(apart)
    if found is None and there.subtotal != remote_sign(invoice) * invoice.totals.net:
        # The ERP's own lines do not add up to its subtotal: it rounds the sum and not the lines.
        found = _greatest(dict(enumerate(_rounded_away(invoice, sheet))))
    if found is None:
        found = _greatest(_by_tax(invoice, sheet, start, target, there))
    if found is None:
        return None
    first = next(iter(sheet.rows[found].text.splitlines()), "")
    return f"{found + 1} ({first[:80]})"


def _greatest(sizes: Mapping[int, Decimal | Fraction]) -> int | None:
    """Return the place of the greatest size, the first of equals; None where all are nothing."""
    place = max(sizes, key=lambda one: (sizes[one], -one), default=None)
    return place if place is not None and sizes[place] > 0 else None


def _rounded_away(invoice: Invoice, sheet: Sheet) -> Iterable[Fraction]:
    """Yield what rounding took from, or gave to, the ERP's own amount of each line."""
    own = [
        Fraction(line.quantity) * Fraction(line.net_price) / Fraction(line.base_quantity)
        - sum((Fraction(a.amount) * (-1 if a.is_charge else 1) for a in line.allowances), Fraction(0))
        - Fraction(line.net_amount)
        for line in invoice.lines
    ]
    return [abs(amount) for amount in own] + [Fraction(0)] * (len(sheet.rows) - len(own))


def _by_tax(
    invoice: Invoice, sheet: Sheet, start: Way, target: Way | None, there: Sums
) -> Mapping[int, Decimal | Fraction]:
    """Return how much rounding of its tax each line adds to the difference, by the place of the line.

    An ERP that taxes line by line adds up what rounding gave to each line; where the account does, and the ERP does
    not, the same is missing. Where that is not what tells them apart, any rounding may.
    """
    gaps = _gaps(invoice, there)
    per_line = None if target is None else target.apply_taxes_per_line - start.apply_taxes_per_line
    work = _begin(sheet, target or start)
    sizes: dict[int, Decimal | Fraction] = {}
    places = {id(row): place for place, row in enumerate(sheet.rows)}
    for levy, portions in work.portions.items():
        gap = gaps.get(levy.percent.normalize(), ZERO)
        for portion in portions if gap else ():
            if portion.row is None:
                continue
            exact = portion.base * Fraction(levy.percent) / 100
            given = (work.rounded(exact) - exact) * (1 if gap > 0 else -1)
            place = places[id(portion.row)]
            sizes[place] = max(sizes.get(place, Fraction(0)), given * per_line if per_line else abs(given))
    return sizes


def _gaps(invoice: Invoice, there: Sums) -> Mapping[Decimal, Decimal]:
    """Return by how much the ERP's amount of each percentage exceeds the server's."""
    gaps: dict[Decimal, Decimal] = {}
    for total in invoice.tax_totals:
        percent = (total.tax.percent or ZERO).normalize()
        gaps[percent] = gaps.get(percent, ZERO) + total.amount * remote_sign(invoice)
    for levy, _, amount in there.taxes:
        gaps[levy.percent.normalize()] = gaps.get(levy.percent.normalize(), ZERO) - amount
    return gaps
