"""One act on many jobs: previewed, begun, watched, stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter, Form
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from connector.domain.invoice import Kind
from connector.ledger import Ledger
from connector.ledger.actions import ACTS, Act
from connector.ledger.bulks import CHANGED, LEFT_ALONE, MOST
from connector.ledger.queries import Filter
from connector.operations.acts import why_not
from connector.web.console.filters import Chosen, FilterError
from connector.web.console.visit import User, Visit, check_form, query_of

_PAGE: Final = 100
_FASTEST: Final = 60_000

Text = Annotated[str, Form(max_length=2000)]


@dataclass(slots=True)
class Preview:
    """What an act would do to the jobs of a filter; of the first `MOST` alone where `more` says so."""

    count: int = 0
    credit_notes: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    unfit: Counter[str] = field(default_factory=Counter)  # by why
    more: bool = False

    @property
    def left_out(self) -> int:
        """How many of the meant jobs the act does not fit."""
        return self.unfit.total()


def preview(ledger: Ledger, act: Act, wanted: Filter) -> Preview:
    """Count what the act would do; changes nothing."""
    found = Preview()
    for row in ledger.queries.kinds(wanted, most=MOST):
        if not act.fits(row):
            found.unfit[why_not(act, row)] += row.number
            continue
        found.count += row.number
        found.accounts[row.account] += row.number
        sign = -1 if row.kind is Kind.CREDIT_NOTE else 1
        found.credit_notes += row.number if sign < 0 else 0
        if row.total is not None:
            currency = row.currency or "?"
            found.sums[currency] = found.sums.get(currency, Decimal(0)) + sign * row.total
    found.more = found.count + found.left_out >= MOST
    return found


routes = APIRouter()


@routes.get("/bulks")
def list_(visit: User) -> Response:
    return visit.page("bulks.html", bulks=visit.ledger.bulks.latest(50))


@routes.get("/bulks/new")
def new(visit: User) -> Response:
    return _preview(visit, visit.request.query_params.get("act", "retry"), Chosen.of(visit.request.query_params))


def _preview(visit: Visit, name: str, chosen: Chosen, *, wrong: str | None = None) -> Response:
    act = ACTS.get(name)
    if act is None:
        return visit.not_found()
    try:
        wanted = chosen.filter(visit.ledger)
    except FilterError:
        return visit.not_found()
    return visit.page(
        "bulk_new.html",
        status=422 if wrong else 200,
        act=act,
        acts=list(ACTS),
        chosen=chosen,
        preview=preview(visit.ledger, act, wanted),
        most=MOST,
        wrong=wrong,
    )


@routes.post("/bulks")
async def begin(visit: User) -> Response:
    form = await visit.request.form()
    return await run_in_threadpool(_begin, visit, {name: str(value) for name, value in form.items()})


def _begin(visit: Visit, form: dict[str, str]) -> Response:
    check_form(visit, form.get("form_key", ""))
    act, chosen, note = ACTS.get(form.get("act", "")), Chosen.of(form), form.get("note", "").strip()[:2000]
    if act is None:
        return visit.not_found()
    if not note:
        return _preview(visit, act.name, chosen, wrong="note_missing")
    try:
        pace = _pace(form.get("pace", ""))
        wanted = chosen.filter(visit.ledger)
    except ValueError:
        return _preview(visit, act.name, chosen, wrong="pace_wrong")
    bulk_id = visit.ledger.bulks.begin(act, wanted, chosen=chosen.facts(), who=visit.user, note=note, pace=pace)
    return visit.go(f"/bulks/{bulk_id}")


@routes.get("/bulks/{bulk_id}")
def show(visit: User, bulk_id: int) -> Response:
    bulk = visit.ledger.bulks.get(bulk_id)
    if bulk is None:
        return visit.not_found()
    given = visit.request.query_params
    result = given.get("result") if given.get("result") in (CHANGED, LEFT_ALONE) else None
    after = int(given["after"]) if given.get("after", "").isdecimal() else 0
    items = visit.ledger.bulks.items(bulk_id, after=after, limit=_PAGE + 1, result=result)
    shown, more = items[:_PAGE], len(items) > _PAGE
    following = query_of({"result": result, "after": shown[-1].place}) if more else None
    chosen = Chosen.of(bulk.chosen)
    return visit.page("bulk.html", bulk=bulk, items=shown, following=following, result=result, chosen=chosen)


@routes.post("/bulks/{bulk_id}/stop")
def stop(visit: User, bulk_id: int, form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if visit.ledger.bulks.get(bulk_id) is None:
        return visit.not_found()
    visit.ledger.bulks.stop(bulk_id, who=visit.user)
    return visit.go(f"/bulks/{bulk_id}")


def _pace(text: str) -> int | None:
    """Read jobs a minute; nothing means as fast as it goes.

    Raises:
        ValueError: it is no such number.
    """
    if not text.strip():
        return None
    pace = int(text)
    if not 1 <= pace <= _FASTEST:
        raise ValueError(text)
    return pace
