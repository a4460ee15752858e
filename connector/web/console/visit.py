"""One request of a person's browser: who it is, in which language, and how a page is made for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends, Form
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from connector import __version__
from connector.bootstrap import Services
from connector.domain import catalogue
from connector.domain.identity import storable
from connector.ledger import Ledger
from connector.ledger.causes import told
from connector.ledger.people import Session
from connector.web.console import forms
from connector.web.console.texts import NAMES, counted, preferred, text

COOKIE: Final = "connector_session"


class SignInNeededError(Exception):
    """Nobody is signed in here; `target` is where they wanted to go."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with what is known about its sender."""

    request: Request
    services: Services
    session: Session | None
    language: str

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self.services.ledger

    @property
    def user(self) -> str:
        """Who is signed in."""
        assert self.session is not None
        return self.session.user

    @property
    def may_act(self) -> bool:
        """Whether the person may change anything."""
        return self.session is not None and self.session.role.acts

    def t(self, key: str, **blanks: Any) -> Markup:
        """Return a text in the person's language."""
        return text(key, self.language, **blanks)

    def instant(self, value: datetime) -> str:
        """Return an instant as the person reads it."""
        return forms.instant(value, self.language)

    def page(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """Return a page. Reasons and cures in it speak the person's language."""
        catalogue.speak(self.language)
        body = _environment().get_template(template).render({**self._common(), **facts})
        return HTMLResponse(body, status_code=status)

    def _common(self) -> dict[str, Any]:
        words = self.language
        return {
            "visit": self,
            "t": self.t,
            "n": partial(_counted, words),
            "number": lambda value, digits=0: forms.number(value, words, digits),
            "amount": lambda value, currency: forms.amount(value, currency, words),
            "day": lambda value: forms.day(value, words),
            "instant": partial(_time, words),
            "span": forms.span,
            "clock": forms.clock,
            "hour": lambda value: f"{value.astimezone():%H}:00",
            "reason_of": catalogue.reason,
            "term": catalogue.term,
            "titles": catalogue.titles,
            "cause_told": _cause,
            "environment": self.services.settings.b2brouter.environment,
            "languages": NAMES,
            "version": __version__,
            "path": self.request.url.path,
            "now": self.services.clock.now(),
        }

    def go(self, address: str, **query: Any) -> RedirectResponse:
        """Send the browser on, after something was done."""
        return RedirectResponse(address + (f"?{urlencode(query)}" if query else ""), status_code=303)

    def not_found(self) -> HTMLResponse:
        """Say that there is no such thing."""
        return self.page("message.html", status=404, title=self.t("not_found"), message=self.t("not_found_text"))


def _counted(language: str, key: str, number: int) -> Markup:
    return counted(key, number, language, forms.number(number, language))


def _time(language: str, value: Any) -> Markup:
    shown = forms.instant(value, language)
    return Markup('<time datetime="{}">{}</time>').format(forms.machine(value), shown) if value else escape(shown)


def _cause(key: str) -> str:
    """Say which cause is meant: the reason, and what tells it from others of that reason."""
    if not (parts := told(key)):
        return "?"
    return storable(" · ".join([catalogue.titles(parts[0]), *filter(None, parts[1:])]))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("connector.web.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def anybody(request: Request) -> Visit:
    """Return the visit of whoever asks."""
    services: Services = request.app.state.services
    shown = request.cookies.get(COOKIE)
    session = services.ledger.people.session(shown) if shown else None
    return Visit(request, services, session, _language(request, session))


def signed_in(request: Request) -> Visit:
    """Return the visit of a user.

    Raises:
        SignInNeededError: nobody is signed in.
    """
    visit = anybody(request)
    if visit.session is None:
        raise SignInNeededError(_where(request))
    return visit


Anyone = Annotated[Visit, Depends(anybody)]
"""Whoever asks, signed in or not."""

User = Annotated[Visit, Depends(signed_in)]
"""Somebody who is signed in; others are sent to do so first."""


Text = Annotated[str, Form(max_length=2000), AfterValidator(storable)]
"""A field of a form, as every database takes it."""


def check_form(visit: Visit, form_key: str) -> None:
    """See that a form was filled in on a page that this very session was shown, by somebody who may act.

    Raises:
        HTTPException: 403.
    """
    check_key(visit, form_key)
    if not visit.may_act:
        raise HTTPException(403, "viewer")


def check_key(visit: Visit, form_key: str) -> None:
    """See that a form was filled in on a page that this very session was shown.

    Raises:
        HTTPException: 403.
    """
    import hmac

    if visit.session is None or not hmac.compare_digest(visit.session.form_key.encode(), form_key.encode()):
        raise HTTPException(403, "form_key")


def _language(request: Request, session: Session | None) -> str:
    if session is not None and session.language:
        return session.language
    chosen = request.cookies.get("language", "")
    return chosen if chosen in NAMES else preferred(request.headers.get("accept-language", ""))


def _where(request: Request) -> str:
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def query_of(facts: Mapping[str, Any]) -> str:
    """Return the part of an address that tells what is not empty."""
    return urlencode({name: value for name, value in facts.items() if value not in (None, "")})
