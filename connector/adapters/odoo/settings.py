"""The options of a source with `adapter = "odoo"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.adapters.odoo.schema import READ_COLUMNS
from connector.adapters.options import AdapterOptions
from connector.adapters.tax_mapping import TaxMapping


class OdooOptions(AdapterOptions):
    """Options of the odoo adapter."""

    write_back: Literal["columns", "none"] = Field(
        "columns", description="Where the reference goes: columns of account_move, or none (the ledger only)."
    )
    reference_column: str = Field(
        "x_b2b_reference",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Column for B2Brouter's invoice id.",
    )
    xref_column: str = Field(
        "x_b2b_xref", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Column for the cross-reference."
    )
    taxes: dict[str, TaxMapping] = Field(
        default_factory=dict,
        description="Meaning of taxes, by the ERP's id or exact name; wins over the defaults.",
    )
    statement_timeout: float = Field(60.0, gt=0, le=3600, description="Longest single query, in seconds.")
    lock_timeout: float = Field(5.0, gt=0, le=600, description="Longest wait for a row in use, in seconds.")

    @model_validator(mode="after")
    def _columns_of_our_own(self) -> OdooOptions:
        if self.reference_column == self.xref_column:
            raise ValueError("reference_column and xref_column must be two columns")
        for column in (self.reference_column, self.xref_column):
            if column in READ_COLUMNS["account_move"]:
                raise ValueError(f"{column} belongs to Odoo itself; name a column made for this purpose")
        return self
