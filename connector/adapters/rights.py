"""What our user may do in an ERP's database: rights by table and column, and the statements that give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, text

from connector.adapters.database import Database
from connector.domain.errors import SchemaChangedError

Verb = Literal["SELECT", "INSERT", "UPDATE"]
Quote = Callable[[str], str]

ALL: Final[frozenset[str]] = frozenset()
"""Instead of columns: the whole table."""


@dataclass(frozen=True, slots=True)
class Right:
    """What is needed of one table: the columns of each verb."""

    table: str
    columns: Mapping[Verb, frozenset[str]]


def grants(
    database: Database, user: str, needed: Callable[[Connection], Iterable[Right]], *, writes: bool
) -> Sequence[str]:
    """Return what gives a user just the rights that are needed, in the words of a database.

    Args:
        database: of the ERP.
        user: who gets the rights; in SQLite, which has no users, one of the machine.
        needed: looks up what is needed, in a transaction.
        writes: whether anything is written by SQL.

    Raises:
        SchemaChangedError: a table or column is not there; says what to do where our user only does not see it.
    """
    if database.dialect == "sqlite":
        return _permissions(user, Path(database.url.database or "").resolve(), writes=writes)
    try:
        with database.reading() as connection:
            rights = _together(needed(connection))
            make = _postgresql if connection.dialect.name == "postgresql" else _mysql
            return make(connection, user, rights)
    except SchemaChangedError as error:
        if database.dialect == "postgresql":  # where every user sees what tables there are
            raise
        variable = f"CONNECTOR_SOURCES__{database.source.upper()}__URL"
        raise SchemaChangedError(
            error.message,
            action=f"{error.action} A user without rights sees no tables: give an administrator's URL in {variable}"
            " for this one command, and our user's name by --user.",
        ) from error


def _permissions(user: str, file: Path, *, writes: bool) -> Sequence[str]:
    folder = file.parent
    if writes:
        return [f"setfacl -m u:{user}:rw '{file}'", f"setfacl -m u:{user}:rwx '{folder}'"]
    return [
        f"setfacl -m u:{user}:r '{file}'",
        f"setfacl -m u:{user}:x '{folder}'",
        "-- A file in WAL mode is read only by those who may also write its folder.",
    ]


def _together(rights: Iterable[Right]) -> Sequence[Right]:
    """Return one right for each table; the whole of it where one of them wants that."""
    found: dict[str, dict[Verb, frozenset[str]]] = {}
    for right in rights:
        there = found.setdefault(right.table, {})
        for verb, columns in right.columns.items():
            whole = columns == ALL or there.get(verb) == ALL
            there[verb] = ALL if whole else there.get(verb, ALL) | columns
    return [Right(table, found[table]) for table in sorted(found)]


def _postgresql(connection: Connection, user: str, rights: Sequence[Right]) -> Sequence[str]:
    quote = connection.dialect.identifier_preparer.quote
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    database = quote(connection.engine.url.database or "")
    return [
        f"GRANT CONNECT ON DATABASE {database} TO {quote(user)};",
        f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(user)};",
        *(
            f"GRANT {_verb(verb, columns, quote)} ON {_qualified(right.table, quote)} TO {quote(user)};"
            for right in rights
            for verb, columns in right.columns.items()
        ),
    ]


def _mysql(connection: Connection, user: str, rights: Sequence[Right]) -> Sequence[str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    database = quote(connection.engine.url.database or "")
    account = "'" + user.replace("'", "''") + "'@'%'"
    made = ["-- '%' means from anywhere: name the connector's host instead."]
    for right in rights:
        verbs = ", ".join(_verb(verb, columns, quote) for verb, columns in right.columns.items())
        made.append(f"GRANT {verbs} ON {database}.{quote(right.table)} TO {account};")
    writes = any(verb != "SELECT" for right in rights for verb in right.columns)
    if writes and not getattr(connection.dialect, "is_mariadb", False):
        made.append(f"GRANT LOCK TABLES ON {database}.* TO {account};  -- MySQL wants it for SELECT … FOR UPDATE")
    return made


def _verb(verb: Verb, columns: frozenset[str], quote: Quote) -> str:
    return f"{verb} ({', '.join(map(quote, sorted(columns)))})" if columns else verb


def _qualified(table: str, quote: Quote) -> str:
    return ".".join(quote(part) for part in table.split("."))
