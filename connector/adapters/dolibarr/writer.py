"""Writes reference and cross-reference into two extra fields of an invoice, and nothing else.

Extra fields are made in Dolibarr and live in a table of their own, whose row exists only after a first save. The
invoice's row is locked meanwhile and never changed: its `tms` stays, so that discovery does not see our own write
as a change, and no trigger of Dolibarr's is passed by. A document that was abandoned after it had been issued still
gets its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from connector.adapters.database import Database, Row, plain
from connector.adapters.dolibarr.reader import document_id
from connector.adapters.dolibarr.schema import Schema
from connector.domain.errors import SchemaChangedError, WriteBackRefusedError

TABLE = "facture_extrafields"
HOW_TO_MAKE = (
    "Make two text fields for invoices in Dolibarr (Setup, Modules, Invoices, Complementary attributes; codes"
    " b2b_reference and b2b_xref, one line of 128 characters), or name others in reference_column and xref_column,"
    ' or set write_back = "none".'
)

_LOCK = "SELECT f.rowid FROM llx_facture f WHERE f.rowid = :key FOR UPDATE"
_PRESENT = "SELECT `{0}` AS reference, `{1}` AS xref FROM llx_facture_extrafields WHERE fk_object = :key"
_UPDATE = "UPDATE llx_facture_extrafields SET `{0}` = :reference, `{1}` = :xref WHERE fk_object = :key"
_INSERT = "INSERT INTO llx_facture_extrafields (fk_object, `{0}`, `{1}`) VALUES (:key, :reference, :xref)"


class Writer:
    """The write-back. Used from several threads."""

    def __init__(self, database: Database, schema: Callable[[], Schema], *, reference: str, xref: str) -> None:
        """Write through `database`; `schema` looks up which tables and columns there are now."""
        self._database = database
        self._look = schema
        self._schema: Schema | None = None
        self.columns = (reference, xref)

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values in one transaction, unless they are there already."""
        rowid = document_id(key)
        if rowid is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        schema = self._required()
        wanted = {"reference": reference, "xref": xref}
        with self._database.writing() as connection:
            if not self._rows(connection, schema, _LOCK, {"key": rowid}):
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.", action="Look for it in Dolibarr; it was issued."
                )
            present = self._rows(connection, schema, _PRESENT, {"key": rowid})
            if present and all(dict(row) == wanted for row in present):
                return
            for row in present:
                self._refuse_others(key, row, wanted)
            change = (_UPDATE if present else _INSERT).format(*self.columns)
            self._database.run(connection, schema.statement(change), {"key": rowid, **wanted})
            after = self._rows(connection, schema, _PRESENT, {"key": rowid})
            if not after or any(dict(row) != wanted for row in after):
                raise WriteBackRefusedError(
                    f"Document {key} does not keep our values in {' and '.join(self.columns)}; nothing was changed.",
                    action="Make the two extra fields long enough: text of 128 characters.",
                )

    def missing(self, schema: Schema) -> list[str]:
        """Return which of the two columns are not there."""
        return [name for name in self.columns if not schema.has(TABLE, name.lower())]

    def _required(self) -> Schema:
        """Return the schema; as long as a column is missing, it is looked up again each time."""
        if self._schema is None:
            schema = self._look()
            missing = self.missing(schema)
            if missing:
                raise SchemaChangedError(
                    f"The database of source {self._database.source} has no column"
                    f" {schema.prefix}{TABLE}.{missing[0]} for the write-back.",
                    action=HOW_TO_MAKE,
                )
            self._schema = schema
        return self._schema

    def _rows(self, connection: Connection, schema: Schema, sql: str, values: Mapping[str, object]) -> list[Row]:
        return [*self._database.rows(connection, schema.statement(sql.format(*self.columns)), values)]

    def _refuse_others(self, key: str, present: Row, wanted: Mapping[str, str]) -> None:
        for name, column in zip(("reference", "xref"), self.columns, strict=True):
            old = plain(present[name])
            if old and old != wanted[name]:
                raise WriteBackRefusedError(
                    f"Document {key} of the ERP already has {old} in {column}; {wanted[name]} was not written.",
                    action="Compare both documents at B2Brouter, then empty the field or correct the job.",
                )
