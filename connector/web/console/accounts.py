"""Accounts and sources: how they fare, the check-up, pauses."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.bootstrap import Services
from connector.operations import standing
from connector.operations.checkup import Checkup
from connector.operations.standing import AccountStanding, SourceStanding
from connector.web.console.visit import Text, User, Visit, check_form, query_of

FEW: Final = 12
"""So many accounts and sources are seen at a glance; among more, those in trouble are shown first or alone."""

_PAGE: Final = 50
_LONGEST: Final = timedelta(days=366)
_LONGEST_NAME: Final = 64


routes = APIRouter()


@routes.get("/accounts")
def show(visit: User) -> Response:
    given = visit.request.query_params
    after = int(given["after"]) if given.get("after", "").isdecimal() and len(given["after"]) < 9 else 0
    return _show(visit, name=given.get("name", "").strip()[:_LONGEST_NAME], after=after)


def _show(
    visit: Visit, *, name: str = "", after: int = 0, status: int = 200, wrong: str | None = None, checks: Any = None
) -> Response:
    found = _found(visit.services, name)
    shown = found[after : after + _PAGE]
    return visit.page(
        "accounts.html",
        status=status,
        accounts=[one for one in shown if isinstance(one, AccountStanding)],
        sources=[one for one in shown if isinstance(one, SourceStanding)],
        budget=visit.services.settings.b2brouter.budget,
        name=name,
        few=not name and len(found) <= FEW,
        first=after == 0,
        following=query_of({"name": name, "after": after + _PAGE}) if len(found) > after + _PAGE else None,
        wrong=wrong,
        checks=checks,
    )


def _found(services: Services, name: str) -> list[AccountStanding | SourceStanding]:
    """Return what has this in its name: first the one that is called so, then those in trouble."""
    wanted = name.casefold()
    known: list[AccountStanding | SourceStanding] = [*standing.accounts(services), *standing.sources(services)]
    fitting = [one for one in known if wanted in one.name.casefold()]
    return sorted(fitting, key=lambda one: (one.name.casefold() != wanted, not one.troubled))


def card(visit: Visit, kind: str, name: str) -> str:
    """Return the address of the card of an `account` or a `source`."""
    query = query_of({"name": _search(visit.services, name)})
    return f"/accounts{'?' if query else ''}{query}#{kind}-{name}"


def _search(services: Services, name: str) -> str:
    """Return what to search for, so that the first page has a card: nothing where there are few."""
    return name if len(services.settings.accounts) + len(services.settings.sources) > FEW else ""


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
    return _pause(visit, "account", name, note, until)


@routes.post("/sources/{name}/pause")
def pause_source(visit: User, name: str, note: Text = "", until: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.sources:
        return visit.not_found()
    return _pause(visit, "source", name, note, until)


def _pause(visit: Visit, kind: str, name: str, note: str, until: str) -> Response:
    if not note.strip():
        return _show(visit, name=_search(visit.services, name), status=422, wrong="note_missing")
    try:
        end = _instant(until, visit.services.clock.now())
    except ValueError:
        return _show(visit, name=_search(visit.services, name), status=422, wrong="until_wrong")
    begin = visit.ledger.accounts.pause_by_person if kind == "account" else visit.ledger.sources.pause
    begin(name, who=visit.user, note=note.strip(), until=end)
    return visit.go(card(visit, kind, name))


@routes.post("/accounts/{name}/resume")
def resume_account(visit: User, name: str, note: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if visit.ledger.accounts.get(name) is None:
        return visit.not_found()
    visit.ledger.accounts.resume_by_person(name, who=visit.user, note=note.strip())
    return visit.go(card(visit, "account", name))


@routes.post("/sources/{name}/resume")
def resume_source(visit: User, name: str, note: Text = "", form_key: Text = "") -> Response:
    check_form(visit, form_key)
    if name not in visit.services.settings.sources:
        return visit.not_found()
    visit.ledger.sources.resume(name, who=visit.user, note=note.strip())
    return visit.go(card(visit, "source", name))


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
