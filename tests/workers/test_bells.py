"""A bell rings again when whoever answered has left, and not before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery

from connector.bootstrap import Services
from tests.support.builders import NOON
from tests.support.clock import FakeClock
from workers import scheduler


class Post:
    """A broker that keeps what it is given."""

    def __init__(self, _app: object) -> None:
        self.sent: list[tuple[str, float]] = []

    def send(self, task: str, *, expires: float, **ids: str) -> None:
        self.sent.append((f"{task} {ids['account']}", expires))


@pytest.mark.parametrize(("drain_seconds", "again"), [(60.0, 10.0), (3.0, 3.0)])
def test_a_bell_rings_again_once_the_drain_can_be_over(
    monkeypatch: pytest.MonkeyPatch, drain_seconds: float, again: float
) -> None:
    monkeypatch.setattr(scheduler, "Bell", Post)
    clock = FakeClock(NOON)
    worker = SimpleNamespace(drain_seconds=drain_seconds)
    services: Any = SimpleNamespace(clock=clock, settings=SimpleNamespace(worker=worker))
    bell = scheduler._Bell(cast(Celery, None), cast(Services, services))

    bell.ring("main")
    clock.advance(again - 0.1)
    bell.ring("main")
    clock.advance(0.1)
    bell.ring("main")

    assert bell._bell.sent == [("drain main", again)] * 2  # type: ignore[attr-defined]
