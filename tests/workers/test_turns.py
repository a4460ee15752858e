"""A worker's threads are shared: each kind of errand has its own, and of those an account or an ERP one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from connector import errands
from tests.support.clock import FakeClock
from workers import tasks
from workers.turns import BEHIND, DRAIN, LOOK, NEWS, NOTIFY, THREADS, Kind, Turns


class Worker:
    """One whose errands last until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self._end = Event()
        self._pool = ThreadPoolExecutor(THREADS)
        self._answered: list[Future[Any]] = []
        monkeypatch.setattr(tasks, "services", lambda: None)
        monkeypatch.setattr(tasks, "_turns", Turns())
        for name in ("drain", "discover", "follow", "notify", "archive", "reconcile"):
            monkeypatch.setattr(errands, name, self._lasting(name))

    def _lasting(self, errand: str) -> Callable[..., None]:
        def act(_: object, about: str = "", **__: object) -> None:
            self.begun.append(f"{errand} {about}".strip())
            self._end.wait(30)

        return act

    def hears(self, task: Any, **about: str) -> None:
        self._answered.append(self._pool.submit(task.run, **about))

    def rests(self) -> list[str]:
        """Wait until no answer is begun any more; return what was begun, for the last time."""
        self._end.set()
        for one in self._answered:
            one.result(30)
        self._answered.clear()
        self._end.clear()
        begun, self.begun = self.begun, []
        return sorted(begun)

    def lets_go(self, count: int) -> None:
        """Wait until so many bells are answered with nothing."""
        for one in self._answered[-count:]:
            one.result(30)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    worker = Worker(monkeypatch)
    yield worker
    worker.rests()


def test_an_account_is_drained_by_one_thread_however_often_its_bell_rings(worker: Worker) -> None:
    worker.hears(tasks.drain, account="busy")
    _until(lambda: worker.begun == ["drain busy"])
    for _ in range(THREADS):
        worker.hears(tasks.drain, account="busy")
    worker.lets_go(THREADS)
    worker.hears(tasks.drain, account="other")
    _until(lambda: len(worker.begun) == 2)

    assert worker.rests() == ["drain busy", "drain other"]
    worker.hears(tasks.drain, account="busy")
    assert worker.rests() == ["drain busy"]


def test_nor_is_an_erp_looked_into_by_two_threads_of_one_worker(worker: Worker) -> None:
    worker.hears(tasks.discover, source="erp")
    _until(lambda: worker.begun == ["discover erp"])
    for _ in range(3):
        worker.hears(tasks.discover, source="erp")
    worker.lets_go(3)
    assert worker.rests() == ["discover erp"]


def test_comparisons_and_archive_leave_most_threads_to_what_is_to_be_issued(worker: Worker) -> None:
    for number in range(BEHIND - 1):
        worker.hears(tasks.reconcile, account=f"account {number}")
    worker.hears(tasks.archive, account="account 9")
    _until(lambda: len(worker.begun) == BEHIND)
    worker.hears(tasks.reconcile, account="one more")
    worker.hears(tasks.archive, account="one more")
    worker.lets_go(2)
    worker.hears(tasks.drain, account="one more")
    worker.hears(tasks.discover, source="erp")
    _until(lambda: len(worker.begun) == BEHIND + 2)

    assert not any("one more" in name for name in worker.rests() if not name.startswith("drain"))
    worker.hears(tasks.reconcile, account="one more")
    assert worker.rests() == ["reconcile one more"]


@pytest.mark.parametrize(("flood", "other"), [("archive", "reconcile"), ("reconcile", "archive")])
def test_a_comparison_finds_a_turn_among_thousands_of_bells_for_the_archive_and_the_archive_among_comparisons(
    worker: Worker, flood: str, other: str
) -> None:
    for number in range(THREADS):
        worker.hears(getattr(tasks, flood), account=f"account {number}")
    _until(lambda: len(worker.begun) == BEHIND - 1)
    worker.hears(getattr(tasks, other), account="one more")
    _until(lambda: len(worker.begun) == BEHIND)

    assert f"{other} one more" in worker.rests()


MUTE = [{"source": f"mute {number}"} for number in range(4 * THREADS)]
BUSY = [{"account": f"busy {number}"} for number in range(4 * THREADS)]


