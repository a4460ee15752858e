"""How a line is told to B2Brouter so that the server computes the ERP's own line amount (API reference 8.7).

The server rounds quantity × price ÷ base quantity − allowances + charges to the currency. Where the ERP's
price does not lead to the ERP's amount in this way, for it was rounded itself or a discount came in between,
another notation of the same line does. Fractions carry the arithmetic: nothing is rounded on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from itertools import count

from connector.domain.invoice import ZERO, Line

_ONE = Decimal(1)
_PRICE_DIGITS = 6
"""A unit price with more decimals than these is better shown as an amount per so many units."""
_AMOUNT_DIGITS = 20
_EXACT = Context(prec=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers of one line as they are sent. The price is never negative (BR-27); the quantity may be."""

    quantity: Decimal
    price: Decimal
    base_quantity: Decimal = _ONE
    reduction: Decimal = ZERO  # one allowance of this amount; negative: a charge

    @property
    def gross(self) -> Fraction:
        """What the server starts from, before the reduction, unrounded."""
        return Fraction(self.quantity) * Fraction(self.price) / Fraction(self.base_quantity)


def figures(line: Line, *, sign: int, digits: int, modern: bool) -> Figures:
    """Return the notation of a line that makes the server arrive at `sign` times its net amount.

    The ERP's own quantity and price are kept wherever they lead there, rounded half up as accounts do by
    default. The other notations are exact before rounding, and so hold under every rounding method.

    Args:
        line: as the ERP states it.
        sign: -1 for Spanish corrections, see `remote_sign`.
        digits: decimals of the currency.
        modern: whether the API version knows `base_quantity` (from 2026-03-02).
    """
    net = sign * line.net_amount
    plain = _upright(line, sign)
    if plain.quantity == 0 or _is_plainly(net, plain):
        return plain
    told = modern or plain.base_quantity == 1
    if told and _rounds_to(plain.gross, net, digits):
        return plain
    if told and line.allowances and plain.quantity > 0:  # on negative lines their sign is disputed (API 8.4)
        reduction = _finite(plain.gross - Fraction(net), _AMOUNT_DIGITS)
        if reduction is not None:
            return replace(plain, reduction=reduction)
    return _per_unit(plain.quantity, net, digits=digits, modern=modern)


def _is_plainly(net: Decimal, told: Figures) -> bool:
    """Whether an amount is quantity × price to the last digit, which needs no fractions to be seen: most are."""
    return told.base_quantity == 1 and _EXACT.multiply(told.quantity, told.price) == net


def _upright(line: Line, sign: int) -> Figures:
    quantity = line.quantity * sign
    if line.net_price < 0:
        return Figures(quantity=-quantity, price=-line.net_price, base_quantity=line.base_quantity)
    return Figures(quantity=quantity, price=line.net_price, base_quantity=line.base_quantity)


def _per_unit(quantity: Decimal, net: Decimal, *, digits: int, modern: bool) -> Figures:
    """Tell the net amount itself: as a price per unit if that has an end, else as a price per all units."""
    units, amount = abs(quantity), abs(net)
    signed = -units if net < 0 or (net == 0 and quantity < 0) else units
    price = _finite(Fraction(amount) / Fraction(units), _PRICE_DIGITS)
    if price is not None:
        return Figures(quantity=signed, price=price)
    if modern:
        return Figures(quantity=signed, price=amount, base_quantity=units)
    return Figures(quantity=signed, price=_long_price(Fraction(amount), Fraction(units), digits))


def _long_price(amount: Fraction, units: Fraction, digits: int) -> Decimal:
    """Return the shortest unit price that lies above the true one by too little to be seen in the amount.

    Cut off or rounded, to the nearest or to the even digit: units × price is the amount.
    """
    half = Fraction(1, 2 * 10**digits)

    def above(decimals: int) -> Decimal:
        return _decimal(-(-amount * 10**decimals // units), decimals)

    return next(price for price in map(above, count(digits)) if Fraction(price) * units - amount < half)


def _rounds_to(value: Fraction, net: Decimal, digits: int) -> bool:
    scale = 10**digits
    nearest = Fraction(int(abs(value) * scale + Fraction(1, 2)), scale)  # half away from zero
    return Fraction(net) in {value, nearest if value >= 0 else -nearest}


def _finite(value: Fraction, most_digits: int) -> Decimal | None:
    """Return the exact decimal, or None where it has no end within so many decimals."""
    for decimals in range(most_digits + 1):
        scaled = value * 10**decimals
        if scaled.denominator == 1:
            return _decimal(scaled.numerator, decimals)
    return None


def _decimal(units: int, decimals: int) -> Decimal:
    return Decimal(f"{units}E-{decimals}")
