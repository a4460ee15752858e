"""Files in a folder: which are there, when they are complete, how they are called for ever.

A file's key is its name below the folder, which stays the same when it moves to `done` or `failed`. Its time of
change is that of its inode, or of a folder within that it came in: no copy can set it back, and a rename renews it. A
file is complete when it has not changed for a while; who writes beside and renames is safe whatever that while is.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from connector.adapters.folder.settings import FolderOptions
from connector.adapters.folder.xml import UnreadableError
from connector.domain.errors import SourceNotPermittedError, SourceUnavailableError

SIDECAR: Final = ".b2brouter.json"
NOTE: Final = ".b2brouter.txt"

_UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", ".bak", "~")
"""Ends of the names of files that somebody is still writing, or has set by."""

_LONGEST_KEY: Final = 200
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

AT_ONCE: Final = 5000
"""Files that are kept in mind at once; a larger folder is looked through again for each lot."""

Place = tuple[datetime, str]
"""Where a file stands in the order in which files are listed."""

Look = tuple[int, int, int, int]
"""What shows that a file is the same as before: inode, size, times of content and of inode in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the folder."""

    key: str
    path: Path
    changed_at: datetime  # aware UTC
    look: Look

    @property
    def place(self) -> Place:
        """Where it stands in the order in which files are listed."""
        return self.changed_at, self.key


class Files:
    """The folder of one source. Nothing here changes it."""

    def __init__(
        self,
        source: str,
        options: FolderOptions,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; the folder is not looked at yet.

        Args:
            source: its name, for messages.
            options: as configured.
            sleep: waits for files to settle.
            now: seconds since 1970, by the clock of this machine.
        """
        self.source = source
        self.root = options.folder
        self.done = options.folder / options.done
        self.failed = options.folder / options.failed
        self._options = options
        self._sleep = sleep
        self._now = now
        self._wanted = [_regex(pattern) for pattern in options.patterns]
        self._deep = any("/" in pattern for pattern in options.patterns)

    # ------------------------------------------------------------ which are there

    def listing(self, after: Place | None = None, *, most: int = AT_ONCE) -> Sequence[Entry]:
        """Return the first complete files behind a place, in the order of (changed at, key).

        Waits once, briefly, for files that have just changed; those that go on changing are left for later.

        Args:
            after: exclusive; None starts at the beginning.
            most: so many at most, however large the folder; fewer than this means that there are no more.
        """
        with self.translated():
            self.root.stat()
            young: list[Entry] = []
            first = heapq.nsmallest(most, self._old(after, young), key=_place)
            if young:
                self._sleep(self._options.settle_seconds)
                first += [entry for entry in young if _look(entry.path) == entry.look]
            return sorted(first, key=_place)[:most]

    def _old(self, after: Place | None, young: list[Entry]) -> Iterator[Entry]:
        """Yield the files that have not changed for a while; the others go into a list."""
        for entry in self._entries():
            if after is None or entry.place > after:
                if self._is_old(entry):
                    yield entry
                else:
                    young.append(entry)

    def _entries(self) -> Iterator[Entry]:
        for path, found, since in _walk(self.root, deep=self._deep, leave_out=(self.done, self.failed)):
            relative = path.relative_to(self.root).as_posix()
            if is_finished(path.name) and any(wanted.fullmatch(relative) for wanted in self._wanted):
                yield _entry(relative, path, found, since)

    def _is_old(self, entry: Entry) -> bool:
        age = self._now() - entry.look[3] / 1e9
        return age >= self._options.settle_seconds

    # ------------------------------------------------------------ one file

    def locate(self, key: str) -> Path | None:
        """Return where a document's file is now: waiting, done, or set aside; None where it is gone.

        A file that waits counts before one of the same name that was done: somebody replaced it.
        """
        with self.translated():
            self.root.stat()
            return next(self.places(key), None)

    def places(self, key: str) -> Iterator[Path]:
        """Yield all places where a file with this key stands."""
        relative = self.relative(key)
        if relative is not None:
            yield from (path for root in self._roots() if os.path.lexists(path := root / relative))

    def relative(self, key: str) -> str | None:
        """Return the name below the folder that a key stands for; None where no file can have it."""
        if key_of(key) == key:
            return None if _leads_elsewhere(key) else key
        for root in self._roots():
            for path, _, _ in _walk(root, deep=True, leave_out=()):
                relative = path.relative_to(root).as_posix()
                if key_of(relative) == key:
                    return relative
        return None

    def _roots(self) -> Sequence[Path]:
        return self.root, self.done, self.failed

    def read(self, paths: Iterable[Path]) -> Generator[bytes | UnreadableError | None, None, None]:
        """Yield the bytes of files, or why they are not read, or None for what is gone; waits once for all.

        Raises:
            SourceUnavailableError: somebody is writing one of them.
        """
        looks = {path: _look(path) for path in paths}
        young = {path for path, look in looks.items() if look is not None and self._is_young(look)}
        if young:
            self._sleep(self._options.settle_seconds)
        for path, before in looks.items():
            with self.translated():
                if path in young and _look(path) not in {before, None}:
                    raise self._being_written(path)
                content = self._content(path)
            yield content

    def _is_young(self, look: Look) -> bool:
        """Whether its content is new. To be moved renews an inode but no content."""
        return self._now() - min(look[2], look[3]) / 1e9 < self._options.settle_seconds

    def _being_written(self, path: Path) -> SourceUnavailableError:
        return SourceUnavailableError(f"Source {self.source}: the file {path} is being written.")

    def _content(self, path: Path) -> bytes | UnreadableError | None:
        """Read one file, as large as allowed; a pipe or link is not opened."""
        try:
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                return UnreadableError("is a symbolic link or no file at all, and is not followed")
            most = self._options.max_bytes
            with _opened(path) as file:
                content = file.read(most + 1) if found.st_size <= most else b""
                after = os.fstat(file.fileno())
        except FileNotFoundError:
            return None
        except UnreadableError as error:
            return error
        if found.st_size > most or len(content) > most:
            return UnreadableError(
                f"has {max(found.st_size, len(content))} bytes, more than the {most} that are read"
            )
        if _look_of(after) != _look_of(found):
            raise self._being_written(path)
        return content

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of the file system into those of a source."""
        try:
            yield
        except PermissionError as error:
            raise SourceNotPermittedError(
                f"Source {self.source}: our user may not use {error.filename}.",
                action="Give it the right to read and write the folder and what is in it.",
            ) from error
        except OSError as error:
            raise SourceUnavailableError(
                f"Source {self.source}: {error.filename or self.root}: {error.strerror}.",
                action="See that the folder is there and mounted.",
            ) from error


def key_of(relative: str) -> str:
    """Return the key of a file: its name below the folder; a short form of one that the ledger cannot keep."""
    if len(relative) <= _LONGEST_KEY and relative.isprintable() and not relative.startswith("~"):
        return relative
    digest = hashlib.sha256(os.fsencode(relative)).hexdigest()[:16]
    shown = "".join(character if character.isprintable() else "?" for character in relative)
    return f"~{digest}~{shown[: _LONGEST_KEY - 20]}"


def is_finished(name: str) -> bool:
    """Whether a file's name does not say that it is hidden, unfinished or ours."""
    lower = name.lower()
    return not lower.startswith((".", "~")) and not lower.endswith((*_UNFINISHED, SIDECAR, NOTE))


