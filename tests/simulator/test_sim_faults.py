"""Faults over a real connection: what the client meets, and what was stored all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx
import pytest

from connector.simulator import BadFaultError, FaultKind, Faults, SimulatorServer, World
from connector.simulator.faults import Fault
from tests.simulator.client import HEADERS, Api, code, connect

CREATE = "create_invoice"


def stored(world: World) -> list[str]:
    return [invoice.number for invoice in world.invoices.values()]


def eventually(condition: Any) -> None:
    """Wait for something that happens on the server's side, for five seconds at most."""
    limit = monotonic() + 5
    while not condition():
        assert monotonic() < limit, "it did not happen"
        sleep(0.005)


@contextmanager
def impatient(simulator: SimulatorServer, seconds: float = 0.15) -> Iterator[Api]:
    with connect(simulator.base_url, seconds) as http:
        yield Api(http)


class TestConnection:
    def test_dropped_before_storing(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("drop_before", operation=CREATE)
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-1")
        assert stored(world) == []
        assert api.add_invoice("F-1").is_success

    def test_dropped_after_storing(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("drop_after", operation=CREATE)
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-1")
        assert stored(world) == ["F-1"]
        assert code(api.add_invoice("F-1")) == (422, "parameter_taken")

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
    def test_reset_instead_of_closed(self, api: Api, world: World, kind: str) -> None:
        world.faults.add(kind, reset=True)
        with pytest.raises(httpx.ReadError):
            api.get("/accounts")

    def test_closed_in_the_middle_of_the_answer(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("drop_midway", operation=CREATE)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            api.add_invoice("F-1")
        assert stored(world) == ["F-1"]

    def test_other_connections_go_on(self, simulator: SimulatorServer, api: Api, world: World) -> None:
        with impatient(simulator, 5) as other:
            other.get("/accounts")
            world.faults.add("drop_before")
            with pytest.raises(httpx.RemoteProtocolError):
                api.get("/accounts")
            assert other.get("/accounts").is_success


class TestSilence:
    def test_before_storing_the_work_is_still_done_later(self, simulator: SimulatorServer, api: Api) -> None:
        api.customer()
        simulator.world.faults.add("hang_before", operation=CREATE, seconds=0.3)
        with impatient(simulator) as client, pytest.raises(httpx.ReadTimeout):
            client.add_invoice("F-1", contact_id=api.customer())
        assert stored(simulator.world) == []
        eventually(lambda: stored(simulator.world) == ["F-1"])

    def test_after_storing_the_answer_comes_too_late(self, simulator: SimulatorServer, api: Api) -> None:
        api.customer()
        simulator.world.faults.add("hang_after", operation=CREATE, seconds=0.3)
        with impatient(simulator) as client, pytest.raises(httpx.ReadTimeout):
            client.add_invoice("F-1", contact_id=api.customer())
        assert stored(simulator.world) == ["F-1"]

    def test_a_patient_client_gets_its_answer(self, api: Api, world: World) -> None:
        world.faults.add("hang_after", seconds=0.05)
        assert api.get("/accounts").is_success

    def test_a_trickling_answer_never_runs_into_the_read_timeout(self, simulator: SimulatorServer) -> None:
        simulator.world.faults.add("slow", seconds=0.5)
        begin = monotonic()
        with impatient(simulator) as client:
            assert client.get("/accounts").json()["total_count"] == 2
        assert monotonic() - begin > 0.4

    def test_latency_is_added_to_every_request(self, api: Api, world: World) -> None:
        world.switches.latency = 0.05
        begin = monotonic()
        assert api.get("/accounts").is_success
        assert monotonic() - begin >= 0.05


class TestLateCommit:
    def test_cut_off_at_once_and_stored_later(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("late_commit", operation=CREATE, seconds=30)
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-1")
        assert api.numbers(number="F-1") == []
        world.advance(30)
        assert api.numbers(number="F-1") == ["F-1"]

    def test_cut_off_after_a_while(self, api: Api, world: World) -> None:
        world.faults.add("late_commit", operation="create_contact", seconds=30, hang=0.05)
        begin = monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            api.contact()
        assert monotonic() - begin >= 0.05
        world.advance(30)
        assert len(world.contacts) == 1

    def test_the_guard_looks_again_when_it_is_stored(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("late_commit", operation=CREATE, seconds=30)
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-1")
        api.invoice("F-1")
        world.advance(30)
        assert stored(world) == ["F-1"]
        assert [entry.problem for entry in world.journal if entry.fault == "late_commit"] == ["parameter_taken"]

    def test_a_guard_in_code_alone_is_passed_by_both(self, api: Api, world: World) -> None:
        api.customer()
        world.switches.number_guard_race = True
        world.faults.add("late_commit", operation=CREATE, seconds=30)
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-1")
        api.invoice("F-1")
        world.advance(30)
        assert stored(world) == ["F-1", "F-1"]

    def test_two_requests_at_a_time_race_only_on_request(self, simulator: SimulatorServer, api: Api) -> None:
        world, contact = simulator.world, api.customer()
        for race, expected in ((False, 1), (True, 2)):
            world.switches.set({"number_guard_race": race, "latency": 0.1})
            number = f"F-{race}"
            with impatient(simulator, 5) as other:
                second = Thread(target=other.add_invoice, args=(number,), kwargs={"contact_id": contact})
                second.start()
                api.add_invoice(number, contact_id=contact)
                second.join()
            assert stored(world).count(number) == expected


class TestStatus:
    @pytest.mark.parametrize("wait", [None, "7", "Thu, 15 Jan 2026 12:00:30 GMT", "soon", "1000000000"])
    def test_too_many_requests_with_or_without_a_time_to_wait(self, api: Api, world: World, wait: str | None) -> None:
        world.faults.add("rate_limit", retry_after=wait)
        answer = api.get("/accounts")
        assert code(answer) == (429, None)
        assert answer.headers.get("retry-after") == wait

    @pytest.mark.parametrize(
        ("kind", "details", "status", "kept"),
        [
            ("unavailable_before", {"retry_after": "3"}, 503, []),
            ("unavailable_after", {}, 503, ["F-1"]),
            ("error_before", {"status": 502}, 502, []),
            ("error_after", {}, 500, ["F-1"]),
            ("error_after", {"status": 504}, 504, ["F-1"]),
            ("unauthorized", {}, 401, []),
        ],
    )
    def test_server_faults_before_or_after_storing(
        self, api: Api, world: World, kind: str, details: dict[str, Any], status: int, kept: list[str]
    ) -> None:
        api.customer()
        world.faults.add(kind, operation=CREATE, **details)
        answer = api.add_invoice("F-1")
        assert (answer.status_code, stored(world)) == (status, kept)
        assert answer.headers.get("retry-after") == details.get("retry_after")
        assert "x-b2b-api-request-id" in answer.headers


class TestBody:
    @pytest.mark.parametrize("kind", ["garbage", "truncated", "html"])
    def test_an_answer_of_2xx_that_cannot_be_read(self, api: Api, world: World, kind: str) -> None:
        api.customer()
        world.faults.add(kind, operation=CREATE)
        answer = api.add_invoice("F-1")
        assert answer.is_success
        with pytest.raises((JSONDecodeError, UnicodeDecodeError)):
            answer.json()
        assert stored(world) == ["F-1"]

    def test_a_page_of_the_gateway_may_have_its_own_status(self, api: Api, world: World) -> None:
        world.faults.add("html", status=502)
        answer = api.get("/accounts")
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")

    def test_an_answer_about_another_invoice(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("wrong_number", operation=CREATE)
        assert api.invoice("F-1")["number"] == "F-1-OTHER"
        assert stored(world) == ["F-1"]

    def test_a_document_that_shows_late_in_lists(self, api: Api, world: World) -> None:
        api.customer()
        world.faults.add("list_lag", operation=CREATE, seconds=5)
        api.invoice("F-1")
        api.invoice("F-2")
        assert api.numbers() == ["F-2"]
        world.advance(5)
        assert api.numbers() == ["F-2", "F-1"]


class TestRules:
    def test_a_rule_strikes_the_next_so_many_matching_requests(self, api: Api, world: World) -> None:
        world.faults.add("unavailable_before", method="GET", path="/accounts/*", times=2, skip=1)
        statuses = [api.get("/accounts/1").status_code for _ in range(4)]
        assert statuses == [200, 503, 503, 200]
        assert world.faults.rules == []

    def test_a_rule_may_be_about_one_invoice(self, api: Api, world: World) -> None:
        first, second = api.invoice("F-1"), api.invoice("F-2")
        world.faults.add("unavailable_before", number="F-2", times=None)
        assert api.send(first["id"]).status_code == 200
        assert api.send(second["id"]).status_code == 503
        assert api.add_invoice("F-2").status_code == 503

    @pytest.mark.parametrize(
        ("pattern", "path", "hit"),
        [
            ("/accounts/*/invoices", "/accounts/1/invoices", True),
            ("/accounts/*/invoices", "/accounts/1/invoices/import", False),
            ("/accounts/**", "/accounts/1/invoices/import", True),
            ("/invoices/send_invoice/*", "/invoices/send_invoice/7", True),
            ("/accounts", "/accounts/1", False),
        ],
    )
    def test_a_star_is_one_part_of_a_path(self, pattern: str, path: str, hit: bool) -> None:
        assert Fault(FaultKind.SLOW, path=pattern, seconds=1).matches("GET", path, None, None) is hit

    def test_chance_repeats_with_its_seed(self) -> None:
        def run(seed: int) -> list[bool]:
            faults = Faults(seed)
            faults.add("drop_after", probability=0.3, times=None)
            return [faults.strike("POST", "/", None, None) is not None for _ in range(200)]

        assert run(7) == run(7)
        assert run(7) != run(8)
        assert 30 < sum(run(7)) < 90

    def test_the_first_rule_that_strikes_decides(self, api: Api, world: World) -> None:
        world.faults.add("rate_limit")
        world.faults.add("unavailable_before")
        assert [api.get("/accounts").status_code for _ in range(3)] == [429, 503, 200]

    def test_rules_can_be_taken_back(self, api: Api, world: World) -> None:
        rule = world.faults.add("rate_limit", times=None)
        assert world.faults.remove(rule.id) is True
        assert world.faults.remove(rule.id) is False
        assert api.get("/accounts").is_success

    @pytest.mark.parametrize(
        ("kind", "details"),
        [
            ("explosion", {}),
            ("hang_after", {}),
            ("drop_after", {"probability": 2}),
            ("drop_after", {"colour": "red"}),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_refused(self, kind: str, details: dict[str, Any]) -> None:
        with pytest.raises(BadFaultError):
            Faults().add(kind, **details)


class TestRateLimit:
    def test_so_many_requests_in_any_minute(self, api: Api, world: World) -> None:
        world.switches.requests_per_minute = 3
        assert [api.get("/accounts").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        world.advance(60)
        assert api.get("/accounts").status_code == 200

    def test_a_refused_request_stores_nothing(self, api: Api, world: World) -> None:
        contact = api.customer()
        world.switches.requests_per_minute = 1
        api.get("/accounts")
        assert api.add_invoice("F-1", contact_id=contact).status_code == 429
        assert stored(world) == []

    def test_the_time_to_wait_has_several_forms(self, api: Api, world: World) -> None:
        world.switches.requests_per_minute = 1
        api.get("/accounts")
        world.advance(20)
        told = {}
        for form in ("none", "seconds", "date", "garbage"):
            world.switches.set({"retry_after": form})
            told[form] = api.get("/accounts").headers.get("retry-after")
        assert (told["none"], told["seconds"], told["garbage"]) == (None, "40", "soon")
        at = parsedate_to_datetime(str(told["date"]))
        assert (at - world.clock.now()).total_seconds() == 40


def test_a_server_that_stops_lets_nobody_hang() -> None:
    with SimulatorServer() as server:
        server.world.faults.add("hang_after", seconds=60)
        outcome: list[type[Exception]] = []

        def ask() -> None:
            try:
                httpx.get(f"{server.base_url}/accounts", headers=HEADERS, timeout=30)
            except httpx.HTTPError as error:
                outcome.append(type(error))

        client = Thread(target=ask)
        client.start()
        eventually(lambda: len(server.world.journal) == 2)  # the seed and the request
        begin = monotonic()
    client.join()
    assert monotonic() - begin < 3
    assert outcome == [httpx.RemoteProtocolError]


def test_a_stopped_server_comes_back_with_the_same_world_and_port() -> None:
    server = SimulatorServer()
    server.start()
    url = server.base_url
    with connect(url) as http:
        Api(http).contact()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    server.start()
    try:
        assert server.base_url == url
        rows = httpx.get(f"{url}/accounts/1/contacts", headers=HEADERS).json()["contacts"]
        assert len(rows) == 1
    finally:
        server.stop()
