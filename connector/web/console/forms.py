"""Values as the readers of each language write them: amounts, numbers, days, instants, spans of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from connector.domain.invoice import money

_SEPARATORS: Final[Mapping[str, Sequence[str]]] = {
    "en": (",", "."),
    "es": (".", ","),
    "fr": ("\N{NARROW NO-BREAK SPACE}", ","),
    "ca": (".", ","),
}
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def number(value: int | Decimal, language: str, digits: int = 0) -> str:
    """Return a number with separators."""
    thousands, point = _SEPARATORS[language]
    plain = f"{value:,.{digits}f}"
    return plain.replace(",", "\0").replace(".", point).replace("\0", thousands)


def amount(value: Decimal | None, currency: str | None, language: str) -> str:
    """Return an amount with its currency; nothing known is a dash."""
    if value is None:
        return "–"
    digits = max(money(currency or "").digits, -int(value.as_tuple().exponent))
    return f"{number(value, language, digits)}\N{NO-BREAK SPACE}{currency or '?'}"


def day(value: date | None, language: str) -> str:
    """Return a day: 21 Nov 2026 in English, 21/11/2026 elsewhere."""
    if value is None:
        return "–"
    if language == "en":
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    return f"{value:%d/%m/%Y}"


def instant(value: datetime | None, language: str) -> str:
    """Return an instant in this machine's zone, to the minute."""
    if value is None:
        return "–"
    there = value.astimezone()
    return f"{day(there.date(), language)} {there:%H:%M}"


def clock(value: datetime) -> str:
    """Return the time of day of an instant, to the second."""
    return f"{value.astimezone():%H:%M:%S}"


def machine(value: datetime | None) -> str:
    """Return an instant for the attribute `datetime` of an element."""
    return "" if value is None else value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def span(value: timedelta) -> str:
    """Return a length of time in the unit that suits it, in signs that all our languages share."""
    seconds = max(0, int(value.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} d"
