"""The web application: a list of routers, each with its own affair."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from connector.bootstrap import Services
from connector.domain.errors import LedgerError
from connector.web import console, health, metrics, webhooks
from connector.web.api import PREFIX, make_api
from connector.web.guard import Guard

log = logging.getLogger(__name__)


def make_app(services: Services) -> FastAPI:
    """Return the application of this process; the ledger is opened already."""
    app = FastAPI(title="B2Brouter connector", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    app.add_exception_handler(LedgerError, _ledger_failed)
    app.include_router(health.router(services))
    app.include_router(webhooks.router(services))
    app.include_router(metrics.router(services))
    app.mount(PREFIX, make_api(services))
    console.add_to(app, services)
    app.add_middleware(Guard, strict_transport=(services.settings.web.public_url or "").startswith("https://"))
    return app


async def _ledger_failed(request: Request, error: Exception) -> JSONResponse:
    """Whoever asked may ask again; why it failed is told to operators alone."""
    log.error("%s %s: %s", request.method, request.scope.get("route", request.url).path, error)
    return JSONResponse({"error": "The ledger cannot be reached now."}, status_code=503)
