"""The web application: a list of routers, each with its own affair."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from connector.bootstrap import Services
from connector.domain.errors import LedgerError
from connector.web import console, health, metrics, webhooks
from connector.web.api import PREFIX, make_api
from connector.web.guard import Guard

log = logging.getLogger(__name__)


def make_app(services: Services) -> ASGIApp:
    """Return the application of this process, behind its guard; the ledger is opened already."""
    app = FastAPI(title="B2Brouter connector", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    app.add_exception_handler(LedgerError, _ledger_failed)
    app.include_router(health.router(services))
    app.include_router(webhooks.router(services))
    app.include_router(metrics.router(services))
    app.mount(PREFIX, make_api(services))
    console.add_to(app, services)
    # Around all of it: what the framework takes as middleware does not see the pages that tell of unexpected errors.
    return Guard(app, strict_transport=(services.settings.web.public_url or "").startswith("https://"))


async def _ledger_failed(request: Request, error: Exception) -> JSONResponse:
    """Whoever asked may ask again; why it failed is told to operators alone."""
    log.error("%s %s: %s", request.method, request.scope.get("route", request.url).path, error)
    return JSONResponse({"error": "The ledger cannot be reached now."}, status_code=503)
