"""Taking over what changed in the configuration, while the process runs.

Accounts, sources, recipients and how often what is done are taken over at once; what is under way is never cut off.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from threading import Event, Thread
from typing import Any, Final

from config import secrets
from config.files import Files, Stamp, stamp_of
from config.sections.accounts import AccountSettings
from config.sections.section import Section
from config.sections.sources import SourceSettings
from config.settings import Settings, listed, read
from connector.bootstrap import Services
from connector.crew import logged
from connector.domain.errors import UsageError
from connector.operations.preflight import check_account

log = logging.getLogger(__name__)

UNREADABLE: Final = "configuration_unreadable"

LOOK_EVERY: Final = 5.0
"""Seconds between looks at the files. What changed counts when two looks find it the same: it is written by then."""

_MOST_OF_THE_TIME: Final = 100.0
"""Where there are thousands of files, looks are so far apart that they take a hundredth of a core at most."""

_LAST_WORDS: Final = 10.0

_TABLES: Final = ("accounts", "sources", "recipients")


class Reloader:
    """A thread in every process that lasts: it looks at the configuration's files, at once on SIGHUP."""

    def __init__(self, services: Services) -> None:
        """Prepare it; what the parts go by now is what the files said."""
        self._services = services
        self._files = services.settings.files
        self._latest = services.settings  # as last read, whether or not it could be taken over
        self._known: list[tuple[Settings, frozenset[str]]] = []
        self._judged = self._seen = self._stamps()
        self._fault: UsageError | None = None
        self._told = True  # by a process before, perhaps
        self._wake, self._stop = Event(), Event()
        self._thread = Thread(target=self._watch, name="reload", daemon=True)
        self._before: Any = None

    def start(self) -> Reloader:
        """Begin to look. SIGHUP is listened to where the process has no terminal whose end it would be."""
        if self._files is None:
            return self
        self.listen()
        self._thread.start()
        return self

    def listen(self) -> None:
        """Look at once when SIGHUP comes."""
        if threading.current_thread() is threading.main_thread() and not os.isatty(0):
            self._before = signal.signal(signal.SIGHUP, lambda *_: self._wake.set())

    def begin_to_stop(self) -> None:
        """Look no longer."""
        self._stop.set()
        self._wake.set()

    def stop(self) -> None:
        """Look no longer; a look under way comes to its end, within reason."""
        if self._files is None:
            return
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
        self.begin_to_stop()
        self._thread.join(timeout=_LAST_WORDS)

    def _watch(self) -> None:
        while not self._stop.is_set():
            began = time.thread_time()
            logged("configuration", self.look)
            pause = max(LOOK_EVERY, _MOST_OF_THE_TIME * (time.thread_time() - began))
            if self._wake.wait(pause) and not self._stop.is_set():
                self._wake.clear()
                logged("configuration", self.look_at_once)

    def look_at_once(self) -> None:
        """Take over what changed, even if it is still being written, and have secrets told anew.

        Raises:
            LedgerError: see `look`.
        """
        secrets.forget_told()
        self._seen = self._stamps()
        self.look()

    def look(self) -> None:
        """Take over what changed since the last look, if it was the same then.

        Raises:
            LedgerError: an alarm could not be written; the next look tries again.
        """
        if self._files is None:
            return
        self._services.erps.close_replaced()
        stamps = self._stamps()
        settled, self._seen = stamps == self._seen, stamps
        if settled and stamps != self._judged:
            changed = {path for path, _ in stamps.items() ^ self._judged.items()}
            self._take_over(self._files, changed)
            # What a new configuration names besides is looked at from now on; the rest may have changed meanwhile.
            self._judged = {path: stamps.get(path, stamp) for path, stamp in self._stamps().items()}
        self._tell(self._files)

    def _take_over(self, files: Files, changed: set[str]) -> None:
        try:
            settings = self._latest = read(files)
            self._see_usable(settings, changed)
        except UsageError as error:
            log.error("the configuration of before stays in force: %s %s", error.message, error.action)
            self._fault = error
            return
        self._fault = None
        before, later = self._services.settings, self._services.adopt(settings)
        log.info("the configuration was read again: %s", listed(sorted(changed)))
        for line in _differences(before, settings):
            log.info("the configuration changed: %s", line)
        for section in later:
            log.warning("the configuration changed: [%s] takes effect at the next start", section)
        fixed = [*settings.ledger.secret_files(), *settings.broker.secret_files(), *settings.oidc.secret_files()]
        for file in sorted(changed.intersection(map(str, fixed))):
            log.warning("the configuration changed: %s takes effect at the next start", file)

    def _tell(self, files: Files) -> None:
        """See that there is an alarm while the files cannot be used, and none otherwise."""
        alarms, file = self._services.ledger.alarms, str(files.main)
        if self._fault is not None:
            alarms.begin(UNREADABLE, file, {"file": file, "fault": self._fault.message})
            self._told = True
        elif self._told:
            alarms.end(UNREADABLE, file)
            self._told = False

    def _see_usable(self, settings: Settings, changed: set[str]) -> None:
        """See that what is new can be used, its secrets included; the rest is in use already."""
        before = dict(_named(self._services.settings))
        seal = str(secrets.key_file()) in changed
        for (table, name), section in _named(settings):
            if (
                seal
                or section != before.get((table, name))
                or not changed.isdisjoint(map(str, section.secret_files()))
            ):
                section.see_secrets()
                if isinstance(section, AccountSettings):
                    check_account(settings, name)
                if isinstance(section, SourceSettings):
                    self._services.erps.see(name, section)

    def _stamps(self) -> Mapping[str, Stamp | None]:
        """Return the stamps of all files that count."""
        if self._files is None:
            return {}
        paths = {*self._files.all(), *self._secret_files(self._services.settings), *self._secret_files(self._latest)}
        if (key := secrets.key_file()) is not None:
            paths.add(str(key))
        return {path: stamp_of(path) for path in paths}

    def _secret_files(self, settings: Settings) -> frozenset[str]:
        """Return the files of a configuration's secrets; found once, for there may be thousands."""
        for known, files in self._known:
            if known is settings:
                return files
        general: list[Section] = [settings.ledger, settings.broker, settings.notifications, settings.oidc]
        sections = [*general, *(section for _, section in _named(settings))]
        files = frozenset(str(file) for section in sections for file in section.secret_files())
        self._known = [*self._known[-1:], (settings, files)]
        return files


def _named(settings: Settings) -> Iterator[tuple[tuple[str, str], Section]]:
    """Yield the tables by name, each under the last word of its place."""
    for place, name, section in settings.named():
        yield (place.rpartition(".")[2], name), section


def _differences(before: Settings, now: Settings) -> Iterator[str]:
    """Yield what is other in the tables by name, a line for each kind."""
    old, new = dict(_named(before)), dict(_named(now))
    for table in _TABLES:
        kinds = {
            "new": [name for kind, name in new.keys() - old.keys() if kind == table],
            "gone": [name for kind, name in old.keys() - new.keys() if kind == table],
            "other": [key[1] for key in new.keys() & old.keys() if key[0] == table and new[key] != old[key]],
        }
        for kind, names in kinds.items():
            if names:
                yield f"{table}, {kind}: {listed(sorted(names))}"
