"""The ERPs: one adapter for each source."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from config.sections.sources import SourceSettings
from connector import adapters
from connector.adapters.checks import failed
from connector.discovery import Source
from connector.domain.errors import DocumentNotUsableError, UsageError
from connector.domain.invoice import Invoice
from connector.ports import Adapter, CheckRow, Company, Found, Position, TellsConfirmation

log = logging.getLogger(__name__)

_LONGEST_USE = 3600.0
"""Seconds after which an adapter that was replaced is closed; it opens itself again for whoever still uses it."""


class Erps:
    """The adapters of one process, each opened when it is first asked for, and anew when its source is another.

    Whoever has an adapter in hand goes on with it; it is closed long after another took its place.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._lock = threading.RLock()
        self._kinds: dict[str, adapters.AdapterClass] = {}
        self._opened: dict[str, _Opened] = {}
        self._replaced: list[tuple[float, Adapter]] = []
        self._many: dict[str, tuple[Adapter, bool]] = {}
        self._unusable: set[str] = set()

    def adapter(self, source: str, settings: SourceSettings) -> Adapter:
        """Return the adapter of a source.

        Raises:
            UsageError: there is no such adapter, or its options are wrong; where the source was open before, that
                adapter is returned.
        """
        opened = self._opened.get(source)
        if opened is not None and opened.settings is None:
            return opened.adapter
        try:
            address = settings.address()  # a command may take half a minute for it, and keeps no other source waiting
            return self._at(address, source, settings)
        except UsageError as error:  # an address in a file of its own changes when it likes
            if opened is None:
                raise
            log.warning("%s The address of before stays in force.", error.message)
            return opened.adapter

    def opened(self, sources: Mapping[str, SourceSettings]) -> Mapping[str, Adapter]:
        """Return the adapters of some sources; one that cannot be opened tells so whoever wants anything of it.

        It is logged when that begins and ends.
        """
        found: dict[str, Adapter] = {}
        for source, settings in sources.items():
            try:
                found[source] = self.adapter(source, settings)
            except UsageError as error:
                found[source] = _NotOpen(error)
                if source not in self._unusable:
                    self._unusable.add(source)
                    log.error("source %s cannot be used now: %s %s", source, error.message, error.action)
            else:
                if source in self._unusable:
                    self._unusable.discard(source)
                    log.info("source %s can be used again", source)
        return found

    def _at(self, address: str | None, source: str, settings: SourceSettings) -> Adapter:
        with self._lock:
            opened = self._opened.get(source)
            if opened is None or not opened.suits(settings, address):
                opened = self._put(source, _Opened(settings, address, self._open(source, settings, address)))
            return opened.adapter

    def see(self, source: str, settings: SourceSettings) -> None:
        """See that a source could be opened; nobody is connected to, and no command is asked for its address.

        Raises:
            UsageError: it could not.
        """
        if settings.url_command is None:
            address = settings.address()
            with self._lock:
                self._open(source, settings, address).close()

    def _open(self, source: str, settings: SourceSettings, address: str | None) -> Adapter:
        if settings.adapter not in self._kinds:  # looking for it takes its time, and sources may be thousands
            self._kinds[settings.adapter] = adapters.adapter_class(settings.adapter)
        adapter = self._kinds[settings.adapter].open(source, address, settings.opened_options())
        if settings.since_by == "confirmed_at" and not isinstance(adapter, TellsConfirmation):
            raise _no_confirmation(source, "Its ERP does not remember that.")
        return adapter

    def use(self, source: str, adapter: Adapter) -> None:
        """Have a source read through an adapter that is open already, whatever its settings say."""
        with self._lock:
            self._put(source, _Opened(None, None, adapter))

    def _put(self, source: str, opened: _Opened) -> _Opened:
        self._retire(source)
        self._opened[source] = opened
        return opened

    def _retire(self, source: str) -> None:
        before = self._opened.pop(source, None)
        if before is not None:
            self._replaced.append((time.monotonic(), before.adapter))

    def keep(self, sources: Collection[str]) -> None:
        """Forget the adapters of other sources."""
        with self._lock:
            for gone in self._opened.keys() - set(sources):
                self._retire(gone)

    def close_replaced(self) -> None:
        """Close the adapters that were replaced so long ago that nobody works with them any more."""
        latest = time.monotonic() - _LONGEST_USE
        with self._lock:
            over = [adapter for since, adapter in self._replaced if since <= latest]
            self._replaced = [(since, adapter) for since, adapter in self._replaced if since > latest]
        for adapter in over:
            adapter.close()

    def many_companies(self, source: str, adapter: Adapter) -> bool:
        """Whether several companies issue in an ERP; it is asked until it has answered once."""
        with self._lock:
            known, many = self._many.get(source, (None, False))
        if known is adapter:
            return many
        many = len(adapter.companies()) > 1  # other sources do not wait for this ERP
        with self._lock:
            self._many[source] = adapter, many
        return many

    def close(self) -> None:
        """Give back all connections."""
        with self._lock:
            for source in list(self._opened):
                self._retire(source)
            for _, adapter in self._replaced:
                adapter.close()


@dataclass(frozen=True, slots=True)
class _NotOpen:
    """An ERP that cannot be opened now: its documents wait with that for a reason, and not unseen."""

    fault: UsageError

    def check(self) -> Sequence[CheckRow]:
        return [failed("opened", self.fault.message, self.fault.action)]

    def close(self) -> None:
        """Nothing is open."""

    def identity(self) -> str:
        raise self._fault()

    def companies(self) -> Sequence[Company]:
        raise self._fault()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        raise self._fault()

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        raise self._fault()

    def record(self, key: str, reference: str, xref: str) -> None:
        raise self._fault()

    def _fault(self) -> UsageError:
        return UsageError(self.fault.message, action=self.fault.action)  # several threads may raise it


@dataclass(frozen=True, slots=True)
class _Opened:
    settings: SourceSettings | None  # None: any
    address: str | None = field(repr=False)
    adapter: Adapter

    def suits(self, settings: SourceSettings, address: str | None) -> bool:
        """Whether it is what these settings, and the address that they lead to, ask for."""
        return self.settings is None or (self.settings == settings and self.address == address)


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
