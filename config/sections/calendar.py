"""Days of the week and time zones, as operators write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

WORKING_DAYS: list[Weekday] = ["mon", "tue", "wed", "thu", "fri"]


def weekdays(names: Sequence[Weekday]) -> frozenset[int]:
    """Return days of the week as numbers; Monday is 0."""
    order = get_args(Weekday)
    return frozenset(map(order.index, names))


def known_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: there is none of that name.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name} is no time zone, such as Europe/Madrid") from None
    return name
