"""The options of a source with `adapter = "dolibarr"`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from connector.adapters.tax_mapping import TaxMapping
from connector.adapters.writeback.options import ApiOptions, distinct

_COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
_DOLIBARRS_OWN = frozenset({"rowid", "tms", "fk_object", "import_key"})  # in every table of extra fields

ColumnName = Annotated[str, StringConstraints(pattern=_COLUMN)]


class DolibarrOptions(ApiOptions):
    """Options of the dolibarr adapter."""

    table_prefix: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="What the tables' names begin with, such as llx_. Found by itself unless several Dolibarrs share"
        " the database.",
    )
    write_back: Literal["columns", "side_table", "api", "none"] = Field(
        "columns",
        description="Where the reference goes: extra fields of invoices (columns of llx_facture_extrafields),"
        " side_table (a table of ours in Dolibarr's database), api (the same extra fields, written by Dolibarr"
        " itself), or none (the ledger only).",
    )
    reference_column: ColumnName = Field("b2b_reference", description="Extra field for B2Brouter's invoice id.")
    xref_column: ColumnName = Field("b2b_xref", description="Extra field for the cross-reference.")
    service_code_column: ColumnName = Field(
        "service_code",
        description="Extra field of third parties with the service code of Chorus Pro, if there is one.",
    )
    dir3_columns: dict[Literal["01", "02", "03"], ColumnName] = Field(
        default_factory=dict,
        description="Extra fields of third parties with FACe's DIR3 codes by role: 01 fiscal, 02 receiver, 03 payer.",
    )
    taxes: dict[str, TaxMapping] = Field(
        default_factory=dict,
        description="Meaning of taxes, by the code of the rate (INTRA), by the name that messages show (0 %,"
        " localtax1 9.975 %), or localtax1 and localtax2 for all their rates; wins over the defaults.",
    )
    statement_timeout: float = Field(60.0, gt=0, le=3600, description="Longest single query, in seconds.")
    lock_timeout: float = Field(5.0, ge=1, le=600, description="Longest wait for a row in use, in whole seconds.")

    @model_validator(mode="after")
    def _columns_of_our_own(self) -> DolibarrOptions:
        columns = self.fields(self.reference_column, self.xref_column).names
        distinct(*columns)
        for column in columns:
            if column.lower() in _DOLIBARRS_OWN:
                raise ValueError(f"{column} belongs to Dolibarr itself; name an extra field made for this purpose")
        return self
