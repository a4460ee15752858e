"""One comparison of ERP, ledger and B2Brouter, difference by difference."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.domain import catalogue
from connector.web.console.accounts import card
from connector.web.console.visit import Text, User, check_form, query_of

_PAGE: Final = 100

routes = APIRouter()


@routes.get("/comparisons/{comparison_id}")
def show(visit: User, comparison_id: int) -> Response:
    compared = visit.ledger.reconciliations.get(comparison_id) if 0 < comparison_id < 2**63 else None
    if compared is None:
        return visit.not_found()
    given = visit.request.query_params
    reason = given.get("reason") if given.get("reason") in catalogue.reasons() else None
    after = int(given["after"]) if given.get("after", "").isdecimal() and len(given["after"]) < 9 else 0
    found = visit.ledger.reconciliations.differences(comparison_id, reason=reason, after=after, limit=_PAGE + 1)
    following = query_of({"reason": reason, "after": after + _PAGE}) if len(found) > _PAGE else None
    return visit.page(
        "comparison.html",
        compared=compared,
        account=card(visit, "account", compared.account),
        differences=found[:_PAGE],
        reason=reason,
        following=following,
    )


@routes.post("/accounts/{name}/compare")
def ask(visit: User, name: str, form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.accounts:
        return visit.not_found()
    visit.ledger.accounts.ask_comparison(name, who=visit.user)
    return visit.go(card(visit, "account", name))
