"""What of a configuration comes from environment variables, so that a message names where a mistake stands."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "CONNECTOR_"
DELIMITER: Final = "__"


def set_aside() -> None:
    """Take all our variables out of the environment of this process, and of those it starts from now on.

    What works on made-up data alone must not meet a real ledger because a terminal is set up for it.
    """
    for name in list(_variables()):
        del os.environ[name]


def variable(place: Sequence[int | str]) -> str:
    """Return the name of the environment variable that sets what is at a place."""
    return PREFIX + DELIMITER.join(map(str, place)).upper()


def can_be_set(place: Sequence[int | str]) -> bool:
    """Whether a shell can set it, and it arrives there: names in the environment come in small letters."""
    return all(re.fullmatch(r"[a-z0-9_]+", str(part)) for part in place)


@dataclass(frozen=True, slots=True)
class Speaker:
    """The environment variable that a mistake is to be looked for in."""

    name: str
    only: Sequence[int | str] | None = None  # the table that no file has, and which is there by this variable

    def cure(self, file: Path) -> str:
        """Return what to do about the mistake."""
        why = f": {file} has no {'.'.join(map(str, self.only))}" if self.only else ""
        return f"Correct the environment variable {self.name}{why}."


def speaker(place: Sequence[int | str], values: Mapping[str, Any]) -> Speaker | None:
    """Return the environment variable that says what is at a place, or that alone names its table; None: the files.

    Args:
        place: in the configuration.
        values: what the files say.
    """
    here = variable(place)
    for name in _variables():
        if name.upper() == here:
            return Speaker(name)
        if name.upper().startswith(here + DELIMITER) and not _says(values, place):
            return Speaker(name, place)
    return speaker(place[:-1], values) if len(place) > 1 and not _says(values, place[:-1]) else None


def stray(sections: Collection[str]) -> tuple[str, Speaker] | None:
    """Return a section that there is not, and an environment variable that names it all the same."""
    for name in _variables():
        section, delimiter, _ = name[len(PREFIX) :].lower().partition(DELIMITER)
        if delimiter and section not in sections:
            return section, Speaker(name)
    return None


def prevailing(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the files say, less each secret that the environment tells in another of the three ways.

    A secret is told by a value, a file or a command; the environment wins over the files whichever it uses. An empty
    variable tells none: container engines set those that nobody gave.
    """
    left = dict(values)
    for name in filter(os.environ.get, _variables()):
        *tables, told = name[len(PREFIX) :].lower().split(DELIMITER)
        secret = told.removesuffix("_file").removesuffix("_command")
        others = {secret, f"{secret}_file", f"{secret}_command"} - {told}
        if others & _at(left, tables).keys():
            _drop(left, tables, others)
    return left


def _at(values: Mapping[str, Any], place: Sequence[str]) -> Mapping[str, Any]:
    """Return the table at a place; an empty one where there is none."""
    table: Any = values
    for part in place:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table if isinstance(table, Mapping) else {}


def _drop(values: dict[str, Any], place: Sequence[str], names: Collection[str]) -> None:
    """Leave names out of the table at a place; the tables on the way are copied, for the files remember theirs."""
    table = values
    for part in place:
        table[part] = table = dict(table[part])
    for name in names:
        table.pop(name, None)


def _says(values: Mapping[str, Any], place: Sequence[int | str]) -> bool:
    """Whether there is anything at a place of what the files say."""
    table: Any = values
    for part in place:
        if not isinstance(table, Mapping) or part not in table:
            return False
        table = table[part]
    return True


def _variables() -> Iterator[str]:
    return (name for name in sorted(os.environ) if name.upper().startswith(PREFIX))
