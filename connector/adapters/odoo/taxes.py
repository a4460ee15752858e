"""What Odoo's taxes mean in EN 16931: kind, category, reason.

A rate alone does not tell. The defaults below are those of Odoo's own charts of accounts; whatever they do
not know stays without a category, and the document is held until the options `taxes` say what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from connector.adapters.database import Row, exact
from connector.adapters.spanish_taxes import SURCHARGE, WITHHOLDING
from connector.adapters.tax_mapping import TaxMapping
from connector.domain.invoice import Tax, TaxKind

Meaning = tuple[str | None, str | None]  # category, reason
_UNKNOWN: Final[Meaning] = (None, None)

# `l10n_es_type` of the Spanish chart (module l10n_es; to 16.0 l10n_es_edi_sii, so that many do not have it). Taxes of
# other countries carry its default, "sujeto", in the same database: it is looked at for taxes of Spain only. Where
# nobody chose a type, the name tells withholding and surcharge.
_NOT_CHOSEN: Final = frozenset({None, "sujeto"})
_SPANISH_KINDS: Final = {"recargo": TaxKind.SURCHARGE, "retencion": TaxKind.WITHHOLDING}
_SPANISH_ZERO: Final[Mapping[str, Meaning]] = {
    "sujeto_isp": ("AE", None),
    "no_sujeto": ("NS", "N1"),
    "no_sujeto_loc": ("NS", "N2"),  # not subject by the rules of place
}
# "sujeto" means a rate of 0 % for the chart's own taxes of that rate alone, whose names are of 17.0 and later, and of
# 16.0.
_SPANISH_ZERO_RATED: Final = frozenset({"0% G", "0% S", "IVA 0% (Bienes)", "IVA 0% (Servicios)"})
# Names of the chart to 16.0 that leave nothing open, for those who have no types.
_SPANISH_NAMES: Final[Mapping[str, Meaning]] = {
    "IVA 0% Exportaciones": ("G", "E2"),
    "IVA 0% Entregas Intracomunitarias exentas": ("K", "E5"),
}
# Exemptions of the Spanish VAT act, as the tax agency's lists number them (E1 art. 20, E2 art. 21 exports,
# E3 art. 22, E4 art. 23 and 24, E5 art. 25 intra-Community supply, E6 others).
_SPANISH_EXEMPT: Final = {"E1": "E", "E2": "G", "E3": "E", "E4": "E", "E5": "K", "E6": "E"}

# The French chart (l10n_fr, l10n_fr_account) tells its 0 % taxes apart by name only: EX is outside the EU,
# G goods, S services. "0% EXEMPT" needs a reason that only the seller knows.
_FRENCH_ZERO: Final[Mapping[str, Meaning]] = {
    "0% EX G": ("G", "VATEX-EU-G"),
    "0% EU G": ("K", "VATEX-EU-IC"),
    "0% EU S": ("AE", "VATEX-EU-AE"),
    "0% EX S": ("O", "VATEX-EU-O"),
}

# What is charged in place of VAT on the Canary Islands, in Ceuta and in Melilla. Odoo has a code for it in the newest
# versions and for Facturae, whose default is VAT; its chart of the Canary Islands names the tax in its group alone.
_FAMILY_CODES: Final = {"02": "IPSI", "03": "IGIC"}
_FAMILY: Final = re.compile(r"\b(IGIC|IPSI)\b")


def tax(row: Row, options: Mapping[str, TaxMapping]) -> Tax:
    """Return the meaning of one row of account_tax."""
    name = label(row["name"])
    mapping = options.get(str(row["id"])) or options.get(name) or TaxMapping()
    percent = _percent(row)
    kind = mapping.kind or _kind(row, name, percent)
    family = _family(row, name) if kind is TaxKind.VAT else None
    category, reason = _meaning(row, name, kind, percent, family)
    if mapping.category:  # a category of the operator's comes with his reason, or with none
        category, reason = mapping.category, None
    return Tax(
        kind=kind,
        percent=percent,
        category=category,
        reason=mapping.reason or reason,
        name=mapping.name or family,
        source_name=name,
    )


def untaxed(name: str, options: Mapping[str, TaxMapping]) -> Tax:
    """Return the tax of an amount that Odoo books without any: exempt, as it is in Odoo's own UBL."""
    mapping = options.get(name) or TaxMapping()
    return Tax(
        percent=Decimal(0),
        category=mapping.category or "E",
        reason=mapping.reason,
        name=mapping.name,
        source_name=name,
    )


def label(value: str | None, language: str | None = None) -> str:
    """Return the text of a name that Odoo may keep by language (`{"en_US": …}`): in that one, else its source's."""
    loaded = json.loads(value) if value else ""
    if isinstance(loaded, dict):
        spoken = [text for code, text in loaded.items() if language and code.startswith(language)]
        loaded = next(filter(None, (*spoken, loaded.get("en_US"), *loaded.values())), "")
    return str(loaded or "")


def _percent(row: Row) -> Decimal | None:
    """Return the rate on the net amount; None for a fixed amount, or a formula, which have no rate."""
    amount = exact(row["amount"]) or Decimal(0)
    if row["amount_type"] == "percent":
        return Decimal(f"{amount.normalize():f}")
    if row["amount_type"] == "division" and amount != 100:  # per cent of the price with tax
        return (amount * 100 / (100 - amount)).quantize(Decimal("0.0001"))
    return None


def _kind(row: Row, name: str, percent: Decimal | None) -> TaxKind:
    if row["country"] == "ES":
        return _SPANISH_KINDS.get(row["es_type"] or "") or _kind_by_name(row, name, percent or Decimal(0))
    return TaxKind.WITHHOLDING if percent is not None and percent < 0 else TaxKind.VAT


def _kind_by_name(row: Row, name: str, percent: Decimal) -> TaxKind:
    if row["es_type"] in _NOT_CHOSEN:
        if percent < 0 and WITHHOLDING.search(name):
            return TaxKind.WITHHOLDING
        if percent > 0 and SURCHARGE.search(name):
            return TaxKind.SURCHARGE
    return TaxKind.VAT


def _family(row: Row, name: str) -> str | None:
    """Return what a Spanish tax is called where it is no VAT."""
    if row["country"] != "ES":
        return None
    found = _FAMILY.search(f"{name} {label(row['group'])} {label(row['description'])}")
    return _FAMILY_CODES.get(row["applicability"] or "") or (found[1] if found else None)


def _meaning(row: Row, name: str, kind: TaxKind, percent: Decimal | None, family: str | None) -> Meaning:
    if percent is None:
        return _UNKNOWN
    if percent != 0:
        return ("S", None) if percent > 0 or kind is TaxKind.WITHHOLDING else _UNKNOWN
    if row["country"] == "ES":
        return _spanish_zero(row, name, family)
    if row["category"]:
        return row["category"], row["reason"] or None
    return _FRENCH_ZERO.get(name, _UNKNOWN) if row["country"] == "FR" else _UNKNOWN


def _spanish_zero(row: Row, name: str, family: str | None) -> Meaning:
    if row["es_type"] is None:
        return _SPANISH_NAMES.get(name, _UNKNOWN)
    if row["es_type"] == "sujeto":
        return ("Z", None) if name in _SPANISH_ZERO_RATED and family is None else _UNKNOWN
    if row["es_type"] == "exento":
        category = _SPANISH_EXEMPT.get(row["es_reason"] or "")
        return (category, row["es_reason"]) if category else _UNKNOWN
    return _SPANISH_ZERO.get(row["es_type"], _UNKNOWN)
