"""The time that all machines of a ledger share."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connector.clock import SharedClock
from tests.support.builders import NOON


class Server:
    """A database that tells the time, and the process that asks it; each pause falls behind one of its answers."""

    def __init__(self, *pauses: float) -> None:
        self.steady = 1000.0
        self.asked = 0
        self._pauses = list(pauses)

    @property
    def time(self) -> datetime:
        return NOON + timedelta(seconds=self.steady)

    def ask(self) -> datetime:
        told = self.time
        self.asked += 1
        self.steady += self._pauses.pop(0) if self._pauses else 0.0
        return told

    def clock(self) -> SharedClock:
        return SharedClock(self.ask, refresh=60.0, steady=lambda: self.steady)


def test_the_time_is_asked_for_once_a_minute_and_carried_on_in_between() -> None:
    server = Server()
    clock = server.clock()

    for _ in range(120):
        assert clock.now() == server.time
        server.steady += 1

    assert server.asked == 2


@pytest.mark.parametrize("seconds", [3, 90, 3600])
def test_who_is_suspended_before_the_answer_is_read_is_not_behind(seconds: float) -> None:
    server = Server(seconds)

    assert server.clock().now() == server.time
    assert server.asked == 2


def test_where_every_answer_takes_its_time_we_are_ahead_rather_than_behind() -> None:
    server = Server(*[3.0] * 9)

    told = server.clock().now()

    assert server.time <= told <= server.time + timedelta(seconds=3)
    assert server.asked == 3
