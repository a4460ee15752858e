"""What a document said when it was issued, and what the ERP says of it now, field by field.

Only what makes up the document counts: figures, dates, lines, taxes, who bills whom. How the customer is reached
or how it pays may change at any time, for the ERP reads it live from the customer's record; so may its name, as
long as it is the same customer.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Final

from connector.domain.identity import legal_id_key, tax_number_spelling
from connector.domain.invoice import Invoice, Line, Party, Tax, decimal_text

Content = Mapping[str, Any]
"""A document as plain texts: `fields` and `names` by name, and the `lines`."""

NOTHING: Final = "(none)"
"""Stands for what one side does not have."""

_MOST: Final = 30
"""Changes that are kept; somebody who changed more will not read further."""

_SAID: Final = 3
"""Changes that the sentence names."""

_LONGEST: Final = 100
"""Characters of a value that are kept."""

_ISSUED, _NOW = "issued.", "now."


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field that is not as it was issued."""

    field: str
    issued: str
    now: str

    def __str__(self) -> str:
        return f"{self.field}: {self.issued} (issued) / {self.now} (ERP now)"


def content(invoice: Invoice) -> Content:
    """Return what the document says; the same document gives the same content in every version of ours."""
    fields = {
        "state": "confirmed" if invoice.confirmed else "not confirmed",
        "type": "credit note" if invoice.is_credit_note else "invoice",
        "number": invoice.number,
        "series": invoice.series,
        "date": invoice.issue_date,
        "due date": invoice.due_date,
        "delivery date": invoice.delivery_date,
        "currency": invoice.currency,
        "issuer": _who(invoice.seller),
        "recipient": _who(invoice.buyer),
        "original": ", ".join(each.number for each in invoice.originals) or None,
        "order number": invoice.purchase_order,
        **_amounts(invoice),
    }
    return {
        "fields": {name: str(value) for name, value in fields.items() if value},
        "names": {"issuer": invoice.seller.name, "recipient": invoice.buyer.name},
        "lines": [*map(_line, invoice.lines), *_reductions(invoice)],
    }


def deleted() -> Content:
    """Return the content of a document that is not in the ERP any more."""
    return {"fields": {"state": "deleted"}, "names": {}, "lines": []}


def pack(what: Content) -> bytes:
    """Return a content in few bytes."""
    return zlib.compress(_json(what), 1)


def unpack(packed: bytes) -> Content:
    """Return what was packed."""
    unpacked: Content = json.loads(zlib.decompress(packed))
    return unpacked


def changes(issued: Content, now: Content) -> list[Change]:
    """Return what is not as it was issued; of a document that is gone, nothing but that."""
    if now["fields"]["state"] == "deleted":
        return [Change(field="state", issued=issued["fields"]["state"], now="deleted")]
    return [*_field_changes(issued, now), *_line_changes(issued["lines"], now["lines"])]


def facts(found: Sequence[Change], now: Content) -> dict[str, str]:
    """Return changes as the facts of a case: a sentence, both sides by field, and a mark of the content now."""
    kept = [Change(field=one.field, issued=_short(one.issued), now=_short(one.now)) for one in found[:_MOST]]
    sides = {f"{_ISSUED}{one.field}": one.issued for one in kept} | {f"{_NOW}{one.field}": one.now for one in kept}
    said = [*map(str, kept[:_SAID]), *(["…"] if len(found) > _SAID else [])]
    return {"differences": "; ".join(said), **sides, "content": mark(now)}


def told(details: Mapping[str, str]) -> list[Change]:
    """Return the changes that the facts of a case hold."""
    fields = [name.removeprefix(_ISSUED) for name in details if name.startswith(_ISSUED)]
    found = [Change(field=name, issued=details[_ISSUED + name], now=details.get(_NOW + name, "")) for name in fields]
    return sorted(found, key=lambda one: _rank(one.field))


