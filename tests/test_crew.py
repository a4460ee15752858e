"""Bells within a process: each is answered once at a time, whatever the system refuses meanwhile."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from connector.closing import stop_all
from connector.crew import Crew


def test_what_no_thread_could_be_started_for_is_not_done_beside_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Crew(2)
    go_on, done = Event(), []
    crew.call("slow", go_on.wait)  # type: ignore[arg-type]  # what it returns is of no use
    with monkeypatch.context() as full:
        full.setattr(Thread, "start", _refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            crew.call("a", lambda: done.append("first"))
    crew.call("a", lambda: done.append("second"))
    go_on.set()
    crew._pool.shutdown(wait=True)

    assert done == ["second"]


def test_a_thread_starts_when_there_is_work_for_it_and_not_before() -> None:
    crew = Crew(64)
    for number in range(5):
        done = Event()
        crew.call(f"account {number}", done.set)
        assert done.wait(10)
        _until_idle(crew)
    assert len(crew._pool._threads) == 1
    crew.stop()


def test_what_waits_for_a_thread_is_not_begun_once_the_crew_stops() -> None:
    crew = Crew(1)
    begun, go_on, done = Event(), Event(), []

    def slow() -> None:
        begun.set()
        go_on.wait()

    crew.call("slow", slow)
    crew.call("next", lambda: done.append("next"))
    assert begun.wait(10)
    crew.begin_to_stop()
    assert crew.busy() == ["slow"]
    go_on.set()
    crew.stop()

    assert (crew.busy(), done) == ([], [])


def test_all_parts_of_a_process_are_told_to_stop_before_any_is_waited_for() -> None:
    said: list[str] = []

    class Slow:
        def begin_to_stop(self) -> None:
            said.append("told")

        def stop(self) -> None:
            said.append("waited for")

    stop_all(Slow(), Slow())

    assert said == ["told", "told", "waited for", "waited for"]


def _until_idle(crew: Crew) -> None:
    """A thread says that it is free a moment after its work is done."""
    assert crew._pool._idle_semaphore.acquire(timeout=10)
    crew._pool._idle_semaphore.release()


def _refuse(self: Thread) -> None:
    raise RuntimeError("can't start new thread")