@pytest.mark.parametrize(
    ("flood", "most"),
    [
        pytest.param(
            [(tasks.discover, about) for about in MUTE], LOOK.most, id="hundreds of ERPs that do not answer"
        ),
        pytest.param([(tasks.drain, about) for about in BUSY], DRAIN.most, id="more accounts than threads"),
        pytest.param([(tasks.follow, about) for about in BUSY], NEWS.most, id="news that take long"),
        pytest.param([(tasks.archive, about) for about in BUSY], BEHIND - 1, id="the archive"),
        pytest.param(
            [
                (task, about)
                for task, abouts in ((tasks.discover, MUTE), (tasks.drain, BUSY), (tasks.reconcile, BUSY))
                for about in abouts
            ],
            LOOK.most + DRAIN.most + BEHIND - 1,
            id="all of it",
        ),
    ],
)
def test_whatever_floods_a_worker_the_bells_of_other_kinds_are_answered_at_once(
    worker: Worker, flood: list[tuple[Any, dict[str, str]]], most: int
) -> None:
    for task, about in flood:
        worker.hears(task, **about)
    _until(lambda: len(worker.begun) == most)
    others = [
        (tasks.drain, {"account": "small"}),
        (tasks.discover, {"source": "well"}),
        (tasks.follow, {"account": "small"}),
        (tasks.notify, {}),
    ]
    others = [(task, about) for task, about in others if all(task is not flooding for flooding, _ in flood)]
    for task, about in others:
        worker.hears(task, **about)

    _until(lambda: len(worker.begun) == most + len(others))


def test_what_finds_no_thread_waits_for_one_and_keeps_its_place_however_often_its_bell_rings(worker: Worker) -> None:
    accounts = [f"account {number}" for number in range(DRAIN.most)]
    for account in accounts:
        worker.hears(tasks.drain, account=account)
    _until(lambda: len(worker.begun) == DRAIN.most)
    for account in ["small", "other", "small", "other", *accounts]:
        worker.hears(tasks.drain, account=account)
        worker.lets_go(1)

    assert worker.rests() == sorted([*(f"drain {account}" for account in accounts), "drain small", "drain other"])


class Clocked:
    """Turns of a thread at a time, with a clock of ours; an errand lasts as long as it is told to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.turns = Turns(clock=self.clock.monotonic)
        self.done: list[str] = []

    def answer(
        self, kind: Any, name: str, *, lasts: float = 0.0, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        def act() -> None:
            self.done.append(name)
            self.clock.advance(lasts)
            meanwhile()

        self.turns.answer(kind, name, act)


@pytest.mark.parametrize("kind", [DRAIN, LOOK, NEWS])
def test_what_took_long_has_half_of_the_threads_of_its_kind(kind: Kind) -> None:
    it = Clocked()
    slow = kind.most // 2
    for number in range(slow + 1):
        it.answer(kind, f"mute {number}", lasts=10)
    it.done.clear()

    def beside(number: int) -> None:
        """Begin one while those before are under way."""
        if number < slow:
            it.answer(kind, f"mute {number}", meanwhile=lambda: beside(number + 1))
        else:
            it.answer(kind, f"mute {slow}")
            it.answer(kind, "well")

    beside(0)
    assert it.done == [*(f"mute {number}" for number in range(slow)), "well", f"mute {slow}"]


@pytest.mark.parametrize(("seconds", "done"), [(59, ["busy", "other"]), (61, ["busy"])])
def test_what_has_waited_for_a_minute_is_forgotten_for_its_bell_rings_again(seconds: float, done: list[str]) -> None:
    it = Clocked()

    def meanwhile() -> None:
        it.answer(NOTIFY, "other")
        it.clock.advance(seconds)

    it.answer(NOTIFY, "busy", meanwhile=meanwhile)
    assert it.done == done


def test_a_thread_does_not_keep_its_own_bell_for_ever_whoever_waits() -> None:
    it = Clocked()

    def again() -> None:
        it.answer(NOTIFY, f"{len(it.done)}", lasts=50, meanwhile=again)

    it.answer(NOTIFY, "first", lasts=50, meanwhile=again)
    assert 5 <= len(it.done) <= 7


def _until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(3000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")
