"""What the adapters for SQL databases share: connections, read-only transactions, errors of the domain.

An engine is built on the first use, never on construction. Every transaction has a statement time-out; the
reading ones are read-only by the database's own means, so that not even a mistaken query can change the ERP.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast

from sqlalchemy import Connection, CursorResult, Engine, Executable, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from connector.birthmark import birthmark
from connector.domain.errors import (
    ConnectorError,
    OutsideError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
)
from connector.domain.identity import database_identity

Row = Mapping[str, Any]

# The drivers that are installed with the product, for URLs that name the database only.
_DRIVERS: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PORTS: Final = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_MYSQL: Final = frozenset({"mysql", "mariadb"})
_CONNECTIONS: Final = 16
"""Most connections of a process to the database of one source; they are kept, for opening one is dear."""

_MOST_AT_REST: Final = 64
"""Most databases to which a process keeps connections that nobody uses: sources may be thousands, and each of a small
number is asked again soon."""

_MOST_DIGITS: Final = 18
"""Most digits of a number before its point: in what is computed, with 28 digits, no cent is lost."""

_KEEP_ALIVE: Final = {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
"""A connection whose other end has gone without a word is given up within a minute, not within two hours."""

_GRACE: Final = 10.0
"""Seconds beyond a statement's time-out, which the server keeps, until its answer is not waited for any more."""

_WRITES: Final = "connector_writes"
"""Execution option of a connection: its transaction may write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the ERP's database may keep us, in seconds."""

    connect: int = 10
    turn: float = 30.0  # until a connection is free: more threads than connections may want one
    statement: float = 60.0
    lock: float = 5.0


class Database:
    """The ERP's database of one source. Used from several threads."""

    def __init__(self, source: str, url: str | None, *, timeouts: Timeouts | None = None) -> None:
        self.source = source
        self.url = _parsed(source, url)
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
        return _translate(error, self.source, query, self.url.password, writes=writes or connecting)

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
        if self.dialect == "postgresql":
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
                self._prepare_postgresql(connection)
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

    def _prepare_postgresql(self, connection: Connection) -> None:
        """Set the time-outs of this transaction alone: a session's would outlive it behind a pooler."""
        seconds = (self.timeouts.statement, self.timeouts.lock)
        statement, lock = (max(1, round(1000 * each)) for each in seconds)  # zero would be no time-out at all
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}")

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
                self._engine = _engine(self.source, self.url, self.timeouts)
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


# --- engines ---------------------------------------------------------------------------------------------


def _parsed(source: str, url: str | None) -> URL:
    if not url:
        raise UsageError(f"Source {source} has no url.", action="Give the SQLAlchemy URL of the ERP's database.")
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            f"The url of source {source} is not a database URL that is known here.",
            action="Write it as postgresql+psycopg://user:password@host:5432/database.",
        ) from None
    return parsed


def _engine(source: str, url: URL, timeouts: Timeouts) -> Engine:
    dialect = url.get_backend_name()
    try:
        if dialect == "sqlite":
            return _sqlite_engine(url, timeouts)
        arguments: dict[str, Any] = {}
        if dialect == "postgresql" and url.get_driver_name() == "psycopg":
            # No prepared statements: a pooler such as PgBouncer would lose them between transactions.
            arguments = {"connect_timeout": timeouts.connect, "prepare_threshold": None, **_mute_for(timeouts)}
        elif url.get_driver_name() == "pymysql":
            mute = timeouts.statement + _GRACE
            arguments = {"connect_timeout": timeouts.connect, "read_timeout": mute, "write_timeout": mute}
        # On PostgreSQL the first statement of each transaction shows whether the connection is alive: see `_begun`.
        tried = dialect != "postgresql"
        engine = create_engine(
            url,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=timeouts.turn,
            pool_use_lifo=True,
            pool_pre_ping=tried,
            pool_recycle=300,
            connect_args=arguments,
        )
        if dialect == "postgresql" and url.get_driver_name() == "psycopg":
            from connector.adapters.calendars import let_through  # the driver may not be installed

            event.listen(engine, "connect", let_through)
        return engine
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The driver {error.name} for the url of source {source} is not installed.",
            action=f"Install it with: pip install {error.name}.",
        ) from None


def _mute_for(timeouts: Timeouts) -> Mapping[str, int]:
    """Return how long a connection to PostgreSQL may be mute, in libpq's words.

    A firewall or a tunnel that forgets a connection says so to nobody: the statement's time-out is the server's.
    """
    milliseconds = round(1000 * (timeouts.statement + _GRACE))
    return {**_KEEP_ALIVE, "tcp_user_timeout": milliseconds}


def _sqlite_engine(url: URL, timeouts: Timeouts) -> Engine:
    """SQLite with real transactions, and without making an empty file where there is none."""
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        location = Path(url.database).resolve().as_uri()
        url = url.set(database=location, query={"mode": "rw", "uri": "true"})
    engine = create_engine(url, connect_args={"timeout": timeouts.lock})

    @event.listens_for(engine, "connect")
    def _own_transactions(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would not begin one for SELECT

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("sqlite_writes")
        _interrupt_after(connection, timeouts.statement)
        connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _interrupt_after(connection: Connection, seconds: float) -> None:
    """SQLite has no time-out for statements; it asks now and then whether to go on with a transaction."""
    deadline = monotonic() + seconds
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: monotonic() > deadline, 20_000)


def _text(value: str | tuple[str, ...] | None) -> str | None:
    return value[0] if isinstance(value, tuple) else value


# --- errors ----------------------------------------------------------------------------------------------

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


def _translate(
    error: SQLAlchemyError, source: str, query: str, password: str | None, *, writes: bool
) -> ConnectorError:
    where = f"source {source}, query {query}" if query else f"source {source}"
    if not isinstance(error, DBAPIError) or error.orig is None:
        return _not_answered(error, where, password)
    said = _first_line(_said(error.orig), password)
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
    return _unavailable(error, code, where, said)


def _not_answered(error: SQLAlchemyError, where: str, password: str | None) -> ConnectorError:
    """Return the domain's error for one that is not the database's answer."""
    if isinstance(error, NoConnectionLeftError):
        return SourceUnavailableError(
            f"The database of {where} is so slow that all connections to it are in use.",
            action="Look there for statements that run long, and for rows that somebody keeps locked.",
        )
    return UsageError(f"In {where}: {_first_line(str(error), password)}")


def _unavailable(error: DBAPIError, code: str | int | None, where: str, said: str) -> ConnectorError:
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
    return SourceUnavailableError(
        f"The database of {where} cannot be used now: {said}.",
        action="Check that it runs, and the host, port and database name of the source's url.",
    )


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
