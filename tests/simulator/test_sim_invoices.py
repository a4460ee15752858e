"""Invoices: what is stored, what is refused, and what a number is worth."""

from typing import Any, ClassVar

import pytest

from connector.simulator import World, plant
from tests.simulator.client import Api, code, line


def test_an_invoice_is_stored_unsent_with_the_servers_own_totals(api: Api) -> None:
    invoice = api.invoice(file_reference="ORDER-77", invoice_lines_attributes=[line("3", "9.99")])
    assert (invoice["state"], invoice["type"], invoice["file_reference"]) == (
        "new",
        "IssuedInvoice",
        "ORDER-77",
    )
    assert (invoice["subtotal"], invoice["total"]) == (29.97, 36.26)
    assert invoice["taxes"] == [{"name": "IVA 21,00%", "category": "S", "percent": 21, "base": 29.97, "amount": 6.29}]
    assert invoice["account"] == {"id": 1, "name": "Ibérica de Montajes Aplicados, S.L."}


def test_amounts_leave_with_exactly_the_digits_they_have(api: Api, world: World) -> None:
    answer = api.add_invoice(invoice_lines_attributes=[line("1", "0.1")] * 3)
    assert '"subtotal":0.30,' in answer.text
    world.switches.amounts = "strings"
    assert '"subtotal":"0.30",' in api.get(f"/invoices/{answer.json()['invoice']['id']}").text


def test_strings_are_taken_for_amounts_unless_switched_off(api: Api, world: World) -> None:
    assert api.add_invoice("A", invoice_lines_attributes=[line("2", "5.5")]).is_success
    world.switches.accepts_amount_strings = False
    assert code(api.add_invoice("B", invoice_lines_attributes=[line("2", "5.5")])) == (
        422,
        "parameter_inclusion",
    )


def test_ids_grow_over_all_accounts(api: Api, world: World) -> None:
    first, second = api.invoice(), api.of(2).invoice()
    assert second["id"] == first["id"] + 1
    world.switches.ids = "strings"
    assert api.invoice("F-2")["id"] == str(second["id"] + 1)


def test_lines_come_on_request(api: Api) -> None:
    invoice = api.invoice(invoice_lines_attributes=[line(2, "1.5", unit=2, base_quantity=3)])
    path = f"/invoices/{invoice['id']}"
    assert "lines" not in api.get(path).json()["invoice"]
    [row] = api.get(path, include="lines,buyer").json()["invoice"]["lines"]
    assert (row["quantity"], row["price"], row["base_quantity"], row["total_cost"], row["unit"]) == (
        2,
        1.5,
        3,
        1,
        2,
    )


def test_a_single_resource_may_come_unwrapped(api: Api, world: World) -> None:
    world.switches.wrapped = False
    assert api.add_invoice(contact={"name": "X", "tin_value": "ESB00000000"}).json()["number"] == "F-1"


@pytest.mark.parametrize(
    ("fields", "param", "refusal"),
    [
        ({"type": "Ticket"}, "type", "parameter_inclusion"),
        ({"date": None}, "date", "parameter_blank"),
        ({"date": "2026-02-30"}, "date", "parameter_inclusion"),
        ({"due_date": "soon"}, "due_date", "parameter_inclusion"),
        ({"currency": "XYZ"}, "currency", "parameter_inclusion"),
        ({"contact_id": 999}, "contact", "parameter_blank"),
        ({"contact_id": "5001; DROP"}, "contact", "parameter_blank"),
        ({"invoice_lines_attributes": []}, "invoice_lines", "parameter_blank"),
        ({"invoice_lines_attributes": "two"}, "invoice_lines_attributes", "parameter_inclusion"),
        ({"invoice_lines_attributes": [line("one")]}, "quantity", "parameter_inclusion"),
        ({"invoice_lines_attributes": [line(True)]}, "quantity", "parameter_inclusion"),
        ({"invoice_lines_attributes": [line("1e999")]}, "quantity", "parameter_inclusion"),
        ({"invoice_lines_attributes": [line(1, "NaN")]}, "price", "parameter_inclusion"),
        ({"invoice_lines_attributes": [line(None)]}, "quantity", "parameter_blank"),
        ({"invoice_lines_attributes": [line(base_quantity=0)]}, "base_quantity", "parameter_inclusion"),
        ({"bank_account": {"type": "iban", "iban": "ES00"}}, "iban", "parameter_inclusion"),
        ({"bank_account": {"type": "iban"}}, "iban", "parameter_blank"),
        ({"number": "N" * 256}, "number", "parameter_inclusion"),
        ({"ponumber": "P" * 256}, "ponumber", "parameter_inclusion"),
    ],
)
def test_the_first_rule_that_is_broken_is_named(api: Api, fields: dict[str, Any], param: str, refusal: str) -> None:
    answer = api.add_invoice(**fields)
    assert code(answer) == (422, refusal)
    assert answer.json()["error"]["param"] == param
    assert api.numbers() == []


