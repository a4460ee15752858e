"""Which machine calls, what it may do, and its requests that are to count once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector.bootstrap import Services
from connector.domain.people import Scope
from connector.ledger import Ledger
from connector.ledger.tokens import Token

_bearer = HTTPBearer(auto_error=False, description="A token made by `connector tokens add`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """A machine with a valid token."""

    request: Request
    services: Services
    token: Token

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return self.services.ledger

    @property
    def who(self) -> str:
        """How timelines and audit call it."""
        return f"token {self.token.name}"


def _caller(scope: Scope) -> Callable[..., Caller]:
    def caller(
        request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None
    ) -> Caller:
        services: Services = request.app.state.services
        token = services.ledger.tokens.find(shown.credentials) if shown else None
        if token is None:
            raise HTTPException(401, "A valid token is needed.", {"WWW-Authenticate": "Bearer"})
        if scope not in token.scopes:
            raise HTTPException(403, f"The token lacks the scope {scope}.")
        return Caller(request, services, token)

    return caller


READS, ACTS, SCRAPES = (_caller(scope) for scope in (Scope.READ, Scope.ACT, Scope.METRICS))
"""The dependencies of what needs a scope."""

Reader = Annotated[Caller, Depends(READS)]
Actor = Annotated[Caller, Depends(ACTS)]

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern="^[!-~]+$",
        description="Chosen by the caller, one for each intention: a repeated request gets the first one's answer.",
    ),
]


def once(caller: Caller, key: str, body: BaseModel | None, act: Callable[[], BaseModel]) -> Response:
    """Do something for a key, or answer as it was answered before.

    Raises:
        HTTPException: 409 where the first request is still being worked on; 422 where it was another one.
    """
    said = f"{caller.request.method} {caller.request.url.path} {body.model_dump_json() if body else ''}"
    request = hashlib.sha256(said.encode()).hexdigest()
    tokens, name = caller.ledger.tokens, caller.token.name
    known = tokens.claim(name, key, request)
    if known is None:
        try:
            answer = act().model_dump_json(by_alias=True)
        except BaseException:
            tokens.give_up(name, key)
            raise
        tokens.answer(name, key, status=200, body=answer)
        return _json(answer)
    if known.request != request:
        raise HTTPException(422, "This idempotency key belongs to another request.")
    if known.body is None:
        raise HTTPException(409, "The first request with this key is still being worked on.")
    return _json(known.body)


def _json(body: str) -> Response:
    return Response(body, media_type=JSONResponse.media_type)
