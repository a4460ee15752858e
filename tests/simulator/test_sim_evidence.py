"""Journal and audit: what happened, whatever a client says."""

import httpx
import pytest

from connector.simulator import World, audit, plant
from tests.simulator.client import Api


def test_every_request_is_noted_with_what_it_changed(api: Api, world: World) -> None:
    contact = api.contact()
    invoice = api.invoice("F-1", contact_id=contact["id"])
    entry = world.journal.newest(1)[0]
    assert (entry.method, entry.path, entry.operation) == ("POST", "/accounts/1/invoices", "create_invoice")
    assert (entry.account, entry.number, entry.status, entry.key) == (1, "F-1", 201, "_key")
    assert len(entry.body_sha256 or "") == 64
    [effect] = entry.effects
    assert (effect["action"], effect["id"], effect["number"]) == ("created", invoice["id"], "F-1")


def test_the_request_id_of_the_answer_is_in_the_journal(api: Api, world: World) -> None:
    answer = api.get("/accounts")
    assert world.journal.newest(1)[0].request_id == answer.headers["x-b2b-api-request-id"]


def test_equal_bodies_have_equal_hashes(api: Api, world: World) -> None:
    contact = api.customer()
    api.add_invoice("F-1", contact_id=contact)
    api.add_invoice("F-1", contact_id=contact)
    second, first = world.journal.newest(2)
    assert second.body_sha256 == first.body_sha256
    assert (first.problem, second.problem) == (None, "parameter_taken")


def test_a_cut_request_has_no_status_but_its_effect(api: Api, world: World) -> None:
    api.customer()
    world.faults.add("drop_after", operation="create_invoice")
    with pytest.raises(httpx.RemoteProtocolError):
        api.add_invoice("F-1")
    entry = world.journal.newest(1)[0]
    assert (entry.status, entry.fault) == (None, "drop_after")
    assert [effect["action"] for effect in entry.effects] == ["created"]


def test_changes_that_come_by_themselves_are_noted_too(api: Api, world: World) -> None:
    api.send(api.invoice()["id"])
    world.advance(60)
    timed = [entry.effects[0] for entry in world.journal if entry.method == "TIMER"]
    assert [(effect["before"], effect["after"]) for effect in timed] == [
        ("sending", "sent"),
        ("sent", "registered"),
    ]


def test_requests_that_are_let_in_by_nobody_are_noted(api: Api, world: World) -> None:
    httpx.get(f"{api.http.base_url}/accounts")
    entry = world.journal.newest(1)[0]
    assert (entry.status, entry.problem, entry.key) == (401, "missing_api_key", None)


class TestAudit:
    def test_all_is_well_when_each_number_was_made_and_sent_once(self, api: Api, world: World) -> None:
        for number in ("F-1", "F-2"):
            api.send(api.invoice(number, file_reference=number)["id"])
        found = audit(world)
        assert [found[name] for name in ("duplicates", "duplicate_references", "double_sends")] == [0, 0, 0]
        assert found["accounts"]["1"]["numbers"]["F-1"] == {"created": 1, "deleted": 0, "sent": 1}

    def test_a_number_made_twice_is_found(self, api: Api, world: World) -> None:
        world.switches.number_guard = False
        ids = [api.invoice("F-1")["id"] for _ in range(2)]
        assert audit(world)["accounts"]["1"]["duplicates"] == [{"number": "F-1", "series_code": None, "ids": ids}]

    def test_one_reference_under_two_numbers_is_found(self, api: Api, world: World) -> None:
        for number in ("F-1", "F-2"):
            api.invoice(number, file_reference="ORDER-7")
        assert audit(world)["duplicate_references"] == 1

    def test_a_number_sent_twice_is_found_in_one_document_or_in_two(self, api: Api, world: World) -> None:
        world.switches.set({"number_guard": False, "second_send": "accepted", "delete_allowed": "any"})
        first = api.invoice("F-1")["id"]
        api.send(first)
        api.send(first)
        second = api.invoice("F-2")["id"]
        api.send(second)
        api.delete(f"/invoices/{second}")
        api.send(api.invoice("F-2")["id"])
        found = audit(world)["accounts"]["1"]["double_sends"]
        assert [(row["number"], row["times"]) for row in found] == [("F-1", 2), ("F-2", 2)]

    def test_the_same_number_in_another_year_is_another_document(self, api: Api, world: World) -> None:
        api.invoice("F-1", date="2025-12-31")
        api.invoice("F-1", date="2026-01-01")
        assert audit(world)["duplicates"] == 0

    def test_a_company_stored_twice_is_found(self, api: Api, world: World) -> None:
        world.switches.contact_guard = "off"
        api.contact()
        api.contact()
        assert audit(world)["duplicate_contacts"] == 1

    def test_what_was_left_behind_is_named(self, api: Api, world: World) -> None:
        api.invoice("F-1")
        api.send(api.invoice("F-2")["id"])
        found = audit(world)["accounts"]["1"]
        assert (found["never_sent"], found["sent"], found["states"]) == (["F-1"], 1, {"new": 1, "sending": 1})

    def test_seeds_count_as_sent_where_they_say_so(self, world: World) -> None:
        plant(world, {"invoices": [{"number": "F-1", "state": "registered"}]})
        assert audit(world)["accounts"]["1"]["sent"] == 1
