"""Keys of documents that are numbers in the database, and rows put in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from connector.adapters.database import Row

INTEGER: Final = 2**31 - 1
"""The largest number of a column of four bytes."""
BIG_INTEGER: Final = 2**63 - 1
"""The largest number of a column of eight bytes."""


def row_id(key: str, largest: int = INTEGER) -> int | None:
    """Return a document's number; None for a text that is none, which no document has then."""
    if not (key.isascii() and key.isdigit()):
        return None
    number = int(key)
    return number if number <= largest else None


def row_ids(keys: Sequence[str], largest: int = INTEGER) -> list[int]:
    """Return the numbers of these documents, each once."""
    return [number for key in dict.fromkeys(keys) if (number := row_id(key, largest)) is not None]


def grouped(rows: Sequence[Row], column: str) -> dict[Any, list[Row]]:
    """Return the rows by a column that several may share."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups
