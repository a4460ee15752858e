"""`/metrics` for Prometheus: counted in the ledger when it is asked, so that every process says the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from connector.bootstrap import Services
from connector.domain.job import Status
from connector.web.api.caller import SCRAPES
from connector.web.remembered import Remembered

_UNDER_WAY: Final = (Status.PENDING, Status.RUNNING, Status.WAITING, Status.HELD)
"""What is issued or left out is not counted: there may be millions."""


class Figures(Collector):
    """What a ledger says at this moment."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        ledger, now = self._services.ledger, self._services.clock.now()
        yield _age(
            "oldest_unsent_invoice_age", "the oldest invoice that is not sent", ledger.figures.oldest_unsent(), now
        )
        yield _age("oldest_due_invoice_age", "the work that has been due longest", ledger.queries.oldest_due(), now)
        yield self._jobs()
        yield GaugeMetricFamily(
            "connector_unknown_outcomes",
            "Invoices of which it is not known whether a request had its effect.",
            value=ledger.figures.unknown_outcomes(),
        )
        yield GaugeMetricFamily(
            "connector_cases", "Issued invoices that need a person.", value=ledger.queries.cases()
        )
        yield from self._accounts()
        yield from self._sources(now)

    def _jobs(self) -> Metric:
        jobs = GaugeMetricFamily("connector_jobs", "Invoices that are not issued.", labels=["status", "reason"])
        for status in _UNDER_WAY:
            for reason, count in self._services.ledger.figures.by_reason(status):
                jobs.add_metric([status, reason or ""], count.number)
        return jobs

    def _accounts(self) -> Iterator[Metric]:
        paused = GaugeMetricFamily(
            "connector_account_paused", "1 while an account is paused.", labels=["account", "reason"]
        )
        for state in self._services.ledger.accounts.all():
            paused.add_metric([state.name, state.paused_reason or ""], 1 if state.paused_reason else 0)
        yield paused
        yield GaugeMetricFamily(
            "connector_requests_per_minute_allowed",
            "Request budget of one API key.",
            value=self._services.settings.b2brouter.budget,
        )

    def _sources(self, now: datetime) -> Iterator[Metric]:
        looked = GaugeMetricFamily("connector_source_look_age_seconds", "Since the last look.", labels=["source"])
        swept = GaugeMetricFamily("connector_source_sweep_age_seconds", "Since the last sweep.", labels=["source"])
        for name in self._services.settings.sources:
            state = self._services.ledger.intake.state(name)
            for family, column in ((looked, "discovered_at"), (swept, "swept_at")):
                if state.get(column):
                    family.add_metric([name], (now - state[column]).total_seconds())
        yield looked
        yield swept


def _age(name: str, of: str, since: datetime | None, now: datetime) -> Metric:
    seconds = 0.0 if since is None else max(0.0, (now - since).total_seconds())
    return GaugeMetricFamily(f"connector_{name}_seconds", f"Age of {of}; 0 where there is none.", value=seconds)


def router(services: Services) -> APIRouter:
    """Return the address."""
    routes = APIRouter()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(services))

    told = Remembered(5.0, lambda: generate_latest(registry))

    @routes.get("/metrics", dependencies=[Depends(SCRAPES)])
    def metrics() -> Response:
        return Response(told.get(), media_type=CONTENT_TYPE_LATEST)

    return routes
