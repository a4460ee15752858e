"""Which tables and columns an ERP's database has: versions and modules are told apart by nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from sqlalchemy import TextClause, bindparam, text

from connector.adapters.rights import Right
from connector.domain.errors import SchemaChangedError, SourceNotPermittedError

_OPTIONAL: Final = re.compile(r"\b([a-z]+)\.\?(\??)([a-z0-9_]+)")
_LIST: Final = re.compile(r"\bIN :(\w+)")

Needs = tuple[frozenset[str], frozenset[str]]
"""The columns of one table that reading must find, and those that depend on version and installed modules."""


def needs(required: str, optional: str = "") -> Needs:
    """Return the columns of a table from names with blanks between them."""
    return frozenset(required.split()), frozenset(optional.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an adapter reads."""

    tables: Mapping[str, Needs]
    modules: Mapping[str, frozenset[str]] = field(default_factory=dict)  # tables that are not always there
    aliases: Mapping[str, str]  # of tables, in statements whose columns may be missing

    @property
    def columns(self) -> Mapping[str, frozenset[str]]:
        """All columns that reading uses, by table."""
        return {table: required | optional for table, (required, optional) in self.tables.items()} | dict(
            self.modules
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the database, and what our user may do with it."""

    readable: bool
    writable: bool
    type: str = ""

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers and no text."""
        return "int" in self.type.lower()


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and columns that are there, as the search path shows them."""

    columns: Mapping[tuple[str, str], Column]
    wanted: Wanted

    def has(self, table: str, column: str) -> bool:
        """Whether that column exists."""
        return (table, column) in self.columns

    def may_read(self, table: str, column: str) -> bool:
        """Whether that column exists, and our user may read it."""
        return self.has(table, column) and self.columns[table, column].readable

    def has_table(self, table: str) -> bool:
        """Whether that table exists."""
        return any(known == table for known, _ in self.columns)

    def statement(self, sql: str) -> TextClause:
        """Return an executable statement: `IN :name` takes a list.

        `alias.?column` is NULL where it is not there, `alias.??column` also where our user may not read it: the first
        one fails then, and the second is for what few documents need and users of earlier versions have no right to.
        """

        def present(match: re.Match[str]) -> str:
            alias, asks_rights, column = match.groups()
            usable = self.may_read if asks_rights else self.has
            return f"{alias}.{column}" if usable(self.wanted.aliases[alias], column) else "NULL"

        return listing(_OPTIONAL.sub(present, sql))

    def missing(self) -> Iterable[str]:
        """Name what reading needs and the database lacks: whole tables, else `table.column`."""
        for table, (required, _) in self.wanted.tables.items():
            if required and not self.has_table(table):
                yield table
            else:
                yield from (f"{table}.{column}" for column in sorted(required) if not self.has(table, column))

    def reading_rights(self) -> Iterable[Right]:
        """Return what reading needs of the tables that are there."""
        for table, used in self.wanted.columns.items():
            if there := frozenset(column for column in used if self.has(table, column)):
                yield Right(table, {"SELECT": there})

    def unreadable(self) -> Iterable[str]:
        """Name the columns that reading uses and our user may not read."""
        used = self.wanted.columns
        for table, column in sorted(self.columns):
            if column in used.get(table, frozenset()) and not self.columns[table, column].readable:
                yield f"{table}.{column}"


def listing(sql: str) -> TextClause:
    """Return a statement whose `IN :name` take lists of any length, on every database."""
    return text(sql).bindparams(*(bindparam(name, expanding=True) for name in set(_LIST.findall(sql))))


class Judged(Protocol):
    """What can be missing things, or keep them from our user."""

    def missing(self) -> Iterable[str]:
        """Name what reading needs and the database lacks: whole tables, else `table.column`."""

    def unreadable(self) -> Iterable[str]:
        """Name the columns that reading uses and our user may not read."""


AnySchema = TypeVar("AnySchema", bound=Judged)


def require(schema: AnySchema, *, source: str, action: str) -> AnySchema:
    """Return the schema when everything that reading needs is there.

    Raises:
        SchemaChangedError: names the first missing table or column.
    """
    missing = next(iter(schema.missing()), None)
    if missing is None:
        return schema
    thing = f"column {missing}" if "." in missing else f"table {missing}"
    raise SchemaChangedError(
        f"The database of source {source} has no {thing}, or our user may not see it.", action=action
    )


def require_readable(schema: Judged) -> str:
    """Return the sentence that says that all is readable.

    Raises:
        SourceNotPermittedError: names the first column that our user may not read.
    """
    denied = next(iter(schema.unreadable()), None)
    if denied:
        table = denied.partition(".")[0]
        quoted = f'"{table}"' if "-" in table else table
        raise SourceNotPermittedError(
            f"Our user may not read {denied}.", action=f"GRANT SELECT ON {quoted} TO our user."
        )
    return "all tables and columns that are needed are there and readable; reading is read-only"
