"""One act on many jobs: previewed, begun, watched, stopped."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from connector.domain.identity import storable
from connector.domain.invoice import Kind
from connector.domain.job import is_case
from connector.ledger import Ledger
from connector.ledger.actions import ACTS, Act
from connector.ledger.bulks import CHANGED, LEFT_ALONE, MOST, Bulk, CountedOtherwiseError, Extent
from connector.ledger.queries import Filter
from connector.operations.acts import why_not
from connector.web.console.filters import Chosen, FilterError
from connector.web.console.visit import Text, User, Visit, check_form, query_of

_PAGE: Final = 100
_FASTEST: Final = 60_000


@dataclass(slots=True)
class Preview:
    """What an act would do to the jobs of a filter, at most `MOST` of them, and which of them it does not fit."""

    count: int = 0
    last: int = 0  # the one that was found last
    changed: datetime | None = None  # when the last change to any of them was
    credit_notes: int = 0
    cases: int = 0  # issued ones: leaving them out closes their case, and they stay issued
    sums: dict[str, Decimal] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    unfit: Counter[str] = field(default_factory=Counter)  # by why; of so many, too, no more are counted

    @property
    def extent(self) -> Extent:
        """Which jobs it would be done to."""
        return Extent(self.count, self.last, self.cases, self.changed)

    @property
    def more(self) -> bool:
        """Whether it may fit more than are taken at once."""
        return self.count >= MOST

    @property
    def left_out(self) -> int:
        """How many of the meant jobs the act does not fit."""
        return self.unfit.total()

    @property
    def more_left_out(self) -> bool:
        """Whether there may be more of these than were counted."""
        return self.left_out >= MOST


def preview(ledger: Ledger, act: Act, wanted: Filter) -> Preview:
    """Count what the act would do; changes nothing."""
    found = Preview()
    for row in ledger.bulks.unfit(act, wanted):
        found.unfit[why_not(act, row)] += row.number
    for row in ledger.bulks.fitting(act, wanted):
        found.count += row.number
        found.last = max(found.last, row.last)
        found.changed = max(found.changed or row.changed, row.changed)
        found.cases += row.number if is_case(row.status, row.reason) else 0
        found.accounts[row.account] += row.number
        sign = -1 if row.kind is Kind.CREDIT_NOTE else 1
        found.credit_notes += row.number if sign < 0 else 0
        if row.total is not None:
            currency = row.currency or "?"
            found.sums[currency] = found.sums.get(currency, Decimal(0)) + sign * row.total
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
        cut=wanted.cut,
        once=secrets.token_urlsafe(16),
        wrong=wrong,
    )


@routes.post("/bulks")
async def begin(visit: User) -> Response:
    form = await visit.request.form()
    return await run_in_threadpool(_begin, visit, {name: storable(str(value)) for name, value in form.items()})


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
    begin = partial(visit.ledger.bulks.begin, act, wanted, chosen=chosen.facts(), who=visit.user, note=note)
    try:
        return visit.go(_once(visit, form.get("once", ""), lambda: begin(pace=pace, counted=_counted(form))))
    except CountedOtherwiseError:
        return _preview(visit, act.name, chosen, wrong="counted_otherwise")


def _once(visit: Visit, key: str, begin: Callable[[], int]) -> str:
    """Begin a bulk, unless a form with this key began one; return its address, or of all while it is being begun.

    What a script posts, without the fields of a page that somebody saw, is taken at its word.
    """
    if not key:
        return f"/bulks/{begin()}"
    assert visit.session is not None
    tokens, session = visit.ledger.tokens, visit.session.digest
    known = tokens.claim(session, key[:128], "bulk")
    if known is not None:
        return known.body or "/bulks"
    try:
        address = f"/bulks/{begin()}"
    except BaseException:
        tokens.give_up(session, key[:128])
        raise
    tokens.answer(session, key[:128], status=303, body=address)
    return address


def _counted(form: dict[str, str]) -> Extent | None:
    """Read what the preview counted; None where no preview was shown."""
    if "count" not in form:
        return None
    try:
        count, last, cases = (int(form.get(name, "0")) for name in ("count", "last", "cases"))
        changed = datetime.fromisoformat(form["changed"]).astimezone(UTC) if "changed" in form else None
    except (ValueError, OverflowError):
        return Extent(0, 0)  # it says nothing that was counted
    return Extent(count, last, cases, changed)


@routes.get("/bulks/{bulk_id}")
def show(visit: User, bulk_id: int) -> Response:
    bulk = _bulk(visit, bulk_id)
    if bulk is None:
        return visit.not_found()
    given = visit.request.query_params
    result = given.get("result") if given.get("result") in (CHANGED, LEFT_ALONE) else None
    after = int(given["after"]) if given.get("after", "").isdecimal() and len(given["after"]) < 9 else 0
    items = visit.ledger.bulks.items(bulk_id, after=after, limit=_PAGE + 1, result=result)
    shown, more = items[:_PAGE], len(items) > _PAGE
    following = query_of({"result": result, "after": shown[-1].place}) if more else None
    chosen = Chosen.of(bulk.chosen)
    return visit.page("bulk.html", bulk=bulk, items=shown, following=following, result=result, chosen=chosen)


@routes.post("/bulks/{bulk_id}/stop")
def stop(visit: User, bulk_id: int, form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if _bulk(visit, bulk_id) is None:
        return visit.not_found()
    visit.ledger.bulks.stop(bulk_id, who=visit.user)
    return visit.go(f"/bulks/{bulk_id}")


def _bulk(visit: Visit, bulk_id: int) -> Bulk | None:
    return visit.ledger.bulks.get(bulk_id) if 0 < bulk_id < 2**63 else None


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
