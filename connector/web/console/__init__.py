"""What people see in a browser: the operations console."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from connector.bootstrap import Services
from connector.web.console import accounts, audit, bulks, comparisons, faults, jobs, overview, sign_in
from connector.web.console.overview import Board


def add_to(app: FastAPI, services: Services) -> None:
    """Add the console's addresses to an application."""
    app.state.board = Board(services)
    for module in (sign_in, overview, jobs, bulks, accounts, comparisons, audit):
        app.include_router(module.routes)
    app.mount("/static", StaticFiles(packages=[("connector.web.console", "static")]))
    faults.add_to(app)
