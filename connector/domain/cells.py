"""Texts of others in tables that people open with a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_FIGURE: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?")


def cell(text: str) -> str:
    """Return a text as a cell that is shown as it is, and never calculated or followed.

    A customer may be called `=HYPERLINK(…)`: spreadsheets take an apostrophe before it for "this is text".
    """
    return f"'{text}" if text.startswith(_FORMULA) and not _FIGURE.fullmatch(text) else text


def as_cells(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row with all its texts as cells."""
    return {name: cell(value) if isinstance(value, str) else value for name, value in row.items()}
