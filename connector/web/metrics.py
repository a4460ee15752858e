"""`/metrics` for Prometheus: counted in the ledger when it is asked, so that every process says the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from typing import Final

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from connector.bootstrap import Services
from connector.domain.job import AT_REST, Status
from connector.ledger.calls import LIMITS, LONGER, Series
from connector.meter import last_told_minute
from connector.web.api.caller import SCRAPES
from connector.web.remembered import Remembered

_UNDER_WAY: Final = (Status.PENDING, Status.RUNNING, Status.WAITING, Status.HELD)
"""There may be millions of these: they are counted once a minute."""


class Figures(Collector):
    """What a ledger says at this moment."""

    def __init__(self, services: Services) -> None:
        """Count in a ledger."""
        self._services = services
        self._at_rest = Remembered(60.0, lambda: services.ledger.figures.at_rest(AT_REST))

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        now = self._services.clock.now()
        yield from self._invoices(now)
        yield from self._accounts(now)
        yield from self._requests(now)
        yield from self._sources(now)
        yield from self._archive(now)
        yield self._alarms()

    def _invoices(self, now: datetime) -> Iterator[Metric]:
        ledger = self._services.ledger
        yield _age(
            "oldest_unsent_invoice_age", "the oldest invoice that is not sent", ledger.figures.oldest_unsent(), now
        )
        due = ledger.queries.oldest_due(sources=[*self._services.settings.sources])  # nobody works for others
        yield _age("oldest_due_invoice_age", "the work that has been due longest", due, now)
        jobs = _family("jobs", "Invoices.", "status", "reason")
        for status in _UNDER_WAY:
            for reason, count in ledger.figures.by_reason(status):
                jobs.add_metric([status, reason or ""], count.number)
        for status, reason, number in self._at_rest.get():
            jobs.add_metric([status, reason or ""], number)
        yield jobs
        yield GaugeMetricFamily(
            "connector_unknown_outcomes",
            "Invoices of which it is not known whether a request had its effect.",
            value=ledger.figures.unknown_outcomes(),
        )
        yield GaugeMetricFamily(
            "connector_cases", "Issued invoices that need a person.", value=ledger.queries.cases()
        )

    def _accounts(self, now: datetime) -> Iterator[Metric]:
        paused = _family("account_paused", "1 while an account is paused.", "account", "reason")
        broken = _family("account_breaker_open", "1 while a fault keeps an account from its work.", "account")
        probes = _family("account_failed_probes", "Probes in a row that a paused account failed.", "account")
        for state in self._services.ledger.accounts.all():
            is_paused = state.paused_reason is not None
            paused.add_metric([state.name, state.paused_reason or ""], is_paused)
            broken.add_metric([state.name], is_paused and not state.paused_by_person)
            probes.add_metric([state.name], state.probes)
        yield from (paused, broken, probes)
        compared = _family("comparison_age_seconds", "Since ERP, ledger and B2Brouter were compared.", "account")
        differences = _family("comparison_differences", "Differences that a person must cure.", "account")
        for name in self._services.settings.accounts:
            last = self._services.ledger.reconciliations.last_made(name)
            if last is not None and last.finished_at is not None:
                compared.add_metric([name], (now - last.finished_at).total_seconds())
                differences.add_metric([name], last.for_person)
        yield from (compared, differences)

    def _requests(self, now: datetime) -> Iterator[Metric]:
        """Yield what all processes have counted of their requests to B2Brouter."""
        calls = self._services.ledger.calls
        took = HistogramMetricFamily(
            "connector_api_call_seconds",
            "How long requests to B2Brouter took; status none: no answer came.",
            labels=["account", "operation", "status"],
        )
        for one in calls.series():
            took.add_metric([one.account, one.operation, one.status], _buckets(one), one.seconds)
        yield took
        used = _family(
            "requests_per_minute", "Requests of an account in the last minute that was counted.", "account"
        )
        made = calls.in_minute(last_told_minute(now))
        for name in self._services.settings.accounts:
            used.add_metric([name], made.get(name, 0))
        yield used
        yield GaugeMetricFamily(
            "connector_requests_per_minute_allowed",
            "Request budget of one API key.",
            value=self._services.settings.b2brouter.budget,
        )

    def _sources(self, now: datetime) -> Iterator[Metric]:
        looked = _family("source_look_age_seconds", "Since the last look.", "source")
        swept = _family("source_sweep_age_seconds", "Since the last sweep.", "source")
        resting = _family("source_paused", "1 while a person has paused a source.", "source")
        paused = self._services.ledger.sources.paused()
        for name in self._services.settings.sources:
            state = self._services.ledger.intake.state(name)
            resting.add_metric([name], name in paused)
            for family, column in ((looked, "discovered_at"), (swept, "swept_at")):
                if state.get(column):
                    family.add_metric([name], (now - state[column]).total_seconds())
        yield from (looked, swept, resting)

    def _archive(self, now: datetime) -> Iterator[Metric]:
        due = _family("archive_due_files", "Files of issued invoices that are still to be kept.", "account")
        oldest = _family("archive_oldest_due_age_seconds", "Since the oldest of them was sent.", "account")
        absent = _family("archive_absent_files", "Files that B2Brouter never had, and were given up.", "account")
        backlog = self._services.ledger.archive.backlog() if self._services.settings.archive.on else {}
        for name in self._services.settings.accounts:
            one = backlog.get(name)
            due.add_metric([name], one.files if one else 0)
            oldest.add_metric([name], (now - one.since).total_seconds() if one and one.since else 0)
            absent.add_metric([name], one.absent if one else 0)
        yield from (due, oldest, absent)

    def _alarms(self) -> Metric:
        alarms = _family("alarm", "1 while an alarm lasts; docs/operations.md says what to do.", "alarm", "subject")
        for one in self._services.ledger.alarms.lasting():
            alarms.add_metric([one.code, one.subject], 1)
        return alarms


def _family(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"connector_{name}", about, labels=labels)


def _buckets(series: Series) -> list[tuple[str, float]]:
    """Add up what Prometheus wants added up: each bucket holds all that took less."""
    sums = accumulate(series.within.get(limit, 0) for limit in (*LIMITS, LONGER))
    return list(zip((*(f"{limit / 1000:g}" for limit in LIMITS), "+Inf"), sums, strict=True))


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
