"""Lists of what the archive holds, which `sha256sum -c` understands, each with the hash of the one before.

Run in the archive's folder, `cat manifests/*/*.sha256 | sha256sum -c` verifies every file without this software,
and the chain of the lists with it: whoever changes one must change all that follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connector.archive.storage import sha256

FOLDER: Final = "manifests/"
_LINE: Final = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line: a file with its hash, and of what it is, for people."""

    name: str
    sha256: str
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One list. Its number is its place in the chain, from 1."""

    number: int
    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """What the next list says of this one."""
        return sha256(self.content)

    @property
    def listed(self) -> list[Listed]:
        """Its lines, the one about the list before it included."""
        return lines(self.content)


def manifest(number: int, at: datetime, before: Listed | None, files: Iterable[Listed]) -> Manifest:
    """Return the list number `number`, made at an instant, after the list `before`."""
    rows = [f"# list {number} of this archive, {at:%Y-%m-%dT%H:%M:%SZ}; each list names the one before it"]
    for listed in ([before] if before else []) + list(files):
        rows += [f"# {_one_line(listed.of)}"] if listed.of else []
        rows.append(f"{listed.sha256}  {listed.name}")
    name = f"{FOLDER}{at:%Y-%m}/{number:08}.sha256"
    return Manifest(number=number, name=name, content="".join(f"{row}\n" for row in rows).encode())


def number_of(name: str) -> int | None:
    """Return the place in the chain that a file's name claims; None where it is no list."""
    match = re.fullmatch(rf"{FOLDER}\d{{4}}-\d\d/(\d{{8}})\.sha256", name)
    return int(match[1]) if match else None


def lines(content: bytes) -> list[Listed]:
    """Return what a list says; comments and what cannot be understood are left out, as `sha256sum` does."""
    found = (_LINE.fullmatch(row) for row in content.decode("utf-8", "replace").splitlines() if row[:1] != "#")
    return [Listed(sha256=match[1], name=match[2]) for match in found if match]


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
