"""The first page: what needs a person, what waits and for what, what was issued, how everything fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.bootstrap import Services
from connector.domain.job import Status
from connector.ledger.causes import Cause
from connector.ledger.figures import NOTHING, Tally
from connector.web.console.filters import Chosen
from connector.web.console.visit import User
from connector.web.remembered import Remembered

GROUPED: Final = 20_000
"""So many jobs that need a person are grouped by cause; who has more begins with these."""

_SHOWN: Final = 30
_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Day:
    """What was issued on one day, and how high its bar is, in hundredths."""

    day: date
    tally: Tally
    height: int


class Issued:
    """What was issued day by day. Days that are over do not change: they are counted once in a process's life."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        self._services = services
        self._days: dict[date, Tally] = {}
        self._today = Remembered(10.0, self._count_today)

    def days(self, today: date) -> list[tuple[date, Tally]]:
        """Return the last days up to today, and at least those of this month."""
        first = min(today.replace(day=1), today - timedelta(days=_DAYS - 1))
        past = [first + timedelta(days=n) for n in range((today - first).days)]
        for one in past:
            if one not in self._days:
                self._days[one] = self._count(one)
        return [*((one, self._days[one]) for one in past), (today, self._today.get())]

    def _count_today(self) -> Tally:
        return self._count(self._services.clock.now().astimezone().date())

    def _count(self, one: date) -> Tally:
        return self._services.ledger.figures.issued(_midnight(one), _midnight(one + timedelta(days=1)))


class Board:
    """The figures of the overview, counted once for all who look at it within a few seconds."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        ledger = services.ledger
        self.issued = Issued(services)
        self.causes = Remembered(2.0, lambda: ledger.queries.causes(most=GROUPED))
        self.waiting = Remembered(5.0, lambda: ledger.figures.by_reason(Status.WAITING))
        self.pending = Remembered(5.0, lambda: ledger.figures.by_reason(Status.PENDING))


routes = APIRouter()


@routes.get("/")
def overview(visit: User) -> Response:
    services, board = visit.services, visit.request.app.state.board
    today = services.clock.now().astimezone().date()
    days = board.issued.days(today)
    found = board.causes.get()
    month = [tally for one, tally in days if (one.year, one.month) == (today.year, today.month)]
    return visit.page(
        "overview.html",
        causes=[(cause, address_of(cause)) for cause in found[:_SHOWN]],
        more_causes=len(found) - _SHOWN,
        needing=sum(cause.count for cause in found),
        all_counted=sum(cause.count for cause in found) < GROUPED,
        waiting=board.waiting.get(),
        pending=board.pending.get(),
        oldest_due=services.ledger.queries.oldest_due(),
        today=days[-1][1],
        month=_together(month),
        chart=_bars(days[-_DAYS:]),
        accounts=account_rows(services),
        sources=source_rows(services),
    )


def address_of(cause: Cause) -> str:
    """Return the address of the list that shows the jobs of a cause."""
    chosen = Chosen(reason=cause.reason, attention="1")
    for name in ("account", "source"):
        if cause.facts.get(name):
            chosen = chosen.but(**{name: cause.facts[name]})
    if cause.facts.get("customer"):
        chosen = chosen.but(q=cause.facts["customer"])
    if cause.count == 1:
        return f"/jobs/{cause.ids[0]}"
    return f"/jobs?{chosen.query}"


def account_rows(services: Services) -> list[Mapping[str, Any]]:
    """Return how each account fares."""
    states = {state.name: state for state in services.ledger.accounts.all()}
    names = [*services.settings.accounts, *(name for name in states if name not in services.settings.accounts)]
    return [
        {"name": name, "state": states.get(name), "configured": name in services.settings.accounts} for name in names
    ]


def source_rows(services: Services) -> list[Mapping[str, Any]]:
    """Return how far discovery has come in each source."""
    every = services.settings.scheduler.discover_every
    rows: list[Mapping[str, Any]] = []
    for name in services.settings.sources:
        state = services.ledger.intake.state(name)
        looked = state.get("discovered_at")
        late = looked is None or services.clock.now() - looked > timedelta(seconds=3 * every + 60)
        adapter = services.settings.sources[name].adapter
        rows.append(
            {"name": name, "adapter": adapter, "looked": looked, "swept": state.get("swept_at"), "late": late}
        )
    return rows


def _together(tallies: list[Tally]) -> Tally:
    whole = NOTHING
    for tally in tallies:
        whole = whole.plus(tally)
    return whole


def _bars(days: list[tuple[date, Tally]]) -> list[Day]:
    highest = max((tally.count for _, tally in days), default=0) or 1
    return [Day(one, tally, round(100 * tally.count / highest)) for one, tally in days]


def _midnight(one: date) -> datetime:
    return datetime.combine(one, time_of_day()).astimezone()
