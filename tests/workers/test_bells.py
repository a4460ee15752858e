"""A bell rings again when whoever answered has left, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery
from kombu.message import Message

from connector.bootstrap import Services
from connector.domain.errors import LedgerError, OutsideError
from tests.support.builders import NOON
from tests.support.clock import FakeClock
from workers import scheduler, tasks
from workers.rung import Rung


class Post:
    """A broker that keeps what it is given."""

    def __init__(self, _app: object) -> None:
        self.sent: list[tuple[str, float]] = []

    def waiting(self) -> int:
        return 0

    def send(self, task: str, *, now: datetime, expires: float, **ids: str) -> None:
        self.sent.append((f"{task} {ids['account']}", expires))


@pytest.mark.parametrize(("drain_seconds", "again"), [(60.0, 10.0), (3.0, 3.0)])
def test_a_bell_rings_again_once_the_drain_can_be_over(
    monkeypatch: pytest.MonkeyPatch, drain_seconds: float, again: float
) -> None:
    monkeypatch.setattr(scheduler, "Bell", Post)
    clock = FakeClock(NOON)
    worker = SimpleNamespace(drain_seconds=drain_seconds)
    ledger = SimpleNamespace(database=SimpleNamespace(clock=clock))
    settings = SimpleNamespace(worker=worker, accounts=["main"], sources=["erp"])
    services: Any = SimpleNamespace(clock=clock, ledger=ledger, settings=settings)
    bell = scheduler._Bell(cast(Celery, None), cast(Services, services))

    bell.ring("main")
    clock.advance(again - 0.1)
    bell.ring("main")
    clock.advance(0.1)
    bell.ring("main")

    assert bell._bell.sent == [("drain main", scheduler._LIFE)] * 2  # type: ignore[attr-defined]


class Mute:
    """A broker that takes half a minute to be found silent."""

    def __init__(self, app: Any) -> None:
        self.is_up = False
        self.tried: list[str] = []
        self.clock: FakeClock = app

    def waiting(self) -> int:
        return 0

    def send(self, task: str, *, now: datetime, expires: float, **ids: str) -> None:
        self.tried.append(ids["account"])
        if not self.is_up:
            self.clock.advance(31)
            raise OutsideError("The broker cannot be reached.")


def test_a_broker_that_failed_is_left_alone_for_some_seconds_and_then_rung_for_whoever_is_still_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "Bell", Mute)
    clock: Any = FakeClock(NOON)
    worker = SimpleNamespace(drain_seconds=60.0)
    settings = SimpleNamespace(worker=worker, accounts=["a", "b", "c"], sources=["erp"])
    services: Any = SimpleNamespace(clock=clock, settings=settings)
    bell = scheduler._Bell(clock, services)
    broker = cast(Mute, bell._bell)

    for account in ("a", "b", "c"):
        bell.ring(account)
    bell.follow("a")
    assert broker.tried == ["a"]

    broker.is_up = True
    clock.advance(5)
    for account in ("a", "b"):
        bell.ring(account)
    assert broker.tried == ["a", "a", "b"]


@pytest.mark.parametrize("fast", [timedelta(0), timedelta(minutes=-20), timedelta(minutes=20)])
def test_a_bell_is_of_use_as_long_as_the_ledger_s_clock_says_whatever_that_of_the_worker_says(
    monkeypatch: pytest.MonkeyPatch, fast: timedelta
) -> None:
    ledger = FakeClock(datetime.now(UTC) + fast)
    services = SimpleNamespace(ledger=SimpleNamespace(database=SimpleNamespace(clock=ledger)))
    monkeypatch.setattr(tasks, "services", lambda: services)
    rung: Any = SimpleNamespace(id="a bell", expires=ledger.now() + timedelta(seconds=10))

    assert Rung.maybe_expire(rung) is None
    ledger.advance(10.5)
    assert Rung.maybe_expire(rung) is True


def test_a_bell_whose_time_nobody_knows_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        def now(self) -> datetime:
            raise LedgerError("the ledger fails")

    services = SimpleNamespace(ledger=SimpleNamespace(database=SimpleNamespace(clock=Silent())))
    monkeypatch.setattr(tasks, "services", lambda: services)

    assert Rung.maybe_expire(cast(Rung, SimpleNamespace(id="a bell", expires=NOON))) is None


def test_an_answer_that_the_broker_did_not_hear_is_a_line_and_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Message):
        """One whose connection is gone."""

        def ack(self, multiple: bool = False) -> None:
            raise ConnectionError("closed by server")

    answer = Lost(delivery_tag="1", channel=None).ack_log_error
    rung: Any = SimpleNamespace(acknowledged=False, _on_ack=answer, _connection_errors=(ConnectionError,))

    Rung.acknowledge(rung)

    assert rung.acknowledged
    [told] = caplog.records
    assert (told.levelname, told.exc_info) == ("WARNING", None)
    assert "rings again" in told.getMessage()
