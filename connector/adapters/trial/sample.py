"""What an adapter may show besides, whose queries an operator wrote: a row of each, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleValue:
    """One column of the first row of a query."""

    query: str
    column: str
    value: str = ""
    problem: str = ""  # why it cannot be used: it is missing, or of the wrong type


@runtime_checkable
class ShowsSample(Protocol):
    """An adapter that reads what the configuration told it to."""

    def sample(self) -> Sequence[SampleValue]:
        """Return the first row of each query, as the database gives it, with what is wrong about it."""
