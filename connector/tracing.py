"""Traces for OpenTelemetry, where somebody wants them: what each invoice and each request took, with ids alone.

Off, a span costs a comparison. The libraries are an extra (`otel`) and are imported when tracing begins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar

from connector.domain.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LAST_SPANS: Final = 3000
"""Milliseconds for which the end of a process waits until its last spans have gone."""


class Span(Protocol):
    """What is told about something while it lasts."""

    def set_attribute(self, key: str, value: str | int | float | bool) -> object:
        """Tell an id, or how it ended. Never what a document or a customer says."""


class _Nothing:
    def set_attribute(self, key: str, value: str | int | float | bool) -> None:
        pass


class _Tracing:
    """The tracing of this process."""

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None


_OFF: Final = _Nothing()
_ours: Final = _Tracing()


def begin(endpoint: str, *, service: str, ratio: float, exporter: Callable[[], SpanExporter] | None = None) -> None:
    """Trace from now on; nothing happens where that has begun already.

    Args:
        endpoint: address of a collector, OTLP over HTTP.
        service: name under which the spans are found.
        ratio: share of the traces that is kept, up to 1.
        exporter: makes what sends the spans; by default to the endpoint.

    Raises:
        UsageError: the libraries are not installed.
    """
    if _ours.provider is not None:
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ImportError:
        raise UsageError(
            "tracing.endpoint is set, but OpenTelemetry is not installed.",
            action="pip install 'b2brouter-connector[otel]', or leave tracing.endpoint empty.",
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), sampler=ParentBasedTraceIdRatio(ratio)
    )
    provider.add_span_processor(BatchSpanProcessor(exporter() if exporter else _to(endpoint)))
    _ours.provider, _ours.tracer = provider, provider.get_tracer("connector")
    log.info("traces go to %s", endpoint)


def _to(endpoint: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint)


def end() -> None:
    """Trace no longer; what was traced goes first, within reason."""
    provider, _ours.provider, _ours.tracer = _ours.provider, None, None
    if provider is not None:
        provider.force_flush(_LAST_SPANS)
        provider.shutdown()


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[Span]:
    """Return something that lasts as long as its block; within another one it is part of that.

    What the block raises is told by the name of its class alone: messages may name customers.
    """
    if _ours.tracer is None:
        return nullcontext(_OFF)
    return _Lasting(_ours.tracer, name, {f"connector.{key}": value for key, value in attributes.items()})


class _Lasting(AbstractContextManager[Span]):
    def __init__(self, tracer: Tracer, name: str, attributes: dict[str, Any]) -> None:
        self._inner = tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
        self._span: Any = None

    def __enter__(self) -> Span:
        self._span = self._inner.__enter__()
        found: Span = self._span
        return found

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
            reason = getattr(error, "reason", None)
            if isinstance(reason, str):
                self._span.set_attribute("connector.reason", reason)
        self._inner.__exit__(kind, error, trace)


def step(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a step of an invoice's way, in a span of its name."""
    if _ours.tracer is None:
        return act(*args, **kwargs)
    with span(act.__name__):
        return act(*args, **kwargs)
