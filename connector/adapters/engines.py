"""Engines for the databases of ERPs: drivers, time-outs, and what keeps a connection from hanging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connector.domain.errors import UsageError
from connector.transit import verified

# The drivers that are installed with the product, for URLs that name the database only.
_DRIVERS: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_CONNECTIONS: Final = 16
"""Most connections of a process to the database of one source; they are kept, for opening one is dear."""

_KEEP_ALIVE: Final = {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
"""A connection whose other end has gone without a word is given up within a minute, not within two hours."""

_GRACE: Final = 10.0
"""Seconds beyond a statement's time-out, which the server keeps, until its answer is not waited for any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the ERP's database may keep us, in seconds."""

    connect: int = 10
    turn: float = 30.0  # until a connection is free: more threads than connections may want one
    statement: float = 60.0
    lock: float = 5.0


def parsed(source: str, url: str | None) -> URL:
    """Return the URL of a source's database, with its driver.

    Raises:
        UsageError: there is none, or no driver for it is known.
    """
    if not url:
        raise UsageError(f"Source {source} has no url.", action="Give the SQLAlchemy URL of the ERP's database.")
    try:
        given = make_url(url)
        given = given.set(drivername=_DRIVERS.get(given.drivername, given.drivername))
        given.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            f"The url of source {source} is not a database URL that is known here.",
            action="Write it as postgresql+psycopg://user:password@host:5432/database.",
        ) from None
    return given


def build(source: str, url: URL, timeouts: Timeouts) -> Engine:
    """Return an engine for a source's database; it connects to nothing yet.

    Raises:
        UsageError: the driver is not installed.
    """
    try:
        return _of_file(url, timeouts) if url.get_backend_name() == "sqlite" else _of_server(url, timeouts)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The driver {error.name} for the url of source {source} is not installed.",
            action=f"Install it with: pip install {error.name}.",
        ) from None


def _of_server(url: URL, timeouts: Timeouts) -> Engine:
    engine = create_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=timeouts.turn,
        pool_use_lifo=True,
        # On PostgreSQL the first statement of each transaction shows whether the connection is alive: see `Database`.
        pool_pre_ping=url.get_backend_name() != "postgresql",
        pool_recycle=300,
        connect_args={**_arguments(url, timeouts), **verified(url)},
    )
    if says_begin_itself(url):
        from connector.adapters.calendars import let_through  # the driver may not be installed

        event.listen(engine, "connect", let_through)
    return engine


def _arguments(url: URL, timeouts: Timeouts) -> dict[str, Any]:
    """Return what the driver is told of the time-outs; those of other drivers than ours are theirs."""
    if says_begin_itself(url):
        # No prepared statements: a pooler such as PgBouncer would lose them between transactions.
        unprepared = {"prepare_threshold": None, "autocommit": True}
        return {"connect_timeout": timeouts.connect, **unprepared, **_mute_for(timeouts)}
    if url.get_driver_name() == "pymysql":
        mute = timeouts.statement + _GRACE
        return {"connect_timeout": timeouts.connect, "read_timeout": mute, "write_timeout": mute}
    return {}


def says_begin_itself(url: URL) -> bool:
    """Whether a transaction begins with our own words, time-outs and all: one question to the server less.

    This driver commits and undoes what was begun like that as it does its own transactions; others would not.
    """
    return url.get_backend_name() == "postgresql" and url.get_driver_name() == "psycopg"


def _mute_for(timeouts: Timeouts) -> Mapping[str, int]:
    """Return how long a connection to PostgreSQL may be mute, in libpq's words.

    A firewall or a tunnel that forgets a connection says so to nobody: the statement's time-out is the server's.
    """
    milliseconds = round(1000 * (timeouts.statement + _GRACE))
    return {**_KEEP_ALIVE, "tcp_user_timeout": milliseconds}


def _of_file(url: URL, timeouts: Timeouts) -> Engine:
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
