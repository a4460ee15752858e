"""What a day brings: when invoices are confirmed, and what goes wrong at which hour. Nothing here runs anything."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, Final

from tests.torture.erp import MISTYPED, Books, Document, Mix, make_books

HOURS: Final = 24

STARTS: Final = 6
"""Hour at which the day begins: its first quarter is a morning's work, after which memory must be flat."""

SHAPE: Final = (3, 4, 8, 11, 12, 11, 8, 4, 8, 10, 10, 8, 5, 3, 2, 2, 4, 6, 1, 1, 1, 1, 1, 2)
"""How many confirm something in each hour: an office's day, and a batch before midnight."""

MIX: Final = Mix(customers=(60, 60), credit_notes=0.05, mistyped=0.004, off=0.004)

EDITED: Final = 0.002
"""Share of the documents that somebody changes in the ERP although they were issued."""

CURED_AT: Final = 18.0
"""When the wrong tax numbers are put right."""

_LATE: Final = (0.01, 0.01)
"""Shares of documents that become visible late: within the overlap of looks, and so late that only a sweep helps."""

_LATE_BY: Final = (0.1, 1.0)
"""By how many hours."""

_LAST_LATE: Final = 14.0
"""Hours after the beginning from which nothing is that late any more: a sweep is still to come."""


@dataclass(frozen=True)
class Arrival:
    """A document, and when it becomes visible: hours after the beginning."""

    at: float
    document: Document
    age: float = 0.0  # by how many hours its time of change lies back then


@dataclass(frozen=True)
class Event:
    """Something that happens, and how long it lasts, in hours after the beginning."""

    at: float
    what: str
    hours: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """One day."""

    invoices: int
    hour: float  # seconds that an hour lasts
    seed: int
    books: Books
    arrivals: Sequence[Arrival]
    events: Sequence[Event]

    @property
    def seconds(self) -> float:
        return HOURS * self.hour


def make(invoices: int, *, hour: float, seed: int) -> Plan:
    """Draw a day. The same arguments give the same day."""
    chance = Random(f"day {seed}")
    books = make_books(chance, first=1, count=invoices, mix=MIX)
    cure(books)
    moments = spread(invoices)
    arrivals = [_arrival(chance, moment, document) for moment, document in zip(moments, books.documents, strict=True)]
    return Plan(invoices, hour, seed, books, sorted(arrivals, key=lambda one: one.at), _events())


def spread(count: int) -> Sequence[float]:
    """Moments of so many confirmations, in hours after the beginning, in the shape of the day."""
    reached = [0.0, *accumulate(share / sum(SHAPE) for share in SHAPE)]
    moments = []
    for number in range(count):
        wanted = (number + 0.5) / count
        hour = bisect_left(reached, wanted) - 1
        moments.append(hour + (wanted - reached[hour]) / (reached[hour + 1] - reached[hour]))
    return moments


def cure(books: Books) -> None:
    """What a wrong tax number holds leaves as soon as somebody puts it right: it is issued in the end."""
    for document in books.documents:
        if document.reason == "vat_number_wrong":
            document.fate, document.reason = "issued", None


def clock(hours: float) -> str:
    """What clocks show so many hours after the beginning."""
    minutes = round((STARTS + hours) % 24 * 60)
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def mistyped_customers(books: Books) -> Sequence[int]:
    return [customer.key for customer in books.customers if customer.key % 100 == MISTYPED]


def _arrival(chance: Random, moment: float, document: Document) -> Arrival:
    roll = chance.random()
    # A correction that comes before its original would only wait for it.
    if moment > _LAST_LATE or roll >= sum(_LATE):
        return Arrival(moment, document)
    by = _LATE_BY[roll < _LATE[1]]
    return Arrival(moment + by, document, age=by)


def _at(hour: float) -> float:
    return (hour - STARTS) % 24


def _events() -> Sequence[Event]:
    """By the hour of the clock; a rule of the simulator lasts as long as its event."""

    def fault(hour: float, hours: float, **rule: Any) -> Event:
        return Event(_at(hour), "fault", hours, rule)

    events = [
        # All day one write in forty goes wrong. A 429 is not among them: it halves the pace, which is right to do.
        fault(6, 24, kind="drop_after", method="POST", probability=0.01),
        fault(6, 24, kind="drop_before", method="POST", probability=0.005),
        fault(6, 24, kind="unavailable_before", probability=0.005),
        fault(6, 24, kind="error_after", method="POST", probability=0.0025, status=502),
        fault(6, 24, kind="truncated", method="POST", probability=0.0025),
        fault(9.5, 1.0, kind="webhook_delay", probability=0.2, seconds=3.0),
        fault(9.5, 1.0, kind="webhook_reorder", probability=0.2),
        fault(9.5, 1.0, kind="webhook_duplicate", probability=0.2),
        fault(9.5, 1.0, kind="webhook_drop", probability=0.1),
        fault(10.5, 0.25, kind="rate_limit", probability=0.2, retry_after="1"),
        Event(_at(11), "outage", 0.5),
        Event(_at(12), "cut_ledger"),
        Event(_at(13), "erp_gone", 1 / 3),
        Event(_at(14.5), "kill", details={"role": "worker"}),
        Event(_at(15), "broker_down", 0.25),
        fault(15.5, 0.25, kind="drop_after", method="POST", probability=0.3),
        fault(16.25, 0.25, kind="hang_after", method="POST", probability=0.1, seconds=3.0),
        Event(_at(16.75), "kill", details={"role": "scheduler"}),
        Event(_at(17.25), "erp_gone", 0.2),
        Event(_at(CURED_AT), "cure"),
        fault(19, 0.5, kind="list_lag", operation="create_invoice", probability=0.5, seconds=2.0),
        Event(_at(20), "edit"),
        Event(_at(22.25), "flush_broker"),
        Event(_at(23), "cut_ledger"),
        Event(_at(3), "term", details={"role": "worker"}),
    ]
    return sorted(events, key=lambda event: event.at)
