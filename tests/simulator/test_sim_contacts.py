"""Contacts: who may be stored, who is one and the same, and how they are found."""

import pytest

from connector.simulator import World
from tests.simulator.client import Api, code


def test_a_contact_comes_back_as_it_was_sent_with_defaults(api: Api) -> None:
    contact = api.contact(email="billing@example.com", integration_code="C-7")
    assert contact["tin_scheme"] == "9920"
    assert (contact["language"], contact["is_client"], contact["is_provider"]) == ("en", True, True)
    assert api.get(f"/contacts/{contact['id']}").json()["contact"] == contact


def test_being_a_provider_is_the_default_since_2026_03_02(api: Api) -> None:
    assert api.version("2025-10-13").contact()["is_provider"] is False


def test_a_contact_needs_a_tax_or_a_company_number(api: Api) -> None:
    refused = api.add_contact(tin_value=None)
    assert code(refused) == (422, "parameter_blank")
    assert refused.json()["error"]["message"] == "Contact tin_value or cin_value can't be blank"
    assert api.add_contact(tin_value=None, cin_scheme="0009", cin_value="13001533200013").is_success


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"name": ""}, "parameter_blank"),
        ({"tin_scheme": "1234"}, "parameter_inclusion"),
        ({"pin_scheme": "9957", "pin_value": "FR44732829320"}, "parameter_inclusion"),
        ({"country": "spain"}, "parameter_inclusion"),
        ({"email": "nobody"}, "parameter_inclusion"),
        ({"postalcode": "28-014"}, "parameter_inclusion"),
        ({"tin_value": "unknown"}, "parameter_inclusion"),
        ({"tin_value": "ES" + "1" * 19}, "parameter_inclusion"),
        ({"city": "x" * 256}, "parameter_inclusion"),
        ({"parent_id": 999}, "parameter_inclusion"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_stored(api: Api, fields: dict[str, object], refusal: str) -> None:
    assert code(api.add_contact(**fields)) == (422, refusal)
    assert api.get("/accounts/1/contacts").json()["contacts"] == []


def test_the_ancestors_checks_can_be_switched_off(api: Api, world: World) -> None:
    world.switches.ancestor_checks = False
    assert api.add_contact(email="nobody", postalcode="SW1A 1AA").is_success


@pytest.mark.parametrize(
    ("country", "number", "good"),
    [
        ("es", "ESB76543214", True),
        ("es", "ESB76543215", False),
        ("es", "12345678Z", True),
        ("es", "12345678A", False),
        ("es", "X1234567L", True),
        ("fr", "FR44732829320", True),
        ("fr", "FR45732829320", False),
        ("de", "DE123456789", True),
        ("de", "DE12345678", False),
        ("gr", "EL123456789", True),
        ("us", "12-3456789", True),
    ],
)
def test_check_digits_are_looked_at_on_request(api: Api, world: World, country: str, number: str, good: bool) -> None:
    world.switches.tax_number_check = "checksum"
    assert api.add_contact(country=country, tin_value=number).is_success is good


def test_a_tax_number_is_taken_once_per_account_however_it_is_written(api: Api) -> None:
    api.contact()
    refused = api.add_contact(tin_value="es-b 0000.0000")
    assert code(refused) == (422, "parameter_taken")
    assert refused.json()["error"]["param"] == "tin_value"
    assert api.of(2).add_contact().is_success


def test_the_guard_can_cover_company_numbers_or_nothing(api: Api, world: World) -> None:
    company = {"tin_value": None, "cin_scheme": "0060", "cin_value": "123456789"}
    api.contact(**company)
    assert api.add_contact(**company).is_success
    world.switches.contact_guard = "tin_and_cin"
    assert code(api.add_contact(**company)) == (422, "parameter_taken")
    world.switches.contact_guard = "off"
    assert api.add_contact(**company).is_success


def test_a_unit_of_an_organisation_inherits_its_numbers(api: Api) -> None:
    main = api.contact()
    unit = api.contact(tin_value=None, parent_id=main["id"], cin1_scheme="8017", cin1_value="SERVICE_1")
    assert (unit["tin_value"], unit["parent_id"], unit["cin1_value"]) == (
        "ESB00000000",
        main["id"],
        "SERVICE_1",
    )


def test_a_unit_may_not_claim_another_tax_number_since_2026_04_20(api: Api) -> None:
    main = api.contact()
    other = {"tin_value": "ESA28000000", "parent_id": main["id"]}
    assert code(api.version("2026-04-20").add_contact(**other))[0] == 422
    assert api.version("2026-03-02").add_contact(**other).is_success


def test_unknown_fields_are_dropped_in_silence(api: Api) -> None:
    assert "tin" not in api.contact(tin="misspelt")


def test_an_update_changes_what_it_names(api: Api) -> None:
    contact = api.contact(city="Madrid")
    changed = api.put(f"/contacts/{contact['id']}", {"contact": {"city": "Bilbao"}}).json()["contact"]
    assert (changed["city"], changed["name"]) == ("Bilbao", contact["name"])
    other = api.contact(tin_value="ESA28000000")
    stolen = api.put(f"/contacts/{other['id']}", {"contact": {"tin_value": "ESB00000000"}})
    assert code(stolen) == (422, "parameter_taken")
    assert api.put(f"/contacts/{contact['id']}", {"contact": {"tin_value": "B00000000"}}).is_success


def test_the_list_searches_name_address_and_tax_number(api: Api) -> None:
    api.contact(name="Aurora Textil", address="Calle Mayor 1")
    api.contact(name="Mayor y Hermanos", tin_value="ESA28000000")
    found = api.get("/accounts/1/contacts", name="mayor").json()
    assert found["meta"]["total_count"] == 2
    assert len(api.get("/accounts/1/contacts", name="ESA2800").json()["contacts"]) == 1


def test_the_list_knows_the_callers_own_code_exactly(api: Api) -> None:
    contact = api.contact(integration_code="C-7")
    rows = api.get("/accounts/1/contacts", integration_code="C-7").json()["contacts"]
    assert [row["id"] for row in rows] == [contact["id"]]
    assert api.get("/accounts/1/contacts", integration_code="C").json()["contacts"] == []


def test_the_list_filters_clients_and_pages_newest_first(api: Api) -> None:
    ids = [api.contact(tin_value=f"ESB0000000{digit}")["id"] for digit in range(3)]
    api.put(f"/contacts/{ids[0]}", {"contact": {"is_client": False}})
    rows = api.get("/accounts/1/contacts", is_client="true", limit=1, offset=1).json()
    assert [row["id"] for row in rows["contacts"]] == [ids[1]]
    assert rows["meta"] == {"total_count": 2, "offset": 1, "limit": 1}


def test_a_contact_with_invoices_stays_or_takes_them_along(api: Api, world: World) -> None:
    contact = api.contact()
    api.invoice(contact_id=contact["id"])
    assert code(api.delete(f"/contacts/{contact['id']}")) == (409, "conflict")
    world.switches.contact_delete = "cascade"
    assert api.delete(f"/contacts/{contact['id']}").json()["contact"]["deleted"] is True
    assert api.numbers() == []
    assert code(api.get(f"/contacts/{contact['id']}")) == (404, "resource_missing")


def test_a_new_contact_may_show_in_lists_later(api: Api, world: World) -> None:
    world.switches.list_lag = 5
    api.contact(integration_code="C-7")
    assert api.get("/accounts/1/contacts", integration_code="C-7").json()["contacts"] == []
    world.advance(5)
    assert len(api.get("/accounts/1/contacts", integration_code="C-7").json()["contacts"]) == 1
