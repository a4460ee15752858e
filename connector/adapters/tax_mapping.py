"""What a tax of the ERP means, in the words of the configuration."""

from __future__ import annotations

from pydantic import Field

from connector.adapters.options import AdapterOptions
from connector.domain.invoice import TaxKind


class TaxMapping(AdapterOptions):
    """What one tax of the ERP means. Whatever is left out keeps its default."""

    kind: TaxKind | None = Field(None, description="vat, surcharge or withholding.")
    category: str | None = Field(
        None,
        pattern=r"^[A-Z]{1,3}$",
        description="Category of EN 16931 (BT-151): S, Z, E, AE, K, G, O, or NS.",
    )
    reason: str | None = Field(
        None, min_length=1, description="Why nothing is charged (BT-121): E1-E6, N1, N2, or a VATEX code."
    )
    name: str | None = Field(None, min_length=1, description="Tax family as B2Brouter spells it: IVA, IGIC, IRPF …")
