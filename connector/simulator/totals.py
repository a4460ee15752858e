"""What the server makes of lines, allowances, charges and taxes: its own arithmetic, twelve ways of it.

The account's settings choose the way: three rounding methods, times `round_before_sum`, times
`apply_taxes_per_line`. Source: the vendor's guide to invoice calculation; where it is silent (signs
of allowances on negative lines, the order of rounding) the open-source ancestor of the product.

A hundred digits are carried, and what a division left beyond the fortieth place is dropped before
rounding: three thirds are one again, and a tie is seen as a tie.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Final

ROUNDING_METHODS: Final[Mapping[str, str]] = {
    "half_up": ROUND_HALF_UP,  # half away from zero
    "bankers": ROUND_HALF_EVEN,
    "truncate": ROUND_DOWN,
}
_EXACT: Final = Context(prec=100)
_DUST: Final = Decimal("1e-40")
_HUNDRED: Final = Decimal(100)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One way of calculating: the account's settings and the currency's minor unit."""

    unit: Decimal  # 0.01 for EUR
    rounding_method: str = "half_up"
    round_before_sum: bool = False
    apply_taxes_per_line: bool = False

    def rounded(self, amount: Decimal) -> Decimal:
        with localcontext(_EXACT):
            return amount.quantize(_DUST).quantize(self.unit, ROUNDING_METHODS[self.rounding_method])


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax on a line; withholding is a tax with a negative percent."""

    name: str
    category: str
    percent: Decimal  # 21 means 21 %
    comment: str | None = None

    @property
    def family(self) -> tuple[str, str, Decimal]:
        """Taxes of one family are added up together."""
        return self.name, self.category, self.percent


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An allowance or a charge, of a line or of the whole document; magnitudes are positive."""

    is_charge: bool
    amount: Decimal | None = None
    percentage: Decimal | None = None
    apply_taxes: bool = True  # false: after taxes, in the total alone
    description: str | None = None
    tax: Tax | None = None  # document level: the one tax whose base it changes
    is_reimbursable_expense: bool = False

    @property
    def taxed(self) -> bool:
        return self.apply_taxes and not self.is_reimbursable_expense

    def effect_on(self, base: Decimal) -> Decimal:
        """The signed change to `base`. On a negative base the sign turns: an allowance always shrinks it."""
        size = self.amount if self.amount is not None else base.copy_abs() * (self.percentage or _ZERO) / _HUNDRED
        raises = self.is_charge == (base >= 0)
        return size if raises else -size


@dataclass(frozen=True, slots=True)
class Line:
    """What a line brings to the totals."""

    quantity: Decimal
    price: Decimal  # per `base_quantity` units, before taxes
    base_quantity: Decimal = Decimal(1)
    taxes: Sequence[Tax] = ()
    adjustments: Sequence[Adjustment] = ()


@dataclass(frozen=True, slots=True)
class TaxAmount:
    """One row of the tax breakdown."""

    tax: Tax
    base: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a document, in its currency, rounded to the minor unit."""

    line_nets: Sequence[Decimal] = ()
    taxes: Sequence[TaxAmount] = ()
    subtotal: Decimal = _ZERO  # before taxes
    untaxed: Decimal = _ZERO  # charges less allowances that no tax touches
    total: Decimal = _ZERO  # after withholding


@dataclass(slots=True)
class _Portion:
    """The part of one tax family that one line, or one document-level entry, brings."""

    net: Decimal
    share: Decimal = _ZERO  # of the document-level allowances and charges


@dataclass(slots=True)
class _Family:
    tax: Tax
    portions: list[_Portion] = field(default_factory=list)


def calculate(lines: Sequence[Line], adjustments: Sequence[Adjustment], arithmetic: Arithmetic) -> Totals:
    """Work out every figure of a document from its lines and its document-level entries."""
    with localcontext(_EXACT):
        nets = [_line_net(line, arithmetic) for line in lines]
        net_sum = sum(nets, _ZERO)
        taxed = [(entry, arithmetic.rounded(entry.effect_on(net_sum))) for entry in adjustments if entry.taxed]
        families = _families(lines, nets)
        for entry, effect in taxed:
            _distribute(entry, effect, net_sum, families, arithmetic)
        breakdown = [_tax_amount(family, arithmetic) for family in families.values()]
        subtotal = arithmetic.rounded(net_sum + sum((effect for _, effect in taxed), _ZERO))
        untaxed = arithmetic.rounded(_untaxed(lines, adjustments, net_sum))
        total = subtotal + sum((row.amount for row in breakdown), _ZERO) + untaxed
        return Totals(nets, breakdown, subtotal, untaxed, arithmetic.rounded(total))


def line_base(line: Line) -> Decimal:
    """Quantity times price, before allowances and rounding."""
    with localcontext(_EXACT):
        return line.quantity * line.price / line.base_quantity


def _line_net(line: Line, arithmetic: Arithmetic) -> Decimal:
    base = line_base(line)
    effects = (entry.effect_on(base) for entry in line.adjustments if entry.taxed)
    return arithmetic.rounded(base + sum(effects, _ZERO))


def _families(lines: Sequence[Line], nets: Sequence[Decimal]) -> dict[tuple[str, str, Decimal], _Family]:
    families: dict[tuple[str, str, Decimal], _Family] = {}
    for line, net in zip(lines, nets, strict=True):
        for tax in line.taxes:
            families.setdefault(tax.family, _Family(tax)).portions.append(_Portion(net))
    return families


def _distribute(
    entry: Adjustment,
    effect: Decimal,
    net_sum: Decimal,
    families: dict[tuple[str, str, Decimal], _Family],
    arithmetic: Arithmetic,
) -> None:
    """Spread a document-level entry over the lines, in proportion to their nets.

    An entry with a tax of its own stays within that family; one that no line can carry stands alone.
    """
    if entry.tax is None:
        affected, whole = list(families.values()), net_sum
    else:
        family = families.setdefault(entry.tax.family, _Family(entry.tax))
        affected, whole = [family], sum((portion.net for portion in family.portions), _ZERO)
    if entry.tax is not None and whole == 0:
        affected[0].portions.append(_Portion(_ZERO, effect))
        return
    for family in affected:
        _share_out(family, effect, whole, arithmetic)


def _share_out(family: _Family, effect: Decimal, whole: Decimal, arithmetic: Arithmetic) -> None:
    if whole == 0:
        return
    for portion in family.portions:
        share = effect * portion.net / whole
        portion.share += arithmetic.rounded(share) if arithmetic.round_before_sum else share


def _tax_amount(family: _Family, arithmetic: Arithmetic) -> TaxAmount:
    bases = [portion.net + portion.share for portion in family.portions]
    percent = family.tax.percent
    if arithmetic.apply_taxes_per_line:
        amount = sum((arithmetic.rounded(base * percent / _HUNDRED) for base in bases), _ZERO)
    else:
        amount = arithmetic.rounded(sum(bases, _ZERO) * percent / _HUNDRED)
    return TaxAmount(family.tax, arithmetic.rounded(sum(bases, _ZERO)), amount)


def _untaxed(lines: Iterable[Line], adjustments: Iterable[Adjustment], net_sum: Decimal) -> Decimal:
    of_lines = (entry.effect_on(line_base(line)) for line in lines for entry in line.adjustments if not entry.taxed)
    of_document = (entry.effect_on(net_sum) for entry in adjustments if not entry.taxed)
    return sum(of_lines, _ZERO) + sum(of_document, _ZERO)
