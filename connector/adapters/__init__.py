"""Where confirmed invoices come from: one folder per ERP, found by entry point.

A package of anybody's registers its class in the group `connector.adapters`; the name of the entry point is
what `adapter = "…"` in the configuration says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from connector.adapters.options import nearest
from connector.domain.errors import UsageError
from connector.ports import INTERFACE, OLDEST_INTERFACE, Adapter

GROUP = "connector.adapters"


class AdapterClass(Protocol):
    """What an adapter's class offers beside the adapter itself.

    It also declares `INTERFACE`, the version of the contract that it was written for; see `interface_of`.
    """

    Options: ClassVar[type[BaseModel]]

    def open(self, name: str, url: str | None, options: Mapping[str, Any]) -> Adapter:
        """Return an adapter for the source `name`. It connects on its first use, not here.

        Raises:
            UsageError: an option is wrong or unknown, or the URL is missing or unreadable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledAdapter:
    """One adapter that can be named in the configuration."""

    name: str
    target: str  # module:class
    package: str
    version: str


def installed() -> Sequence[InstalledAdapter]:
    """Return all installed adapters, by name. None of them is imported."""
    found = _points().values()
    return [
        InstalledAdapter(
            name=point.name,
            target=point.value,
            package=point.dist.name if point.dist else "",
            version=point.dist.version if point.dist else "",
        )
        for point in sorted(found, key=lambda point: point.name)
    ]


def adapter_class(name: str) -> AdapterClass:
    """Return the class registered under that name.

    Raises:
        UsageError: no such adapter is installed, its package cannot be imported, or it was written for another
            version of the contract than this core knows.
    """
    points = _points()
    point = points.get(name)
    if point is None:
        raise UsageError(
            f"There is no adapter {name}{nearest(name, sorted(points))}",
            action="See: connector adapters list.",
        )
    try:
        loaded: AdapterClass = point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The adapter {name} ({point.value}) cannot be loaded: {error}.", action="Reinstall its package."
        ) from error
    _require_interface(name, interface_of(loaded))
    return loaded


def interface_of(adapter: object) -> int:
    """Return the version of the contract that an adapter, or its class, was written for: 1 where it declares none."""
    declared: int = getattr(adapter, "INTERFACE", 1)
    return declared


def _require_interface(name: str, declared: int) -> None:
    if declared > INTERFACE:
        raise UsageError(
            f"The adapter {name} was written for interface {declared}, and this connector has {INTERFACE}.",
            action="Upgrade the connector, or install an older version of the adapter's package.",
        )
    if declared < OLDEST_INTERFACE:
        raise UsageError(
            f"The adapter {name} was written for interface {declared}, and this connector knows {OLDEST_INTERFACE}"
            f" to {INTERFACE}.",
            action="Install a newer version of the adapter's package.",
        )


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
