"""What the adapters for SQL databases share: connections, read-only transactions, the values that drivers give.

An engine is built on the first use, never on construction. Every transaction has a statement time-out; the
reading ones are read-only by the database's own means, so that not even a mistaken query can change the ERP.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Engine, Executable, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from connector.adapters import database_errors, engines
from connector.adapters.engines import Timeouts
from connector.birthmark import birthmark
from connector.domain.errors import ConnectorError, OutsideError, SourceUnavailableError
from connector.domain.identity import database_identity
from connector.transit import cure

__all__ = ["BYTES", "Database", "Row", "Timeouts", "decoded", "exact", "plain"]

Row = Mapping[str, Any]

_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_MYSQL: Final = frozenset({"mysql", "mariadb"})
_MOST_AT_REST: Final = 64
"""Most databases to which a process keeps connections that nobody uses: sources may be thousands, and each of a small
number is asked again soon."""

_MOST_DIGITS: Final = 18
"""Most digits of a number before its point: in what is computed, with 28 digits, no cent is lost."""

_WRITES: Final = "connector_writes"
"""Execution option of a connection: its transaction may write."""


class Database:
    """The ERP's database of one source. Used from several threads."""

    def __init__(self, source: str, url: str | None, *, timeouts: Timeouts | None = None) -> None:
        self.source = source
        self.url = engines.parsed(source, url)
        self.timeouts = timeouts or Timeouts()
        self._engine: Engine | None = None
        self._building = threading.Lock()

    def identity(self) -> str:
        """Return what tells this database from any other, and from its copies: no user, no password.

        Raises:
            OutsideError: the database cannot be reached, or refuses our user.
        """
        if self.dialect == "sqlite":
            return self.place
        with self.reading() as connection:
            return database_identity(self.place, birthmark(connection))

    @property
    def place(self) -> str:
        """Dialect, host, port and database name."""
        dialect = self.dialect
        if dialect == "sqlite":
            name = self.url.database or ":memory:"
            return f"sqlite:{name if name == ':memory:' else Path(name).resolve()}"
        host = self.url.host or _text(self.url.query.get("host")) or "localhost"
        port = self.url.port or _text(self.url.query.get("port")) or _PORTS.get(dialect, "")
        return f"{dialect}://{host}:{port}/{self.url.database or ''}"

    @property
    def dialect(self) -> str:
        """The kind of database: postgresql, mysql, mariadb, sqlite …; the driver does not matter."""
        return self.url.get_backend_name()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read-only transaction in which all statements see the same state of the database."""
        with self._transaction(read_only=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end, or leaves no trace."""
        with self._transaction(read_only=False) as connection:
            yield connection

    def rows(
        self, connection: Connection, statement: Executable, values: Row | None = None, *, query: str = ""
    ) -> Sequence[Row]:
        """Return all rows of a statement. `query` is what the configuration calls it, for messages."""
        return [*self.run(connection, statement, values, query=query).mappings()]

    def run(
        self, connection: Connection, statement: Executable, values: Row | None = None, *, query: str = ""
    ) -> CursorResult[Any]:
        """Execute a statement with bound values."""
        try:
            return connection.execute(statement, dict(values or {}))
        except SQLAlchemyError as error:
            writes = bool(connection.get_execution_options().get(_WRITES))
            raise self.translate(error, query=query, writes=writes) from error

    def translate(
        self, error: SQLAlchemyError, *, query: str = "", writes: bool = False, connecting: bool = False
    ) -> ConnectorError:
        """Return the domain's error for one of the database, with the password cut out.

        Args:
            error: of SQLAlchemy.
            query: what the configuration calls the statement.
            writes: whether the transaction may write: then "read-only" is the database's state, not our mistake.
            connecting: there is no transaction yet: then it is its state as well.
        """
        fault = database_errors.translate(error, self.source, query, self.url, writes=writes or connecting)
        if isinstance(fault, SourceUnavailableError):
            fault.action = cure(self.url, fault.message) or fault.action
        return fault

    def close(self) -> None:
        """Give back all connections; the next use opens new ones."""
        _AT_REST.forget(self)
        with self._building:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()  # a connection in use is closed when it is given back

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self.translate(error) from error

    @contextmanager
    def _transaction(self, *, read_only: bool) -> Iterator[Connection]:
        _AT_REST.used(self)
        with self._translated(), self._begun(read_only=read_only) as connection:
            transaction = connection.get_transaction()
            assert transaction is not None
            with transaction:  # which is undone where even its commit fails
                yield connection

    def _begun(self, *, read_only: bool) -> Connection:
        """Begin a transaction. A connection that broke while it rested is replaced: nothing was asked on it yet."""
        try:
            return self._begin(read_only=read_only)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._begin(read_only=read_only)

    def _begin(self, *, read_only: bool) -> Connection:
        level = "REPEATABLE READ" if read_only else "READ COMMITTED"
        options: dict[str, Any] = {}
        if self.dialect == "postgresql" and not engines.says_begin_itself(self.url):
            options = {"isolation_level": level, "postgresql_readonly": read_only}
        elif self.dialect in _MYSQL:
            options = {"isolation_level": level}
        elif self.dialect == "sqlite":
            options = {"sqlite_writes": not read_only}
        options[_WRITES] = not read_only
        connection = self._connected().execution_options(**options)
        try:
            if self.dialect in _MYSQL:
                self._prepare_mysql(connection, read_only=read_only)
            connection.begin()
            if self.dialect == "postgresql":
                self._prepare_postgresql(connection, level, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> Connection:
        """Return a connection.

        Raises:
            OutsideError: there is none, for whatever document; `down`.
        """
        try:
            return self._built().connect()
        except SQLAlchemyError as error:
            fault = self.translate(error, connecting=True)
            if isinstance(fault, OutsideError):
                fault.down = True
            raise fault from error

    def _prepare_postgresql(self, connection: Connection, level: str, *, read_only: bool) -> None:
        """Set the time-outs of this transaction alone: a session's would outlive it behind a pooler."""
        mode = "READ ONLY" if read_only else "READ WRITE"
        begin = f"BEGIN ISOLATION LEVEL {level}, {mode}; " if engines.says_begin_itself(self.url) else ""
        seconds = (self.timeouts.statement, self.timeouts.lock)
        statement, lock = (max(1, round(1000 * each)) for each in seconds)  # zero would be no time-out at all
        local = f"SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}"
        connection.exec_driver_sql(f"{begin}{local}")

    def _prepare_mysql(self, connection: Connection, *, read_only: bool) -> None:
        """Session values, and READ ONLY for the next transaction: MySQL wants both before it begins."""
        seconds = self.timeouts.statement
        if getattr(connection.dialect, "is_mariadb", False):
            connection.execute(text("SET SESSION max_statement_time = :seconds"), {"seconds": seconds})
        else:
            connection.execute(text("SET SESSION max_execution_time = :ms"), {"ms": int(seconds * 1000)})
        lock = {"seconds": max(1, round(self.timeouts.lock))}
        connection.execute(text("SET SESSION innodb_lock_wait_timeout = :seconds, time_zone = '+00:00'"), lock)
        connection.rollback()
        mode = "READ ONLY" if read_only else "READ WRITE"
        connection.exec_driver_sql(f"SET SESSION TRANSACTION {mode}")
        connection.rollback()

    def _built(self) -> Engine:
        with self._building:
            if self._engine is None:
                self._engine = engines.build(self.source, self.url, self.timeouts)
            return self._engine


class _AtRest:
    """The databases to which connections are open, those that were used longest ago first; too many are closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._databases: dict[Database, None] = {}

    def used(self, database: Database) -> None:
        """Take note that a database is used now."""
        with self._lock:
            self._databases.pop(database, None)
            self._databases[database] = None
            longest_ago = next(iter(self._databases)) if len(self._databases) > self._most else None
        if longest_ago is not None:
            longest_ago.close()

    def forget(self, database: Database) -> None:
        """Take note that nothing is open to a database."""
        with self._lock:
            self._databases.pop(database, None)


_AT_REST: Final = _AtRest(_MOST_AT_REST)

BYTES: Final = (bytes, bytearray, memoryview)
"""What drivers give of columns that are made for any content."""


def exact(value: Any) -> Decimal | None:
    """Return a number of the driver as an exact Decimal.

    A double is taken at the 15 significant digits that every decimal survives in it (C's `DBL_DIG`), so 0.333
    stays 0.333 and 0.1 + 0.2 is 0.3.

    Raises:
        ValueError: not a finite number, or one that no amount can be.
    """
    value = decoded(value)
    if value is None:
        return None
    if isinstance(value, float):
        value = format(value, ".15g")
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except ArithmeticError:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{value} is not a finite number")
    if number and number.adjusted() >= _MOST_DIGITS:
        raise ValueError(f"{value} is beyond all measure")
    return number


def plain(value: Any) -> str | None:
    """Return a text without blanks around it; None where nothing is left.

    Raises:
        ValueError: it is bytes that are no text.
    """
    value = decoded(value)
    if value is None:
        return None
    return str(value).strip() or None


def decoded(value: Any) -> Any:
    """Return a value; of bytes, the text that a column made for any content holds.

    Raises:
        ValueError: they are no text.
    """
    if not isinstance(value, BYTES):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise ValueError(f"{bytes(value)[:20]!r} is no text in UTF-8") from None


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value
