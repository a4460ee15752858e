"""How much memory the long-lived processes hold through the day, and whether it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median
from typing import Final

from tests.soak.plan import HOURS

WARM: Final = HOURS / 4
"""Hours after which a process has seen all kinds of work."""

MOST_GROWTH: Final = 0.10
"""Share of what a process holds when it is warm by which it may grow in the rest of the day."""

LEAST_ALLOWED: Final = 12.0
"""Megabytes by which any process may grow: the arenas of an allocator are not given back at once."""


@dataclass
class Series:
    """Samples of one process: hours after the beginning, megabytes."""

    name: str
    samples: list[tuple[float, float]] = field(default_factory=list)

    def around(self, hour: float) -> float:
        """Megabytes about that hour; the nearest sample's."""
        return min(self.samples, key=lambda sample: abs(sample[0] - hour))[1]

    @property
    def warm(self) -> float:
        """Megabytes as the second quarter begins."""
        first = [held for hour, held in self.samples if WARM <= hour < WARM + 2]
        return median(first) if first else self.around(WARM)

    @property
    def slope(self) -> float:
        """Megabytes an hour after the first quarter, by least squares."""
        later: Sequence[tuple[float, float]] = [sample for sample in self.samples if sample[0] >= WARM]
        if len(later) < 2:
            return 0.0
        return linear_regression(*zip(*later, strict=True)).slope

    @property
    def growth(self) -> float:
        """Megabytes by which it grew in the last three quarters, by that slope."""
        return self.slope * (HOURS - WARM)

    @property
    def limit(self) -> float:
        """Megabytes by which it may."""
        return max(LEAST_ALLOWED, MOST_GROWTH * self.warm)

    @property
    def is_flat(self) -> bool:
        return self.growth <= self.limit


def resident(pid: int) -> float:
    """Megabytes that a process holds in memory; 0 where there is none of that number."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    figures = dict(line.split(":", 1) for line in told.splitlines())
    return int(figures["VmRSS"].split()[0]) / 1024 if "VmRSS" in figures else 0.0
