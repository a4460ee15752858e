"""What people see in a browser: the operations console."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from connector.bootstrap import Services
from connector.web.console import accounts, audit, bulks, comparisons, faults, jobs, openid, overview, sign_in
from connector.web.console.overview import Board
from connector.web.openid import Provider


def add_to(app: FastAPI, services: Services) -> None:
    """Add the console's addresses to an application."""
    app.state.board = Board(services)
    app.state.provider = Provider(services.settings.oidc) if services.settings.oidc.on else None
    for module in (sign_in, openid, overview, jobs, bulks, accounts, comparisons, audit):
        app.include_router(module.routes)
    app.mount("/static", StaticFiles(packages=[("connector.web.console", "static")]))
    faults.add_to(app)
