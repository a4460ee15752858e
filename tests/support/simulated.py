"""What the simulator makes of the very body that we would send, without a server."""

from __future__ import annotations

from typing import Any, Final, cast

from connector.b2brouter.payloads import invoice_payload
from connector.domain.invoice import Invoice, money
from connector.domain.rounding import Way
from connector.simulator import World, invoice_content
from connector.simulator.jsontext import loads
from connector.simulator.totals import Arithmetic, Totals, calculate

_WORLD: Final = World(seed=1)


def simulated(document: Invoice, version: str, *ways: Way) -> list[Totals]:
    """Return the totals that come of a document, told in a version of the API, in each of these ways."""
    body = invoice_payload(document, contact_id="1", file_reference="erp-x", api_version=version)
    values = cast("dict[str, Any]", loads(body))["invoice"]
    unit = money(document.currency or "").unit
    told = [line.figures for line in invoice_content.lines(_WORLD, values, version)]
    adjustments = invoice_content.adjustments(_WORLD, values, version)
    return [
        calculate(
            told,
            adjustments,
            Arithmetic(unit, str(way.method), way.round_before_sum, way.apply_taxes_per_line),
        )
        for way in ways
    ]
