"""The API as another program uses it, and what Prometheus reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from connector.domain.job import Status
from connector.domain.people import Scope
from connector.ledger.tables import JobRow
from connector.web.api.events import STREAMS
from connector.web.guard import LARGEST
from tests.cli.shop import call
from tests.console.conftest import Console

_names = count()


class Machine:
    """A program with a token."""

    def __init__(self, console: Console, *scopes: Scope, token: str | None = None) -> None:
        self.name = f"machine {next(_names)}"
        shown = token or console.ledger.tokens.make(self.name, frozenset(scopes), None)
        headers = {"Authorization": f"Bearer {shown}"}
        self.http = httpx.Client(base_url=console.address, headers=headers, timeout=30)

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.http.get(f"/api/v1{path}", params=query)

    def post(self, path: str, body: Mapping[str, object], key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or f"key-{next(_names):08}"}
        return self.http.post(f"/api/v1{path}", json=body, headers=headers)


@pytest.fixture
def machine(console: Console) -> Iterator[Machine]:
    """It may look and act."""
    machine = Machine(console, Scope.READ, Scope.ACT)
    yield machine
    machine.http.close()


def is_problem(answer: httpx.Response, status: int) -> bool:
    told = answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == status
    return answer.status_code == status and told


def test_without_a_valid_token_nothing_is_answered(console: Console, machine: Machine) -> None:
    stranger = Machine(console, token="b2bc_made_up")
    description = machine.get("/openapi.json").json()
    for path, methods in description["paths"].items():
        for method in methods:
            address = "/api/v1" + path.replace("{job_id}", "1").replace("{bulk_id}", "1").replace(
                "{comparison_id}", "1"
            ).replace("{name}", "spain")
            for client in (stranger.http, httpx):
                url = address if client is stranger.http else console.address + address
                assert is_problem(client.request(method, url), 401), (method, path)
    assert is_problem(stranger.get("/openapi.json"), 401)
    assert is_problem(stranger.http.get("/metrics"), 401)


def test_a_token_does_what_its_scopes_say_until_it_ends(console: Console) -> None:
    reader = Machine(console, Scope.READ)
    job = console.job("B-0115")
    assert reader.get("/jobs").status_code == 200
    assert is_problem(reader.post(f"/jobs/{job.id}/actions", {"action": "retry"}), 403)
    assert is_problem(reader.http.get("/metrics"), 403)
    known = console.ledger.tokens.find(reader.http.headers["Authorization"].removeprefix("Bearer "))
    assert known is not None
    assert console.ledger.tokens.is_valid(known)
    console.ledger.tokens.revoke(reader.name)
    assert not console.ledger.tokens.is_valid(known)  # a stream that it listens to ends
    assert is_problem(reader.get("/jobs"), 401)
    over = console.services.clock.now() - timedelta(seconds=1)
    ended = console.ledger.tokens.make("ended", frozenset({Scope.READ}), over)
    assert is_problem(Machine(console, token=ended).get("/jobs"), 401)


def test_all_pages_together_have_each_invoice_once(machine: Machine) -> None:
    for narrowed in ({}, {"since": "2000-01-01"}):
        seen: list[int] = []
        after: dict[str, str] = {}
        while True:
            page = machine.get("/jobs", limit="3", **narrowed, **after).json()
            seen += [job["id"] for job in page["jobs"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert len(seen) == len(set(seen)) == 14


def test_an_invoice_is_told_as_on_the_command_line(console: Console, machine: Machine) -> None:
    job = console.job("B-0106")
    told = machine.get(f"/jobs/{job.id}").json()
    explained = console.shop.run("explain", "B-0106", "--json").json
    assert {name: told[name] for name in explained if name in told} == {
        name: value for name, value in explained.items() if name in told
    }
    assert told["total"] == "24.28"
    assert told["events"][0]["what"] == "found"


def test_what_is_not_there_or_means_nothing_is_a_problem(machine: Machine) -> None:
    assert is_problem(machine.get("/jobs/999999"), 404)
    assert is_problem(machine.get("/nowhere"), 404)
    assert is_problem(machine.post("/sources/a%0Ab/resume", {}), 400)  # and not the page where people sign in
    for wrong in ({"status": "nonsense"}, {"limit": "0"}, {"after": "there"}, {"colour": "red"}, {"reason": "none"},
                  {"since": "0"}, {"until": "31/01/2026"}):  # fmt: skip
        assert is_problem(machine.get("/jobs", **wrong), 422), wrong
    for until in ("0", 4102444800, "2126-01-01", "2126-01-01T00:00:00"):  # not as it is written, or without a zone
        assert is_problem(machine.post("/accounts/spain/pause", {"note": "x", "until": until}), 422), until


def test_a_body_that_would_fill_the_memory_is_not_read(console: Console) -> None:
    for stranger in (console.address + "/api/v1/jobs/1/actions", console.address + "/sign-in"):
        assert is_problem(httpx.post(stranger, content=b" " * (LARGEST + 1)), 413)
        assert is_problem(httpx.post(stranger, content=iter([b"{}"])), 411)  # of unknown length


def test_an_act_counts_once_however_often_it_is_sent(console: Console, machine: Machine) -> None:
    job = console.job("B-0115")
    address, wish = f"/jobs/{job.id}/actions", {"action": "skip", "note": "on paper"}
    first = machine.post(address, wish, key="the-same-key")
    assert first.json()["changed"] is True
    assert machine.post(address, wish, key="the-same-key").json() == first.json()
    assert is_problem(machine.post(address, {"action": "release"}, key="the-same-key"), 422)
    again = machine.post(address, wish)
    assert again.json()["changed"] is False
    assert console.job("B-0115").status is Status.SKIPPED
    [told] = [event for event in machine.get(f"/jobs/{job.id}").json()["events"] if event["what"] == "skip"]
    assert told["who"] == f"token {machine.name}"
    assert is_problem(machine.http.post(f"/api/v1{address}", json=wish), 422)  # without a key


def test_a_decision_needs_a_note(console: Console, machine: Machine) -> None:
    job = console.job("B-0114")
    for wish in ({"action": "skip"}, {"action": "hold", "note": " "}):
        assert is_problem(machine.post(f"/jobs/{job.id}/actions", wish), 422)
    assert console.job("B-0114").status is Status.HELD


def test_a_correction_goes_without_its_original_only_with_a_note(console: Console, machine: Machine) -> None:
    job = console.job("B-0116")
    given_up = update(JobRow).where(JobRow.id == job.id)
    with console.ledger.database.write() as connection:
        connection.execute(given_up.values(reason="original_skipped"))
    assert is_problem(machine.post(f"/jobs/{job.id}/actions", {"action": "release"}), 409)
    with console.ledger.database.write() as connection:
        connection.execute(given_up.values(reason=job.reason))


def test_many_are_acted_on_and_stopped(console: Console, machine: Machine) -> None:
    wish = {"action": "retry", "filter": {"status": "held"}, "note": "settings corrected", "pace": 60}
    begun = machine.post("/bulks", wish, key="bulk-0001").json()
    assert begun["total"] > 2
    assert machine.post("/bulks", wish, key="bulk-0001").json()["id"] == begun["id"]
    stopped = machine.post(f"/bulks/{begun['id']}/stop", {}).json()
    assert stopped["stopped"] is True
    assert machine.get(f"/bulks/{begun['id']}").json()["done"] == 0


def test_the_cases_of_issued_invoices_are_closed_with_many_only_where_they_are_meant(
    console: Console, machine: Machine
) -> None:
    issued = console.job("B-0101")
    case = update(JobRow).where(JobRow.id == issued.id)
    with console.ledger.database.write() as connection:
        connection.execute(case.values(reason="refused_by_receiver", details={"message": "no"}))

    def total(**wanted: object) -> int:
        wish = {"action": "skip", "filter": {"search": "B-0101", **wanted}, "note": "by telephone"}
        begun = machine.post("/bulks", wish).json()
        machine.post(f"/bulks/{begun['id']}/stop", {})
        return int(begun["total"])

    assert (total(), total(attention=True)) == (0, 0)
    assert (total(status="done"), total(reason="refused_by_receiver")) == (1, 1)
    with console.ledger.database.write() as connection:
        connection.execute(case.values(reason=None, details=None))


def test_a_search_that_finds_more_than_it_tells_begins_nothing(
    console: Console, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.ledger.queries.NAMED", 1)
    before = console.ledger.bulks.latest()
    wish = {"action": "retry", "filter": {"search": "B-"}, "note": "cured"}
    assert is_problem(machine.post("/bulks", wish), 422)
    assert console.ledger.bulks.latest() == before


def test_an_account_is_paused_and_resumed(machine: Machine) -> None:
    assert machine.post("/accounts/spain/pause", {"note": "month end"}).json()["paused_by"] == f"token {machine.name}"
    assert machine.post("/accounts/spain/resume", {}).json()["paused_by"] is None
    assert is_problem(machine.post("/accounts/nowhere/pause", {"note": "month end"}), 404)
    assert [account["name"] for account in machine.get("/accounts").json()["accounts"]] == ["spain", "france"]
    [spain, _] = machine.get("/accounts").json()["accounts"]
    assert (spain["webhook_secret"], spain["archive_due_files"], spain["comparison"]) == (False, None, None)


def test_a_source_is_paused_and_resumed(console: Console, machine: Machine) -> None:
    assert machine.get("/sources").json()["sources"][0]["name"] == "booking"
    paused = machine.post("/sources/booking/pause", {"note": "the ERP moves", "until": "2126-01-01T00:00:00Z"}).json()
    assert paused["paused_message"] == f"token {machine.name} paused the source booking: the ERP moves"
    assert (paused["paused_until"], paused["late"]) == ("2126-01-01T00:00:00.000Z", False)
    assert set(console.ledger.sources.paused()) == {"booking"}
    assert machine.post("/sources/booking/resume", {}).json()["paused_by"] is None
    assert is_problem(machine.post("/sources/booking/pause", {"note": "x", "until": "2020-01-01T00:00:00Z"}), 422)
    assert is_problem(machine.post("/sources/nowhere/resume", {}), 404)


def test_on_the_command_line_too(console: Console) -> None:
    run = console.shop.run
    assert (
        "Source booking is paused until 2126"
        in run("pause", "--source", "booking", "--until", "2126-01-01 08:00", "--note", "stocktaking").out
    )
    assert "paused the source booking: stocktaking" in run("sync", "--patience", "0").out
    assert run("resume", "--source", "booking", "--json").json["paused"] is False
    assert run("pause", "--account", "spain", "--note", "month end").status == 0
    assert "Account spain goes on" in run("resume", "--account", "spain").out
    for wrong in ((), ("--source", "nowhere"), ("--source", "booking", "--account", "spain")):
        assert run("resume", *wrong).status == 2


def test_a_comparison_is_asked_for_and_read_difference_by_difference(console: Console, machine: Machine) -> None:
    assert machine.post("/accounts/spain/compare", {}).json() == {"account": "spain", "asked": True}
    assert is_problem(machine.post("/accounts/nowhere/compare", {}), 404)
    console.shop.run("reconcile", "--account", "spain")  # as the scheduler will
    [compared, *_] = machine.get("/comparisons").json()["comparisons"]
    assert machine.post("/accounts/spain/resume", {}).json()["comparison"] == compared
    assert (compared["account"], compared["fault"]) == ("spain", None)
    assert sum(compared["by_reason"].values()) == compared["differences"] > 1
    address = f"/comparisons/{compared['id']}/differences"
    first = machine.get(address, limit="1").json()
    rest = machine.get(address, after=str(first["next"])).json()
    assert len(first["differences"]) + len(rest["differences"]) == compared["differences"]
    assert {"reason", "message", "action", "command"} <= set(first["differences"][0])
    assert is_problem(machine.get("/comparisons/999999/differences"), 404)


def read_events(machine: Machine, **query: str) -> list[dict[str, Any]]:
    """All entries of a stream that ends by itself, each with the number that it may be gone on from."""
    answer = machine.get("/events", wait="0", **query)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n") if block]
    entries = [{**json.loads(one["data"]), "told as": one["event"]} for one in told if "data" in one]
    assert [str(entry["id"]) for entry in entries] == [one["id"] for one in told if "data" in one]
    return entries


def test_events_are_told_in_order_and_read_on_from_any_place(console: Console, machine: Machine) -> None:
    all_of_them = read_events(machine, after="0")
    assert [entry["id"] for entry in all_of_them] == sorted({entry["id"] for entry in all_of_them})
    issued = console.job("B-0101")
    mine = [entry for entry in all_of_them if entry["job_id"] == issued.id]
    assert [entry["told as"] for entry in mine] == [
        event.what for event in console.ledger.queries.timeline(issued.id)
    ]
    assert {entry["number"] for entry in mine} == {"B-0101"}
    middle = all_of_them[len(all_of_them) // 2]["id"]
    machine.http.headers["Last-Event-ID"] = str(middle)  # as a browser says it when it comes again
    assert read_events(machine, after="0") == [entry for entry in all_of_them if entry["id"] > middle]


def test_an_event_is_told_as_it_happens(console: Console, machine: Machine) -> None:
    job = console.job("B-0116")
    with machine.http.stream("GET", "/api/v1/events") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry: ")
        machine.post(f"/jobs/{job.id}/actions", {"action": "skip", "note": "look"})
        told = next(json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
    assert (told["what"], told["who"], told["note"]) == ("skip", f"token {machine.name}", "look")


def test_so_many_listen_and_no_more(machine: Machine) -> None:
    heard = []  # a listener that lets go of its lines hangs up
    with ExitStack() as listeners:
        for _ in range(STREAMS):
            lines = listeners.enter_context(machine.http.stream("GET", "/api/v1/events")).iter_lines()
            assert next(lines).startswith("retry: ")
            heard.append(lines)
        assert is_problem(machine.get("/events", wait="0"), 503)
    # They have left, and the server sees it one after the other.
    assert any(machine.get("/events", wait="0").status_code == 200 for _ in range(100))
    assert is_problem(machine.get("/events", after="-1"), 422)


def test_causes_are_those_of_the_command_line(console: Console, machine: Machine) -> None:
    told = machine.get("/causes").json()["causes"]
    listed = console.shop.run("jobs", "--by-cause", "--json").lines
    assert [cause["reason"] for cause in told] == [cause["reason"] for cause in listed]
    for cause in told:
        found = machine.get("/jobs", cause=cause["cause"], attention="true").json()["jobs"]
        assert sorted(job["id"] for job in found) == sorted(cause["ids"])


def test_prometheus_reads_what_the_ledger_says(console: Console) -> None:
    answer = Machine(console, Scope.METRICS).http.get("/metrics")
    assert answer.status_code == 200
    figures = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert float(figures["connector_oldest_unsent_invoice_age_seconds"]) > 0
    assert figures['connector_jobs{reason="tax_absolute",status="held"}'] == "1.0"
    assert figures['connector_account_paused{account="spain",reason=""}'] == "0.0"
    sent = 'connector_api_call_seconds_count{account="spain",operation="send_invoice",status="2xx"}'
    assert float(figures[sent]) >= 1  # by another process, which has ended
    assert figures['connector_jobs{reason="",status="done"}'] != "0.0"
    assert figures['connector_account_breaker_open{account="spain"}'] == "0.0"
    assert float(figures['connector_source_look_age_seconds{source="booking"}']) >= 0


def test_tokens_are_made_and_removed_on_the_command_line(console: Console) -> None:
    config = str(console.shop.folder / "console.toml")
    made = call("--config", config, "tokens", "add", "erp", "--scope", "read", "--days", "30", "--json").json
    assert Machine(console, token=made["token"]).get("/jobs").status_code == 200
    listed = call("--config", config, "tokens", "list", "--json")
    assert made["token"] not in listed.out
    assert [one["scopes"] for one in listed.lines if one["name"] == "erp"] == [["read"]]
    assert call("--config", config, "tokens", "remove", "erp").status == 0
    assert is_problem(Machine(console, token=made["token"]).get("/jobs"), 401)
