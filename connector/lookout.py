"""What every process that lasts does now and then: tells where nobody else does, adds up figures, tidies up."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread

from connector.bootstrap import Services
from connector.crew import logged
from connector.errands import NOTIFIED, notify
from connector.memory import give_back

UNTOLD = timedelta(minutes=2)
"""How long that may be ago until somebody else does it."""

LOOK_EVERY = 30.0
"""Seconds between the looks of a lookout; what a process that is killed has counted since the last one is lost."""

_LAST_WORDS = 10.0


class Lookout:
    """A thread in every process that lasts: it does the telling where nobody else does it any more.

    The scheduler sees when workers stand still; only others can see that the scheduler does. It also adds to the
    ledger what its process has counted of its requests, and gives freed memory back.
    """

    def __init__(self, services: Services) -> None:
        """Prepare it."""
        self._services = services
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="lookout", daemon=True)

    def start(self) -> Lookout:
        """Begin to look."""
        self._thread.start()
        return self

    def begin_to_stop(self) -> None:
        """Look no longer."""
        self._stop.set()

    def stop(self) -> None:
        """Look no longer; what is being told is told to the end, within reason."""
        self.begin_to_stop()
        self._thread.join(timeout=_LAST_WORDS)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            logged("figures", self._services.meter.fold)
            logged("lookout", self.look)
            logged("memory", give_back)

    def look(self) -> None:
        """Tell people what they have to know if nobody has done so for a while.

        Raises:
            LedgerError: the ledger failed.
        """
        services = self._services
        last = services.ledger.outbox.signed(NOTIFIED)
        if last is None or services.clock.now() - last > UNTOLD:
            notify(services)