@pytest.mark.parametrize(
    ("taxes", "param"),
    [
        ([{"name": "IVA", "category": "E", "percent": 21}], "percent"),
        ([{"name": "IVA", "category": "NS", "percent": 1}], "percent"),
        ([{"name": "IVA", "category": "X", "percent": 21}], "category"),
        ([{"name": "IVA", "category": "S"}], "percent"),
        ([{"name": "IVA 21%", "category": "S", "percent": 21}], "name"),
        ([{"name": "IVA", "category": "S", "percent": 21}] * 2, "taxes"),
        ([{"name": "RE", "category": "S", "percent": 5.2}], "taxes"),
    ],
)
def test_taxes_have_rules_of_their_own(api: Api, taxes: list[dict[str, Any]], param: str) -> None:
    answer = api.add_invoice(invoice_lines_attributes=[line(1, 100, *taxes)])
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_a_tax_without_a_name_vanishes_and_the_line_is_untaxed(api: Api) -> None:
    invoice = api.invoice(invoice_lines_attributes=[line(1, 100, {"category": "S", "percent": 21})])
    assert (invoice["taxes"], invoice["total"]) == ([], 100)


def test_surcharge_and_withholding_stand_beside_vat(api: Api) -> None:
    taxes: list[dict[str, Any]] = [
        {"name": "IVA", "category": "S", "percent": 21},
        {"name": "RE", "category": "S", "percent": "5.2"},
        {"name": "IRPF", "category": "S", "percent": -15},
    ]
    invoice = api.invoice(invoice_lines_attributes=[line(1, 1000, *taxes)])
    assert [row["amount"] for row in invoice["taxes"]] == [210, 52, -150]
    assert invoice["total"] == 1112


def test_a_header_discount_is_part_of_the_totals(api: Api) -> None:
    entry = {"allowance_charge_indicator": "allowance", "percentage": 10}
    invoice = api.invoice(allowance_charges_attributes=[entry])
    assert (invoice["subtotal"], invoice["total"]) == (90, 108.9)
    assert code(api.add_invoice("B", allowance_charges_attributes=[{"amount": 5}])) == (
        422,
        "parameter_inclusion",
    )
    negative = entry | {"percentage": -10}
    assert code(api.add_invoice("B", allowance_charges_attributes=[negative])) == (422, "parameter_inclusion")


def test_a_misspelt_field_is_dropped_in_silence(api: Api) -> None:
    assert "due_dat" not in api.invoice(due_dat="2026-02-01")


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"invoice": 7}', b'{"invoice": {}}', b'{"invoice": NaN}'])
def test_a_body_that_is_no_invoice_is_a_bad_request(api: Api, body: bytes) -> None:
    answer = api.http.post("/accounts/1/invoices", content=body)
    assert code(answer) == (400, "invalid_request_params")


