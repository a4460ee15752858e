"""Traces for OpenTelemetry: an invoice's steps and requests as one, with ids alone; off, there is nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.settings import Settings
from connector import tracing
from connector.bootstrap import Services
from connector.domain.errors import NotSentError, UsageError
from tests.support.builders import invoice
from tests.support.house import House
from tests.web.conftest import configuration


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.begin("http://collector", service="connector", ratio=1.0, exporter=lambda: exporter)
    yield exporter
    tracing.end()


def told(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    """Return the spans once they have gone, as they do by themselves every few seconds."""
    assert tracing._ours.provider is not None
    tracing._ours.provider.force_flush()
    return exporter.get_finished_spans()


def test_an_invoice_is_one_trace_of_its_steps_and_requests(house: House, spans: InMemorySpanExporter) -> None:
    house.take_in(invoice("1", number="F-SECRET"))
    house.drain()
    house.assert_issued("1")

    found = told(spans)
    [whole] = [span for span in found if span.name == "invoice"]
    assert whole.context is not None
    of_it = [span.name for span in found if span.context and span.context.trace_id == whole.context.trace_id]
    assert {"validate", "resolve_contact", "create", "verify", "send", "record"} < set(of_it)
    assert of_it.index("b2brouter create_invoice") < of_it.index("create") < of_it.index("b2brouter send_invoice")
    [sent] = [span for span in found if span.name == "b2brouter send_invoice"]
    assert sent.attributes is not None
    assert sent.attributes["http.response.status_code"] in {200, 201, 202, 204}
    assert whole.attributes is not None
    assert whole.attributes["connector.stage"] == "recorded"
    assert not [span for span in found if "F-SECRET" in str(span.attributes) or span.events]


def test_a_failure_is_told_by_its_code_and_never_by_what_it_says(spans: InMemorySpanExporter) -> None:
    def fails() -> None:
        raise NotSentError("remote_unavailable", {"message": "for Ana Secret"})

    with pytest.raises(NotSentError):
        tracing.step(fails)
    [span] = told(spans)
    assert span.attributes == {"error.type": "NotSentError", "connector.reason": "remote_unavailable"}
    assert (span.status.description, span.events) == (None, ())


def test_off_there_is_nothing(house: House) -> None:
    with tracing.span("nothing") as one, tracing.span("more", id=1) as other:
        assert one is other
    tracing.end()


def test_who_only_looks_ends_no_traces_of_others(embedded_url: str, spans: InMemorySpanExporter) -> None:
    settings = Settings(**configuration(embedded_url), tracing={"endpoint": "http://collector"})
    Services(settings, only_looking=True).close()
    tracing.step(dict)
    assert [span.name for span in told(spans)] == ["dict"]


def test_without_the_libraries_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UsageError, match="not installed"):
        tracing.begin("http://collector", service="connector", ratio=1.0)
