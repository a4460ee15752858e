"""Who did what, and when."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.domain.identity import storable
from connector.web.console.visit import User, query_of

_PAGE: Final = 100


routes = APIRouter()


@routes.get("/audit")
def show(visit: User) -> Response:
    given = visit.request.query_params
    before = int(given["before"]) if given.get("before", "").isdecimal() and len(given["before"]) < 19 else None
    who = storable(given.get("who", "")).strip() or None
    deeds = visit.ledger.deeds.page(before=before, limit=_PAGE + 1, who=who)
    shown = deeds[:_PAGE]
    following = query_of({"who": who, "before": shown[-1].id}) if len(deeds) > _PAGE else None
    return visit.page("audit.html", deeds=shown, who=who, following=following)
