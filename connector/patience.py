"""Patience with ERPs: while one is waited for, the jobs that wait keep their leases.

A lease is as long as a call of B2Brouter may take. An ERP may take longer, within its own time-outs: several
statements of a minute each. Whoever waits for it is alive, and neither vanished nor crashed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from connector.clock import Clock
from connector.domain.decision import Policy, backoff
from connector.domain.errors import LeaseLostError, LedgerError
from connector.domain.job import Event
from connector.ledger import Ledger
from connector.ledger.records import Entry, Job

log = logging.getLogger(__name__)

LONGEST: Final = 600.0
"""Seconds for one look into an ERP, however many statements; then it counts as down, whatever they wait for."""

_SIGNS: Final = 3.0
"""Signs of life in the time of a lease."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wait:
    source: str
    jobs: Sequence[Job]
    since: float  # on the ledger's clock, in seconds
    began: float  # on the machine's


class Patience:
    """Shows the life of jobs whose ERP is being asked; `_Watchman` does it when it is time."""

    def __init__(self, ledger: Ledger, *, clock: Clock, policy: Policy) -> None:
        """Prepare; there is no thread yet.

        Args:
            ledger: that the leases are in.
            clock: where the time comes from.
            policy: how soon a job comes back whose ERP took too long.
        """
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self.pause: Final = ledger.jobs.lease_seconds / _SIGNS
        self._lock = threading.Lock()
        self._waits: set[_Wait] = set()

    @contextmanager
    def with_erp(self, source: str, jobs: Sequence[Job]) -> Iterator[None]:
        """Around what asks an ERP while jobs are in hand; none of them is written by others within."""
        wait = _Wait(source=source, jobs=jobs, since=self._clock.monotonic(), began=time.monotonic())
        with self._lock:
            self._waits.add(wait)
        _WATCHMAN.watch(self)
        try:
            yield
        finally:
            with self._lock:
                self._waits.discard(wait)

    def is_needed(self, *, after: float = 0.0) -> bool:
        """Whether anything has waited for so many seconds, on the machine's clock."""
        until = time.monotonic() - after
        with self._lock:
            return any(wait.began <= until for wait in self._waits)

    def show_life(self) -> None:
        """Extend the leases of what waits for a while; what waits for too long is let go, for its ERP is down.

        Raises:
            LedgerError: the ledger failed.
        """
        now = self._clock.monotonic()
        with self._lock:
            waits = [wait for wait in self._waits if now - wait.since >= self.pause / 2]
        for wait in waits:
            act = self._show_life if now - wait.since < LONGEST else self._let_go
            for job in wait.jobs:
                if wait not in self._waits:
                    break
                with suppress(LeaseLostError):  # who waits for it finds that out as soon as it writes
                    act(wait.source, job)

    def _show_life(self, _: str, job: Job) -> None:
        self._ledger.jobs.show_life(job)

    def _let_go(self, source: str, job: Job) -> None:
        message = f"The ERP of source {source} has not answered within {LONGEST / 60:g} minutes."
        log.warning("job %s: %s", job.id, message)
        reason, details = "erp_unavailable", {"message": message}
        self._ledger.jobs.settle(
            job,
            Event.POSTPONED,
            reason=reason,
            details=details,
            delay=backoff(job.attempts + 1, self._policy, jitter=0.0),
            attempts=job.attempts + 1,
            entry=Entry(
                what=str(Event.POSTPONED),
                effect=job.open_effect,
                outcome="unknown" if job.open_effect else None,
                reason=reason,
                details=details,
            ),
        )


class _Watchman:
    """The one thread of this process that looks after all that wait; it is there only while anything does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: set[Patience] = set()
        self._thread: threading.Thread | None = None
        self._rest = 0.0  # seconds until the next look
        self._sooner = threading.Event()

    def watch(self, patience: Patience) -> None:
        """Look after what waits there, until nothing does any more."""
        with self._lock:
            self._watched.add(patience)
            if self._thread is None or not self._thread.is_alive():  # which a copy of this process has not
                self._thread = threading.Thread(target=self._work, name="patience", daemon=True)
                self._rest = patience.pause
                self._thread.start()
            elif patience.pause < self._rest:
                self._sooner.set()

    def _work(self) -> None:
        rest: float | None = self._rest
        while rest is not None:
            self._sooner.wait(rest)
            self._sooner.clear()
            for patience in self._busy():
                _look(patience)
            rest = self._next()

    def _busy(self) -> Sequence[Patience]:
        with self._lock:
            return [patience for patience in self._watched if patience.is_needed(after=patience.pause / 2)]

    def _next(self) -> float | None:
        """Return how long to rest; None where nothing waits, and this thread ends."""
        with self._lock:
            self._watched = {patience for patience in self._watched if patience.is_needed()}
            if not self._watched:
                self._thread = None
                return None
            self._rest = min(patience.pause for patience in self._watched)
            return self._rest


def _look(patience: Patience) -> None:
    try:
        patience.show_life()
    except LedgerError as error:
        log.error("%s %s", error.message, error.action)
    except Exception:
        log.exception("leases are not extended: unexpected error")


_WATCHMAN: Final = _Watchman()
