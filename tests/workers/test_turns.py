"""A worker's threads are shared: an account has one of them, and what can wait a quarter of all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from connector import errands
from workers import tasks
from workers.turns import BEHIND, THREADS


class Worker:
    """One whose errands last until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self._end = Event()
        self._pool = ThreadPoolExecutor(THREADS)
        self._answered: list[Future[Any]] = []
        monkeypatch.setattr(tasks, "services", lambda: None)
        for name in ("drain", "discover", "archive", "reconcile"):
            monkeypatch.setattr(errands, name, self._lasting(name))

    def _lasting(self, errand: str) -> Callable[..., None]:
        def act(_: object, about: str, **__: object) -> None:
            self.begun.append(f"{errand} {about}")
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
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


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


def _until(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(3000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")
