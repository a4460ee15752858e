"""The JSON API for other programs, `/api/v1`; its description is at `/api/v1/openapi.json`."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from connector import __version__
from connector.bootstrap import Services
from connector.web.api import accounts, bulks, comparisons, events, jobs, problems
from connector.web.api.caller import READS
from connector.web.remembered import Remembered

PREFIX = "/api/v1"

_GROUPED = 20_000
"""So many jobs that need a person are grouped by cause; who has more begins with these."""


def make_api(services: Services) -> FastAPI:
    """Return the API as an application of its own, to be mounted at `PREFIX`."""
    api = FastAPI(title="B2Brouter connector", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    api.state.services = services
    api.state.causes = Remembered(2.0, lambda: services.ledger.queries.causes(most=_GROUPED))
    api.state.seats = events.Seats(events.STREAMS)
    for module in (jobs, events, bulks, accounts, comparisons):
        api.include_router(module.routes, responses=problems.DOCUMENTED)
    problems.add_to(api)

    @api.get("/openapi.json", include_in_schema=False, dependencies=[Depends(READS)])
    def openapi() -> JSONResponse:
        return JSONResponse(description(api))

    return api


def description(api: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return get_openapi(title=api.title, version=api.version, routes=api.routes, servers=[{"url": PREFIX}])
