"""Writes reference and cross-reference into two columns of account_invoice, and nothing else.

Tryton has no fields that users add: the columns are made by a module that also excludes them from the check of
posted invoices, such as account_invoice_facturae_b2brouter of NaN-tic with its `b2brouter_id`. `write_date` is
left alone, so that discovery does not see our own write as a change, and nobody who has the form open meets a
conflict. A document that was cancelled after it had been issued still gets its reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, String, column, select, table, update
from sqlalchemy.sql.expression import ColumnClause, TableClause

from connector.adapters.database import Database, Row, plain
from connector.adapters.tryton.schema import Schema, detect
from connector.domain.errors import SchemaChangedError, WriteBackRefusedError

HOW_TO_MAKE = (
    "Add the two fields to the model account.invoice by a module of Tryton, or name the columns of yours in"
    ' reference_column and xref_column, or set write_back = "none".'
)


class Writer:
    """The write-back. Used from several threads."""

    def __init__(self, database: Database, *, reference: str, xref: str) -> None:
        self._database = database
        self.columns = (reference, xref)
        self._schema: Schema | None = None

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values in one transaction, unless they are there already."""
        if not (key.isascii() and key.isdigit()):
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        schema = self._required()
        integer = [name for name in self.columns if schema.columns["account_invoice", name].is_integer]
        wanted = dict(zip(self.columns, (reference, xref), strict=True))
        _refuse_words(integer, wanted)
        invoice, key_column = self._invoice(integer)
        row = select(*(invoice.c[name] for name in self.columns)).where(key_column == int(key))
        with self._database.writing() as connection:
            present = next(iter(self._database.rows(connection, row.with_for_update(key_share=True))), None)
            if present is None:
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.",
                    action="Look for it in Tryton; it was issued.",
                )
            if {name: plain(value) for name, value in present.items()} == wanted:
                return
            _refuse_others(key, present, wanted)
            values = {name: int(new) if name in integer else new for name, new in wanted.items()}
            written = self._database.run(
                connection, update(invoice).where(key_column == int(key)).values(values)
            ).rowcount
            if written != 1:
                raise WriteBackRefusedError(f"Document {key} could not be changed in the ERP: {written} rows.")

    def _invoice(self, integer: list[str]) -> tuple[TableClause, ColumnClause[int]]:
        key: ColumnClause[int] = column("id")
        ours = [column(name, BigInteger() if name in integer else String()) for name in self.columns]
        return table("account_invoice", key, *ours), key

    def _required(self) -> Schema:
        """Return the schema, once both columns are there."""
        if self._schema is None:
            with self._database.reading() as connection:
                schema = detect(self._database, connection)
            missing = next((name for name in self.columns if not schema.has("account_invoice", name)), None)
            if missing:
                raise SchemaChangedError(
                    f"The database of source {self._database.source} has no column account_invoice.{missing}"
                    " for the write-back.",
                    action=HOW_TO_MAKE,
                )
            self._schema = schema
        return self._schema


def _refuse_words(integer: list[str], wanted: Mapping[str, str]) -> None:
    for name in integer:
        if not wanted[name].isdigit():
            raise WriteBackRefusedError(
                f"{wanted[name]} cannot be written into {name}, which holds whole numbers.",
                action="Name a text column, or leave the write-back off.",
            )


def _refuse_others(key: str, present: Row, wanted: Mapping[str, str]) -> None:
    for name, new in wanted.items():
        old = plain(present[name])
        if old and old != new:
            raise WriteBackRefusedError(
                f"Document {key} of the ERP already has {old} in {name}; {new} was not written.",
                action="Compare both documents at B2Brouter, then empty the column or correct the job.",
            )
