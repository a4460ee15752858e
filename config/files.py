"""The files in which a configuration stands: the main one, those that it includes, those of its secrets."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from connector.domain.errors import UsageError
from connector.domain.wording import unreadable

INCLUDE: Final = "include"

Place = tuple[str, ...]

_INCLUDED: Final[frozenset[Place]] = frozenset({("accounts",), ("sources",), ("notifications", "recipients")})
"""The tables of tables, by name, that an included file may hold."""

Stamp = tuple[int, int, int]
"""What shows that a file is another one: time of change in nanoseconds, size, and its number on the disk."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the files say, put together."""

    values: dict[str, Any]
    origins: Mapping[Place, Path]  # of what included files say

    def origin(self, place: Iterable[int | str], otherwise: Path) -> Path:
        """Return the file that says what is at a place."""
        parts = tuple(map(str, place))
        found = (self.origins.get(parts[:length]) for length in (2, 3))
        return next(filter(None, found), otherwise)


@dataclass(slots=True)
class _Read:
    stamp: Stamp | None
    values: dict[str, Any]


@dataclass
class Files:
    """A configuration's files. One that has not changed is not read again."""

    main: Path
    _read: dict[Path, _Read] = field(default_factory=dict)

    def tables(self) -> Tables:
        """Return what they say.

        Raises:
            UsageError: one is missing, is no TOML, or says what it may not; one sentence that names it.
        """
        values = dict(self._values(self.main))
        included = list(self._included(values.pop(INCLUDE, [])))
        self._forget_others({self.main, *included})
        if not included:
            return Tables(values, {})
        origins: dict[Place, Path] = {}
        merged = {place: _table(values, place, self.main) for place in _INCLUDED}
        for file in included:
            for place, named in self._named_tables(file):
                for name, value in named.items():
                    if name in merged[place]:
                        other = origins.get((*place, name), self.main)
                        raise _given_twice((*place, name), other, file)
                    merged[place][name] = value
                    origins[*place, name] = file
        for place, table in merged.items():
            _put(values, place, table)
        return Tables(values, origins)

    def all(self) -> Iterator[str]:
        """Yield those that are there now, as far as that can be told: secrets have files besides."""
        yield str(self.main)
        try:
            yield from self._found(self._values(self.main).get(INCLUDE, []))
        except UsageError:
            return

    def _values(self, file: Path) -> dict[str, Any]:
        stamp = stamp_of(file)
        known = self._read.get(file)
        if known is None or known.stamp != stamp or stamp is None:
            known = self._read[file] = _Read(stamp, _parsed(file))
        return known.values

    def _forget_others(self, files: set[Path]) -> None:
        for gone in self._read.keys() - files:
            del self._read[gone]

    def _included(self, patterns: object) -> Iterator[Path]:
        return map(Path, self._found(patterns))

    def _found(self, patterns: object) -> Iterator[str]:
        if not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
            raise UsageError(f'{self.main}: include is a list of files, such as ["accounts.d/*.toml"].')
        folder = str(self.main.parent)
        seen = {str(self.main)}
        for pattern in patterns:
            found = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 - leaves out hidden files
            if not found and not glob.has_magic(pattern):
                raise UsageError(f"{self.main} includes {pattern}, and there is no such file.")
            for file in (os.path.join(folder, name) for name in found):  # noqa: PTH118 - see `stamp_of`
                if file not in seen:
                    seen.add(file)
                    yield file

    def _named_tables(self, file: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
        for key, value in self._values(file).items():
            inner = value.items() if key == "notifications" and isinstance(value, dict) else [(None, value)]
            for name, named in inner:
                place = (key,) if name is None else (key, name)
                if place not in _INCLUDED or not isinstance(named, dict):
                    raise UsageError(
                        f"{file}: {'.'.join(place)} cannot stand in an included file.",
                        action="Such files hold tables of accounts, sources and notifications.recipients by name; "
                        f"everything else is in {self.main}.",
                    )
                yield place, named


def _table(values: dict[str, Any], place: Place, file: Path) -> dict[str, Any]:
    table: Any = values
    for key in place:
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"{file}: {'.'.join(place)} is no table of tables by name.")
    return dict(table)


def _put(values: dict[str, Any], place: Place, table: dict[str, Any]) -> None:
    """Put a table in its place, without changing those around it, which are kept as they were read."""
    if not table:
        return
    first, *others = place
    values[first] = {**values.get(first, {}), others[0]: table} if others else table


def _given_twice(place: Place, one: Path, other: Path) -> UsageError:
    return UsageError(f"{'.'.join(place)} is in {one} and in {other}.", action="Keep one of the two.")


def stamp_of(file: str | Path) -> Stamp | None:
    """Return a file's stamp; None where it cannot be looked at."""
    try:
        found = os.stat(file)  # noqa: PTH116 - thousands of files are looked at again and again
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _parsed(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise UsageError(
            f"There is no configuration file {file}.",
            action="Write one with: connector init, or name one with --config.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}.", action="Correct that line.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} cannot be read: it is not UTF-8 text.", action="Save it as UTF-8.") from None
    except OSError as error:
        raise unreadable("", file, error.strerror or str(error)) from None
