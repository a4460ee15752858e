"""The ERPs: one adapter for each source."""

from __future__ import annotations

import threading

from config.sections import SourceSettings
from connector import adapters
from connector.discovery import Source
from connector.domain.errors import UsageError
from connector.ports import Adapter, TellsConfirmation


class Erps:
    """The adapters of one process, each opened when it is first asked for."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._lock = threading.RLock()
        self._adapters: dict[str, Adapter] = {}
        self._many: dict[str, tuple[Adapter, bool]] = {}

    def adapter(self, source: str, settings: SourceSettings) -> Adapter:
        """Return the adapter of a source.

        Raises:
            UsageError: there is no such adapter, or its options are wrong.
        """
        with self._lock:
            if source not in self._adapters:
                self.use(source, _open(source, settings))
            return self._adapters[source]

    def use(self, source: str, adapter: Adapter) -> None:
        """Have a source read through an adapter that is open already."""
        with self._lock:
            self._adapters[source] = adapter

    def many_companies(self, source: str, adapter: Adapter) -> bool:
        """Whether several companies issue in an ERP; it is asked once."""
        with self._lock:
            known, many = self._many.get(source, (None, False))
            if known is not adapter:
                many = len(adapter.companies()) > 1
                self._many[source] = adapter, many
            return many

    def close(self) -> None:
        """Give back all connections."""
        for adapter in self._adapters.values():
            adapter.close()


def _open(source: str, settings: SourceSettings) -> Adapter:
    kind = adapters.adapter_class(settings.adapter)
    adapter = kind.open(source, settings.address(), settings.opened_options())
    if settings.since_by == "confirmed_at" and not isinstance(adapter, TellsConfirmation):
        raise _no_confirmation(source, "Its ERP does not remember that.")
    return adapter


def as_discovered(name: str, settings: SourceSettings, adapter: Adapter) -> Source:
    """Return a source as discovery sees it.

    Raises:
        UsageError: its start date is about a day that its ERP, as it is mapped, does not tell.
    """
    by_confirmation = settings.since_by == "confirmed_at"
    if by_confirmation and not (isinstance(adapter, TellsConfirmation) and adapter.tells_confirmation()):
        raise _no_confirmation(name, "Its query find gives no column confirmed_at.")
    return Source(
        name=name,
        adapter=adapter,
        since=settings.since,
        companies=None if settings.accounts is None else list(settings.accounts),
        account_of=settings.account_of,
        by_confirmation=by_confirmation,
    )


def _no_confirmation(source: str, why: str) -> UsageError:
    return UsageError(
        f"sources.{source}.since_by is confirmed_at, but source {source} does not say when a document was confirmed.",
        action=f'{why} Use since_by = "issue_date".',
    )
