"""Writes reference and cross-reference into two columns of account_move, and nothing else.

The columns are made in Odoo (Settings, Technical, Fields) or by a module. `write_date` is left alone, so that
discovery does not see our own write as a change; accounting columns are never touched, so hashes stay valid.
A document that was cancelled after it had been issued still gets its reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import column, select, table, update
from sqlalchemy.sql.expression import ColumnClause, TableClause

from connector.adapters.database import Database, Row, plain
from connector.adapters.odoo.schema import detect
from connector.domain.errors import SchemaChangedError, WriteBackRefusedError

HOW_TO_MAKE = (
    "Make two text fields on the model account.move in Odoo (Settings, Technical, Fields; names"
    " x_b2b_reference and x_b2b_xref), or name others in reference_column and xref_column,"
    ' or set write_back = "none".'
)


class Writer:
    """The write-back. Used from several threads."""

    def __init__(self, database: Database, *, reference: str, xref: str) -> None:
        self._database = database
        self.columns = (reference, xref)
        self._id: ColumnClause[int] = column("id")
        self._reference: ColumnClause[str] = column(reference)
        self._xref: ColumnClause[str] = column(xref)
        self._move: TableClause = table("account_move", self._id, self._reference, self._xref)
        self._found = False

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values in one transaction, unless they are there already."""
        if not key.isdigit():
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        self._require_columns()
        wanted = {self.columns[0]: reference, self.columns[1]: xref}
        row = select(self._reference, self._xref).where(self._id == int(key)).with_for_update(key_share=True)
        with self._database.writing() as connection:
            present = next(iter(self._database.rows(connection, row)), None)
            if present is None:
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.",
                    action="Look for it in Odoo; it was issued.",
                )
            if dict(present) == wanted:
                return
            _refuse_others(key, present, wanted)
            change = update(self._move).where(self._id == int(key)).values(wanted)
            written = self._database.run(connection, change).rowcount
            if written != 1:
                raise WriteBackRefusedError(f"Document {key} could not be changed in the ERP: {written} rows.")

    def missing(self) -> list[str]:
        """Return which of the two columns are not there."""
        with self._database.reading() as connection:
            schema = detect(self._database, connection)
        return [name for name in self.columns if not schema.has("account_move", name)]

    def _require_columns(self) -> None:
        if self._found:
            return
        missing = self.missing()
        if missing:
            raise SchemaChangedError(
                f"The database of source {self._database.source} has no column account_move.{missing[0]}"
                " for the write-back.",
                action=HOW_TO_MAKE,
            )
        self._found = True


def _refuse_others(key: str, present: Row, wanted: Mapping[str, str]) -> None:
    for name, new in wanted.items():
        old = plain(present[name])
        if old and old != new:
            raise WriteBackRefusedError(
                f"Document {key} of the ERP already has {old} in {name}; {new} was not written.",
                action="Compare both documents at B2Brouter, then empty the column or correct the job.",
            )
