"""The control interface and the status page."""

from typing import Any

import httpx
import pytest

from connector.simulator import BadSeedError, Switches, UnknownSwitchError, World, plant
from connector.simulator.switches import choices
from tests.simulator.client import Api, connect

CONTROL = "/_simulator"


def test_switches_are_read_and_set(api: Api, world: World) -> None:
    assert api.get(f"{CONTROL}/switches").json()["switches"]["number_guard"] is True
    answer = api.put(f"{CONTROL}/switches", {"number_guard": False, "list_lag": 1.5})
    assert answer.json()["switches"]["list_lag"] == 1.5
    assert world.switches.number_guard is False


@pytest.mark.parametrize(
    "values",
    [
        {"colour": "red"},
        {"number_guard": "no"},
        {"number_filter": "fuzzy"},
        {"list_lag": -1},
        {"speed": 0},
        {"requests_per_minute": 1.5},
    ],
)
def test_a_switch_that_makes_no_sense_leaves_all_as_they_were(api: Api, world: World, values: dict[str, Any]) -> None:
    answer = api.put(f"{CONTROL}/switches", {"wrapped": False, **values})
    assert answer.status_code == 400
    assert str(next(iter(values))) in answer.json()["error"]
    assert world.switches == Switches()
    with pytest.raises(UnknownSwitchError):
        world.switches.set(values)


def test_every_switch_says_what_it_takes() -> None:
    assert all(choices(name) for name in Switches().as_dict())


