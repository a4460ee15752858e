"""What people see when a request cannot be answered as they wished."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector.web.api.problems import problem
from connector.web.console.visit import SignInNeededError, Visit, anybody

log = logging.getLogger(__name__)

_FOR_MACHINES: Final = ("/webhooks/", "/health/", "/metrics")

_TITLES: Final = {403: "forbidden", 404: "not_found", 405: "not_found", 422: "not_understood"}


def add_to(app: FastAPI) -> None:
    """Have the application answer faults with pages."""

    async def sign_in_first(_request: Request, error: Exception) -> Response:
        assert isinstance(error, SignInNeededError)
        return RedirectResponse(f"/sign-in?{urlencode({'target': error.target})}", status_code=303)

    def told(request: Request, status: int, detail: str) -> Response:
        if request.url.path.startswith(_FOR_MACHINES):
            return problem(status, detail)
        visit = anybody(request)
        if visit.session is None and status in {404, 405} and not request.url.path.startswith("/static/"):
            return RedirectResponse("/sign-in", status_code=303)  # what there is, is not told to strangers
        title = _TITLES.get(status, "failed")
        key = f"{title}_{detail}" if (title, detail) in {("forbidden", "viewer"), ("forbidden", "form_key")} else None
        return _page(visit, status, title, key or f"{title}_text")

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return told(request, error.status_code, str(error.detail))

    def not_understood(request: Request, _error: Exception) -> Response:
        return told(request, 422, "")

    def broken(request: Request, error: Exception) -> Response:
        log.error("%s: unexpected error", request.scope.get("route", request.url).path, exc_info=error)
        return told(request, 500, "")

    app.add_exception_handler(Exception, broken)
    app.add_exception_handler(SignInNeededError, sign_in_first)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, not_understood)


def _page(visit: Visit, status: int, title: str, message: str) -> Response:
    return visit.page("message.html", status=status, title=visit.t(title), message=visit.t(message))
