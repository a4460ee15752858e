"""How much memory the long-lived processes hold through the day, and whether it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression
from typing import Final

from tests.soak.plan import HOURS

MOST_GROWTH: Final = 0.10
"""Share of what a warm process holds by which it may grow from then on."""

LEAST_ALLOWED: Final = 12.0
"""Megabytes by which any process may grow: an allocator does not give its arenas back at once."""


@dataclass
class Series:
    """Samples of one process: hours after the beginning, megabytes."""

    name: str
    samples: list[tuple[float, float]] = field(default_factory=list)
    warm_at: float = HOURS / 4  # a quarter of the day is over, and a quarter of the work is done

    @property
    def later(self) -> Sequence[tuple[float, float]]:
        """The samples of the warm process."""
        return [sample for sample in self.samples if sample[0] >= self.warm_at]

    @property
    def warm(self) -> float:
        """Megabytes when it is warm."""
        return self.later[0][1] if self.later else 0.0

    @property
    def last(self) -> float:
        """Megabytes at the end."""
        return self.samples[-1][1]

    @property
    def slope(self) -> float:
        """Megabytes an hour of the warm process, by least squares."""
        later = self.later
        return linear_regression(*zip(*later, strict=True)).slope if len(later) > 1 else 0.0

    @property
    def growth(self) -> float:
        """Megabytes by which it grew since it was warm, by that slope."""
        return self.slope * (self.samples[-1][0] - self.warm_at)

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
