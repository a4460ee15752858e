"""Accounts and sources: how they fare, the check-up, pauses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.bootstrap import Services
from connector.operations import standing
from connector.operations.checkup import Checkup
from connector.web.console.visit import Text, User, Visit, check_form

_LONGEST: Final = timedelta(days=366)


routes = APIRouter()


@routes.get("/accounts")
def show(visit: User) -> Response:
    return _show(visit)


def _show(visit: Visit, *, status: int = 200, wrong: str | None = None, checks: Any = None) -> Response:
    return visit.page(
        "accounts.html",
        status=status,
        accounts=standing.accounts(visit.services),
        sources=standing.sources(visit.services),
        budget=visit.services.settings.b2brouter.budget,
        wrong=wrong,
        checks=checks,
    )


@routes.post("/accounts/check")
def check(visit: User, form_key: Text = "") -> Response:
    check_form(visit, form_key)
    looking = Services(visit.services.settings, only_looking=True)
    try:
        rows = list(Checkup(looking, config=Path("connector.toml")).rows())
    finally:
        looking.close()
    return _show(visit, checks=rows)


@routes.post("/accounts/{name}/pause")
def pause_account(visit: User, name: str, note: Text = "", until: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.accounts:
        return visit.not_found()
    begin = visit.ledger.accounts.pause_by_person
    return _pause(visit, note, until, lambda end: begin(name, who=visit.user, note=note.strip(), until=end))


@routes.post("/sources/{name}/pause")
def pause_source(visit: User, name: str, note: Text = "", until: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.sources:
        return visit.not_found()
    begin = visit.ledger.sources.pause
    return _pause(visit, note, until, lambda end: begin(name, who=visit.user, note=note.strip(), until=end))


def _pause(visit: Visit, note: str, until: str, begin: Callable[[datetime | None], None]) -> Response:
    if not note.strip():
        return _show(visit, status=422, wrong="note_missing")
    try:
        end = _instant(until, visit.services.clock.now())
    except ValueError:
        return _show(visit, status=422, wrong="until_wrong")
    begin(end)
    return visit.go("/accounts")


@routes.post("/accounts/{name}/resume")
def resume_account(visit: User, name: str, note: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if visit.ledger.accounts.get(name) is None:
        return visit.not_found()
    visit.ledger.accounts.resume_by_person(name, who=visit.user, note=note.strip())
    return visit.go("/accounts")


@routes.post("/sources/{name}/resume")
def resume_source(visit: User, name: str, note: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.sources:
        return visit.not_found()
    visit.ledger.sources.resume(name, who=visit.user, note=note.strip())
    return visit.go("/accounts")


def _instant(text: str, now: datetime) -> datetime | None:
    """Read an instant of this machine's zone, as a browser's field gives it; nothing means until somebody resumes.

    Raises:
        ValueError: it is none, or is over, or is more than a year away.
    """
    if not text.strip():
        return None
    until = datetime.fromisoformat(text).astimezone()
    if not now < until < now + _LONGEST:
        raise ValueError(text)
    return until
