"""A line's figures as ERPs state them: price, discount and net amount that belong together."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from connector.domain.invoice import AllowanceCharge, money

_PRICE_DECIMALS: Final = 8


def net_price(net: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal]:
    """Return price and base quantity that give the net amount back: per unit where that is exact."""
    if quantity == 0:
        return net, Decimal(1)
    price = net / quantity
    rounded = price.quantize(Decimal(1).scaleb(-_PRICE_DECIMALS))
    if rounded * quantity == net:
        return rounded.normalize() + 0, Decimal(1)
    return net.copy_sign(price), abs(quantity)


def rounds_to(computed: Decimal, stated: Decimal, currency: str | None) -> bool:
    """Whether an amount is the rounded form of another; how halves are rounded is left open."""
    return abs(computed - stated) <= money(currency or "").unit / 2


def discount_of(amount: Decimal, percent: Decimal) -> tuple[AllowanceCharge, ...]:
    """Return a line's discount. What is below a rounding step without a percentage is no discount.

    The amount is the exact difference, so that quantity times price less discount gives the net amount to the
    cent. On a negative line, a discount makes the reduction smaller: then it is a charge.
    """
    if percent == 0 or amount == 0:
        return ()
    text = f"{percent.normalize():f} %"
    return (AllowanceCharge(is_charge=amount < 0, amount=abs(amount), description=text),)
