"""Work that threads ask for at the same time, done together by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST: Final = 64


@dataclass(eq=False, slots=True)
class _Slot(Generic[Item, Result]):
    """What one thread asks for, and what came of it."""

    item: Item
    result: Result | None = None
    error: BaseException | None = None
    batch: Sequence[_Slot[Item, Result]] = ()  # to be served by its thread; it is the first of them
    called: threading.Lock = field(default_factory=threading.Lock)  # held until its thread has to go on

    def __post_init__(self) -> None:
        self.called.acquire()


class Together(Generic[Item, Result]):
    """Whoever comes while work is under way waits; the first of those that wait does the work of all of them.

    A thread that comes alone is served at once.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result | Exception]]) -> None:
        """Prepare.

        Args:
            work: does it for several, and returns for each its result or its error, in the same order. What it
                raises is everybody's error.
        """
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Slot[Item, Result]] = []
        self._free = True

    def do(self, item: Item) -> Result:
        """Have one's own done.

        Raises:
            Exception: whatever the work returns or raises for it.
        """
        mine: _Slot[Item, Result] = _Slot(item)
        with self._lock:
            if self._free:
                self._free = False
                mine.batch = [mine]
            else:
                self._waiting.append(mine)
        if not mine.batch:
            mine.called.acquire()
        if mine.batch:
            self._serve(mine.batch)
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]  # done without an error

    def _serve(self, batch: Sequence[_Slot[Item, Result]]) -> None:
        """Do the work of a batch, and call whoever waited for it; the first of those that came meanwhile is next."""
        try:
            for slot, outcome in zip(batch, self._work([slot.item for slot in batch]), strict=True):
                if isinstance(outcome, Exception):
                    slot.error = outcome
                else:
                    slot.result = outcome
        except BaseException as error:  # noqa: BLE001 - each of them raises it
            for slot in batch:
                slot.error = error
        with self._lock:
            following, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            self._free = not following
        for first in following[:1]:
            first.batch = following
            first.called.release()
        for slot in batch[1:]:
            slot.called.release()
