"""The connection to the ledger: short transactions, durable commits, one clock.

SQLite has one writer at a time and an unfair queue for it, so the writers of a process queue here first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, NoSuchModuleError, SQLAlchemyError

from connector.clock import Clock, SharedClock, SystemClock
from connector.domain.errors import LedgerError, UsageError
from connector.transit import cure, verified

_BUSY_MILLISECONDS = 30_000

_CACHE_KIB = 32 * 1024
"""Pages of an embedded ledger that one connection keeps: indexes of many jobs do not fit into the usual 2 MB."""

_CHECKPOINT_PAGES = 16 * 1024
"""So many pages of 4 KiB are kept in the write-ahead log: a page that changes often goes to its place once."""

_IDLE_MILLISECONDS = 10_000
"""After so long PostgreSQL ends a transaction whose owner says nothing. One that was suspended in the midst of it,
or whose machine has vanished, would else keep its rows locked, and nobody could take over its jobs."""

_SETTINGS = (
    f"SELECT set_config('idle_in_transaction_session_timeout', '{_IDLE_MILLISECONDS}', false),"  # noqa: S608 - ours
    " set_config('synchronous_commit', CASE configured WHEN 'off' THEN 'on' ELSE configured END, false)"
    " FROM current_setting('synchronous_commit') AS configured"
)
"""An intent must survive a power cut of the server, whatever that, the role or the database is configured for."""

_RESTED = 1.0
"""Seconds unused after which a connection to PostgreSQL is tried before it is relied on. Trying each time would be a
question more for every transaction."""

_MAKING = threading.Lock()
"""Held while the file of an embedded ledger is made."""

_READ_ONLY = {"sqlite_read_only": True}
_EACH_ALONE = {"isolation_level": "AUTOCOMMIT"}
"""How PostgreSQL is read: without BEGIN and ROLLBACK around each question. After a ROLLBACK the driver also forgets
which statements the server has prepared, and each would be parsed anew."""

_MUTE = {
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 35_000,
}
"""How long PostgreSQL's machine may be mute, in libpq's words: as after a failover where it lost its power.

Keep-alives notice it where a connection rests, or where the server has our question and only the answer is missing.
While something that we sent is not acknowledged, Linux sends none and tries for a quarter of an hour; the last of
these ends that, after the same time, well within a lease.

A slow statement, a bulk or a migration, is none of its concern, however long it takes: the server's system says at
once that it has the question, and answers keep-alives while the server computes or waits for a lock. Only a question
that does not fit into the buffers of a server that does not read would count as mute. Each of ours is read whole
before it is worked, and those that are sent in a row are small.
"""


class Database:
    """The ledger's database, PostgreSQL or SQLite."""

    def __init__(self, url: str, *, clock: Clock | None = None, pool_size: int = 20) -> None:
        """Prepare the connections; none is opened yet.

        Args:
            url: SQLAlchemy URL.
            clock: for tests; by default the database's own time, so that all machines agree.
            pool_size: connections kept; more threads than that wait for one.

        Raises:
            UsageError: the URL is not one, or names a database that cannot hold a ledger.
        """
        self.url = _ledger_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url, pool_size)
        self._most = pool_size
        self._looks = self.engine.execution_options(**(_READ_ONLY if self.is_sqlite else _EACH_ALONE))
        self.clock = clock or (SystemClock() if self.is_sqlite else SharedClock(self._database_time))
        self._writers: AbstractContextManager[Any] = threading.RLock() if self.is_sqlite else nullcontext()

    @property
    def display(self) -> str:
        """The URL without its password, and without its parameters, among which another may stand."""
        return str(self.url.set(query={}).render_as_string(hide_password=True))

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        if self.is_sqlite:
            name = self.url.database or ":memory:"
            return f"sqlite:{name if name == ':memory:' else Path(name).resolve()}"
        return f"postgresql://{self.url.host or 'localhost'}:{self.url.port or 5432}/{self.url.database or ''}"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is durable once the block has ended.

        Raises:
            LedgerError: the database cannot be reached or refuses; nothing, or everything, was written.
        """
        with self._errors(), self._writers, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only look; on SQLite it never waits for a writer. On PostgreSQL each statement sees its own moment.

        Raises:
            LedgerError: the database cannot be reached or refuses.
        """
        with self._errors(), self._looks.connect() as connection:
            yield connection

    def cleans_up(self) -> bool:
        """Whether the database takes away by itself what is not needed any more, and learns what its tables hold.

        Without PostgreSQL's autovacuum each step gets slower with every invoice. SQLite needs nothing of the kind.

        Raises:
            LedgerError: the database cannot be reached.
        """
        if self.is_sqlite:
            return True
        with self.read() as connection:
            return bool(connection.exec_driver_sql("SHOW autovacuum").scalar_one() == "on")

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    def _database_time(self) -> datetime:
        with self.read() as connection:
            time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return time.astimezone(UTC)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            told = f"The ledger {self.display} fails: {_cause(error)}."
            raise LedgerError(told, action=self._help(error)) from error
        except SQLAlchemyError as error:
            raise LedgerError(f"The ledger {self.display} fails: {type(error).__name__}.", action=_HELP) from error

    def _help(self, error: DBAPIError) -> str:
        if self.is_sqlite:
            file = Path((self.url.database or ":memory:").removeprefix("file:")).absolute()
            return f"See that {file} {_IN_A_FILE}"
        if not any(words in str(error.orig) for words in _FULL):
            return cure(self.url, str(error.orig)) or _HELP
        return (
            "Raise PostgreSQL's max_connections, or its limit for our user or database; or run fewer processes: "
            f"each keeps up to {self._most} connections."
        )


_FULL = ("too many clients", "too many connections", "remaining connection slots")
"""How PostgreSQL says that it takes no further connection: in all, of a user or to a database, and of who is no
superuser. What fails before there is a connection has no code."""

_HELP = "Check the ledger's url, that the database runs, and the rights of its user."

_IN_A_FILE = "and its folder are there and have room, and that our user may read and write them."


def _cause(error: DBAPIError) -> str:
    """The database's own words, first line; SQLAlchemy's would show statements and values."""
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return lines[0].rstrip(".")


def _ledger_url(text: str) -> Any:
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            "ledger.url is not a database URL.",
            action="Give sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.",
        ) from None
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise UsageError(f"A ledger cannot be kept in {url.get_backend_name()}.", action="Use SQLite or PostgreSQL.")
    if url.get_backend_name() == "postgresql" and url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    return url


def _postgresql(url: Any, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # few are busy, and the others hold none of our statements prepared
        connect_args={
            "connect_timeout": 10,
            "application_name": "b2brouter-connector",
            **_MUTE,
            **verified(url),
        },
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SETTINGS)
        connection.commit()

    @event.listens_for(engine, "checkin")
    def _rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _try(connection: Any, record: Any, _proxy: Any) -> None:
        if monotonic() - record.info.get("rests_since", inf) < _RESTED:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    return engine


def _sqlite(url: Any) -> Engine:
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        if not folder.is_dir():
            raise LedgerError(
                f"The ledger {url.database} cannot be opened: there is no folder {folder}.",
                action="Make it, or correct ledger.url.",
            )
    engine = create_engine(url, connect_args={"timeout": _BUSY_MILLISECONDS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def _keep_private(*_: Any) -> None:
        """Make a missing file its owner's alone: it will hold invoices. Its companions get the same rights."""
        # Whoever closes a file gives up the locks that this process has on it, so nobody may have it open yet.
        with _MAKING, suppress(OSError):
            if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
                os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver would say it too late
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an intent must survive a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("sqlite_read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
