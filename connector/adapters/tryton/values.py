"""Values of Tryton's columns, whichever database they come from.

On SQLite, Tryton keeps decimals as BLOBs that hold their digits, and days and times as texts.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from connector.adapters.database import Row, exact
from connector.domain.invoice import ZERO

Value = TypeVar("Value")


def number(value: Any) -> Decimal | None:
    """Return a number as it was entered.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    found = exact(value)
    return None if found is None else found + 0  # -0.00 is 0.00


def amount(row: Row, column: str) -> Decimal:
    """Return a number of a row; NULL is zero.

    Raises:
        ValueError: it is none; names the column.
    """
    try:
        return number(row[column]) or ZERO
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None


def readable(read: Callable[[Any], Value | None], value: Any) -> Value | None:
    """Return a value of a head; None where it cannot be read, which loading the document will explain."""
    try:
        return read(value)
    except ValueError:
        return None
