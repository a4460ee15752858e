"""Whether the archive holds what it should: nothing changed, nothing missing, nothing that nobody put there.

Everything but "nobody put it there" can be seen without this software too; see `manifest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from connector.archive.manifest import Listed, lines, number_of
from connector.archive.storage import Storage, sha256
from connector.domain import catalogue
from connector.domain.archive import Keeping
from connector.ledger.archive import Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be; the reason is the catalogue's."""

    reason: str
    details: Mapping[str, str]

    @property
    def message(self) -> str:
        """It in one sentence."""
        return catalogue.reason(self.reason).message(self.details)

    @property
    def advice(self) -> str:
        """What to do about it."""
        return catalogue.reason(self.reason).advice(self.details)


@dataclass(slots=True)
class Verification:
    """One look at the whole archive."""

    known: Archive
    storage: Storage
    files: int = 0  # that were read
    lists: int = 0
    _judged: set[str] = field(default_factory=set)

    def findings(self) -> Iterator[Finding]:
        """Read every file, and yield what is wrong.

        Raises:
            ArchiveError: the place cannot be read.
            LedgerError: the ledger failed.
        """
        there = set(self.storage.names())
        yield from self._lists(sorted((number, name) for name in there if (number := number_of(name)) is not None))
        yield from self._announced()
        for name in sorted(there - self._judged):
            yield Finding(reason="archive_unknown", details={"file": name})

    def _lists(self, there: Sequence[tuple[int, str]]) -> Iterator[Finding]:
        """Follow the chain, and read what its lists name."""
        known = self.known.lists()
        before: Listed | None = None
        for listed in known:
            self._judged.add(listed.name)
            content = self.storage.read(listed.name)
            if content is None:
                yield Finding(reason="archive_missing", details={"file": listed.name})
            else:
                yield from self._list(listed.name, content, before, listed.sha256)
            before = Listed(name=listed.name, sha256=listed.sha256)
        last = known[-1].number if known else 0
        if there and there[-1] == (last + 1, there[-1][1]):  # made just before its maker died
            name = there[-1][1]
            content = self.storage.read(name) or b""
            self._judged.add(name)
            yield from self._list(name, content, before, sha256(content))

    def _list(self, name: str, content: bytes, before: Listed | None, expected: str) -> Iterator[Finding]:
        self.lists += 1
        listed = lines(content)
        if sha256(content) != expected:
            yield Finding(reason="archive_changed", details={"file": name})
        elif before is not None and listed[:1] != [before]:
            yield Finding(reason="archive_chain_broken", details={"file": name, "before": before.name})
        for one in listed:
            if number_of(one.name) is None:
                yield from self._file(one.name, one.sha256)

    def _announced(self) -> Iterator[Finding]:
        """What the ledger knows of and no list names yet; and what the ledger and a list disagree about."""
        for file in self.known.announced():
            if file.name is None or file.sha256 is None:
                continue
            if file.keeping is Keeping.KEPT:
                yield from self._file(file.name, file.sha256)
            elif self.storage.digest(file.name) in {None, file.sha256}:
                self._judged.add(file.name)  # on its way

    def _file(self, name: str, expected: str) -> Iterator[Finding]:
        if name in self._judged:
            return
        self._judged.add(name)
        self.files += 1
        digest = self.storage.digest(name)
        if digest is None:
            yield Finding(reason="archive_missing", details={"file": name})
        elif digest != expected:
            yield Finding(reason="archive_changed", details={"file": name})
