"""Databases and brokers that a test may borrow: found where they run, used in rooms of our own, left tidy.

A service is looked for at most once per run, and for at most two seconds. One that does not answer makes its
tests skip and say how to start it; with SERVICES=required in the environment it makes them fail.

| service    | looked for at                                                     | set by             |
|------------|-------------------------------------------------------------------|--------------------|
| PostgreSQL | localhost:5432, then the socket: current user, `postgres`, `root` | TEST_POSTGRES_URL  |
| MariaDB    | 127.0.0.1:3306 as `root` without a password, then the socket      | TEST_MARIADB_URL   |
| Redis      | 127.0.0.1:6379, the highest empty database number                 | TEST_REDIS_URL     |
| RabbitMQ   | 127.0.0.1:5672 as `guest`, a virtual host per test where possible | TEST_RABBITMQ_URL  |
"""

from __future__ import annotations

import getpass
import gzip
import io
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import psycopg
import pymysql
import pytest
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.engine import URL, make_url

PROBE_SECONDS: Final = 2
ANSWER_SECONDS: Final = 20  # for creating and dropping a database on a busy machine
ROOM: Final = "b2brouter_test"  # every database, virtual host and key that we make begins so
ABANDONED_AFTER: Final = 24 * 3600  # seconds; what a killed run left behind is cleared away then

T = TypeVar("T")


class ServiceUnavailableError(Exception):
    """A service does not answer, or does not let us make a database of our own."""


@dataclass(frozen=True)
class Service:
    name: str
    variable: str


POSTGRES: Final = Service("PostgreSQL", "TEST_POSTGRES_URL")
MARIADB: Final = Service("MariaDB", "TEST_MARIADB_URL")
REDIS: Final = Service("Redis", "TEST_REDIS_URL")
RABBITMQ: Final = Service("RabbitMQ", "TEST_RABBITMQ_URL")


def required() -> bool:
    return os.environ.get("SERVICES", "").strip().lower() == "required"


def give_up(service: Service, error: Exception) -> NoReturn:
    """Skip the test, or fail it where services are required, and say how to cure it."""
    said = " ".join(str(error).split()) or type(error).__name__
    cure = f"`make services` starts it where it is installed, {service.variable} names another one"
    reason = f"{service.name} is not available: {cure} ({said[:160]})"
    if required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def available(service: Service, find: Callable[[], T | ServiceUnavailableError]) -> T:
    """Return what `find` finds; `find` is cached, so that a missing service costs its time-out once."""
    found = find()
    if isinstance(found, ServiceUnavailableError):
        give_up(service, found)
    return found


def room_name() -> str:
    return f"{ROOM}_{int(time.time())}_{secrets.token_hex(4)}"


def is_abandoned(name: str) -> bool:
    made = re.fullmatch(rf"{ROOM}_(\d+)_[0-9a-f]+", name)
    return made is not None and time.time() - int(made[1]) > ABANDONED_AFTER


def rendered(url: URL) -> str:
    return url.render_as_string(hide_password=False)


# ---------------------------------------------------------------- PostgreSQL


