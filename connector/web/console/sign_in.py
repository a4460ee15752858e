"""Signing in and out, the language, one's own password."""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from connector.bootstrap import Services
from connector.domain.errors import UsageError
from connector.domain.people import LONGEST_PASSWORD
from connector.operations import people
from connector.operations.people import Attempt
from connector.web.console.texts import NAMES
from connector.web.console.visit import COOKIE, Anyone, Text, User, Visit, check_key

log = logging.getLogger(__name__)

_DOOR: Final = "connector_door"
"""The cookie that a sign-in form has to match: another site can send our form, but cannot read this."""

_YEAR: Final = 365 * 86400


routes = APIRouter()


@routes.get("/sign-in")
def show(visit: Anyone, target: str = "/") -> Response:
    if visit.session is not None:
        return visit.go(inside(target))
    return form(visit, target=target)


@routes.post("/sign-in")
def sign_in(visit: Anyone, name: Text = "", password: Text = "", door: Text = "", target: Text = "/") -> Response:
    ledger, address = visit.ledger, address_of(visit.request, visit.services)
    if not hmac.compare_digest(door.encode(), visit.request.cookies.get(_DOOR, "-").encode()):
        return form(visit, target=target, status=403, error=visit.t("sign_in_again"))
    match people.attempt(ledger, name, password, address):
        case Attempt.TOO_OFTEN:
            log.warning("too many failed sign-ins from %s", address)
            return form(visit, target=target, status=429, error=visit.t("sign_in_too_often"))
        case Attempt.WRONG:
            log.warning("a failed sign-in from %s", address)
            return form(visit, target=target, status=401, error=visit.t("sign_in_wrong"))
    return signed_in(visit, name, target)


def signed_in(visit: Visit, name: str, target: str) -> Response:
    """Sign the browser in as a user who has proven to be that, and send it where it wanted to go."""
    hours = visit.services.settings.web.session_hours
    shown = visit.ledger.people.begin(name, hours=hours)
    visit.ledger.deeds.write(name, "sign_in", address_of(visit.request, visit.services))
    answer = visit.go(inside(target))
    answer.set_cookie(COOKIE, shown, **kept(visit, round(hours * 3600)))
    answer.delete_cookie(_DOOR)
    return answer


@routes.post("/sign-out")
def sign_out(visit: User, form_key: Text = "") -> Response:
    check_key(visit, form_key)
    assert visit.session is not None
    visit.ledger.people.end(visit.session)
    answer = visit.go("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


@routes.post("/language")
def language(visit: Anyone, language: Text = "", target: Text = "/") -> Response:
    answer = visit.go(inside(target))
    if language in NAMES:
        answer.set_cookie("language", language, **kept(visit, _YEAR))
        if visit.session is not None:
            visit.ledger.people.set_language(visit.user, language)
    return answer


@routes.get("/password")
def password_form(visit: User) -> Response:
    return visit.page("password.html", error=None, done=False)


@routes.post("/password")
def password(visit: User, present: Text = "", wanted: Text = "", form_key: Text = "") -> Response:
    check_key(visit, form_key)
    assert visit.session is not None
    ledger, address = visit.ledger, address_of(visit.request, visit.services)
    match people.attempt(ledger, visit.user, present, address):
        case Attempt.TOO_OFTEN:
            return visit.page("password.html", status=429, error=visit.t("sign_in_too_often"), done=False)
        case Attempt.WRONG:
            return visit.page("password.html", status=403, error=visit.t("password_wrong"), done=False)
    try:
        hashed = people.hashed(visit.user, wanted)
    except UsageError:
        return visit.page("password.html", status=422, error=visit.t("password_weak"), done=False)
    ledger.people.set_password(visit.user, hashed, keep=visit.session.digest)
    ledger.deeds.write(visit.user, "user_password", visit.user)
    return visit.page("password.html", error=None, done=True)


def form(visit: Visit, *, target: str, status: int = 200, error: str | None = None) -> Response:
    """Return the page at which people sign in."""
    door = secrets.token_urlsafe(24)
    provider = visit.services.settings.oidc
    nobody = not provider.on and not visit.ledger.people.has_users()
    shown = {"target": target, "error": error, "door": door, "nobody": nobody, "provider": provider}
    answer = visit.page("sign_in.html", status=status, longest=LONGEST_PASSWORD, **shown)
    answer.set_cookie(_DOOR, door, **{**kept(visit, 3600), "samesite": "strict"})
    return answer


def kept(visit: Visit, seconds: int) -> dict[str, Any]:
    """Return how a cookie is kept for so long."""
    return {
        "max_age": seconds,
        "httponly": True,
        "samesite": "lax",
        "secure": is_secure(visit.request, visit.services),
    }


def is_secure(request: Request, services: Services) -> bool:
    """Whether people reach us by https, perhaps through a proxy."""
    return request.url.scheme == "https" or (services.settings.web.public_url or "").startswith("https://")


def address_of(request: Request, services: Services) -> str:
    """Return where a request comes from; what a proxy says is believed of the configured one alone.

    It says so last: some proxies leave the line of the client as it came, and add one of their own behind it.
    """
    peer = request.client.host if request.client else ""
    if services.settings.web.is_proxy(peer):
        told = ",".join(request.headers.getlist("x-forwarded-for"))
        return told.rpartition(",")[2].strip()[:64] or peer
    return peer


def inside(target: str) -> str:
    """Return where to go on, within this console: an address of another site would be a trap."""
    try:
        parts = urlsplit(target)
    except ValueError:  # not even an address, such as "//["
        return "/"
    well = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if well and target.isprintable() else "/"
