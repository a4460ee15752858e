"""Spanish code lists."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from connector.validation.countries.country import Reasons

_EXEMPT: Final = "E1-E6"

REASONS: Final[Mapping[str, Reasons]] = {
    "E": Reasons(pattern=r"E[1-6]", form=_EXEMPT, demanded=True),
    "NS": Reasons(pattern=r"N[12]", form="N1, N2", demanded=True),
    "K": Reasons(pattern=r"E[1-6]", form=_EXEMPT),
    "G": Reasons(pattern=r"E[1-6]", form=_EXEMPT),
}
"""Exemptions (E1 art. 20 of the VAT act, E2 art. 21, E3 art. 22, E4 art. 23 and 24, E5 art. 25, E6 others) and what
is not subject to the tax (N1 art. 7 and 14, N2 by the rules of place). API 8.3; the tax agency's lists L10, L9."""

NUMBER: Final = r"""[^\x00-\x1f"'<>=\x7f-\U0010ffff]{1,60}"""
NUMBER_FORM: Final = "1-60 A-Z a-z 0-9 …, - \" ' < > ="
"""Verifactu: `NumSerieFactura`, printable ASCII without five characters."""

SURCHARGES: Final[Mapping[Decimal, frozenset[Decimal]]] = {
    Decimal(vat): frozenset(map(Decimal, surcharges))
    for vat, surcharges in {
        "21": ("5.2", "1.75"),  # 1.75: tobacco
        "10": ("1.4",),
        "7.5": ("1",),
        "5": ("0.5", "0.62"),
        "4": ("0.5",),
        "2": ("0.26",),
        "0": ("0",),
    }.items()
}
"""The equivalence surcharge that goes with each rate of VAT (VAT act, art. 161; passing rates of 2022-2024)."""

DIR3_ROLES: Final[Mapping[str, str]] = {
    "01": "oficina contable",
    "02": "órgano gestor",
    "03": "unidad tramitadora",
}
"""The three offices that FACe delivers by (Facturae, `RoleTypeCode`): accounts, receiver, payer."""

DIR3: Final = r"[A-Z]\d{8}|[A-Z]{2}\d{7}"
"""Nine characters: L01280796, EA0008478."""

ELSEWHERE: Final[Mapping[str, str]] = {"35": "IGIC", "38": "IGIC", "51": "IPSI", "52": "IPSI"}
"""What is charged in place of VAT, by how postal codes begin: on the Canary Islands, in Ceuta and in Melilla (VAT
act, art. 3)."""
