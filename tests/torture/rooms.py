"""What scenarios borrow from the services: databases, a Redis number or a virtual host of RabbitMQ with a wire."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis
from kombu import Connection
from sqlalchemy.engine import URL, make_url

from tests.support import services
from tests.torture.plan import Mode
from tests.torture.proxy import CutProxy


class MissingServiceError(Exception):
    """A service that the chosen modes need does not answer."""


class Wire:
    """A broker of our own behind a wire that can be cut."""

    def __init__(self, url: str, flush: Callable[[], object]) -> None:
        there = make_url(url)
        port = there.port or (6379 if there.drivername.startswith("redis") else 5672)
        self.proxy = CutProxy(there.host or "127.0.0.1", port)
        self.url = services.rendered(there.set(host="127.0.0.1", port=self.proxy.port))
        self.flush = flush


class Rooms:
    """All that is borrowed; given back at the end."""

    def __init__(self, folder: Path, modes: set[Mode], lanes: int) -> None:
        self._stack = ExitStack()
        self._local = threading.local()
        self._wires: dict[Mode, queue.Queue[Wire]] = {}
        self._lanes = lanes
        self._hosts: list[str] | None = None
        self.ledger_file = folder / "ledger-template.db"
        self.ledger_template = ""
        self._make_ledgers(modes)
        makers: dict[Mode, Callable[[], Wire]] = {"redis": self._redis, "rabbitmq": self._rabbit}
        for mode, make in makers.items():
            if mode in modes:
                wires = self._wires[mode] = queue.Queue()
                for number in range(lanes):
                    try:
                        wires.put(make())
                    except MissingServiceError:
                        if number == 0:
                            raise
                        break  # a crowded server: fewer at once

    @contextmanager
    def wire(self, mode: Mode) -> Iterator[Wire | None]:
        if mode == "sqlite":
            yield None
            return
        wire = self._wires[mode].get()
        try:
            yield wire
        finally:
            self._wires[mode].put(wire)

    def postgres(self) -> services.PostgresServer:
        server: services.PostgresServer = _there("PostgreSQL", services.find_postgres())
        return server

    def admin(self) -> psycopg.Connection[Any]:
        """A connection of this thread that may cut others'."""
        known: psycopg.Connection[Any] | None = getattr(self._local, "admin", None)
        if known is None or known.closed:
            known = self._local.admin = services.connect_postgres(self.postgres().admin)
        return known

    def close(self) -> None:
        self._stack.close()

    def _make_ledgers(self, modes: set[Mode]) -> None:
        """Empty ledgers to copy, made by the product's own migrations."""
        from connector.ledger import schema
        from connector.ledger.database import Database

        made = Database(f"sqlite:///{self.ledger_file}")
        schema.upgrade(made)
        with made.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
        made.close()
        if modes - {"sqlite"}:
            url = self.postgres().create()
            self._stack.callback(self.postgres().drop, url)
            made = Database(url)
            schema.upgrade(made)
            made.close()
            self.ledger_template = url

    def _redis(self) -> Wire:
        base = make_url(os.environ.get(services.REDIS.variable) or "redis://127.0.0.1:6379")
        try:
            _forget_the_dead(base)
            room = services._claim_redis(base)
        except redis.RedisError as error:
            raise MissingServiceError(f"Redis: {error}") from error
        room = _there("Redis", room)
        self._stack.callback(room.leave)
        wire = Wire(room.url, room.clear)
        self._stack.callback(wire.proxy.close)
        return wire

    def _rabbit(self) -> Wire:
        base = _there("RabbitMQ", services.find_rabbitmq()).base
        if self._hosts is None:
            self._hosts = self._virtual_hosts(base.username or "guest")
        url = services.rendered(base.set(database=self._hosts.pop()))
        wire = Wire(url, lambda: _purge(url))
        self._stack.callback(wire.proxy.close)
        return wire

    def _virtual_hosts(self, user: str) -> list[str]:
        """Make all at once: each call of rabbitmqctl takes a second."""
        names = [services.room_name() for _ in range(self._lanes)]
        listed = ",".join(f'<<"{name}">>' for name in names)
        _rabbitmqctl(
            f'[begin rabbit_vhost:add(V, <<"torture">>), rabbit_auth_backend_internal:set_permissions(<<"{user}">>,'
            f' V, <<".*">>, <<".*">>, <<".*">>, <<"torture">>) end || V <- [{listed}]].'
        )
        self._stack.callback(_rabbitmqctl, f'[rabbit_vhost:delete(V, <<"torture">>) || V <- [{listed}]].')
        return names


def _forget_the_dead(base: URL) -> None:
    """Free the database numbers that processes of this machine claimed and took with them when they were killed."""
    if base.host not in {"127.0.0.1", "localhost", "::1"}:
        return
    with services.redis_client(services.rendered(base.set(database="0"))) as lobby:
        for key in lobby.scan_iter(f"{services.ROOM}:claim:*"):
            holder = lobby.get(key)
            if holder is not None and not Path(f"/proc/{int(holder)}").exists() and Path("/proc/self").exists():
                lobby.delete(key)


def _rabbitmqctl(expression: str) -> None:
    found = shutil.which("rabbitmqctl")
    if found is None:
        raise MissingServiceError("rabbitmqctl is not installed; it makes the virtual hosts")
    done = subprocess.run([found, "-q", "eval", expression], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise MissingServiceError(f"rabbitmqctl: {done.stderr.strip()[:200]}")


def _purge(url: str) -> None:
    with Connection(url, connect_timeout=5) as connection, suppress(Exception):
        channel: Any = connection.channel()
        channel.queue_purge("connector")


def _there(name: str, found: Any) -> Any:
    if isinstance(found, services.ServiceUnavailableError):
        raise MissingServiceError(f"{name}: {found}")
    return found
