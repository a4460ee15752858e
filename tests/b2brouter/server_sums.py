"""What the server makes of a body, worked out anew from API reference 8.7 for comparison."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

ROUNDINGS = {"half_up": ROUND_HALF_UP, "bankers": ROUND_HALF_EVEN, "truncate": ROUND_DOWN}


def body_of(payload: bytes) -> dict[str, Any]:
    invoice: dict[str, Any] = json.loads(payload, parse_float=Decimal)["invoice"]
    return invoice


def line_nets(invoice: dict[str, Any], *, digits: int = 2, rounding: str = "half_up") -> list[Decimal]:
    """The rounded net of each line."""
    with localcontext(Context(prec=100)):
        return [_rounded(_line_net(line), digits, rounding) for line in invoice["invoice_lines_attributes"]]


def subtotal(invoice: dict[str, Any], **options: Any) -> Decimal:
    """All lines, less the document's allowances, plus its charges."""
    entries = invoice.get("allowance_charges_attributes", [])
    return sum(line_nets(invoice, **options), Decimal(0)) + sum(map(_effect, entries), Decimal(0))


def _line_net(line: dict[str, Any]) -> Decimal:
    # The division comes last, so that thirds of three are whole again.
    base = Decimal(line["quantity"]) * Decimal(line["price"]) / Decimal(line.get("base_quantity", 1))
    entries = line.get("allowance_charges_attributes", [])
    flat = Decimal(line.get("charge_amount", 0)) - Decimal(line.get("discount_amount", 0))
    assert not (base < 0 and (entries or flat)), "what an allowance does to a negative line is disputed"
    return base + flat + sum(map(_effect, entries), Decimal(0))


def _effect(entry: dict[str, Any]) -> Decimal:
    amount = Decimal(entry["amount"])
    assert amount > 0, "amounts of allowances and charges are magnitudes"
    return amount if entry["allowance_charge_indicator"] == "charge" else -amount


def _rounded(value: Decimal, digits: int, rounding: str) -> Decimal:
    dust = value.quantize(Decimal(1).scaleb(-40))  # what a division left behind
    return dust.quantize(Decimal(1).scaleb(-digits), ROUNDINGS[rounding])
