"""Where Odoo keeps what is written back: fields of account_move, by SQL or by Odoo itself, or a table of ours.

The fields are made in Odoo (Settings, Technical, Fields) or by a module. By SQL `write_date` is left alone, so that
discovery does not see our own write as a change; accounting columns are never touched, so hashes stay valid.
A document that was cancelled after it had been issued still gets its reference.
"""

from __future__ import annotations

from typing import Final

from connector.adapters.database import Database
from connector.adapters.odoo.api import Api, Calls, Json2, JsonRpc
from connector.adapters.odoo.schema import detect
from connector.adapters.odoo.settings import OdooOptions
from connector.adapters.writeback import Target, WriteBack
from connector.adapters.writeback.columns import Columns
from connector.adapters.writeback.side_table import FIELDS, SideTable

HOW_TO_MAKE: Final = (
    "Make two text fields on the model account.move in Odoo (Settings, Technical, Fields; names"
    " x_b2b_reference and x_b2b_xref), or name others in reference_column and xref_column,"
    ' or set write_back = "none".'
)


def writer(database: Database, options: OdooOptions, side: SideTable | None) -> WriteBack | None:
    """Return what writes back as the options say; None where nothing does."""
    if side:
        return WriteBack(side, FIELDS)
    if options.write_back == "none":
        return None
    fields = options.fields(options.reference_column, options.xref_column)
    target: Target
    if options.write_back == "api":
        target = Api(_calls(database.source, options), fields)
    else:
        target = Columns(
            database,
            table="account_move",
            fields=fields,
            look=lambda connection: detect(database, connection),
            erp="Odoo",
            how_to_make=HOW_TO_MAKE,
        )
    return WriteBack(target, fields)


def _calls(source: str, options: OdooOptions) -> Calls:
    url, key, timeout = options.api_url or "", options.key(), options.api_timeout
    if options.api_user:
        return JsonRpc(
            source, url, key=key, timeout=timeout, database=options.api_database or "", user=options.api_user
        )
    return Json2(source, url, key=key, timeout=timeout, database=options.api_database)
