"""Work that threads ask for at the same time, done together by one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST: Final = 64

_GATHER: Final = 0.003
"""Seconds for which more are waited for. It costs them less than a transaction of their own."""


@dataclass(eq=False, slots=True)
class _Slot(Generic[Item, Result]):
    """What one thread asks for, and what came of it."""

    item: Item
    leads: bool  # its thread does the work, its own and that of all who wait
    result: Result | None = None
    error: BaseException | None = None
    called: threading.Lock = field(default_factory=threading.Lock)  # held until its thread has to go on

    def __post_init__(self) -> None:
        self.called.acquire()


class Together(Generic[Item, Result]):
    """Whoever comes while work is under way waits; the first of those that wait does the work of all of them.

    A thread that comes alone is served at once. Where several came lately, more are waited for a moment.
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
        self._crowded = False  # several were served at once, the last time

    def do(self, item: Item) -> Result:
        """Have one's own done.

        Raises:
            Exception: whatever the work returns or raises for it.
        """
        with self._lock:
            mine: _Slot[Item, Result] = _Slot(item, leads=self._free)
            self._free = False
            self._waiting.append(mine)
        if not mine.leads:
            mine.called.acquire()
        if mine.leads:
            self._serve()
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]  # done without an error

    def _serve(self) -> None:
        """Do the work of all that wait and call them; whoever came first meanwhile is next."""
        batch: Sequence[_Slot[Item, Result]] = ()
        try:
            if self._crowded:
                time.sleep(_GATHER)
            batch = self._take()
            for slot, outcome in zip(batch, self._work([slot.item for slot in batch]), strict=True):
                if isinstance(outcome, Exception):
                    slot.error = outcome
                else:
                    slot.result = outcome
        except BaseException as error:  # noqa: BLE001 - each of them raises it
            batch = batch or self._take()
            for slot in batch:
                slot.error = error
        with self._lock:
            following = self._waiting[:1]
            self._free = not following
        for first in following:
            first.leads = True
            first.called.release()
        for slot in batch[1:]:
            slot.called.release()

    def _take(self) -> Sequence[_Slot[Item, Result]]:
        with self._lock:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._crowded = len(batch) > 1
        return batch
