"""Accounts: the companies, their settings, and what hangs on them."""

import pytest

from connector.simulator import World
from tests.simulator.client import Api, code, line


def test_two_companies_are_there_from_the_start(api: Api) -> None:
    rows = api.get("/accounts").json()["accounts"]
    assert [(row["id"], row["tin_value"], row["country"]) for row in rows] == [
        (1, "ESB76543214", "es"),
        (2, "FR44732829320", "fr"),
    ]


def test_the_list_of_accounts_has_flat_paging_fields_or_meta(api: Api, world: World) -> None:
    assert api.get("/accounts", limit=1).json()["total_count"] == 2
    world.switches.accounts_envelope = "meta"
    assert api.get("/accounts", limit=1).json()["meta"] == {"total_count": 2, "offset": 0, "limit": 1}


def test_an_account_is_read_by_its_id_or_its_identifier(api: Api) -> None:
    assert api.get("/accounts/1").json() == api.get("/accounts/iberica").json()


@pytest.mark.parametrize(
    ("query", "found"),
    [("country=fr", [2]), ("tin_value=ESB76543214", [1]), ("country=es AND tin_scheme=9957", [])],
)
def test_accounts_are_searched_by_conditions(api: Api, query: str, found: list[int]) -> None:
    assert [row["id"] for row in api.get("/accounts", query=query).json()["accounts"]] == found


def test_a_search_that_makes_no_sense_is_refused(api: Api) -> None:
    assert code(api.get("/accounts", query="colour=red")) == (400, "invalid_request_params")
    assert code(api.get("/accounts", query="spain")) == (400, "invalid_request_params")


def test_settings_change_and_the_tax_number_does_not(api: Api) -> None:
    changed = api.put("/accounts/1", {"account": {"rounding_method": "bankers", "city": "Bilbao"}})
    assert (changed.json()["account"]["rounding_method"], changed.json()["account"]["city"]) == (
        "bankers",
        "Bilbao",
    )
    assert code(api.put("/accounts/1", {"account": {"tin_value": "ESB00000000"}})) == (
        422,
        "parameter_cannot_change",
    )
    assert code(api.put("/accounts/1", {"account": {"rounding_method": "up"}})) == (
        422,
        "parameter_inclusion",
    )


def test_new_totals_follow_the_settings(api: Api) -> None:
    three = [line(1, "0.12")] * 3
    assert api.invoice("A", invoice_lines_attributes=three)["taxes"][0]["amount"] == 0.08
    api.put("/accounts/1", {"account": {"apply_taxes_per_line": True}})
    assert api.invoice("B", invoice_lines_attributes=three)["taxes"][0]["amount"] == 0.09


def test_transports_are_listed_and_enabled(api: Api) -> None:
    api.post("/accounts/1/transports", {"transport": {"code": "email", "enabled": True}})
    rows = api.get("/accounts/1/transports").json()["transports"]
    assert [row["code"] for row in rows] == ["peppol", "email"]
    assert code(api.post("/accounts/1/transports", {"transport": {"code": "pigeon"}})) == (
        422,
        "parameter_inclusion",
    )


def test_a_plan_without_transports_and_reports_answers_404_or_403(api: Api, world: World) -> None:
    for path in ("/accounts/1/transports", "/accounts/1/tax_report_settings"):
        world.switches.account_extras = "missing"
        assert code(api.get(path)) == (404, "resource_missing")
        world.switches.account_extras = "forbidden"
        assert code(api.get(path)) == (403, None)


def test_use_of_the_plan_and_archiving_are_planted_and_shown(api: Api) -> None:
    seed = {"id": 1, "name": "Ibérica", "transactions_count": 80, "transactions_limit": 100, "archived": True}
    api.post("/_simulator/seed", {"accounts": [seed]})
    account = api.get("/accounts/1").json()["account"]
    assert (account["transactions_count"], account["transactions_limit"]) == (80, 100)
    assert (account["archived"], account["status"]) == (True, "archived")


def test_settings_of_tax_reports_come_and_go(api: Api) -> None:
    path = "/accounts/1/tax_report_settings"
    assert api.post(path, {"tax_report_setting": {"code": "VeriFactu"}}).status_code == 201
    api.put(f"{path}/verifactu", {"tax_report_setting": {"auto_send": False}})
    assert api.get(f"{path}/verifactu").json()["tax_report_setting"] == {
        "code": "verifactu",
        "auto_send": False,
    }
    assert api.get(path).json()["total_count"] == 1
    api.delete(f"{path}/verifactu")
    assert code(api.get(f"{path}/verifactu")) == (404, "resource_missing")


def test_code_lists_can_be_read(api: Api) -> None:
    schemes = api.get("/schemes", limit=500).json()["schemes"]
    assert {"code": "9920", "name": "Spanish tax number", "country": "es"} in schemes
    assert {row["code"] for row in api.get("/document_types").json()["document_types"]} >= {"xml.facturae.3.2.2"}
    assert {row["code"] for row in api.get("/transport_types").json()["transport_types"]} >= {"fr.chorus"}


class TestDirectory:
    def test_an_identifier_leads_to_its_way_of_delivery(self, api: Api) -> None:
        found = api.get("/directory/fr/0009/13001533200013").json()
        assert found["Invoice"]["transport_type_code"] == "fr.chorus"
        assert api.get("/directory/es/ESB63276174").json()["name"] == "Directorio de Ejemplo, S.L."

    def test_an_unknown_identifier_is_missing(self, api: Api) -> None:
        assert code(api.get("/directory/es/ESB99999999")) == (404, "resource_missing")
        assert code(api.get("/directory/es/%2B%2B%2B"))[0] == 422

    def test_newer_versions_look_it_up_in_the_background(self, api: Api, world: World) -> None:
        world.switches.directory_mode = "asynchronous"
        statuses = [api.get("/directory/es/ESB63276174").status_code for _ in range(4)]
        assert statuses == [202, 202, 200, 202]

    def test_the_registry_may_fail(self, api: Api, world: World) -> None:
        world.switches.directory_mode = "failing"
        assert api.get("/directory/es/ESB63276174").status_code == 424
