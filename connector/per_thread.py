"""What each thread opens for itself and keeps: one of a kind, until it wants another, or ends.

A process works for any number of accounts, so what is left open for each of them would use up its descriptors. What
is open here is never more than there are threads, and a thread that goes on with the same account keeps its own.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar


class Closes(Protocol):
    """Something that holds a connection."""

    def close(self) -> None:
        """Give it back."""


T = TypeVar("T", bound=Closes)


class _Held(Generic[T]):
    """What one thread has open; it is closed with the last mention of it, which is the thread's own."""

    def __init__(self, thing: T) -> None:
        self.thing = thing
        self.end = weakref.finalize(self, thing.close)
        self.end.atexit = False


_OF_THREAD: Final = threading.local()


class PerThread(Generic[T]):
    """One way to somebody, of which each thread has its own end. Used from several threads."""

    def __init__(self, kind: str) -> None:
        """Open nothing yet.

        Args:
            kind: a thread has one open of each kind, whichever way it leads.
        """
        self._kind = kind
        self._lock = threading.Lock()
        self._all: weakref.WeakSet[_Held[T]] = weakref.WeakSet()
        # A way that nobody has any more, for its account has another key, closes all by itself.
        weakref.finalize(self, _end_all, self._all).atexit = False

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._all)

    def mine(self, make: Callable[[], T]) -> T:
        """Return this thread's own, opened by `make` where it has none; it closes what it had of the kind before."""
        held: _Held[T] | None = getattr(_OF_THREAD, self._kind, None)
        if held is None or held not in self._all:
            if held is not None:
                held.end()
            held = _Held(make())
            setattr(_OF_THREAD, self._kind, held)
            with self._lock:
                self._all.add(held)
        return held.thing

    def close(self) -> None:
        """Close those of all threads; who asks for its own afterwards opens another."""
        with self._lock:
            _end_all(self._all)


def _end_all(those: weakref.WeakSet[_Held[T]]) -> None:
    for held in list(those):
        held.end()
    those.clear()
