"""Bells within a process: each is answered once at a time, whatever the system refuses meanwhile."""

from __future__ import annotations

from threading import Event, Thread

import pytest

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
    crew.dismiss()


def _until_idle(crew: Crew) -> None:
    """A thread says that it is free a moment after its work is done."""
    assert crew._pool._idle_semaphore.acquire(timeout=10)
    crew._pool._idle_semaphore.release()


def _refuse(self: Thread) -> None:
    raise RuntimeError("can't start new thread")
