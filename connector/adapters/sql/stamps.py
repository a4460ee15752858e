"""Times of change, as a database stores them, and back.

A page starts after a time; the comparison happens in the database, so our time has to take the form of its
column again: a time stamp with or without zone, a day, seconds since 1970, or, on SQLite, a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:(?P<between>[ T])(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,6}))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?"
)
_DIGITS: Final = re.compile("[0-9]")


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a column of texts writes its times. Rows write them alike, or they could not be ordered.

    Only fractions may differ in length: many programs leave out those of nothing.
    """

    between: str | None  # None: days only
    digits: int  # of the fraction of a second
    zone: str  # Z, an offset, or nothing

    @classmethod
    def of(cls, value: str) -> TextForm:
        """Return the form of one text.

        Raises:
            ValueError: it is no time that orders as text.
        """
        found = _TEXT.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is no time of the form 2026-01-31 23:59:59")
        return cls(found["between"], len(found["fraction"] or ""), found["zone"] or "")

    def write(self, moment: datetime) -> str:
        """Return a time in this form; a fraction is cut, never rounded up past a row."""
        if self.between is None:
            return moment.strftime("%Y-%m-%d") + self.zone
        fraction = f".{moment.microsecond:06d}"[: self.digits + 1] if self.digits else ""
        return moment.strftime(f"%Y-%m-%d{self.between}%H:%M:%S") + fraction + self.zone

    @property
    def is_open(self) -> bool:
        """Whether fractions of any length order as text, for nothing follows them."""
        return self.between is not None and not self.zone

    def bounds(self, moment: datetime) -> tuple[str, str]:
        """Return the first and the last text of a time, as texts are ordered."""
        if not self.is_open:
            return self.write(moment), self.write(moment)
        longest = replace(self, digits=6).write(moment)
        return longest.rstrip("0").removesuffix(".") if moment.microsecond else longest[:-7], longest

    def orders_with(self, other: TextForm) -> bool:
        """Whether texts of both forms are in the order of their times."""
        return self == (replace(other, digits=self.digits) if self.is_open else other)


def is_zero(value: Any) -> bool:
    """Whether a value is a time of zeros, with which MySQL fills a column that may not be empty."""
    return isinstance(value, str) and value.startswith("0000-00-00")


@dataclass(frozen=True, slots=True)
class Stamps:
    """Converts the values of one column both ways, once a first value has shown its form."""

    zone: ZoneInfo
    example: Any = None

    def read(self, value: Any) -> datetime:
        """Return the time of a value, in UTC. NULL is 1970, and so are whatever lies before and MySQL's zeros.

        Raises:
            ValueError: it is no time, or a text of another form than the first one.
        """
        if value is None or is_zero(value):
            return EPOCH
        try:
            return max(EPOCH, self._read(value))
        except OverflowError:
            raise _beyond(value) from None

    def day(self, value: Any) -> date:
        """Return the day of a value, in the zone.

        Raises:
            ValueError: it is no time, or on no day there.
        """
        try:
            return self.read(value).astimezone(self.zone).date()
        except OverflowError:  # the last instant of all, east of Greenwich
            raise _beyond(value) from None

    def _read(self, value: Any) -> datetime:
        if isinstance(value, str):
            self._same_form(value)
            return self._utc(datetime.fromisoformat(value))
        if isinstance(value, datetime):
            return self._utc(value)
        if isinstance(value, date):
            return self._utc(datetime(value.year, value.month, value.day))  # noqa: DTZ001  # zone comes next
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return EPOCH + timedelta(microseconds=int(Decimal(str(value)) * 1_000_000))
        raise ValueError(f"{value!r} is no time")

    def write(self, moment: datetime) -> Any:
        """Return a time in the form of the column."""
        example = self.example
        if isinstance(example, str):
            return TextForm.of(example).write(self._local(moment, datetime.fromisoformat(example)))
        if isinstance(example, datetime):
            return self._local(moment, example)
        if isinstance(example, date):
            return moment.astimezone(self.zone).date()
        seconds = Decimal((moment - EPOCH) // timedelta(microseconds=1)) / 1_000_000
        return int(seconds) if isinstance(example, int) else type(example)(seconds)

    @property
    def is_open(self) -> bool:
        """Whether one time may be written in several ways."""
        return isinstance(self.example, str) and TextForm.of(self.example).is_open

    def bounds(self, moment: datetime) -> tuple[Any, Any]:
        """Return the first and the last value of a time, in the order of the column; as a rule they are one."""
        if isinstance(self.example, str):
            local = self._local(moment, datetime.fromisoformat(self.example))
            return TextForm.of(self.example).bounds(local)
        return (self.write(moment),) * 2

    def _utc(self, moment: datetime) -> datetime:
        if moment.year < EPOCH.year - 1:  # the first days of all are out of reach of some zones
            return EPOCH
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def _local(self, moment: datetime, like: datetime) -> datetime:
        if like.tzinfo is None:
            return moment.astimezone(self.zone).replace(tzinfo=None)
        return moment.astimezone(like.tzinfo)

    def _same_form(self, value: str) -> None:
        if not isinstance(self.example, str) or _alike(value, self.example):
            return
        if not TextForm.of(value).orders_with(TextForm.of(self.example)):
            raise ValueError(
                f"changed_at is {self.example} in one row and {value} in another, which have no order;"
                " make them alike in the query, on SQLite with strftime()"
            )


def _beyond(value: Any) -> ValueError:
    return ValueError(
        f"{value!r} is beyond all times; a number is of seconds since 1970, and milliseconds are divided by 1000 in"
        " the query"
    )


def _alike(value: str, example: str) -> bool:
    """Whether two texts without a zone have digits at the same places: then they have one form, found quickly."""
    picture = _picture(example)
    return picture is not None and picture.fullmatch(value) is not None


@lru_cache(maxsize=16)
def _picture(example: str) -> re.Pattern[str] | None:
    """Return what texts with digits at the same places match; None where it has a zone, whose digits count."""
    return None if TextForm.of(example).zone else re.compile(_DIGITS.sub("[0-9]", re.escape(example)))
