"""Answers are read in every form that the API was seen to use, and never misread."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.b2brouter import answers
from connector.b2brouter.exactjson import UnreadableError
from connector.ports import RemoteAccount, RemoteContact, RemoteTax

DETAIL = {
    "id": 4919734,
    "type": "IssuedInvoice",
    "number": "INV-0001",
    "series_code": None,
    "state": "sending",
    "date": "2026-01-21",
    "currency": "EUR",
    "subtotal": Decimal("2500.0"),
    "taxes": [{"name": "TVA 20,00%", "percent": Decimal("20.0"), "base": 2500, "amount": "500.00"}],
    "total": "3000.00",
    "contact": {"id": 1313228399, "name": "Example Customer", "tin_value": "ESB00000000"},
    "account": {"id": 1234, "name": "Exemplar SAS"},
    "is_credit_note": False,
    "file_reference": "ORDER-77",
    "errors": [],
    "error_message": None,
    "never_seen_before": {"x": [1]},
}


@pytest.mark.parametrize("body", [DETAIL, {"invoice": DETAIL}])
def test_an_invoice_wrapped_or_bare(body: dict[str, Any]) -> None:
    found = answers.invoice(body, request_id="r1")
    assert (found.id, found.type, found.number, found.series) == (
        "4919734",
        "IssuedInvoice",
        "INV-0001",
        None,
    )
    assert (found.state, found.issue_date, found.currency) == ("sending", date(2026, 1, 21), "EUR")
    assert (found.subtotal, found.total) == (Decimal(2500), Decimal(3000))
    assert found.taxes == (RemoteTax(percent=Decimal(20), base=Decimal(2500), amount=Decimal(500)),)
    assert (found.is_credit_note, found.file_reference) == (False, "ORDER-77")
    assert (found.contact_id, found.contact_tax_number) == ("1313228399", "ESB00000000")
    assert (found.account_id, found.errors, found.request_id) == ("1234", (), "r1")


def test_a_bare_row_says_little_and_nothing_is_made_up() -> None:
    found = answers.invoice({"id": "inv_1"})
    assert found.id == "inv_1"
    shown = [found.number, found.state, found.issue_date, found.total, found.taxes, found.is_credit_note]
    assert shown == [None] * 6
    assert (found.contact_id, found.account_id, found.errors) == (None, None, ())


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"state": "teleported"}, "state", "teleported"),
        ({"number": 7}, "number", "7"),
        ({"date": "2026-01-21T10:00:00.000Z"}, "issue_date", date(2026, 1, 21)),
        ({"contact": None, "contact_id": 9}, "contact_id", "9"),
        ({"account": "x", "account_id": 3}, "account_id", "3"),
        ({"is_credit_note": "true"}, "is_credit_note", True),
        ({"is_credit_note": 0}, "is_credit_note", False),
        ({"is_credit_note": "perhaps"}, "is_credit_note", None),
        (
            {"taxes": [{"percent": 20, "amount": 1}]},
            "taxes",
            (RemoteTax(percent=Decimal(20), base=None, amount=Decimal(1)),),
        ),
        ({"taxes": [{"name": "TVA"}]}, "taxes", None),
        ({"taxes": "TVA"}, "taxes", None),
        ({"errors": ["No  VATEX\ncode"]}, "errors", ("No VATEX code",)),
        ({"errors": [{"error": "One"}, {"code": "X", "description": "Two"}]}, "errors", ("One", "Two")),
        ({"errors": {"number": ["is odd"]}}, "errors", ("number is odd",)),
        ({"errors": "One"}, "errors", ("One",)),
        ({"state_updated_at": "0001-01-01T00:00:00+02:00"}, "state_changed_at", None),
        ({"state_updated_at": "9999-12-31T23:59:59-02:00"}, "state_changed_at", None),
        ({"errors": None, "error_message": "Peppol says no"}, "errors", ("Peppol says no",)),
    ],
)
def test_variants_of_fields(change: dict[str, Any], name: str, value: object) -> None:
    assert getattr(answers.invoice({"invoice": DETAIL | change}), name) == value


def test_errors_beside_the_invoice_count_too() -> None:
    assert answers.invoice({"invoice": DETAIL, "errors": ["One"]}).errors == ("One",)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "ok",
        {},
        {"invoice": []},
        {"invoice": {"number": "INV-0001"}},
        {"id": ""},
        {"id": True},
        {"id": None},
        DETAIL | {"total": "much"},
        DETAIL | {"subtotal": True},
        DETAIL | {"date": "21/01/2026"},
        DETAIL | {"taxes": ["TVA"]},
        DETAIL | {"taxes": [{"percent": "x", "amount": 1}]},
    ],
)
def test_what_cannot_be_read_is_not_taken_as_unsaid(body: object) -> None:
    with pytest.raises(UnreadableError):
        answers.invoice(body)


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({"invoices": [{"id": 1}], "meta": {"total_count": 1, "offset": 0, "limit": 500}}, 500),
        ({"invoices": [{"id": 1}], "total_count": 1, "offset": 0, "limit": "25"}, 25),
        ({"invoices": [{"id": 1}], "meta": {}}, None),
        ({"invoices": [{"id": 1}]}, None),
        ({"invoices": [{"id": 1}], "limit": "many"}, None),
        ({"invoices": [{"id": 1}], "limit": "9" * 5000}, None),
    ],
)
def test_both_envelopes_of_paging(body: dict[str, Any], limit: int | None) -> None:
    page = answers.page(body, "invoices")
    assert (list(page.rows), page.limit) == ([{"id": 1}], limit)


@pytest.mark.parametrize(
    "body", [None, [], {}, {"invoices": None}, {"invoices": {}}, {"invoices": [1]}, {"contacts": []}]
)
def test_what_is_no_list_is_not_an_empty_one(body: object) -> None:
    with pytest.raises(UnreadableError):
        answers.page(body, "invoices")


def test_a_contact_with_schemes_as_numbers_or_texts() -> None:
    body = {
        "contact": {
            "id": 1313228381,
            "name": "Example Customer",
            "country": "es",
            "tin_scheme": 9920,
            "tin_value": "ESB00000000",
            "cin_scheme": 9,
            "cin_value": 13001533200013,
            "cin1_scheme": "8017",
            "cin1_value": "SERVICE",
            "pin_scheme": None,
            "pin_value": "x",
            "integration_code": "erp:7",
        }
    }
    assert answers.contact(body, request_id="r1") == RemoteContact(
        id="1313228381",
        name="Example Customer",
        tax_number="ESB00000000",
        legal_ids=(("0009", "13001533200013"), ("8017", "SERVICE")),
        country="es",
        integration_code="erp:7",
        request_id="r1",
    )


def test_an_electronic_address_is_told_from_registered_numbers() -> None:
    sirens = {"cin_scheme": "0002", "cin_value": "303265045", "cin2_scheme": 9, "cin2_value": 30326504500017}
    found = answers.contact({"contact": {"id": 1, **sirens, "pin_scheme": 225, "pin_value": "303265045_FACT"}})

    assert found.legal_ids == (("0002", "303265045"), ("0009", "30326504500017"))
    assert found.address == ("0225", "303265045_FACT")
    assert found.numbers == (*found.legal_ids, ("0225", "303265045_FACT"))


def test_an_account_with_its_ways_of_calculating() -> None:
    body = {
        "account": {
            "id": 1,
            "identifier": "iberica",
            "name": "Ibérica",
            "tin_value": "ESB76543214",
            "country": "es",
            "rounding_method": "half_up",
            "round_before_sum": False,
            "apply_taxes_per_line": None,
        }
    }
    assert answers.account(body) == RemoteAccount(
        id="1",
        identifier="iberica",
        name="Ibérica",
        tax_number="ESB76543214",
        country="es",
        rounding_method="half_up",
        round_before_sum=False,
        apply_taxes_per_line=None,
    )


@pytest.mark.parametrize(
    ("body", "state"),
    [(None, None), ({}, None), ({"invoice": {"state": "sending"}}, "sending"), ({"state": "sent"}, "sent")],
)
def test_the_answer_to_sending_may_show_a_state(body: object, state: str | None) -> None:
    assert answers.state(body) == state
