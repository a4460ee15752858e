"""The options of a source with `adapter = "odoo"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.adapters.odoo.schema import WANTED
from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.writeback.options import ApiOptions, distinct


class OdooOptions(ApiOptions):
    """Options of the odoo adapter."""

    write_back: Literal["columns", "side_table", "api", "none"] = Field(
        "columns",
        description="Where the reference goes: columns of account_move, side_table (a table of ours in Odoo's"
        " database), api (the same fields, written by Odoo itself), or none (the ledger only).",
    )
    reference_column: str = Field(
        "x_b2b_reference",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Column for B2Brouter's invoice id.",
    )
    xref_column: str = Field(
        "x_b2b_xref", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Column for the cross-reference."
    )
    api_user: str | None = Field(
        None, description="User of JSON-RPC, for Odoo 14 to 18; without it the key goes to JSON-2, as of Odoo 19."
    )
    api_database: str | None = Field(
        None, description="Name of the database at the API; JSON-2 wants it only where the server has several."
    )
    taxes: dict[str, TaxMapping] = Field(
        default_factory=dict,
        description="Meaning of taxes, by the ERP's id or exact name; wins over the defaults.",
    )
    attach_printed: bool = Field(
        False, description="Send the PDF that Odoo printed of an invoice with it; recipients see it as the invoice."
    )
    attachments: list[str] = Field(
        default_factory=list,
        description="Send files that people attached to an invoice with it, those with such names: *.pdf, Annex*.",
    )
    filestore: str = Field(
        "",
        description="Folder in which Odoo keeps the files of this database, such as"
        " /var/lib/odoo/filestore/company; without it only files kept in the database are found.",
    )
    statement_timeout: float = Field(60.0, gt=0, le=3600, description="Longest single query, in seconds.")
    lock_timeout: float = Field(5.0, gt=0, le=600, description="Longest wait for a row in use, in seconds.")

    @model_validator(mode="after")
    def _columns_of_our_own(self) -> OdooOptions:
        columns = self.fields(self.reference_column, self.xref_column).names
        distinct(*columns)
        for column in columns:
            if column in WANTED.columns["account_move"]:
                raise ValueError(f"{column} belongs to Odoo itself; name a column made for this purpose")
        return self

    @model_validator(mode="after")
    def _user_with_a_database(self) -> OdooOptions:
        if self.api_user and not self.api_database:
            raise ValueError("api_user needs api_database")
        return self
