"""Where traces go."""

from __future__ import annotations

from pydantic import Field

from config.sections.section import Section


class TracingSettings(Section):
    """Traces for OpenTelemetry: what each invoice and each request took, with ids alone."""

    endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces (pip "
        "install 'b2brouter-connector[otel]'); empty: no traces. Headers come from OTEL_EXPORTER_OTLP_HEADERS.",
    )
    service: str = Field("b2brouter-connector", min_length=1, description="Name under which the traces are found.")
    ratio: float = Field(1.0, gt=0, le=1, description="Share of the traces that is kept.")
