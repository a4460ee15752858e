"""Documents that the tests of the client build on."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

from connector.b2brouter.payloads import invoice_payload
from connector.domain.invoice import (
    Invoice,
    Kind,
    LegalId,
    Line,
    Party,
    Tax,
    TaxKind,
    Totals,
)

IVA = Tax(percent=Decimal(21), category="S")
TVA = Tax(percent=Decimal(10), category="S")
RE = Tax(kind=TaxKind.SURCHARGE, percent=Decimal("5.2"))
IRPF = Tax(kind=TaxKind.WITHHOLDING, percent=Decimal(-15))

SPANISH_SELLER = Party(name="Ibérica de Montajes", tax_number="ESB76543214", country="ES")
FRENCH_SELLER = Party(name="Exemplar SAS", tax_number="FR46458880332", country="FR")
CUSTOMER = Party(key="7", name="Example Customer", tax_number="B00000000", country="ES")
UNIVERSITY = Party(
    key="9",
    name="UNIVERSITE D AIX MARSEILLE",
    legal_ids=(LegalId(scheme="0009", value="130 015 332 00013"),),
    country="FR",
    address="58 BD CHARLES LIVON",
    city="MARSEILLE 7",
    postal_code="13007",
    language="en",
    is_public_body=True,
)


def line(quantity: str = "1", price: str = "10", net: str | None = None, **changes: Any) -> Line:
    """A line whose net amount is quantity × price where nothing else is said."""
    amount = Decimal(net) if net is not None else Decimal(quantity) * Decimal(price)
    values = {"description": "Example service", "taxes": (IVA,), **changes}
    return Line(quantity=Decimal(quantity), net_price=Decimal(price), net_amount=amount, **values)


def invoice(*lines: Line, **changes: Any) -> Invoice:
    """A Spanish invoice of 2026 over one line of 10, as far as the test does not say otherwise."""
    shown = lines or (line(),)
    net = sum((each.net_amount for each in shown), Decimal(0))
    values: dict[str, Any] = {
        "key": "1",
        "company": "1",
        "confirmed": True,
        "kind": Kind.INVOICE,
        "number": "INV-0001",
        "issue_date": date(2026, 1, 21),
        "currency": "EUR",
        "seller": SPANISH_SELLER,
        "buyer": CUSTOMER,
        "lines": shown,
        "tax_totals": (),
        "totals": Totals(net=net, tax=Decimal(0), payable=net),
        **changes,
    }
    return Invoice(**values)


def credit_note(*lines: Line, **changes: Any) -> Invoice:
    return invoice(*lines, **{"kind": Kind.CREDIT_NOTE, "number": "CN-0001", **changes})


def payload(document: Invoice, *, version: str = "2026-03-02", amend_reason: str | None = "R1") -> bytes:
    return invoice_payload(
        document, contact_id="77", file_reference="erp-x", api_version=version, amend_reason=amend_reason
    )


def sent(document: Invoice, **options: Any) -> dict[str, Any]:
    """The `invoice` object of the payload, numbers as Decimal."""
    body: dict[str, Any] = json.loads(payload(document, **options), parse_float=Decimal)["invoice"]
    return body
