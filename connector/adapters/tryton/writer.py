"""Where Tryton keeps what is written back: columns of account_invoice, or a table of our own.

Tryton has no fields that users add: the columns are made by a module that also excludes them from the check of
posted invoices, such as account_invoice_facturae_b2brouter of NaN-tic with its `b2brouter_id`. `write_date` is
left alone, so that discovery does not see our own write as a change, and nobody who has the form open meets a
conflict. A document that was cancelled after it had been issued still gets its reference.
"""

from __future__ import annotations

from typing import Final

from connector.adapters.database import Database
from connector.adapters.tryton.schema import detect
from connector.adapters.tryton.settings import TrytonOptions
from connector.adapters.writeback import WriteBack
from connector.adapters.writeback.columns import Columns
from connector.adapters.writeback.side_table import FIELDS, SideTable

HOW_TO_MAKE: Final = (
    "Add the two fields to the model account.invoice by a module of Tryton, or name the columns of yours in"
    ' reference_column and xref_column, or set write_back = "none".'
)


def writer(database: Database, options: TrytonOptions, side: SideTable | None) -> WriteBack | None:
    """Return what writes back as the options say; None where nothing does."""
    if side:
        return WriteBack(side, FIELDS)
    if options.write_back == "none":
        return None
    fields = options.fields(options.reference_column, options.xref_column)
    columns = Columns(
        database,
        table="account_invoice",
        fields=fields,
        look=lambda connection: detect(database, connection),
        erp="Tryton",
        how_to_make=HOW_TO_MAKE,
    )
    return WriteBack(columns, fields)
