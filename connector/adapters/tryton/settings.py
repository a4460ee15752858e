"""The options of a source with `adapter = "tryton"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.tryton.schema import OWN_COLUMNS
from connector.adapters.writeback.options import StateOptions, distinct


class TrytonOptions(StateOptions):
    """Options of the tryton adapter."""

    write_back: Literal["columns", "side_table", "none"] = Field(
        "none",
        description="Where the reference goes: none (the ledger only), columns of a module's in account_invoice, or"
        " side_table (a table of ours in Tryton's database).",
    )
    reference_column: str = Field(
        "b2brouter_id",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Column for B2Brouter's invoice id, a text or an integer.",
    )
    xref_column: str = Field(
        "b2brouter_xref", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Column for the cross-reference, a text."
    )
    issue_refunded: bool = Field(
        False,
        description="Whether an invoice still counts as issued when its credit note, made with refund, cancelled it.",
    )
    taxes: dict[str, TaxMapping] = Field(
        default_factory=dict,
        description="Meaning of taxes, by Tryton's id or exact name; wins over the defaults.",
    )
    statement_timeout: float = Field(60.0, gt=0, le=3600, description="Longest single query, in seconds.")
    lock_timeout: float = Field(5.0, gt=0, le=600, description="Longest wait for a row in use, in seconds.")

    @model_validator(mode="after")
    def _columns_of_our_own(self) -> TrytonOptions:
        columns = self.fields(self.reference_column, self.xref_column).names
        distinct(*columns)
        for column in columns:
            if column in OWN_COLUMNS:
                raise ValueError(f"{column} belongs to Tryton itself; name a column made for this purpose")
        return self
