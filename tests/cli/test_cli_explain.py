"""`connector explain`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector.domain.job import Effect, Stage
from connector.ledger.queries import TimelineEvent
from connector.operations.timeline import attempt_of, says
from tests.cli.shop import Shop
from tests.cli.test_cli_jobs import FIELDS


def test_json_is_the_job_with_its_events(day: Shop) -> None:
    told = day.run("explain", "B-0101", "--json").json
    assert set(told) >= FIELDS | {"events"}
    assert told["events"][0]["what"] == "found"
    assert any(event["request_id"] for event in told["events"])
    assert all(event["at"].endswith("Z") for event in told["events"])


def test_a_held_invoice_says_why_what_to_do_and_who(day: Shop) -> None:
    shown = day.run("explain", "B-0102")
    assert shown.status == 0
    for text in (
        "Invoice B-0102 · Hostal Tres Vientos, S.L. · 72.60 EUR",
        "vat_number_wrong",
        "The tax number ESB12345678 of Hostal Tres Vientos, S.L. is not valid.",
        "Correct the tax number of the customer in the ERP.",
        "accounting",
        "source booking, company 1, key 102",
        "Found in the ERP",
    ):
        assert text in shown.out


def test_an_issued_one_shows_both_sides_and_the_request_ids(day: Shop) -> None:
    told = day.run("explain", "B-0101", "--json").json
    shown = day.run("explain", "B-0101").out
    for text in (told["reference"], told["xref"], told["contact_id"], "Handed over for delivery"):
        assert text in shown
    requests = [event["request_id"] for event in told["events"] if event["request_id"]]
    assert all(f"(request {request})" in shown for request in requests)


def test_it_is_found_by_id_key_and_reference_too(day: Shop) -> None:
    told = day.run("explain", "B-0101", "--json").json
    for name in (f"id:{told['id']}", told["reference"], told["xref"], told["key"]):
        assert day.run("explain", name, "--json").json["number"] == "B-0101"


def test_one_that_is_not_there_is_said(day: Shop) -> None:
    for name in ("B-9999", "id:9999", "id:x", "²", "9" * 30):
        shown = day.run("explain", name)
        assert shown.status == 2
        assert f"There is no invoice {name} in the ledger." in shown.err
    assert day.run("explain", "B-9999", "--json").json["error"]["kind"] == "not_found"


def test_several_with_one_number_are_listed(shop: Shop) -> None:
    shop.erp("UPDATE project SET invoice_number = 'B-0101' WHERE id = 112")  # of the other company
    shop.run("sync", "--patience", "0")
    shown = shop.run("explain", "B-0101")
    assert shown.status == 2
    assert "2 invoices are called B-0101" in shown.err
    assert "company 2" in shown.err
    listed = shop.run("explain", "B-0101", "--json").json["error"]
    assert listed["kind"] == "ambiguous"
    ids = {job["id"] for job in listed["jobs"]}
    for job_id in ids:
        assert shop.run("explain", f"id:{job_id}", "--json").json["id"] == job_id


def test_an_open_question_and_the_next_try_are_shown(shop: Shop) -> None:
    shop.lose_a_request("B-0101")
    shown = shop.run("explain", "B-0101").out
    assert "whether the create reached B2Brouter" in shown
    assert "next try" in shown


def event(what: str, **details: object) -> TimelineEvent:
    values: dict[str, object] = {
        "at": datetime(2026, 1, 2, tzinfo=UTC), "stage": Stage.FOUND, "effect": None, "outcome": None,
        "reason": None, "details": {}, "request_id": None, "who": None, "note": None,
    }  # fmt: skip
    return TimelineEvent(what=what, **{**values, **details})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (event("outcome", effect=Effect.CREATE, outcome="refused"), "The creation at B2Brouter was refused"),
        (event("outcome", effect=Effect.SEND, outcome="not_sent"), "The sending certainly had no effect"),
        (
            event("adopted", effect=Effect.SEND, details={"state": "sent"}),
            "It was on its way already; state sent",
        ),
        (event("stuck", reason="lines_missing"), "Held: The document has no lines."),
        (event("skip", who="ana", note="on paper"), "A person left it out for good, by ana: on paper"),
        (event("something_new"), "something_new"),
        (event("withdrawn", effect=Effect.WITHDRAW, details={"reference": "100003"}),
         "The unsent 100003 is gone from B2Brouter: starts over"),
        (event("released", request_id="r1"),
         "Tried again by itself: what held it has changed, most often in the ERP (request r1)"),
    ],
)  # fmt: skip
def test_every_entry_of_a_timeline_is_a_sentence(entry: TimelineEvent, words: str) -> None:
    assert says(entry) == words


def test_attempts_are_counted_by_effect() -> None:
    events = [
        event("intent", effect=Effect.CREATE),
        event("stuck", reason="lines_missing"),
        event("intent", effect=Effect.CREATE),
        event("intent", effect=Effect.SEND),
    ]
    assert attempt_of(events) == [1, None, 2, 1]
    assert says(events[2], 2).endswith("(attempt 2)")
