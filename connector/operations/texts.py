"""Values as people read them, and as machines do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

from connector.domain.invoice import Kind, money


def plain(value: Decimal) -> str:
    """Return a decimal number without exponent: for machines."""
    return format(value, "f")


def amount(value: Decimal | None, currency: str | None) -> str:
    """Return an amount with its currency: for people."""
    if value is None:
        return "?"
    digits = money(currency or "").digits
    shown = value if -value.as_tuple().exponent > digits else value.quantize(Decimal(1).scaleb(-digits))  # type: ignore[operator]
    return f"{shown:,f} {currency or '?'}"


def instant(value: datetime | None) -> str | None:
    """Return an instant in UTC: for machines."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(value: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return an instant in this machine's zone: for people. `zone` names the zone."""
    return value.astimezone().strftime(form)


def zone(value: datetime) -> str:
    """Return the name of this machine's zone at an instant, such as `CET, UTC+01:00`."""
    there = value.astimezone()
    offset = there.strftime("%z")
    name = there.tzname() or ""
    spelled = f"UTC{offset[:3]}:{offset[3:5]}"
    return spelled if not name or name[0] in "+-" else f"{name}, {spelled}" if name != "UTC" else "UTC"


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return `1 invoice`, `2 invoices`, `1,000 invoices`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def one_line(text: str) -> str:
    """Return a text of the ERP or of B2Brouter without line ends and without what could steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Sums:
    """Amounts by currency; credit notes are subtracted."""

    def __init__(self) -> None:
        self._by_currency: dict[str, Decimal] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: Kind, total: Decimal | None, currency: str | None) -> None:
        """Count a document, if it says an amount."""
        if total is None:
            return
        signed = -total if kind is Kind.CREDIT_NOTE else total
        name = currency or "?"
        self._by_currency[name] = self._by_currency.get(name, Decimal(0)) + signed
        self._counts[name] = self._counts.get(name, 0) + 1

    def merge(self, other: Sums) -> None:
        """Add all of another's."""
        for currency, value in other._by_currency.items():
            self._by_currency[currency] = self._by_currency.get(currency, Decimal(0)) + value
            self._counts[currency] = self._counts.get(currency, 0) + other._counts[currency]

    def record(self) -> dict[str, str]:
        """Return them for machines."""
        return {currency: plain(value) for currency, value in sorted(self._by_currency.items())}

    def counts(self) -> dict[str, int]:
        """Return how many documents there are of each currency."""
        return dict(sorted(self._counts.items()))

    def counted(self) -> str:
        """Return them for people, with how many documents each is made of."""
        return ", ".join(
            f"{amount(value, name)} ({count(self._counts[name], 'invoice')})"
            for name, value in _sorted(self._by_currency)
        )

    def told(self) -> str:
        """Return them for people."""
        return ", ".join(amount(value, name) for name, value in _sorted(self._by_currency)) or "none"


def _sorted(values: Mapping[str, Decimal]) -> Iterable[tuple[str, Decimal]]:
    return sorted(values.items())
