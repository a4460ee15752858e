"""Statements for many rows at once, without SQLAlchemy's work for each of them.

Values are converted by the columns' own types, so that what is stored does not differ from what other statements
store. SQLite takes them one by one; PostgreSQL takes one text with all of them, so that a statement is the same
whatever the number of its rows: the driver need not look through it for marks, and the server has it prepared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table

KEPT: Final = 64
"""Statements that are kept ready. On SQLite there is one for each number of rows: all of them would take a lot."""


def insert(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]], *, otherwise: str = ""
) -> None:
    """Insert rows.

    Args:
        connection: a transaction that may write.
        table: of the ledger.
        names: of the columns.
        rows: their values.
        otherwise: what a row does that is there already, ON CONFLICT …
    """
    statement = _inserting(connection.dialect, table, tuple(names), listed(connection, len(names), len(rows)))
    connection.exec_driver_sql(f"{statement} {otherwise}", given(connection, table, names, rows))


@lru_cache(KEPT)
def _inserting(dialect: Dialect, table: Table, names: tuple[str, ...], rows: str) -> str:
    values = ", ".join(typed(dialect, table, name, f"v.column{place}") for place, name in enumerate(names, start=1))
    return (
        f"INSERT INTO {table.name} ({', '.join(names)})"  # noqa: S608 - names of our own columns
        f" SELECT {values} FROM {rows} WHERE true"  # or SQLite takes ON CONFLICT for a join's
    )


def mark(connection: Connection) -> str:
    """Return the mark of one value."""
    return "?" if connection.dialect.name == "sqlite" else "%s"


def among(connection: Connection, table: Table, name: str, some: Sequence[Any]) -> tuple[str, Any]:
    """Return the condition that a column has one of some values, and what it is given.

    PostgreSQL takes them as an array. Of rows it would expect a hundred, and read a table of a few thousand from
    its beginning to its end.
    """
    dialect = connection.dialect
    values = converted(connection, table, name, some)
    if dialect.name == "sqlite":
        return f"{name} IN ({', '.join('?' * len(some))})", tuple(values)
    return f"{name} = ANY ({_array(dialect, table, name)})", ([str(value) for value in values],)


def listed(connection: Connection, width: int, count: int) -> str:
    """Return rows to be selected from, `v` with `column1`, `column2`, …; their values are `given`."""
    return _listed(connection.dialect.name, width, count if connection.dialect.name == "sqlite" else 0)


@lru_cache(KEPT)
def _listed(database: str, width: int, count: int) -> str:
    if database == "sqlite":
        row = f"({', '.join('?' * width)})"
        return f"(VALUES {', '.join([row] * count)}) AS v"
    columns = ", ".join(f"column{place} text" for place in range(1, width + 1))
    return f"json_to_recordset(%s) AS v ({columns})"


def given(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Return the values of `listed` rows, as the columns of a table store them."""
    columns = [
        converted(connection, table, name, column)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]
    stored = zip(*columns, strict=True)
    if connection.dialect.name == "sqlite":
        return tuple(chain.from_iterable(stored))
    keys = [f"column{place}" for place in range(1, len(names) + 1)]
    return (json.dumps([dict(zip(keys, row, strict=True)) for row in stored], default=_text),)


def _text(value: Any) -> str:
    """Return as PostgreSQL reads it what JSON does not know: days, times, and bytes, which the driver has wrapped."""
    value = getattr(value, "obj", value)
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def converted(connection: Connection, table: Table, name: str, column: Sequence[Any]) -> Sequence[Any]:
    """Return values of a column as it stores them."""
    convert = _writer(connection.dialect, table, name)
    return [None if value is None else convert(value) for value in column] if convert else column


def read(connection: Connection, table: Table, name: str, value: Any) -> Any:
    """Return a value of a column as it was before it was stored."""
    convert = _reader(connection.dialect, table, name)
    return convert(value) if convert else value


@cache
def _writer(dialect: Dialect, table: Table, name: str) -> Callable[[Any], Any] | None:
    return table.c[name].type.dialect_impl(dialect).bind_processor(dialect)


@cache
def _reader(dialect: Dialect, table: Table, name: str) -> Callable[[Any], Any] | None:
    return table.c[name].type.dialect_impl(dialect).result_processor(dialect, None)


@cache
def _array(dialect: Dialect, table: Table, name: str) -> str:
    return f"CAST(%s AS {_kind(dialect, table, name)}[])"


@cache
def typed(dialect: Dialect, table: Table, name: str, value: str) -> str:
    """Return an expression as a value of a column: PostgreSQL takes what has no type, such as NULL, for text."""
    if dialect.name == "sqlite":
        return value
    return f"CAST({value} AS {_kind(dialect, table, name)})"


def _kind(dialect: Dialect, table: Table, name: str) -> str:
    kind = str(table.c[name].type.compile(dialect=dialect)).partition(" COLLATE ")[0]
    # With its length a cast would cut what is too long; the column refuses it.
    return "VARCHAR" if kind.startswith("VARCHAR") else kind