def _leads_elsewhere(key: str) -> bool:
    parts = key.split("/")
    return any(part in {"", ".", ".."} for part in parts) or Path(key).is_absolute()


def _regex(pattern: str) -> re.Pattern[str]:
    """Read a pattern: `*` and `?` within a folder, `**/` for folders of any depth."""
    pieces = re.split(r"(\*\*/|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(piece) or re.escape(piece) for piece in pieces), re.IGNORECASE | re.DOTALL)


def _walk(
    root: Path, *, deep: bool, leave_out: Sequence[Path], since: int = 0
) -> Iterator[tuple[Path, os.stat_result, int]]:
    """Yield what is no folder, with its state, and when the folders around it came here, in nanoseconds.

    Hidden folders and links to folders are not entered.
    """
    try:
        listed = os.scandir(root)
    except FileNotFoundError:  # deleted meanwhile, or not made yet
        return
    with listed:
        for item in listed:
            path = Path(item.path)
            if item.is_dir(follow_symlinks=False):
                inner = _state(path) if deep and not item.name.startswith(".") and path not in leave_out else None
                if inner is not None:
                    yield from _walk(path, deep=deep, leave_out=leave_out, since=max(since, inner.st_ctime_ns))
            elif item.is_symlink() or item.is_file(follow_symlinks=False):
                found = _state(path)
                if found is not None:
                    yield path, found, since


def _opened(path: Path) -> BinaryIO:
    """Open a file that could be looked at: where that is refused, the folder is ours and this one file is not.

    Raises:
        UnreadableError: our user may not read it.
    """
    try:
        return path.open("rb")
    except PermissionError:
        raise UnreadableError("may not be read by our user") from None


def _state(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _entry(relative: str, path: Path, found: os.stat_result, since: int) -> Entry:
    changed_at = _EPOCH + timedelta(microseconds=max(found.st_ctime_ns, since) // 1000)
    return Entry(key_of(relative), path, changed_at, _look_of(found))


def _place(entry: Entry) -> Place:
    return entry.place


def _look(path: Path) -> Look | None:
    found = _state(path)
    return None if found is None else _look_of(found)


def _look_of(found: os.stat_result) -> Look:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