class TestNumber:
    def test_a_number_is_taken_once(self, api: Api) -> None:
        api.invoice("F-1")
        refused = api.add_invoice("F-1")
        assert refused.status_code == 422
        assert refused.json() == {
            "error": {
                "code": "parameter_taken",
                "message": "Number has already been taken",
                "param": "number",
                "type": "invalid_request_error",
            }
        }

    def test_without_the_guard_it_may_be_stored_twice(self, api: Api, world: World) -> None:
        world.switches.number_guard = False
        assert api.invoice("F-1")["id"] != api.invoice("F-1")["id"]

    @pytest.mark.parametrize(
        ("scope", "series", "year"),
        [("series_year", True, True), ("series", True, False), ("account", False, False)],
    )
    def test_the_scope_of_uniqueness_is_disputed(
        self, api: Api, world: World, scope: Any, series: bool, year: bool
    ) -> None:
        world.switches.number_scope = scope
        api.invoice("F-1", series_code="A")
        assert api.add_invoice("F-1", series_code="B").is_success is series
        assert api.add_invoice("F-1", series_code="A", date="2025-12-31").is_success is year

    def test_another_account_has_numbers_of_its_own(self, api: Api) -> None:
        api.invoice("F-1")
        assert api.of(2).add_invoice("F-1").is_success

    def test_credit_notes_and_tickets_share_the_numbers_unless_counted_apart(self, api: Api, world: World) -> None:
        api.invoice("F-1")
        ticket: dict[str, Any] = {"type": "IssuedSimplifiedInvoice", "contact": {"name": "Someone"}}
        assert code(api.add_invoice("F-1", is_credit_note=True)) == (422, "parameter_taken")
        assert code(api.add_invoice("F-1", **ticket)) == (422, "parameter_taken")
        world.switches.number_per_type = True
        assert api.add_invoice("F-1", **ticket).is_success

    def test_a_deleted_document_gives_its_number_back_or_keeps_it(self, api: Api, world: World) -> None:
        api.delete(f"/invoices/{api.invoice('F-1')['id']}")
        api.delete(f"/invoices/{api.invoice('F-1')['id']}")
        world.switches.deleted_numbers_stay_taken = True
        assert code(api.add_invoice("F-1")) == (422, "parameter_taken")

    @pytest.mark.parametrize(("latest", "following"), [("A-0099-X", "A-0100-X"), ("F", "F1"), ("9", "10")])
    def test_a_missing_number_follows_the_latest(self, api: Api, latest: str, following: str) -> None:
        api.invoice(latest)
        assert api.invoice(None)["number"] == following

    def test_the_first_number_is_1(self, api: Api) -> None:
        assert api.invoice(None)["number"] == "1"

    def test_a_planted_number_is_taken_too(self, api: Api, world: World) -> None:
        plant(world, {"invoices": [{"account": 1, "number": "F-1"}]})
        assert code(api.add_invoice("F-1")) == (422, "parameter_taken")


class TestRecipient:
    def test_an_inline_contact_is_matched_by_its_tax_number_or_made(self, api: Api) -> None:
        known = api.contact()
        matched = api.invoice("A", contact={"name": "Anyone", "tin_value": "B-00000000", "country": "es"})
        api.invoice("B", contact={"name": "Same", "tin_value": "ESB00000000"})
        made = api.invoice("C", contact={"name": "New", "tin_value": "ESA28000000"})
        assert made["contact"]["id"] != known["id"]
        assert matched["contact"]["id"] != made["contact"]["id"]
        assert [row["name"] for row in api.get("/accounts/1/contacts").json()["contacts"]] == [
            "New",
            "Anyone",
            "Example Customer",
        ]

    def test_an_inline_contact_needs_an_identifier_since_2026_04_20(self, api: Api) -> None:
        inline = {"contact": {"name": "Someone", "country": "es"}}
        assert api.add_invoice("A", **inline).json()["invoice"]["contact"] == {"id": None, "name": "Someone"}
        assert code(api.version("2026-04-20").add_invoice("B", **inline)) == (422, "parameter_blank")

    def test_the_contact_of_another_account_does_not_exist(self, api: Api) -> None:
        foreign = api.of(2).contact()
        assert code(api.add_invoice(contact_id=foreign["id"])) == (422, "parameter_blank")

    def test_a_ticket_keeps_its_buyer_to_itself(self, api: Api) -> None:
        ticket = api.invoice(type="IssuedSimplifiedInvoice", contact_id=api.customer(), contact={"name": "Walk-in"})
        assert ticket["contact"] == {"id": None, "name": "Walk-in"}


class TestFrance:
    exempt: ClassVar = {"name": "TVA", "category": "E", "percent": 0}

    def test_an_exempt_line_without_a_reason_is_stored_and_never_sent(self, api: Api) -> None:
        french = api.of(2)
        lines = [line(1, 100, self.exempt)]
        answer = french.add_invoice(beside={"send_after_import": True}, invoice_lines_attributes=lines)
        invoice = answer.json()["invoice"]
        assert (answer.status_code, invoice["state"], len(invoice["errors"])) == (201, "new", 1)
        assert api.send(invoice["id"]).status_code == 422
        assert api.state(invoice["id"]) == "new"

    def test_with_a_reason_it_is_fine(self, api: Api) -> None:
        reason = self.exempt | {"comment": "VATEX-EU-132"}
        assert api.of(2).invoice(invoice_lines_attributes=[line(1, 100, reason)])["errors"] == []

    def test_reporting_demands_payment_texts_and_short_numbers(self, api: Api, world: World) -> None:
        plant(world, {"accounts": [{"id": 2, "tax_report_settings": {"dgfip": {"code": "dgfip"}}}]})
        french = api.of(2)
        refused = french.add_invoice("F-1")
        assert refused.json()["error"]["message"] == "Remittance information is required for DGFiP reporting"
        texts: dict[str, Any] = {
            "remittance_information": "F-1",
            "payment_method_text": "Virement",
            "payment_terms": "30 jours",
        }
        assert french.add_invoice("F-1", **texts).is_success
        assert french.add_invoice("F" * 21, **texts).status_code == 422


