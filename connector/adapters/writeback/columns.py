"""Columns of the ERP's own table of documents, made for this purpose by its administrators.

The row is locked against other writers, not against readers; no other column is named in any statement, so that
times of change, hashes and whatever else the ERP keeps stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import BigInteger, Connection, String, column, select, table, update
from sqlalchemy.sql.expression import ColumnClause, TableClause

from connector.adapters.checks import failed, ok
from connector.adapters.database import Database, plain
from connector.adapters.rights import Right
from connector.adapters.rows import row_id
from connector.adapters.schema import Schema
from connector.adapters.writeback.rules import Fields, Values
from connector.adapters.writeback.side_table import RIGHTS
from connector.domain.errors import SchemaChangedError, WriteBackRefusedError
from connector.ports import CheckRow


class Columns:
    """Columns of one table, whose rows have a number called `id`."""

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        fields: Fields,
        look: Callable[[Connection], Schema],
        erp: str,
        how_to_make: str,
    ) -> None:
        """Name the place.

        Args:
            database: of the ERP.
            table: the ERP's table of documents.
            fields: the columns.
            look: looks the schema up, in a transaction.
            erp: its name, for messages.
            how_to_make: how somebody makes the columns.
        """
        self._database = database
        self._table = table
        self._fields = fields
        self._look = look
        self._erp = erp
        self._how_to_make = how_to_make
        self._schema: Schema | None = None

    @contextmanager
    def opened(self, key: str) -> Iterator[ColumnsSlot]:
        """Lock a document's row until the end of the block."""
        number = row_id(key)
        if number is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        schema = self._required()
        integers = [name for name in self._fields.names if schema.columns[self._table, name].is_integer]
        with self._database.writing() as connection:
            slot = ColumnsSlot(self._database, connection, self._table, self._fields.names, integers, number)
            if not slot.lock():
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.",
                    action=f"Look for it in {self._erp}; it was issued.",
                )
            yield slot

    def check(self) -> CheckRow:
        """See that the columns are there, that we may write them, and that they hold texts."""
        schema = self._current()
        for name in self._fields.names:
            there = schema.columns.get((self._table, name))
            if there is None:
                return failed("write-back", f"There is no column {self._table}.{name}.", self._how_to_make)
            if not there.writable:
                return failed(
                    "write-back",
                    f"Our user may not write {self._table}.{name}.",
                    f"GRANT UPDATE ({', '.join(self._fields.names)}) ON {self._table} TO our user.",
                )
            if there.is_integer and name != self._fields.reference:
                return failed(
                    "write-back", f"{self._table}.{name} holds numbers; a text belongs there.", self._how_to_make
                )
        names = [*self._fields.names]
        told = f"{', '.join(names[:-1])} and {names[-1]}"
        return ok("write-back", f"into the columns {told} of {self._table}")

    def close(self) -> None:
        """Nothing: the database is the adapter's."""

    def _current(self) -> Schema:
        with self._database.reading() as connection:
            return self._look(connection)

    def _required(self) -> Schema:
        """Return the schema; as long as a column is missing, it is looked up again each time."""
        if self._schema is None:
            schema = self._current()
            missing = next((name for name in self._fields.names if not schema.has(self._table, name)), None)
            if missing:
                raise SchemaChangedError(
                    f"The database of source {self._database.source} has no column {self._table}.{missing}"
                    " for the write-back.",
                    action=self._how_to_make,
                )
            self._schema = schema
        return self._schema


def written_rights(
    schema: Schema, table: str, names: tuple[str, ...], *, write_back: str, source: str, how_to_make: str
) -> Sequence[Right]:
    """Return what writing back needs, by where the values go: columns, side_table, api or none.

    Raises:
        SchemaChangedError: a column is not there.
    """
    if write_back == "side_table":
        return RIGHTS
    if write_back == "none":
        return ()
    missing = next((name for name in names if not schema.has(table, name)), None)
    if missing:
        raise SchemaChangedError(
            f"The database of source {source} has no column {table}.{missing} for the write-back.",
            action=how_to_make,
        )
    ours = frozenset(names)
    return [Right(table, {"SELECT": ours, "UPDATE": ours} if write_back == "columns" else {"SELECT": ours})]


class ColumnsSlot:
    """The columns of one row, locked."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        name: str,
        names: tuple[str, ...],
        integers: list[str],
        number: int,
    ) -> None:
        self._database = database
        self._connection = connection
        self._integers = integers
        self._number = number
        self._id: ColumnClause[int] = column("id")
        ours = [column(each, BigInteger() if each in integers else String()) for each in names]
        self._rows: TableClause = table(name, self._id, *ours)
        self._ours = [self._rows.c[each] for each in names]

    def lock(self) -> bool:
        """Lock the row as an UPDATE would; return whether there is one."""
        row = select(self._id).where(self._id == self._number).with_for_update(key_share=True)
        return bool(self._database.rows(self._connection, row))

    def read(self) -> Values:
        """Return all columns."""
        row = self._database.rows(self._connection, select(*self._ours).where(self._id == self._number))[0]
        return {name: plain(value) for name, value in row.items()}

    def write(self, values: Values) -> None:
        """Write some of them by one statement."""
        stored = {name: self._stored(name, value) for name, value in values.items()}
        self._database.run(self._connection, update(self._rows).where(self._id == self._number).values(stored))

    def _stored(self, name: str, value: str | None) -> Any:
        if value is None or name not in self._integers:
            return value
        if not value.isdigit():
            raise WriteBackRefusedError(
                f"{value} cannot be written into {name}, which holds whole numbers.",
                action="Name a text column, or leave the write-back off.",
            )
        return int(value)
