"""Statements for many rows at once, without SQLAlchemy's work for each of them.

Values are converted by the columns' own types, so that what is stored does not differ from what other statements
store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Table


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
    listed = values(connection, len(names), len(rows))
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {listed} {otherwise}"  # noqa: S608 - our own
    connection.exec_driver_sql(statement, flat(connection, table, names, rows))


def values(connection: Connection, width: int, count: int) -> str:
    """Return so many rows of marks for VALUES."""
    return _values(connection.dialect.name, width, count)


@cache
def _values(database: str, width: int, count: int) -> str:
    mark = "?" if database == "sqlite" else "%s"
    row = f"({', '.join([mark] * width)})"
    return ", ".join([row] * count)


def flat(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Return the values of rows, one after the other, as their columns store them."""
    columns = [
        converted(connection, table, name, column)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    ]
    return tuple(chain.from_iterable(zip(*columns, strict=True)))


def converted(connection: Connection, table: Table, name: str, column: Sequence[Any]) -> Sequence[Any]:
    """Return values of a column as it stores them."""
    convert = _writer(connection.dialect, table, name)
    return [convert(value) for value in column] if convert else column


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
def typed(dialect: Dialect, table: Table, name: str, value: str) -> str:
    """Return an expression as a value of a column: PostgreSQL takes what has no type, such as NULL, for text."""
    if dialect.name == "sqlite":
        return value
    kind = str(table.c[name].type.compile(dialect=dialect)).partition(" COLLATE ")[0]
    return f"CAST({value} AS {kind})"
