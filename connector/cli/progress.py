"""Live counts by status while a pass runs on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from connector.cli.output import STYLES
from connector.domain.errors import LedgerError
from connector.domain.job import Status
from connector.ledger import Ledger
from connector.operations.texts import duration

_LOOK_EVERY = 1.0
"""Seconds between two looks into the ledger: counting a large one takes a moment."""


def live_counts(ledger: Ledger, console: Console) -> Live:
    """Return a context within which the counts of the ledger stand at the end of the terminal."""
    return Live(_Counts(ledger), console=console, refresh_per_second=8, transient=True)


class _Counts:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._began = time.monotonic()
        self._looked = 0.0
        self._counts: Mapping[Status, int] = {}
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        self._look()
        line = Text("Working ", style="bold")
        line.append(duration(time.monotonic() - self._began), style="dim")
        for status, number in self._counts.items():
            if number:
                line.append("  ")
                line.append(f"{number:,} {status}", style=STYLES.get(str(status), ""))
        self._spinner.update(text=line)
        return Group(self._spinner)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        try:
            self._counts = self._ledger.queries.by_status()
        except LedgerError:
            return  # the pass itself will say so
