"""Text columns of a table whose rows have a number: for ERPs of which nothing else is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, String, column, select, table, update
from sqlalchemy.sql.expression import ColumnClause

from connector.adapters.checks import ok
from connector.adapters.database import Database, plain
from connector.adapters.rows import row_id
from connector.adapters.writeback.rules import Fields, Values
from connector.domain.errors import WriteBackRefusedError
from connector.ports import CheckRow


class TextColumns:
    """Columns of one table. No other column is named in any statement."""

    def __init__(self, database: Database, *, rows: str, key: str, fields: Fields) -> None:
        """Name the place.

        Args:
            database: of the ERP.
            rows: the table of documents.
            key: the column of their number.
            fields: the columns for our values.
        """
        self._database = database
        self._name = rows
        self._fields = fields
        self._key: ColumnClause[int] = column(key)
        self._rows = table(rows, self._key, *(column(name, String()) for name in fields.names))

    @contextmanager
    def opened(self, key: str) -> Iterator[TextColumnsSlot]:
        """Lock a document's row until the end of the block."""
        number = row_id(key)
        with self._database.writing() as connection:
            slot = TextColumnsSlot(self, connection, -1 if number is None else number)
            if not slot.lock():
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.", action="Look for it in the ERP; it was issued."
                )
            yield slot

    def check(self) -> CheckRow:
        """Read the columns of no document: the database names one that is missing."""
        with self._database.reading() as connection:
            self.values(connection, -1)
        return ok("write-back", f"into the columns {' and '.join(self._fields.names)} of {self._name}")

    def close(self) -> None:
        """Nothing: the database is the adapter's."""

    def lock(self, connection: Connection, number: int) -> bool:
        """Lock a row as an UPDATE would; return whether there is one."""
        row = select(self._key).where(self._key == number).with_for_update(key_share=True)
        return bool(self._database.rows(connection, row))

    def values(self, connection: Connection, number: int) -> list[Values]:
        """Return what stands in all columns of that row, if there is one."""
        ours = [self._rows.c[name] for name in self._fields.names]
        rows = self._database.rows(connection, select(*ours).where(self._key == number))
        return [{name: plain(value) for name, value in row.items()} for row in rows]

    def change(self, connection: Connection, number: int, values: Values) -> None:
        """Write some columns by one statement."""
        self._database.run(connection, update(self._rows).where(self._key == number).values(dict(values)))


class TextColumnsSlot:
    """The columns of one row, locked."""

    def __init__(self, columns: TextColumns, connection: Connection, number: int) -> None:
        self._columns = columns
        self._connection = connection
        self._number = number

    def lock(self) -> bool:
        """Lock the row; return whether there is one."""
        return self._columns.lock(self._connection, self._number)

    def read(self) -> Values:
        """Return all columns."""
        return self._columns.values(self._connection, self._number)[0]

    def write(self, values: Values) -> None:
        """Write some of them."""
        self._columns.change(self._connection, self._number, values)
