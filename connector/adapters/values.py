"""Single values of rows, read strictly: what cannot be read says which column it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

from connector.adapters.database import Row, exact, plain
from connector.domain.errors import DocumentNotUsableError, SchemaChangedError
from connector.domain.invoice import Invoice, money

Value = TypeVar("Value")


def number(row: Row, column: str) -> Decimal:
    """Return a figure exactly, also where the database keeps doubles.

    Raises:
        ValueError: names the column, which is empty or holds no number.
    """
    try:
        value = exact(row[column])
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None
    if value is None:
        raise ValueError(f"{column} is empty")
    return Decimal(f"{value.normalize():f}")


def amount(row: Row, column: str, currency: str | None) -> Decimal:
    """Return an amount of money with all digits of its currency, unless the ERP keeps more of them."""
    value, unit = number(row, column), money(currency or "").unit
    return value.quantize(unit) if value == value.quantize(unit) else value


_EVERYDAY: Final = frozenset({"C62", "HUR", "KGM", "LTR", "DAY"})


def unit_name(name: str | None, code: str | None) -> str | None:
    """Return the ERP's own name of a unit, for documents whose recipient may not be told it by its code."""
    return None if code in _EVERYDAY else plain(name)


def day(value: Any) -> date | None:
    """Return a date, of a database's own type or of a text that begins like 2026-01-31.

    Raises:
        ValueError: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        if str(value).endswith(" BC"):  # as PostgreSQL writes a year before our era
            raise ValueError
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ValueError(f"{value!r} is no date of the form 2026-01-31") from None


def changed_at(row: Row) -> datetime:
    """Return the time of change of a head, which its column tells in UTC without saying so.

    Raises:
        SchemaChangedError: it is no time, so that nobody can tell what comes after it; names the document.
    """
    value = row["changed_at"]
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise SchemaChangedError(
            f"Document {row['id']} of the ERP has the time of change {value!r}, which is none.",
            action="Correct it in the ERP.",
        ) from None
    return cast(datetime, found).replace(tzinfo=UTC)


def readable(read: Callable[[], Value]) -> Value | None:
    """Return a value for the head of a document; None where it cannot be read, which loading the document tells."""
    try:
        return read()
    except (ValueError, ArithmeticError):
        return None


def usable(key: str, called: str | None, build: Callable[[], Invoice]) -> Invoice | DocumentNotUsableError:
    """Return a document, or why it cannot be read; `called` is its number. One bad document harms no other."""
    try:
        return build()
    except (ValueError, ArithmeticError) as error:
        return DocumentNotUsableError(
            f"Document {called or key} of the ERP cannot be read: {error}.",
            key=key,
            action="Correct the document in the ERP.",
        )
