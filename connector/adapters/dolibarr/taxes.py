"""What Dolibarr's taxes mean in EN 16931: kind, category, reason.

A line has one VAT and up to two local taxes. Dolibarr ships a single rate of 0 % per country, without a word why;
sites tell theirs apart by a code in the VAT dictionary. Whatever the defaults below do not know stays without a
category, and the document is held until the options `taxes` say what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from connector.adapters.database import Row, exact
from connector.adapters.spanish_taxes import family
from connector.adapters.tax_mapping import TaxMapping
from connector.domain.invoice import ZERO, Tax, TaxKind

Meaning = tuple[str | None, str | None]  # category, reason
RateNotes = Mapping[tuple[str, Decimal], frozenset[str]]
"""What the VAT dictionary notes of Spanish rates, by code in capitals and per cent."""
_UNKNOWN: Final[Meaning] = (None, None)
_NOT_COLLECTED: Final = 1  # bit of info_bits: VAT that the buyer deducts and the seller does not collect (NPR)

# Codes of 0 % rates that say what they are. Spain has reasons of its own (E2 art. 21 exports, E5 art. 25
# intra-Community supplies); EXEMPT alone names no reason.
_SPANISH_ZERO: Final[Mapping[str, Meaning]] = {
    "INTRA": ("K", "E5"),
    "EXPORT": ("G", "E2"),
    "ISP": ("AE", None),  # inversión del sujeto pasivo
    "EXEMPT": ("E", None),
}
_ZERO: Final[Mapping[str, Meaning]] = {
    "INTRA": ("K", "VATEX-EU-IC"),
    "EXPORT": ("G", "VATEX-EU-G"),
    "EXEMPT": ("E", None),
}
# The dictionary's note may name the article of the Spanish VAT act, as the tax agency's list numbers them.
_ARTICLE: Final = re.compile(r"\bart(?:[íi]culo|\.)?\s*(20|21|22|23|24|25)\b", re.IGNORECASE)
_SPANISH_ARTICLES: Final = {"20": "E1", "21": "E2", "22": "E3", "23": "E4", "24": "E4", "25": "E5"}

_SPANISH_LOCAL: Final = {1: TaxKind.SURCHARGE, 2: TaxKind.WITHHOLDING}  # recargo de equivalencia, IRPF


def vat(row: Row, country: str | None, notes: RateNotes, options: Mapping[str, TaxMapping]) -> Tax:
    """Return the meaning of a line's VAT, or of what is charged in its place in parts of Spain."""
    percent, code = percentage(row["tva_tx"]), str(row["vat_code"] or "").strip()
    name = f"{percent:f} % ({code})" if code else f"{percent:f} %"
    noted = notes.get((code.upper(), percent), frozenset()) if country == "ES" else frozenset()
    in_its_place = family(code, " ".join(noted)) if country == "ES" else None
    meaning = _UNKNOWN
    if not (row["info_bits"] or 0) & _NOT_COLLECTED:
        # The articles of other acts have other numbers.
        meaning = _meaning(percent, code.upper(), country, frozenset() if in_its_place else noted)
    found = _mapped(options.get(code) or options.get(name), TaxKind.VAT, percent, meaning, name)
    return replace(found, name=found.name or in_its_place) if found.kind is TaxKind.VAT else found


def local(row: Row, which: int, country: str | None, options: Mapping[str, TaxMapping]) -> Tax:
    """Return the meaning of a line's first or second local tax."""
    percent = percentage(row[f"localtax{which}_tx"])
    name = f"localtax{which} {percent:f} %"
    elsewhere = TaxKind.WITHHOLDING if percent < 0 else TaxKind.VAT
    kind = _SPANISH_LOCAL[which] if country == "ES" else elsewhere
    meaning: Meaning = _UNKNOWN if kind is TaxKind.VAT else ("S", None)
    return _mapped(options.get(name) or options.get(f"localtax{which}"), kind, percent, meaning, name)


def applies(percent: object, amount: Decimal, net: Decimal) -> bool:
    """Whether a local tax belongs to a line.

    Dolibarr keeps the rate with lines that are not subject to it too, such as the surcharge on goods with a
    service: then no amount was computed where there would be one.
    """
    rate = exact(percent) or ZERO
    return amount != 0 or (rate != 0 and abs(net * rate / 100) < Decimal("0.005"))


def _meaning(percent: Decimal, code: str, country: str | None, notes: frozenset[str]) -> Meaning:
    if percent != 0:
        return ("S", None) if percent > 0 else _UNKNOWN
    category, reason = (_SPANISH_ZERO if country == "ES" else _ZERO).get(code, _UNKNOWN)
    if country == "ES" and category == "E":
        reason = _article(notes)
    return category, reason


def _article(notes: frozenset[str]) -> str | None:
    """Return the reason that the notes of a rate name, where all of them name the same one."""
    named = {found[1] if (found := _ARTICLE.search(note)) else None for note in notes}
    return _SPANISH_ARTICLES.get(named.pop() or "") if len(named) == 1 else None


def _mapped(mapping: TaxMapping | None, kind: TaxKind, percent: Decimal, meaning: Meaning, name: str) -> Tax:
    mapping = mapping or TaxMapping()
    # A category of the operator's comes with his reason, or with none.
    category, reason = (mapping.category, None) if mapping.category else meaning
    return Tax(
        kind=mapping.kind or kind,
        percent=percent,
        category=category,
        reason=mapping.reason or reason,
        name=mapping.name,
        source_name=name,
    )


def percentage(value: object) -> Decimal:
    """Return a rate as it is written, without the zeros at its end."""
    return Decimal(f"{(exact(value) or ZERO).normalize():f}")