class TestChange:
    def test_header_fields_change_and_totals_follow_the_lines(self, api: Api) -> None:
        invoice = api.invoice()
        path = f"/invoices/{invoice['id']}"
        changed = api.put(path, {"invoice": {"number": "F-9", "ponumber": "PO-1"}}).json()["invoice"]
        assert (changed["number"], changed["ponumber"], changed["total"]) == ("F-9", "PO-1", 121)
        assert api.numbers(number="F-9") == ["F-9"]
        assert api.numbers(number="F-1") == []

    def test_lines_without_an_id_are_added_and_those_with_one_changed_or_removed(self, api: Api) -> None:
        invoice = api.invoice()
        path = f"/invoices/{invoice['id']}"
        api.put(path, {"invoice": {"invoice_lines_attributes": [line(1, 50)]}})
        rows = api.get(path, include="lines").json()["invoice"]["lines"]
        assert [row["price"] for row in rows] == [100, 50]
        edit = [{"id": rows[0]["id"], "_destroy": True}, {"id": rows[1]["id"], "price": 60}]
        changed = api.put(path, {"invoice": {"invoice_lines_attributes": edit}}).json()["invoice"]
        assert changed["subtotal"] == 60

    @pytest.mark.parametrize(
        "values",
        [
            {"number": "F-2", "ponumber": "x"},
            {"ponumber": "x", "currency": "XYZ"},
            {"ponumber": "x", "invoice_lines_attributes": [{"id": 1}]},
            {"ponumber": "x", "contact_id": 999},
        ],
    )
    def test_a_refused_change_changes_nothing(self, api: Api, values: dict[str, Any]) -> None:
        invoice = api.invoice("F-1")
        api.invoice("F-2")
        path = f"/invoices/{invoice['id']}"
        before = api.get(path, include="lines").json()
        assert api.put(path, {"invoice": values}).status_code == 422
        assert api.get(path, include="lines").json() == before

    def test_a_document_on_its_way_cannot_change(self, api: Api) -> None:
        invoice = api.invoice()
        api.send(invoice["id"])
        assert code(api.put(f"/invoices/{invoice['id']}", {"invoice": {"ponumber": "x"}})) == (
            409,
            "conflict",
        )


class TestDelete:
    def test_an_unsent_document_goes_and_says_so(self, api: Api) -> None:
        invoice = api.invoice()
        gone = api.delete(f"/invoices/{invoice['id']}")
        assert (gone.status_code, gone.json()["invoice"]["deleted"]) == (200, True)
        assert code(api.delete(f"/invoices/{invoice['id']}")) == (404, "resource_missing")
        assert api.numbers() == []

    def test_the_answer_may_be_empty(self, api: Api, world: World) -> None:
        world.switches.delete_answer = "empty"
        assert api.delete(f"/invoices/{api.invoice()['id']}").status_code == 204

    def test_a_sent_document_stays_unless_the_switch_says_otherwise(self, api: Api, world: World) -> None:
        invoice = api.invoice()
        api.send(invoice["id"])
        assert code(api.delete(f"/invoices/{invoice['id']}")) == (409, "conflict")
        world.switches.delete_allowed = "any"
        assert api.delete(f"/invoices/{invoice['id']}").is_success


def test_validation_names_what_keeps_a_document_back(api: Api) -> None:
    good, bad = api.invoice(), api.of(2).invoice(invoice_lines_attributes=[line(1, 1, TestFrance.exempt)])
    assert api.get(f"/invoices/{good['id']}/validate").json() == {"valid": True, "errors": []}
    assert api.get(f"/invoices/{bad['id']}/validate").json()["valid"] is False


def test_a_document_is_acknowledged_in_three_ways(api: Api, world: World) -> None:
    at_once = api.invoice("A", beside={"ack": True})
    by_reading = api.invoice("B")
    api.get(f"/invoices/{by_reading['id']}", ack="true")
    by_call = api.invoice("C")
    assert api.post(f"/invoices/{by_call['id']}/ack").status_code == 200
    for invoice in (at_once, by_reading, by_call):
        assert api.get(f"/invoices/{invoice['id']}").json()["invoice"]["ack_at"] == "2026-01-15T12:00:00.000Z"
    world.switches.ack_answer = "empty"
    assert api.post(f"/invoices/{by_call['id']}/ack").status_code == 204
