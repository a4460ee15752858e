"""Bells that nobody fetches: they are counted at the broker, and no more of them wait there than are of use."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.sections.broker import BrokerSettings
from config.settings import Settings
from connector.bootstrap import Services
from connector.clock import SystemClock
from connector.domain.errors import OutsideError
from connector.ledger import Ledger, schema
from tests.e2e.installation import until
from tests.support.clock import FakeClock
from tests.support.ports import own_port
from workers.app import make_app
from workers.broker import Bell
from workers.scheduler import _Bell

ACCOUNTS, SOURCES = 3, 5
EACH_ONCE = 4 * ACCOUNTS + SOURCES + 1


@pytest.fixture(
    params=[
        pytest.param(("redis", "classic"), id="redis"),
        pytest.param(("rabbitmq", "classic"), id="rabbitmq"),
        pytest.param(("rabbitmq", "quorum"), id="rabbitmq, quorum"),
    ]
)
def broker(request: pytest.FixtureRequest) -> BrokerSettings:
    kind, queue = request.param
    return BrokerSettings(url=request.getfixturevalue(f"{kind}_url"), queue=queue)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    accounts = {f"a{n}": {"account_id": str(n), "api_key": "test_key"} for n in range(ACCOUNTS)}
    sources = {f"s{n}": {"adapter": "sql", "url": "sqlite://", "account": "a0"} for n in range(SOURCES)}
    services = Services(Settings.model_validate({"accounts": accounts, "sources": sources}))
    services.__dict__["clock"] = clock
    services.__dict__["ledger"] = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock)
    schema.upgrade(services.ledger.database)
    yield services
    services.ledger.close()


def ring_all(bell: _Bell, services: Services) -> None:
    """What the duties ring in a round in which everything is due."""
    for account in services.settings.accounts:
        bell.ring(account)
        bell.follow(account)
        bell.archive(account)
        bell.reconcile(account)
    for source in services.settings.sources:
        if bell.has_room(source):
            bell.discover(source)
    bell.notify()


def test_without_a_worker_no_more_bells_wait_than_there_are_different_ones(
    broker: BrokerSettings, services: Services, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="workers.scheduler")
    app = make_app(broker)
    bell = _Bell(app, services)
    for _ in range(200):
        ring_all(bell, services)
        clock.advance(5)

    waiting = Bell(app).waiting()
    assert 0 < waiting <= EACH_ONCE
    assert sum("no more are rung" in record.getMessage() for record in caplog.records) == 1

    with app.connection_for_write() as connection:
        queue = app.amqp.queues[app.conf.task_default_queue]
        queue.bind(connection.default_channel).purge()
    clock.advance(5)
    ring_all(bell, services)
    assert Bell(app).waiting() == EACH_ONCE, "they were fetched, and everybody's bell is rung again"
    assert caplog.records[-1].getMessage() == "workers fetch bells again"


def test_a_bell_that_nobody_has_fetched_is_not_rung_again_while_it_is_of_use_and_others_are(
    broker: BrokerSettings, services: Services, clock: FakeClock
) -> None:
    app = make_app(broker)
    bell = _Bell(app, services)
    for _ in range(5):
        bell.ring("a0")
        bell.follow("a0")
        clock.advance(11)
    assert Bell(app).waiting() == 2

    bell.ring("a1")
    assert Bell(app).waiting() == 3
    clock.advance(10)
    bell.follow("a0")
    assert Bell(app).waiting() == 4


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no Redis is installed here")
def test_a_redis_that_is_mute_is_not_waited_for_without_end_and_asked_again_later(tmp_path: Path) -> None:
    port = own_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    bell = Bell(make_app(BrokerSettings(url=f"redis://127.0.0.1:{port}/0")))
    try:
        until(lambda: answers(bell), within=20, what="the server does not begin")
        server.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(OutsideError, match="cannot be reached"):
            bell.waiting()
        assert time.monotonic() - began < 25
        server.send_signal(signal.SIGCONT)
        bell.send("drain", now=SystemClock().now(), expires=60, account="main")
        assert bell.waiting() == 1
    finally:
        server.kill()
        server.wait(10)


def answers(bell: Bell) -> bool:
    try:
        return bell.waiting() == 0
    except OutsideError:
        return False


def test_a_connection_that_was_cut_while_it_rested_is_replaced_unnoticed(broker: BrokerSettings) -> None:
    bell = Bell(make_app(broker))
    assert bell.waiting() == 0
    cut(bell)
    assert bell.waiting() == 0


def cut(bell: Bell) -> None:
    """End the connection on which was asked, as a proxy does to one that rests."""
    asking = bell._asking
    assert asking is not None
    channel: Any = asking.default_channel
    if asking.transport.driver_type == "redis":
        [resting] = channel.pool._available_connections
        resting._sock.shutdown(socket.SHUT_RDWR)
    else:
        asking.connection.transport.sock.shutdown(socket.SHUT_RDWR)
