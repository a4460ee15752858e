"""What goes wrong, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from connector.domain.errors import LedgerError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not answered as wished."""

    title: str
    status: int
    detail: str = ""


DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 401, 403, 404, 409, 411, 413, 422, 503)
}


def problem(status: int, detail: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer that tells of a problem."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(body.model_dump(), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def add_to(api: FastAPI) -> None:
    """Have an application tell of problems in this way."""

    def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        detail = "" if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
        return problem(error.status_code, detail, dict(error.headers or {}))

    def not_understood(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return problem(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")

    def ledger_failed(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s: %s", request.method, request.scope.get("route", request.url).path, error)
        return problem(503, "The ledger cannot be reached now.")

    api.add_exception_handler(HTTPException, refused)
    api.add_exception_handler(RequestValidationError, not_understood)
    api.add_exception_handler(LedgerError, ledger_failed)
