"""One request budget over all processes that share an API key: its reservoir is a ledger row or a Redis key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from connector.b2brouter.budget import Reservoir, SharedBudget
from connector.b2brouter.redis_budget import RedisReservoir
from connector.domain.errors import OutOfTimeError, OutsideError
from connector.domain.pace import BURST, SPACING, Slots
from connector.ledger import Ledger, schema
from connector.ledger.budgets import LedgerReservoir

PER_MINUTE = 1200.0
SECONDS = 6.0  # long enough that a machine that is busy for a moment does not count

Maker = Callable[[], Reservoir]


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("redis", marks=pytest.mark.redis),
    ]
)
def reservoir(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    """A way to open one and the same reservoir several times, as several processes would."""
    if request.param == "redis":
        redis_url: str = request.getfixturevalue("redis_url")
        name = tmp_path.name  # each test its own pace
        return lambda: RedisReservoir.connect(redis_url, name, requests_per_minute=PER_MINUTE)
    sqlite = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    schema.upgrade(ledger.database)
    return lambda: LedgerReservoir(ledger.database, "key", requests_per_minute=PER_MINUTE)


def test_two_workers_together_stay_within_the_rate_and_use_it(reservoir: Maker) -> None:
    moments: list[float] = []
    end = time.monotonic() + SECONDS

    def work() -> None:
        budget = SharedBudget(PER_MINUTE, reservoir())
        while True:
            budget.acquire()
            if time.monotonic() >= end:
                return
            moments.append(time.monotonic())

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    per_second = PER_MINUTE / 60
    assert 0.9 * SECONDS * per_second <= len(moments) <= (SECONDS + BURST) * per_second + 1


def test_a_429_seen_by_one_worker_slows_the_other(reservoir: Maker) -> None:
    first, second = reservoir(), reservoir()
    assert first.reserve(1, patience=10).interval == pytest.approx(SPACING * 60 / PER_MINUTE)
    first.slow_down(None)
    assert second.reserve(1, patience=10).interval == pytest.approx(2 * SPACING * 60 / PER_MINUTE)


def test_the_silence_that_the_server_wants_binds_every_worker(reservoir: Maker) -> None:
    first, second = reservoir(), reservoir()
    first.slow_down(5)
    assert second.reserve(1, patience=10).wait == pytest.approx(5, abs=0.5)


def test_slots_that_lie_beyond_the_patience_are_left_to_others(reservoir: Maker) -> None:
    shared = reservoir()
    shared.slow_down(30)
    given = shared.reserve(5, patience=10)
    assert given.count == 0
    assert given.wait == pytest.approx(30, abs=0.5)
    with pytest.raises(OutOfTimeError):
        SharedBudget(PER_MINUTE, shared).acquire()


class Unreachable:
    """A reservoir whose database or Redis is gone."""

    def reserve(self, slots: int, *, patience: float) -> Slots:
        raise OutsideError("gone")

    def slow_down(self, retry_after: float | None) -> None:
        raise OutsideError("gone")


def test_without_the_reservoir_a_worker_goes_on_slowly_but_never_without_a_limit() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    budget = SharedBudget(240, Unreachable(), patience=100, clock=lambda: now[0], sleep=sleep)
    budget.slow_down(None)
    for _ in range(11):
        budget.acquire()
    assert now[0] >= 10  # 240 a minute, a quarter of it alone, halved by the 429, but never less than a quarter


def test_a_reservoir_that_could_not_be_reached_is_left_alone_for_a_moment_and_then_asked_again() -> None:
    now = [0.0]
    asked: list[float] = []

    class Mute(Unreachable):
        """Each question costs its time-out."""

        def reserve(self, slots: int, *, patience: float) -> Slots:
            asked.append(now[0])
            now[0] += 3
            return super().reserve(slots, patience=patience)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    budget = SharedBudget(1200, Mute(), patience=100, clock=lambda: now[0], sleep=sleep)
    while now[0] < 25:
        budget.acquire()
    assert asked == pytest.approx([0, 13], abs=0.5)


def test_redis_that_does_not_answer_is_an_outside_fault() -> None:
    shared = RedisReservoir.connect("redis://127.0.0.1:1/0", "key", requests_per_minute=60)
    with pytest.raises(OutsideError, match="Redis"):
        shared.reserve(1, patience=1)


@pytest.mark.redis
def test_the_budgets_of_any_number_of_keys_share_a_connection(redis_url: str, tmp_path: Path) -> None:
    admin = redis.Redis.from_url(redis_url)
    before = admin.info("clients")["connected_clients"]
    for key in range(20):
        RedisReservoir.connect(redis_url, f"{tmp_path.name}-{key}", requests_per_minute=60).reserve(1, patience=1)
    assert admin.info("clients")["connected_clients"] <= before + 2


def test_no_more_may_ask_at_once_than_the_common_queue_has_room_for(reservoir: Maker) -> None:
    here, there = (SharedBudget(PER_MINUTE, reservoir(), patience=1.0, sleep=lambda _: None) for _ in range(2))
    with here.crowd() as places:
        most = places()
        assert 0 < most <= PER_MINUTE / 60
        for _ in range(200):
            with suppress(OutOfTimeError):
                there.acquire()
        with suppress(OutOfTimeError):
            here.acquire()
        assert places() == 0
