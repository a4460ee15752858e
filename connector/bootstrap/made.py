"""Parts that are made of the configuration, and made anew when it is another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from config.settings import Settings


class Configured(Protocol):
    """Has a configuration, and keeps what was made of it."""

    settings: Settings
    made: dict[str, tuple[Settings, Any]]


T = TypeVar("T")


class made_of_settings(Generic[T]):  # noqa: N801 - stands where cached_property would
    """Like `cached_property`, but a part is kept only as long as the configuration that it was made of.

    Whoever works with the part of before goes on with it. Two threads may make one each; both are good.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: None, kind: type[Any]) -> Self: ...

    @overload
    def __get__(self, owner: Configured, kind: type[Any]) -> T: ...

    def __get__(self, owner: Configured | None, kind: type[Any]) -> T | Self:
        if owner is None:
            return self
        settings = owner.settings  # looked at before making: what is made of a newer one is made once more
        known = owner.made.get(self._name)
        if known is not None and known[0] is settings:
            part: T = known[1]
            return part
        part = self._make(owner)
        owner.made[self._name] = settings, part
        return part
