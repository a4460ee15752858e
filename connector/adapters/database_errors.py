"""What an ERP's database says went wrong, in the words of the domain; the password is cut out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, cast

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from connector.domain.errors import (
    ConnectorError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
)

# PostgreSQL, SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
# MySQL and MariaDB: https://mariadb.com/kb/en/mariadb-error-code-reference/
_MISSING_TABLE: Final = {"42P01", 1146}
_MISSING_COLUMN: Final = {"42703", 1054}
_DENIED: Final = {"28000", "28P01", "42501", 1044, 1045, 1142, 1143, 1227, 1370, 1698}
_READ_ONLY: Final = {"25006", 1792}
_WRONG_SQL: Final = {"42601", 1064}
_LOCKED: Final = {"40001", "40P01", "55P03", 1205, 1213}
_SLOW: Final = {"57014", 1969, 3024}
# Where the driver gives no code (a refused log-in to PostgreSQL, SQLite), the text must do.
_TEXTS: Final = (
    (re.compile(r"no such table: (?P<name>\S+)"), "42P01"),
    (re.compile(r"no such column: (?P<name>\S+)"), "42703"),
    (re.compile(r"readonly database|read-only"), "25006"),
    (re.compile(r"syntax error|incomplete input|unrecognized token"), "42601"),
    (re.compile(r"database( table)? is locked"), "55P03"),
    (re.compile(r"^interrupted$"), "57014"),
    (
        re.compile(
            r"(?i)auth?enti|no password supplied|pg_hba\.conf|permission denied"  # in whatever language
            r"|role \S+ (does not exist|is not permitted)"
        ),
        "28P01",
    ),
)
_NAMES: Final = (
    re.compile(r'relation "(?P<name>[^"]+)"'),
    re.compile(r'column "?(?P<name>[\w.]+)"? (?:of relation "(?P<table>\w+)" )?does not exist'),
    re.compile(r"Table '(?P<name>[^']+)'"),
    re.compile(r"Unknown column '(?P<name>[^']+)'"),
    re.compile(r"no such (?:table|column): (?P<name>\S+)"),
)


def translate(error: SQLAlchemyError, source: str, query: str, url: URL, *, writes: bool) -> ConnectorError:
    """Return the domain's error for one of a source's database.

    Args:
        error: of SQLAlchemy.
        source: by name.
        query: what the configuration calls the statement; empty where it does not know it.
        url: of the source; its password is in no message.
        writes: whether the transaction may write: then "read-only" is the database's state, not our mistake.
    """
    where = f"source {source}, query {query}" if query else f"source {source}"
    if not isinstance(error, DBAPIError) or error.orig is None:
        return _not_answered(error, where, url.password)
    said = _first_line(_said(error.orig), url.password)
    code = _code(error.orig)
    if code in _MISSING_TABLE:
        return SchemaChangedError(
            f"The database of {where} has no table {_name(str(error.orig))}.",
            action="Check the url, the schema and the version of the ERP.",
        )
    if code in _MISSING_COLUMN:
        return SchemaChangedError(
            f"The database of {where} has no column {_name(str(error.orig))}.",
            action="Check the query against the tables, or the version of the ERP.",
        )
    if code in _DENIED:
        return SourceNotPermittedError(
            f"The database of {where} refuses our user: {said}.",
            action="Check user, password and grants of the source's url.",
        )
    if code in _READ_ONLY and writes:
        return SourceUnavailableError(
            f"The database of {where} is read-only now: {said}.",
            action="Check that the source's url leads to the primary server, or that the file may be written.",
        )
    if code in _READ_ONLY:
        return UsageError(f"In {where}: a reading statement tries to write.", action="Use SELECT only.")
    if code in _WRONG_SQL:
        return UsageError(f"In {where}: {said}.", action="Correct the statement.")
    return _unavailable(error, code, where, said, url)


def _not_answered(error: SQLAlchemyError, where: str, password: str | None) -> ConnectorError:
    """Return the domain's error for one that is not the database's answer."""
    if isinstance(error, NoConnectionLeftError):
        return SourceUnavailableError(
            f"The database of {where} is so slow that all connections to it are in use.",
            action="Look there for statements that run long, and for rows that somebody keeps locked.",
        )
    return UsageError(f"In {where}: {_first_line(str(error), password)}")


def _unavailable(error: DBAPIError, code: str | int | None, where: str, said: str, url: URL) -> ConnectorError:
    if code in _LOCKED:
        return SourceUnavailableError(f"Somebody else is changing the same rows in the database of {where}: {said}.")
    if code in _SLOW:
        return SourceUnavailableError(
            f"The database of {where} took too long: {said}.",
            action="Raise statement_timeout or add an index.",
        )
    refused_by_content = isinstance(code, str) and code[:2] in {"22", "23", "42"}
    if refused_by_content or type(error).__name__ in {"DataError", "IntegrityError", "ProgrammingError"}:
        return SchemaChangedError(
            f"The database of {where} does not accept our statement: {said}.",
            action="Check the columns and their types.",
        )
    if file := _file_of(url):
        return SourceUnavailableError(
            f"The database of {where} cannot be used now: {file}: {said}.",
            action="See that file and folder are there, and that our user may read and write them.",
        )
    return SourceUnavailableError(
        f"The database of {where} cannot be used now: {said}.",
        action="Check that it runs, and the host, port and database name of the source's url.",
    )


def _file_of(url: URL) -> Path | None:
    """Return where an embedded database is, by its whole path; None for all others."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database.removeprefix("file:")).absolute()


def _code(orig: BaseException) -> str | int | None:
    first = orig.args[0] if orig.args else None
    if isinstance(first, int):  # MySQL's own number says more than its SQLSTATE
        return first
    state = getattr(orig, "sqlstate", None)
    if state:
        return cast(str, state)
    message = str(orig)
    return next((code for pattern, code in _TEXTS if pattern.search(message)), None)


def _said(orig: BaseException) -> str:
    """The text of a driver's error; MySQL's drivers put (number, text) into it."""
    if len(orig.args) > 1 and isinstance(orig.args[0], int):
        return f"{orig.args[1]} ({orig.args[0]})"
    return str(orig)


def _name(message: str) -> str:
    for pattern in _NAMES:
        found = pattern.search(message)
        if found:
            table = found.groupdict().get("table")
            return f"{table}.{found['name']}" if table else found["name"]
    return f"that a statement needs ({_first_line(message, None)})"


def _first_line(message: str, password: str | None) -> str:
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    line = line.partition("FATAL:")[2].strip() or line
    if password:
        line = line.replace(password, "***")
    return line.rstrip(".")
