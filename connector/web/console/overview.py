"""The first page: what needs a person, what waits and for what, what was issued, how everything fares."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.bootstrap import Services
from connector.domain.alarms import alarm, placed
from connector.domain.job import Status
from connector.ledger.causes import Cause
from connector.ledger.figures import NOTHING, Tally
from connector.operations import standing
from connector.web.console.accounts import FEW, card
from connector.web.console.charts import DAYS, Charts, bars
from connector.web.console.filters import Chosen
from connector.web.console.visit import User, Visit
from connector.web.remembered import Remembered

GROUPED: Final = 20_000
"""So many jobs that need a person are grouped by cause; who has more begins with these."""

_SHOWN: Final = 30


class Board:
    """The figures of the overview, counted once for all who look at it within a few seconds."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        ledger = services.ledger
        self.charts = Charts(services)
        self.causes = Remembered(2.0, lambda: ledger.queries.causes(most=GROUPED))
        self.waiting = Remembered(5.0, lambda: ledger.figures.by_reason(Status.WAITING))
        self.pending = Remembered(5.0, lambda: ledger.figures.by_reason(Status.PENDING))


routes = APIRouter()


@routes.get("/")
def overview(visit: User) -> Response:
    services, board = visit.services, visit.request.app.state.board
    today = services.clock.now().astimezone().date()
    days = board.charts.issued.days(today)
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
        oldest_due=services.ledger.queries.oldest_due(sources=[*services.settings.sources]),
        today=days[-1][1],
        month=_together(month),
        alarms=alarms(visit),
        issued_days=bars([(one, tally.count) for one, tally in days[-DAYS:]]),
        sent_hours=board.charts.hours.get(),
        unsent_ages=board.charts.ages.get(),
        card=partial(card, visit),
        budget=services.settings.b2brouter.budget,
        **_health(services),
    )


def _health(services: Services) -> dict[str, Any]:
    """Return how accounts and sources fare: all where there are few, else those in trouble and how many else."""
    accounts, sources = standing.accounts(services), standing.sources(services)
    if len(accounts) + len(sources) <= FEW:
        return {"accounts": accounts, "sources": sources, "rest": None}
    fine = [one for one in accounts if one.configured and not one.troubled]
    unused = sum(one.state is None for one in fine)
    troubled = [one for one in accounts if one.troubled], [one for one in sources if one.troubled]
    rest = {
        "troubled": sum(max(0, len(one) - _SHOWN) for one in troubled),
        "work": len(fine) - unused,
        "unused": unused,
        "sources": len(sources) - len(troubled[1]),
    }
    return {"accounts": troubled[0][:_SHOWN], "sources": troubled[1][:_SHOWN], "rest": rest}


def address_of(cause: Cause) -> str:
    """Return the address of the list that shows the jobs of a cause."""
    if cause.count == 1:
        return f"/jobs/{cause.ids[0]}"
    return f"/jobs?{Chosen(cause=cause.key, attention='1').query}"


def alarms(visit: Visit) -> list[tuple[str, str, datetime]]:
    """Return the alarms that last: what each says, what to do, and since when."""
    told = []
    for lasting in visit.ledger.alarms.lasting():
        kind, facts = alarm(lasting.code), placed(lasting.details, visit.instant)
        said = kind.message(facts, visit.language), kind.advice(facts, visit.language)
        told.append((*said, lasting.since))
    return told


def _together(tallies: list[Tally]) -> Tally:
    whole = NOTHING
    for tally in tallies:
        whole = whole.plus(tally)
    return whole
