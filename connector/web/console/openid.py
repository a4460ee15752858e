"""The way through an OpenID Connect provider and back."""

from __future__ import annotations

import hmac
import json
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, astuple
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from connector.domain.errors import OutsideError, UsageError
from connector.web.console import sign_in
from connector.web.console.visit import Anyone, Visit
from connector.web.openid import Begun, NotAdmittedError, Provider

log = logging.getLogger(__name__)

_BEGUN: Final = "connector_openid"
"""The cookie that knows, for ten minutes, which sign-in was begun here: an answer to any other proves nothing."""

_SECONDS: Final = 600

routes = APIRouter()


@routes.get("/sign-in/provider")
def begin(visit: Anyone, target: str = "/") -> Response:
    provider: Provider | None = visit.request.app.state.provider
    if provider is None:
        return visit.not_found()
    try:
        address, begun = provider.begin(_back(visit))
    except (OutsideError, UsageError) as error:
        log.error("nobody can sign in through the provider: %s %s", error.message, error.action)
        return sign_in.form(visit, target=target, status=503, error=visit.t("provider_away"))
    kept = json.dumps({**asdict(begun), "target": sign_in.inside(target)})
    answer = visit.go(address)
    answer.set_cookie(_BEGUN, urlsafe_b64encode(kept.encode()).decode(), **sign_in.kept(visit, _SECONDS))
    return answer


@routes.get("/sign-in/callback")
def come_back(visit: Anyone, state: str = "", code: str = "") -> Response:
    provider: Provider | None = visit.request.app.state.provider
    if provider is None:
        return visit.not_found()
    answer = _let_in(visit, provider, state, code)
    answer.delete_cookie(_BEGUN)
    return answer


def _let_in(visit: Visit, provider: Provider, state: str, code: str) -> Response:
    known = _known(visit)
    if known is None or not hmac.compare_digest(state.encode(), known[0].state.encode()):
        return sign_in.form(visit, target="/", status=403, error=visit.t("sign_in_again"))
    begun, target = known
    try:
        identity = provider.finish(begun, code=code, redirect_uri=_back(visit))
    except NotAdmittedError as error:
        log.warning("the provider let somebody come who is not admitted: %s", error.why)
        return sign_in.form(visit, target=target, status=403, error=visit.t(f"provider_{error.why}"))
    except (OutsideError, UsageError) as error:
        log.error("nobody can sign in through the provider: %s %s", error.message, error.action)
        return sign_in.form(visit, target=target, status=503, error=visit.t("provider_away"))
    if not visit.ledger.people.admit(identity.name, identity.role, identity.subject):
        log.warning("the provider let somebody come whose name another user has")
        return sign_in.form(visit, target=target, status=403, error=visit.t("provider_name_taken"))
    return sign_in.signed_in(visit, identity.name, target)


def _known(visit: Visit) -> tuple[Begun, str] | None:
    """Return which sign-in this browser has begun, and where its person wanted to go."""
    try:
        facts = json.loads(urlsafe_b64decode(visit.request.cookies.get(_BEGUN, "")))
        begun = Begun(*(str(facts[name]) for name in Begun.__dataclass_fields__))
        target = sign_in.inside(str(facts["target"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (begun, target) if "".join(astuple(begun)).isascii() else None  # ours are


def _back(visit: Visit) -> str:
    base = visit.services.settings.web.public_url or str(visit.request.base_url)
    return base.rstrip("/") + "/sign-in/callback"