def connect_postgres(url: URL | str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect with autocommit to an SQLAlchemy URL."""
    parts = make_url(url)
    options: dict[str, Any] = dict(parts.query)
    return psycopg.connect(
        host=parts.host,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        dbname=parts.database,
        connect_timeout=PROBE_SECONDS,
        autocommit=True,
        **options,
    )


class PostgresServer:
    """A server on which we may create databases; `admin` is the URL of one that exists."""

    def __init__(self, admin: URL) -> None:
        self.admin = admin

    def create(self, template: str | None = None, *, name: str | None = None) -> str:
        """Create a database, empty or as a copy of the one at URL `template`, and return its URL."""
        name = name or room_name()
        source = make_url(template).database if template else "template0"
        assert source is not None
        with connect_postgres(self.admin) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
            )
        return rendered(self.admin.set(database=name))

    def drop(self, url: str) -> None:
        self._drop(make_url(url).database or "")

    def restore(self, url: str) -> None:
        """Put a copy of a database in its place, as a restored backup is."""
        with self.database(url) as backup:
            self.drop(url)
            self.create(backup, name=make_url(url).database)

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        url = self.create(template)
        try:
            yield url
        finally:
            self.drop(url)

    def clear_abandoned(self) -> None:
        with connect_postgres(self.admin) as connection:
            names = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
        for name in filter(is_abandoned, names):
            with suppress(psycopg.Error):
                self._drop(name)

    def _drop(self, name: str) -> None:
        if not name.startswith(ROOM):
            raise ValueError(f"{name} is not a database of ours")
        with connect_postgres(self.admin) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _postgres_candidates() -> list[URL]:
    given = os.environ.get(POSTGRES.variable)
    if given:
        return [make_url(given).set(drivername="postgresql+psycopg")]
    users = dict.fromkeys([os.environ.get("PGUSER") or getpass.getuser(), "postgres", "root"])
    password = os.environ.get("PGPASSWORD")
    return [
        URL.create("postgresql+psycopg", user, password, host, port, "postgres")
        for host, port in (("localhost", 5432), (None, None))  # without a host libpq takes the local socket
        for user in users
    ]


@cache
def find_postgres() -> PostgresServer | ServiceUnavailableError:
    said = "nothing tried"
    for candidate in _postgres_candidates():
        try:
            with connect_postgres(candidate) as connection:
                row = connection.execute(
                    "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.Error as error:
            said = str(error)
            if "timeout" in said:
                break  # another user would fare no better
            continue
        if row is not None and row[0]:
            server = PostgresServer(candidate)
            server.clear_abandoned()
            return server
        said = f"role {candidate.username} may not create databases"
    return ServiceUnavailableError(said)


def postgres_server() -> PostgresServer:
    return available(POSTGRES, find_postgres)


COPY_STATEMENT: Final = re.compile(rb"COPY .* FROM stdin;\s*")


def load_dump(url: str, path: Path) -> None:
    """Load a plain-format `pg_dump` file, gzipped or not, without psql.

    The text between two COPY blocks goes to the server as it is; psql's own commands (lines that begin with a
    backslash, such as `\\restrict`) are left out.
    """
    text = path.read_bytes()
    lines = io.BytesIO(gzip.decompress(text) if path.suffix == ".gz" else text)
    with connect_postgres(url) as connection, connection.cursor() as cursor:
        script: list[bytes] = []
        for line in lines:
            if COPY_STATEMENT.fullmatch(line):
                _run_script(cursor, script)
                with cursor.copy(line) as copy:
                    for row in lines:
                        if row.rstrip(b"\r\n") == b"\\.":
                            break
                        copy.write(row)
            elif not line.startswith(b"\\"):
                script.append(line)
        _run_script(cursor, script)


def _run_script(cursor: psycopg.Cursor[tuple[Any, ...]], script: list[bytes]) -> None:
    statements = b"".join(script)
    script.clear()
    if statements.strip():
        cursor.execute(statements)


# ---------------------------------------------------------------- MariaDB


class MariaDbServer:
    """A server on which we may create databases, by TCP or by the socket that its URL names."""

    def __init__(self, admin: URL) -> None:
        self.admin = admin

    def create(self) -> str:
        name = room_name()
        self._execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return rendered(self.admin.set(database=name))

    def drop(self, url: str) -> None:
        self._drop(make_url(url).database or "")

    @contextmanager
    def database(self) -> Iterator[str]:
        url = self.create()
        try:
            yield url
        finally:
            self.drop(url)

    def clear_abandoned(self) -> None:
        for name in filter(is_abandoned, self._execute("SHOW DATABASES")):
            self._drop(name)

    def _drop(self, name: str) -> None:
        if not name.startswith(ROOM):
            raise ValueError(f"{name} is not a database of ours")
        self._execute(f"DROP DATABASE IF EXISTS `{name}`")

    def _execute(self, statement: str) -> list[str]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return [str(row[0]) for row in cursor.fetchall()]

    def connect(self, patience: int = ANSWER_SECONDS) -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            host=self.admin.host or "127.0.0.1",
            port=self.admin.port or 3306,
            user=self.admin.username,
            password=self.admin.password or "",
            unix_socket=self.admin.query.get("unix_socket"),
            connect_timeout=PROBE_SECONDS,
            read_timeout=patience,
            autocommit=True,
        )


def _mariadb_candidates() -> list[URL]:
    given = os.environ.get(MARIADB.variable)
    if given:
        return [make_url(given).set(drivername="mysql+pymysql")]
    sockets = ["/run/mysqld/mysqld.sock", "/tmp/mysql.sock"]  # Debian's and Homebrew's
    local = URL.create("mysql+pymysql", getpass.getuser(), None, "localhost")
    return [
        make_url("mysql+pymysql://root@127.0.0.1:3306"),
        *(local.update_query_dict({"unix_socket": path}) for path in sockets if Path(path).exists()),
    ]


@cache
def find_mariadb() -> MariaDbServer | ServiceUnavailableError:
    said = "nothing tried"
    for candidate in _mariadb_candidates():
        server = MariaDbServer(candidate.update_query_dict({"charset": "utf8mb4"}))
        try:
            server.connect(patience=PROBE_SECONDS).close()
            server.clear_abandoned()
            server.drop(server.create())
        except (pymysql.Error, OSError) as error:
            said = str(error)
        else:
            return server
    return ServiceUnavailableError(said)


def mariadb_server() -> MariaDbServer:
    return available(MARIADB, find_mariadb)


# ---------------------------------------------------------------- Redis


class RedisRoom:
    """One database number of a server, for this run alone; others' databases are never touched.

    A number is ours when it was empty, or bears our mark, and our claim to it stands in database 0. With a
    number in TEST_REDIS_URL that number is taken without asking.
    """

    OWNER = f"{ROOM}:owner"

    def __init__(self, url: str, release: Callable[[], object]) -> None:
        self.url = url
        self._release = release

    def clear(self) -> None:
        with redis_client(self.url) as client:
            client.flushdb()
            client.set(self.OWNER, os.getpid())

    def leave(self) -> None:
        with redis_client(self.url) as client:
            client.flushdb()
        self._release()


def redis_client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=PROBE_SECONDS, socket_timeout=PROBE_SECONDS, retry=Retry(NoBackoff(), 0)
    )


def _claim_redis(base: URL) -> RedisRoom | ServiceUnavailableError:
    lobby_url = rendered(base.set(database="0"))
    with redis_client(lobby_url) as lobby:
        for number in range(15, 0, -1):
            claim = f"{ROOM}:claim:{number}"
            if not lobby.set(claim, os.getpid(), nx=True, ex=4 * 3600):
                continue
            url = rendered(base.set(database=str(number)))
            with redis_client(url) as client:
                ours = client.dbsize() == 0 or client.exists(RedisRoom.OWNER)
            if ours:
                return RedisRoom(url, partial(_delete_key, lobby_url, claim))
            lobby.delete(claim)
    return ServiceUnavailableError("every database number from 1 to 15 is in use; name one for the tests")


def _delete_key(url: str, key: str) -> None:
    with redis_client(url) as client:
        client.delete(key)


@cache
def find_redis() -> RedisRoom | ServiceUnavailableError:
    base = make_url(os.environ.get(REDIS.variable) or "redis://127.0.0.1:6379")
    try:
        if base.database:
            room = RedisRoom(rendered(base), lambda: None)
            with redis_client(room.url) as client:
                client.ping()
            return room
        return _claim_redis(base)
    except redis.RedisError as error:
        return ServiceUnavailableError(str(error))


def redis_room() -> RedisRoom:
    return available(REDIS, find_redis)


# ---------------------------------------------------------------- RabbitMQ


class RabbitServer:
    """A broker; each test gets a virtual host of its own where `rabbitmqctl` may make one."""

    def __init__(self, base: URL, control: str | None) -> None:
        self.base = base
        self._control = control

    @contextmanager
    def virtual_host(self) -> Iterator[str]:
        name = room_name()
        if self._control is None or not self._rabbitmqctl("add_vhost", name):
            yield rendered(self.base)
            return
        try:
            user = self.base.username or "guest"
            self._rabbitmqctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
            yield rendered(self.base.set(database=name))
        finally:
            self._rabbitmqctl("delete_vhost", name)

    def clear_abandoned(self) -> None:
        if self._control is None:
            return
        listed = self._run("-q", "list_vhosts", "name", "--no-table-headers")
        for name in filter(is_abandoned, listed.stdout.split()):
            self._rabbitmqctl("delete_vhost", name)

    def _rabbitmqctl(self, *arguments: str) -> bool:
        return self._run("-q", *arguments).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert self._control is not None
        return subprocess.run([self._control, *arguments], capture_output=True, text=True, timeout=30, check=False)


@cache
def find_rabbitmq() -> RabbitServer | ServiceUnavailableError:
    from kombu import Connection

    base = make_url(os.environ.get(RABBITMQ.variable) or "amqp://guest:guest@127.0.0.1:5672")
    try:
        with Connection(rendered(base), connect_timeout=PROBE_SECONDS) as connection:
            connection.ensure_connection(max_retries=0, timeout=PROBE_SECONDS)
    except Exception as error:  # noqa: BLE001  # kombu wraps what its transports raise, differently by version
        return ServiceUnavailableError(str(error))
    ours = not base.database and base.host in {"127.0.0.1", "localhost", "::1"}
    server = RabbitServer(base, shutil.which("rabbitmqctl") if ours else None)
    server.clear_abandoned()
    return server


def rabbitmq_server() -> RabbitServer:
    return available(RABBITMQ, find_rabbitmq)