def mark(what: Content) -> str:
    """Return a short text that tells one content from another."""
    return hashlib.sha256(_json(what)).hexdigest()[:16]


def _json(what: Content) -> bytes:
    return json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def _who(party: Party) -> str:
    """What stays the same when a customer changes its name or moves."""
    registered = next((f"{legal.scheme}:{legal_id_key(legal.value)}" for legal in party.legal_ids), None)
    return tax_number_spelling(party.tax_number, party.country) or registered or party.key or party.name


def _amounts(invoice: Invoice) -> dict[str, str]:
    totals = invoice.totals
    taxes: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for total in invoice.tax_totals:
        sums = taxes[f"tax {_percent(total.tax)} %"]
        sums[0] += total.amount
        sums[1] += total.base
    return {
        "subtotal": amount(totals.net),
        **{name: f"{amount(sums[1])} → {amount(sums[0])}" for name, sums in sorted(taxes.items())},
        "withholding": amount(totals.withholding) if totals.withholding else "",
        "rounding": amount(totals.rounding) if totals.rounding else "",
        "total": amount(totals.payable),
    }


def _line(line: Line) -> str:
    taxes = ", ".join(_tax(tax) for tax in line.taxes)
    per = f" / {decimal_text(line.base_quantity)}" if line.base_quantity != 1 else ""
    price = f"{decimal_text(line.quantity)} × {decimal_text(line.net_price)}{per}"
    return _plain(f"{line.description}: {price} = {amount(line.net_amount)}, {taxes}")


def _reductions(invoice: Invoice) -> Iterator[str]:
    for each in invoice.allowances:
        sign = "" if each.is_charge else "-"
        taxes = ", ".join(_tax(tax) for tax in each.taxes)
        yield _plain(f"{each.description}: {sign}{amount(each.amount)}, {taxes}")


def _tax(tax: Tax) -> str:
    return " ".join(filter(None, (f"{_percent(tax)} %", tax.category, tax.reason)))


def _percent(tax: Tax) -> str:
    return "?" if tax.percent is None else decimal_text(tax.percent)


def amount(value: Decimal) -> str:
    """Return an amount with two decimals, or with as many as it needs."""
    return f"{value:.2f}" if value == round(value, 2) else decimal_text(value)


def _plain(text: str) -> str:
    """On one line, and without what separates the phrases of a sentence."""
    return " ".join(text.replace(";", ",").split()).removesuffix(",")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _field_changes(issued: Content, now: Content) -> Iterator[Change]:
    before, after = issued["fields"], now["fields"]
    for name in sorted({*before, *after}, key=_rank):
        if before.get(name) != after.get(name):
            yield Change(field=name, issued=_shown(issued, name), now=_shown(now, name))


def _shown(what: Content, name: str) -> str:
    value = what["fields"].get(name, NOTHING)
    called = what["names"].get(name)
    return _plain(f"{called} ({value})" if called and called != value else value)


_ORDER: Final = (
    "state type number series currency total subtotal tax withholding rounding"
    " date due delivery issuer recipient original"
).split()


def _rank(name: str) -> tuple[int, int, str]:
    """The order in which people look at a document."""
    first, _, rest = name.partition(" ")
    count = rest.split(" ")[0]
    place = _ORDER.index(first) if first in _ORDER else len(_ORDER)
    return (place, int(count) if count.isdecimal() else 0, name)


def _line_changes(issued: Sequence[str], now: Sequence[str]) -> Iterator[Change]:
    for kind, start, end, low, high in SequenceMatcher(None, issued, now, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        before, after = issued[start:end], now[low:high]
        for n in range(max(len(before), len(after))):
            yield Change(
                field=f"line {(start if n < len(before) else low) + n + 1}" + ("" if n < len(before) else " (new)"),
                issued=before[n] if n < len(before) else NOTHING,
                now=after[n] if n < len(after) else NOTHING,
            )