def test_faults_are_put_in_force_listed_and_taken_back(api: Api) -> None:
    rule = api.post(f"{CONTROL}/faults", {"kind": "rate_limit", "retry_after": 7, "times": None}).json()["fault"]
    assert (rule["kind"], rule["retry_after"], rule["times"]) == ("rate_limit", "7", None)
    assert api.get("/accounts").headers["retry-after"] == "7"
    [listed] = api.get(f"{CONTROL}/faults").json()["faults"]
    assert listed["struck"] == 1
    assert api.delete(f"{CONTROL}/faults/{rule['id']}").json()["faults"] == []
    assert api.delete(f"{CONTROL}/faults/{rule['id']}").status_code == 400
    api.post(f"{CONTROL}/faults", {"kind": "html"})
    api.delete(f"{CONTROL}/faults")
    assert api.get("/accounts").json()["total_count"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "explosion"},
        {},
        {"kind": "slow"},
        {"kind": "html", "colour": 1},
        {"kind": "html", "seconds": "x"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.post(f"{CONTROL}/faults", body).status_code == 400


def test_documents_are_shown_with_their_totals(api: Api) -> None:
    api.delete(f"/invoices/{api.invoice('F-1')['id']}")
    api.invoice("F-2")
    found = api.get(f"{CONTROL}/documents").json()
    assert [account["id"] for account in found["accounts"]] == [1, 2]
    assert [contact["tin_value"] for contact in found["contacts"]] == ["ESB00000000"]
    [invoice] = found["invoices"]
    assert (invoice["number"], invoice["subtotal"], invoice["total"], invoice["sent_times"]) == (
        "F-2",
        100,
        121,
        0,
    )
    assert [gone["number"] for gone in found["deleted_invoices"]] == ["F-1"]


def test_the_journal_is_read_in_pieces(api: Api) -> None:
    for _ in range(3):
        api.get("/accounts")
    whole = api.get(f"{CONTROL}/journal").json()
    last = whole["entries"][-1]["seq"]
    assert whole["total"] == len(whole["entries"])
    assert [entry["seq"] for entry in api.get(f"{CONTROL}/journal", after=last - 2).json()["entries"]] == [
        last - 1,
        last,
    ]
    assert len(api.get(f"{CONTROL}/journal", limit=1).json()["entries"]) == 1
    assert api.get(f"{CONTROL}/journal", after="x").status_code == 400


def test_seeds_are_planted(api: Api) -> None:
    seed = {
        "accounts": [
            {"id": 1, "name": "Another, S.L.", "rounding_method": "truncate"},
            {"id": 7, "name": "Third"},
        ],
        "keys": [{"value": "second", "accounts": [7]}],
        "contacts": [{"account": 7, "name": "C", "tin_value": "ESB00000000"}],
        "invoices": [{"account": 7, "number": "F-1", "state": "sent"}],
        "directory": [{"name": "D", "cin_value": "123456789"}],
    }
    planted = api.post(f"{CONTROL}/seed", seed).json()["planted"]
    assert planted["accounts"] == [1, 7]
    assert api.get("/accounts/1").json()["account"]["name"] == "Another, S.L."
    with connect(api.http.base_url, headers={"X-B2B-API-Key": "second"}) as http:
        [invoice] = http.get("/accounts/7/invoices").json()["invoices"]
    assert (invoice["number"], invoice["state"], invoice["contact"]["name"]) == ("F-1", "sent", "C")


@pytest.mark.parametrize(
    "seed",
    [
        {"cars": []},
        {"accounts": [{"id": 9, "rounding_method": "up"}]},
        {"invoices": [{"account": 9, "number": "F-1"}]},
        {"contacts": [{"name": "No number"}]},
        {"keys": [{}]},
    ],
)
def test_a_seed_that_cannot_grow_is_refused(api: Api, world: World, seed: dict[str, Any]) -> None:
    assert api.post(f"{CONTROL}/seed", seed).status_code == 400
    with pytest.raises(BadSeedError):
        plant(world, seed)


def test_the_clock_is_advanced(api: Api) -> None:
    invoice = api.invoice()
    api.send(invoice["id"])
    assert api.post(f"{CONTROL}/advance", {"seconds": 60}).json() == {"now": "2026-01-15T12:01:00.000Z"}
    assert api.state(invoice["id"]) == "registered"
    assert api.post(f"{CONTROL}/advance", {"seconds": "long"}).status_code == 400


def test_the_network_reports_a_state_on_request(api: Api) -> None:
    invoice = api.invoice()
    body = {"invoice_id": invoice["id"], "state": "refused", "note": "No", "code": "X1"}
    assert api.post(f"{CONTROL}/notices", body).json()["invoice"]["state"] == "refused"
    assert api.get(f"/invoices/{invoice['id']}").json()["invoice"]["refuse_reason_code"] == "X1"
    assert api.post(f"{CONTROL}/notices", {"invoice_id": 1, "state": "paid"}).status_code == 400


def test_a_reset_brings_the_first_world_back(api: Api, world: World) -> None:
    api.invoice()
    world.switches.number_guard = False
    world.faults.add("unauthorized", times=None)
    api.post(f"{CONTROL}/reset")
    assert api.numbers() == []
    assert world.switches == Switches()
    assert api.invoice()["id"] == 100001


def test_audit_and_deliveries_are_shown(api: Api) -> None:
    api.invoice()
    assert api.get(f"{CONTROL}/audit").json()["accounts"]["1"]["invoices"] == 1
    assert api.get(f"{CONTROL}/deliveries").json() == {"deliveries": []}


def test_control_requests_are_not_part_of_the_journal(api: Api, world: World) -> None:
    before = len(world.journal)
    api.get(f"{CONTROL}/audit")
    assert len(world.journal) == before


def test_what_is_no_json_is_refused(api: Api) -> None:
    for content in (b"{", b"[]"):
        assert api.http.post(f"{CONTROL}/seed", content=content).status_code == 400


class TestPage:
    def test_it_shows_documents_requests_faults_and_switches(self, api: Api, world: World) -> None:
        api.send(api.invoice("F-1", contact_id=api.contact(name="<b>Bold</b> & Sons")["id"])["id"])
        world.advance(2)
        world.faults.add("drop_after", operation="create_invoice", probability=0.2, times=None)
        page = httpx.get(f"{api.http.base_url}/")
        assert page.headers["content-type"].startswith("text/html")
        for text in ("F-1", "121.00", "sending → sent", "drop_after", "20% of requests", "number_guard"):
            assert text in page.text
        assert "&lt;b&gt;Bold&lt;/b&gt; &amp; Sons" in page.text

    def test_it_loads_nothing_from_elsewhere(self, api: Api) -> None:
        text = httpx.get(f"{api.http.base_url}/").text
        assert "http://" not in text
        assert "https://" not in text
        assert 'name="viewport"' in text
