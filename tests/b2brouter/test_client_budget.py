"""The request budget: smooth, with a small burst, slower after a 429, and never without a limit."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.b2brouter.budget import LocalBudget
from connector.domain.errors import OutOfTimeError


class FakeTime:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def budget(time: FakeTime, per_minute: float = 600, *, patience: float = 1e9) -> LocalBudget:
    return LocalBudget(per_minute, patience=patience, clock=time, sleep=time.sleep)


def taken(pace: LocalBudget, time: FakeTime, count: int) -> list[float]:
    """When each of the next requests went out, in seconds from now."""
    start, moments = time.now, []
    for _ in range(count):
        pace.acquire()
        moments.append(time.now - start)
    return moments


def test_half_a_seconds_worth_goes_at_once_and_the_rest_evenly(time: FakeTime) -> None:
    moments = taken(budget(time, per_minute=600), time, 40)
    assert moments[:4] == pytest.approx([0] * 4)
    assert [later - earlier for earlier, later in pairwise(moments[5:])] == pytest.approx([0.102] * 34)


def test_a_slow_budget_has_no_burst(time: FakeTime) -> None:
    assert taken(budget(time, per_minute=30), time, 3) == pytest.approx([0, 2.04, 4.08])


def test_a_rested_budget_does_not_save_up_more_than_the_burst(time: FakeTime) -> None:
    pace = budget(time, per_minute=600)
    time.now += 3600
    assert taken(pace, time, 6)[-1] == pytest.approx(0.112)


@settings(max_examples=50)
@given(per_minute=st.integers(1, 2000), pauses=st.lists(st.floats(0, 5), max_size=60))
def test_no_minute_sees_more_than_the_rate(per_minute: int, pauses: list[float]) -> None:
    time = FakeTime()
    pace = budget(time, per_minute)
    moments = []
    for pause in pauses:
        time.now += pause
        pace.acquire()
        moments.append(time.now)
    for moment in moments:
        in_this_minute = sum(moment <= other < moment + 60 for other in moments)
        assert in_this_minute <= per_minute


def test_a_429_halves_the_rate_which_comes_back_by_a_tenth_every_ten_seconds(time: FakeTime) -> None:
    pace = budget(time, per_minute=600)
    pace.slow_down(None)
    rates = []
    for _ in range(7):
        rates.append(pace.requests_per_minute)
        time.now += 10
    assert rates == pytest.approx([300, 360, 420, 480, 540, 600, 600])


def test_many_429_of_one_burst_halve_the_rate_once(time: FakeTime) -> None:
    pace = budget(time, per_minute=600)
    for _ in range(64):
        pace.slow_down(None)
    assert pace.requests_per_minute == pytest.approx(300)


def test_a_rate_that_is_halved_again_and_again_stays_at_a_quarter(time: FakeTime) -> None:
    pace = budget(time, per_minute=600)
    for _ in range(50):
        time.now += 6
        pace.slow_down(None)
    assert pace.requests_per_minute == pytest.approx(150)


def test_nothing_goes_out_while_the_server_wants_silence(time: FakeTime) -> None:
    pace = budget(time, per_minute=600)
    pace.slow_down(20)
    assert taken(pace, time, 1) == pytest.approx([20])


def test_a_429_that_comes_while_others_wait_for_their_slot_makes_them_wait_longer(time: FakeTime) -> None:
    pace = LocalBudget(60, patience=100, clock=time, sleep=lambda seconds: sleep(seconds))

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.now < 1010:
            pace.slow_down(30)

    pace.acquire()
    pace.acquire()
    assert time.now == pytest.approx(1031.02)


def test_who_would_wait_too_long_is_sent_back_and_takes_no_slot(time: FakeTime) -> None:
    pace = budget(time, per_minute=60, patience=2)
    pace.slow_down(60)
    with pytest.raises(OutOfTimeError) as caught:
        pace.acquire()
    assert caught.value.reason == "rate_limited"
    assert caught.value.pause == pytest.approx(60)
    time.now += 60
    pace.acquire()
    assert time.now == pytest.approx(1060)


def test_no_more_may_ask_at_once_than_get_their_slots_within_half_of_the_patience(time: FakeTime) -> None:
    pace = budget(time, per_minute=60, patience=10)
    with pace.crowd() as mine:
        assert mine() == 4
        with pace.crowd() as yours:
            assert (mine(), yours()) == (2, 2)
        assert mine() == 4


def test_each_of_many_that_share_a_budget_may_ask_for_one_and_nobody_while_the_queue_is_long(time: FakeTime) -> None:
    pace = LocalBudget(60, patience=10, clock=time, sleep=lambda seconds: None)  # those that wait do so side by side
    with ExitStack() as together:
        crowds = [together.enter_context(pace.crowd()) for _ in range(20)]
        assert {places() for places in crowds} == {1}
        for _ in range(7):
            pace.acquire()
        assert {places() for places in crowds} == {0}
        time.now += 3
        assert {places() for places in crowds} == {1}


def test_who_comes_while_the_queue_is_long_is_let_in_a_moment_later(time: FakeTime) -> None:
    pace = budget(time, per_minute=60, patience=10)
    pace.slow_down(60)
    before = time.now
    with pace.crowd() as places:
        assert places() == 0
    assert time.now == before + 1


@pytest.mark.parametrize("rate", [0, -1])
def test_a_budget_of_nothing_is_a_mistake(rate: float, time: FakeTime) -> None:
    with pytest.raises(ValueError, match="positive"):
        budget(time, rate)
