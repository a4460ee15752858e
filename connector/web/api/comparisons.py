"""What comparisons of ERP, ledger and B2Brouter found, over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from connector.operations.records import comparison_record, difference_record
from connector.web.api.caller import Actor, Key, Reader, once
from connector.web.api.records import AskedRecord, ComparisonRecord, Comparisons, DifferencePage, DifferenceRecord
from connector.web.api.values import Name, Reason

ComparisonId = Annotated[int, Path(ge=1, lt=2**63)]

routes = APIRouter(tags=["comparisons"])


@routes.get("/comparisons")
def list_comparisons(caller: Reader) -> Comparisons:
    """List the last comparisons of all accounts, newest first."""
    found = caller.ledger.reconciliations.recent()
    return Comparisons(comparisons=[ComparisonRecord(**comparison_record(one)) for one in found])


@routes.get("/comparisons/{comparison_id}/differences")
def list_differences(
    caller: Reader,
    comparison_id: ComparisonId,
    reason: Annotated[Reason | None, Query()] = None,
    after: Annotated[int, Query(ge=0, lt=2**31, description="`next` of the last page.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DifferencePage:
    """List what a comparison found, each difference with its reason and the command that cures it."""
    compared = caller.ledger.reconciliations.get(comparison_id)
    if compared is None:
        raise HTTPException(404, "There is no such comparison any more.")
    found = caller.ledger.reconciliations.differences(comparison_id, reason=reason, after=after, limit=limit + 1)
    shown = [DifferenceRecord(**difference_record(compared.account, one)) for one in found[:limit]]
    return DifferencePage(differences=shown, next=after + limit if len(found) > limit else None)


@routes.post("/accounts/{name}/compare", response_model=AskedRecord)
def ask_comparison(caller: Actor, name: Name, key: Key) -> Response:
    """Have an account's three sides compared; the connector does it when it has time, within minutes."""
    if name not in caller.services.settings.accounts:
        raise HTTPException(404, "There is no such account in the configuration.")

    def act() -> AskedRecord:
        caller.ledger.accounts.ask_comparison(name, who=caller.who)
        return AskedRecord(account=name, asked=True)

    return once(caller, key, None, act)
