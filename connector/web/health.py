"""`/health/live` and `/health/ready`: whether the process answers, and whether the work is being done.

Ready is about the work, not about this process: it fails when due work is left lying, or when nobody looks into
an ERP any more. It asks nobody but the ledger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.responses import JSONResponse

from connector.bootstrap import Services
from connector.domain.errors import LedgerError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that has to be so for the work to be done."""

    name: str
    ok: bool
    message: str


def router(services: Services) -> APIRouter:
    """Return the two addresses."""
    routes = APIRouter(prefix="/health")
    began = services.clock.now()

    @routes.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @routes.get("/ready")
    def ready() -> JSONResponse:
        found = findings(services, began=began)
        well = all(finding.ok for finding in found)
        body = {"status": "ready" if well else "not_ready", "checks": [asdict(finding) for finding in found]}
        return JSONResponse(body, status_code=200 if well else 503)

    return routes


def findings(services: Services, *, began: datetime) -> list[Finding]:
    """Say whether the work is being done.

    Args:
        services: the parts.
        began: when this process did; a source that nobody has looked into yet is given time from here on.
    """
    try:
        return [_due_work(services), *_looks(services, began), Finding(name="ledger", ok=True, message="It answers.")]
    except LedgerError as error:
        log.warning("the ledger does not answer: %s", error)
        return [Finding(name="ledger", ok=False, message="It does not answer.")]


def _due_work(services: Services) -> Finding:
    """A backlog is no fault as long as somebody works at it; due work that nobody takes up is one."""
    queries, settings = services.ledger.queries, services.settings
    limit = timedelta(seconds=settings.web.stalled_after)
    oldest = queries.oldest_due(sources=list(settings.sources))
    age = timedelta(0) if oldest is None else services.clock.now() - oldest
    if age <= limit:
        return Finding(name="due work", ok=True, message="Nothing has been due for long.")
    if queries.is_being_worked():
        return Finding(name="due work", ok=True, message=f"Due for {_span(age)}, and being worked at.")
    return Finding(name="due work", ok=False, message=f"Due for {_span(age)}, and nobody works at it.")


def _looks(services: Services, began: datetime) -> Iterator[Finding]:
    limit = timedelta(seconds=services.settings.web.stalled_after + services.settings.scheduler.discover_every)
    paused = services.ledger.sources.paused()
    for source in services.settings.sources:
        if source in paused:
            yield Finding(name=f"source {source}", ok=True, message="A person has paused it.")
            continue
        last: datetime | None = services.ledger.intake.state(source).get("discovered_at")
        age = services.clock.now() - (last or began)
        told = "There was no look into it yet." if last is None else f"The last look into it was {_span(age)} ago."
        yield Finding(name=f"source {source}", ok=age <= limit, message=told)


def _span(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
