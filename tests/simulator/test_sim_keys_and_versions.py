"""Who is let in, and in which version the answer is written."""

import httpx
import pytest

from connector.simulator import SimulatorServer, World, plant
from tests.simulator.client import HEADERS, Api, code, connect, line


def ask(simulator: SimulatorServer, headers: dict[str, str]) -> httpx.Response:
    return httpx.get(f"{simulator.base_url}/accounts", headers=headers)


def test_without_a_key_nothing_is_told(simulator: SimulatorServer) -> None:
    assert code(ask(simulator, {})) == (401, "missing_api_key")


def test_the_key_of_another_environment_is_unknown(simulator: SimulatorServer) -> None:
    assert code(ask(simulator, {"X-B2B-API-Key": "prod_key"})) == (401, "invalid_api_key")


def test_an_expired_key_says_so(simulator: SimulatorServer, world: World) -> None:
    plant(world, {"keys": [{"value": "old", "accounts": [1], "expired": True}]})
    assert code(ask(simulator, {"X-B2B-API-Key": "old"})) == (401, "expired_api_key")


def test_a_key_without_a_group_has_no_account(simulator: SimulatorServer, world: World) -> None:
    plant(world, {"keys": [{"value": "lonely", "has_group": False}]})
    assert code(ask(simulator, {"X-B2B-API-Key": "lonely"})) == (403, "no_account_group")


def test_a_key_sees_the_accounts_of_its_group_alone(simulator: SimulatorServer, world: World) -> None:
    plant(world, {"keys": [{"value": "french", "accounts": [2]}]})
    assert [row["id"] for row in ask(simulator, {"X-B2B-API-Key": "french"}).json()["accounts"]] == [2]


def test_what_belongs_to_another_group_does_not_exist(simulator: SimulatorServer, world: World, api: Api) -> None:
    invoice, contact = api.invoice(), api.customer()
    plant(world, {"keys": [{"value": "french", "accounts": [2]}]})
    with connect(simulator.base_url, headers={"X-B2B-API-Key": "french"}) as foreign:
        for path in ("/accounts/1", f"/invoices/{invoice['id']}", f"/contacts/{contact}"):
            assert code(foreign.get(path)) == (404, "resource_missing")


def test_every_answer_carries_a_request_id(simulator: SimulatorServer, api: Api) -> None:
    answers = [api.get("/accounts"), api.get("/nowhere"), ask(simulator, {})]
    ids = {answer.headers["x-b2b-api-request-id"] for answer in answers}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("version", "refusal"),
    [
        ("2024-01-01", "invalid_api_version"),
        ("latest", "invalid_api_version"),
        ("2025-01-01", "api_version_subdomain_mismatch"),
    ],
)
def test_other_versions_are_refused(simulator: SimulatorServer, version: str, refusal: str) -> None:
    assert code(ask(simulator, HEADERS | {"X-B2B-API-Version": version})) == (400, refusal)


def test_without_a_version_header_the_groups_setting_counts(simulator: SimulatorServer, world: World) -> None:
    plant(world, {"keys": [{"value": "unset", "accounts": [1], "default_version": None}]})
    assert code(ask(simulator, {"X-B2B-API-Key": "unset"})) == (400, "missing_api_version")
    plant(world, {"keys": [{"value": "old", "accounts": [1], "default_version": "2025-10-13"}]})
    assert ask(simulator, {"X-B2B-API-Key": "old"}).json()["accounts"][0]["tin_scheme"] == 9920


def test_an_unknown_path_is_missing(api: Api) -> None:
    assert code(api.get("/projects/1/invoices")) == (404, "resource_missing")


def test_creating_answers_200_before_2026_03_02_and_201_since(api: Api) -> None:
    contact = api.customer()
    assert api.version("2025-10-13").add_invoice("A", contact_id=contact).status_code == 200
    assert api.version("2026-03-02").add_invoice("B", contact_id=contact).status_code == 201
    assert api.version("2025-10-13").add_contact(tin_value="ESA28000000").status_code == 200


def test_schemes_are_numbers_before_2026_03_02_and_four_characters_since(api: Api) -> None:
    siret = {"tin_value": None, "cin_scheme": "0009", "cin_value": "13001533200013"}
    contact = api.contact(**siret)
    assert contact["cin_scheme"] == "0009"
    assert api.version("2025-10-13").get(f"/contacts/{contact['id']}").json()["contact"]["cin_scheme"] == 9
    assert code(api.add_contact(tin_value="ESA28000000", tin_scheme=9920)) == (422, "parameter_inclusion")
    assert api.version("2025-10-13").add_contact(tin_value="ESA28000000", tin_scheme=9920).is_success


def test_corrections_refer_by_flat_fields_until_2026_04_20_and_by_a_list_since(api: Api) -> None:
    flat = {"amended_number": "F-1", "amended_date": "2026-01-02", "amend_reason": "R1"}
    listed = {
        "invoice_references": [{"reference_type": "amend", "number": "F-1", "date": "2026-01-02", "reason": "R1"}]
    }
    old = api.invoice("R-1", **flat, **listed)
    assert {name: old[name] for name in flat} == flat
    new = api.version("2026-04-20").invoice("R-2", contact_id=api.customer(), **flat, **listed)
    assert [row["number"] for row in new["invoice_references"]] == ["F-1"]
    assert "amended_number" not in new
    untold = api.version("2026-04-20").invoice("R-3", contact_id=api.customer(), **flat)
    assert untold["invoice_references"] == []


def test_discounts_are_flat_fields_before_2026_03_02_and_a_list_since(api: Api) -> None:
    listed = {
        "allowance_charges_attributes": [
            {"allowance_charge_indicator": "allowance", "amount": 20, "apply_taxes": True}
        ]
    }
    flat = {"discount_amount": 30, "discount_text": "Loyalty"}
    contact = api.customer()
    both = [line(1, 100, **flat, **listed)]
    new = api.invoice("N", invoice_lines_attributes=both)
    old = api.version("2025-10-13").invoice("O", contact_id=contact, invoice_lines_attributes=both)
    assert (new["subtotal"], old["subtotal"]) == (80.0, 70.0)


def test_error_code_and_message_come_with_2026_06_26(api: Api) -> None:
    invoice = api.invoice()
    assert "error_code" not in invoice
    newest = api.version("2026-06-26").get(f"/invoices/{invoice['id']}").json()["invoice"]
    assert newest["error_code"] is None


def test_the_type_code_had_another_name_before_2026_03_02(api: Api) -> None:
    invoice = api.invoice(type_code="380")
    old = api.version("2025-10-13").get(f"/invoices/{invoice['id']}").json()["invoice"]
    assert (invoice["type_code"], old["type_document"]) == ("380", "380")
