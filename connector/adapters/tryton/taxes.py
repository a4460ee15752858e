"""What Tryton's taxes mean in EN 16931: kind, category, reason.

Neither name nor sign of a rate is enough to tell. The defaults below are those of Tryton's Spanish chart of
accounts (module account_es); whatever they do not know stays without a category, and the document is held until
the options `taxes` say what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from connector.adapters.database import Row, plain
from connector.adapters.spanish_taxes import SURCHARGE, WITHHOLDING, family
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.tryton.values import number
from connector.domain.invoice import Tax, TaxKind

Meaning = tuple[str | None, str | None]  # category, reason
_UNKNOWN: Final[Meaning] = (None, None)

# `ec_sales_list_code` of the Spanish chart: its key in form 349. Services are not subject by the rules of place.
_SPANISH_SALES_LIST: Final[Mapping[str, Meaning]] = {"E": ("K", "E5"), "S": ("NS", "N2")}
# What the legal notices of that chart quote from the Spanish VAT act (Ley 37/1992).
_SPANISH_ARTICLES: Final[Mapping[str, Meaning]] = {
    "21": ("G", "E2"),  # exports
    "25": ("K", "E5"),  # intra-Community supply
    "69": ("NS", "N2"),  # place of supply of services
}
_ARTICLE: Final = re.compile(r"(?i)\bart[ií]culo\s+(\d+)\b.*\b37/1992\b")
_EXEMPT: Final = re.compile(r"(?i)\bIVA\s+exento\b")


def tax(row: Row, options: Mapping[str, TaxMapping], country: str | None) -> Tax:
    """Return the meaning of one row of account_tax, of a company in that country.

    Raises:
        ValueError: its rate is no number.
    """
    name = plain(row["name"]) or ""
    mapping = options.get(str(row["id"])) or options.get(name) or TaxMapping()
    percent = _percent(row)
    kind = mapping.kind or (_spanish_kind(row, name) if country == "ES" else TaxKind.VAT)
    is_spanish = country == "ES" and kind is TaxKind.VAT
    in_its_place = family(name, row["description"] or "") if is_spanish else None
    category, reason = _meaning(row, name, percent, country, kind)
    if mapping.category:  # a category of the operator's comes with his reason, or with none
        category, reason = mapping.category, None
    return Tax(
        kind=kind,
        percent=percent,
        category=category,
        reason=mapping.reason or reason,
        name=mapping.name or in_its_place,
        source_name=name,
    )


def manual(description: str | None) -> Tax:
    """Return the tax of an amount that a user entered without naming any tax."""
    return Tax(percent=None, source_name=plain(description) or "")


def _percent(row: Row) -> Decimal | None:
    """Return the rate in per cent, which Tryton keeps as a fraction; None for a fixed amount."""
    rate = number(row["rate"])
    if row["type"] != "percentage" or rate is None:
        return None
    return Decimal(f"{(rate * 100).normalize():f}")


def _spanish_kind(row: Row, name: str) -> TaxKind:
    rate = number(row["rate"]) or Decimal(0)
    if rate < 0 and WITHHOLDING.search(f"{name} {row['description'] or ''}"):
        return TaxKind.WITHHOLDING
    # A surcharge is reported together with its VAT.
    if rate > 0 and (row["es_reported_with"] is not None or SURCHARGE.search(name)):
        return TaxKind.SURCHARGE
    return TaxKind.VAT


def _meaning(row: Row, name: str, percent: Decimal | None, country: str | None, kind: TaxKind) -> Meaning:
    if percent is None:
        return _UNKNOWN
    if percent != 0:
        return ("S", None) if percent > 0 or kind is TaxKind.WITHHOLDING else _UNKNOWN
    return _spanish_zero(row, name) if country == "ES" else _UNKNOWN


def _spanish_zero(row: Row, name: str) -> Meaning:
    article = _ARTICLE.search(row["legal_notice"] or "")
    known = _SPANISH_SALES_LIST.get(row["ec_sales_list_code"] or "")
    if known or (article and article[1] in _SPANISH_ARTICLES):
        return known or _SPANISH_ARTICLES[article[1]]  # type: ignore[index]
    if _EXEMPT.search(name):
        return ("E", None)  # by which article, only the seller knows
    return _UNKNOWN
