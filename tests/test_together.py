"""Work asked for at the same time is done together, and each thread gets its own result or error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.together import Together


class Desk:
    """Doubles numbers; the first time it waits until it is told to go on."""

    def __init__(self) -> None:
        self.served: list[Sequence[int]] = []
        self.busy = threading.Event()
        self.go_on = threading.Event()

    def work(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.served.append(sorted(items))
        self.busy.set()
        assert self.go_on.wait(10)
        if 13 in items and len(items) > 1:
            raise KeyError("everybody's")
        return [ValueError("odd") if item % 2 else 2 * item for item in items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def waiting(together: Together[int, int], count: int) -> None:
    while len(together._waiting) < count:
        threading.Event().wait(0.001)


def test_who_comes_alone_is_served_at_once(desk: Desk) -> None:
    desk.go_on.set()
    together = Together(desk.work)

    assert together.do(4) == 8
    with pytest.raises(ValueError, match="odd"):
        together.do(3)
    assert desk.served == [[4], [3]]


def test_who_comes_while_work_is_under_way_is_served_with_all_that_wait(desk: Desk) -> None:
    together = Together(desk.work)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(together.do, 0)
        assert desk.busy.wait(10)
        others = {item: pool.submit(together.do, item) for item in (1, 2, 4, 6)}
        waiting(together, 4)
        desk.go_on.set()

        assert first.result(10) == 0
        assert [others[item].result(10) for item in (2, 4, 6)] == [4, 8, 12]
        with pytest.raises(ValueError, match="odd"):
            others[1].result(10)
    assert desk.served == [[0], [1, 2, 4, 6]]


def test_what_the_work_raises_is_everybodys_error_and_the_next_are_served(desk: Desk) -> None:
    together = Together(desk.work)
    with ThreadPoolExecutor(3) as pool:
        pool.submit(together.do, 0)
        assert desk.busy.wait(10)
        unlucky = [pool.submit(together.do, item) for item in (2, 13)]
        waiting(together, 2)
        desk.go_on.set()

        for each in unlucky:
            with pytest.raises(KeyError, match="everybody's"):
                each.result(10)
    assert together.do(2) == 4


def test_after_a_crowd_more_are_waited_for_and_after_a_single_one_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("connector.together.time.sleep", pauses.append)
    together = Together(desk.work)
    with ThreadPoolExecutor(3) as pool:
        crowd = [pool.submit(together.do, 0)]
        assert desk.busy.wait(10)
        crowd += [pool.submit(together.do, item) for item in (2, 4)]
        waiting(together, 2)
        desk.go_on.set()
        assert [each.result(10) for each in crowd] == [0, 4, 8]
    assert pauses == []

    together.do(6)
    together.do(8)

    assert len(pauses) == 1
    assert 0 < pauses[0] < 0.01


def test_who_is_interrupted_while_more_are_waited_for_keeps_nobody_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    together = Together(desk.work)
    desk.go_on.set()
    together._crowded = True
    monkeypatch.setattr("connector.together.time.sleep", interrupted)

    with pytest.raises(KeyboardInterrupt):
        together.do(2)

    assert together.do(4) == 8
    assert desk.served == [[4]]


def test_many_threads_get_each_their_own() -> None:
    def doubled(items: Sequence[int]) -> Sequence[int | Exception]:
        return [2 * item for item in items]

    together = Together(doubled)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together.do, range(5000))) == list(range(0, 10000, 2))
