"""Outages, late events and clocks that differ: what is known in the end is what B2Brouter has."""

from __future__ import annotations

import pytest

from connector.domain.errors import SourceUnavailableError
from connector.follow import Plan
from connector.ledger.actions import SKIP
from tests.follow.conftest import Delivery
from tests.support.builders import invoice
from tests.support.house import House

MINUTE, DAY = 60, 86400


def shown(house: House, key: str) -> list[str]:
    return [one.state for one in house.erp.shown.get(key, [])]


def test_after_days_of_outage_one_look_catches_up(sent: House, delivery: Delivery) -> None:
    sent.issue(invoice("2"), invoice("3"))
    sent.advance(5 * MINUTE)
    sent.follow()
    sent.forget_requests()
    outcomes = {"1": "refused", "2": "accepted", "3": "paid"}
    for key, state in outcomes.items():
        sent.advance(DAY)
        delivery.happens(str(sent.job(key).reference), state, "because")
    sent.advance(2 * DAY)
    sent.follow()

    assert {key: sent.job(key).remote_state for key in outcomes} == outcomes
    assert {key: shown(sent, key)[-1] for key in outcomes} == outcomes
    assert sent.job("1").reason == "refused_by_receiver"
    assert sent.operations().count("list_invoices") == 1


def test_what_an_event_of_the_future_hides_is_read_again(sent: House, delivery: Delivery) -> None:
    """The clock of whoever makes the events is ten minutes ahead of that which stamps the documents."""
    reference = str(sent.job().reference)
    delivery.tell(reference, "sent", ago=-10 * MINUTE)
    sent.follow()
    sent.advance(5 * MINUTE)
    delivery.happens(reference, "refused", "No such order")
    sent.follow()

    assert (sent.job().remote_state, sent.job().reason) == ("refused", "refused_by_receiver")
    assert shown(sent, "1") == ["sent", "refused"]
    times = [one.changed_at for one in sent.erp.shown["1"]]
    assert times == sorted(times)


def test_old_events_that_come_after_the_outage_change_nothing(sent: House, delivery: Delivery) -> None:
    reference = str(sent.job().reference)
    sent.advance(3 * DAY)
    delivery.happens(reference, "accepted")
    sent.advance(MINUTE)
    sent.follow()
    for state, days in (("sending", 3), ("refused", 2), ("registered", 1)):
        delivery.tell(reference, state, ago=days * DAY)
        sent.follow()

    assert (sent.job().remote_state, sent.job().reason) == ("accepted", None)
    assert shown(sent, "1") == ["accepted"]


def test_an_erp_that_was_away_is_told_the_last_state_alone(sent: House, delivery: Delivery) -> None:
    sent.erp.fail("record_state", SourceUnavailableError("The ERP is away."))
    reference = str(sent.job().reference)
    for state, ago in (("registered", 30), ("accepted", 20), ("refused", 10)):
        delivery.tell(reference, state, ago=ago, notes="No")
        sent.follow()
    assert shown(sent, "1") == []
    sent.advance(2 * MINUTE)
    sent.follow()

    assert shown(sent, "1") == ["refused"]


def test_no_state_is_written_into_another_database(sent: House, delivery: Delivery) -> None:
    sent.follow()
    before = shown(sent, "1")
    sent.erp.name = "copy"
    sent.advance(MINUTE)
    delivery.happens(str(sent.job().reference), "accepted")
    sent.advance(5 * MINUTE)
    sent.follow()
    assert shown(sent, "1") == before
    assert sent.ledger.sources.locked() == ["erp"]

    sent.erp.name = "memory"
    sent.advance(2 * MINUTE)
    sent.follow()
    assert shown(sent, "1")[-1] == "accepted"


def test_a_document_that_cannot_be_read_keeps_no_other_from_its_news(sent: House, delivery: Delivery) -> None:
    sent.issue(invoice("2"), invoice("3"))
    sent.plan = Plan(mark_as={"refused": "closed"})
    unreadable, other, told = (str(sent.job(key).reference) for key in ("1", "2", "3"))
    sent.fault("error_before", path=f"/invoices/{unreadable}", method="GET", status=500, times=None)
    sent.advance(5 * MINUTE)
    delivery.tell(unreadable, "refused")  # does not say why
    delivery.happens(told, "refused", "No")
    delivery.tell(told, "refused", notes="No")
    delivery.happens(other, "refused", "Wrong order number")  # whose webhook is lost
    sent.follow()

    assert (sent.job("2").reason, sent.job("3").reason) == ("refused_by_receiver", "refused_by_receiver")
    assert (sent.job("1").reason, sent.job("1").details["message"]) == ("refused_by_receiver", "no explanation")

    sent.world.faults.clear()
    delivery.happens(unreadable, "refused", "Wrong address")
    sent.advance(2 * MINUTE)
    sent.follow()
    assert (sent.job("1").reason, sent.job("1").details["message"]) == ("refused_by_receiver", "Wrong address")


def test_what_a_look_could_not_read_is_looked_at_again(sent: House, delivery: Delivery) -> None:
    reference = str(sent.job().reference)
    delivery.tell(reference, "sent", ago=-10 * MINUTE)  # later than what the list shows: the document has to be read
    sent.follow()
    sent.fault("error_before", path=f"/invoices/{reference}", method="GET", status=500, times=None)
    sent.advance(5 * MINUTE)
    delivery.happens(reference, "refused", "No such order")
    sent.follow()
    assert sent.job().reason is None
    sent.world.faults.clear()
    sent.advance(2 * MINUTE)
    sent.follow()

    assert sent.job().reason == "refused_by_receiver"


def test_after_three_documents_in_a_row_that_cannot_be_read_no_more_are_asked_for(
    sent: House, delivery: Delivery
) -> None:
    keys = [str(number) for number in range(2, 8)]
    sent.issue(*(invoice(key) for key in keys))
    sent.forget_requests()
    sent.fault("error_before", operation="read_invoice", status=500, times=None)
    for key in keys:
        delivery.tell(str(sent.job(key).reference), "refused")
    sent.follow()

    assert len({entry.path for entry in sent.requests("read_invoice")}) == 3
    assert "list_invoices" not in sent.operations()


def test_three_documents_that_can_never_be_read_keep_none_from_its_news_and_are_told_of(
    sent: House, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    sent.issue(*(invoice(key) for key in "234"))
    sent.advance(4 * MINUTE)
    silent = ["1", "2", "3"]
    for key in silent:
        reference = str(sent.job(key).reference)
        sent.fault("error_before", path=f"/invoices/{reference}", method="GET", status=500, times=None)
        delivery.happens(reference, "refused")
        delivery.tell(reference, "refused")  # does not say why
    delivery.happens(str(sent.job("4").reference), "refused", "No such order")  # whose webhook is lost
    for _ in range(4):
        sent.advance(2 * MINUTE)
        sent.follow()

    assert {sent.job(key).reason for key in (*silent, "4")} == {"refused_by_receiver"}
    assert {sent.job(key).details["message"] for key in silent} == {"no explanation"}
    assert all(f"job {sent.job(key).id}: its state cannot be read now" in caplog.text for key in silent)


def unreadable(house: House) -> str:
    """Have the document fail to be read for good, a while after it was sent; return its reference."""
    house.advance(4 * MINUTE)
    reference = str(house.job().reference)
    house.fault("error_before", path=f"/invoices/{reference}", method="GET", status=500, times=None)
    return reference


def test_why_a_document_was_refused_is_learnt_once_it_can_be_read_again(sent: House, delivery: Delivery) -> None:
    reference = unreadable(sent)
    delivery.happens(reference, "refused", "Wrong address")
    delivery.tell(reference, "refused")
    sent.follow()
    assert (sent.job().reason, shown(sent, "1")) == ("refused_by_receiver", ["refused"])

    sent.world.faults.clear()
    sent.advance(2 * MINUTE)
    sent.follow()
    assert sent.job().details["message"] == "Wrong address"
    assert sent.erp.shown["1"][-1].reason == "Wrong address"
    sent.forget_requests()
    sent.advance(2 * MINUTE)
    sent.follow()
    assert sent.requests() == []


def test_a_list_may_say_why_where_the_document_cannot_be_read(sent: House, delivery: Delivery) -> None:
    reference = unreadable(sent)
    delivery.happens(reference, "refused", "Wrong address")
    delivery.tell(reference, "refused")
    sent.follow()
    assert sent.job().details["message"] == "no explanation"
    sent.advance(5 * MINUTE)
    sent.follow()

    assert sent.job().details["message"] == "Wrong address"


def test_a_case_that_was_let_be_before_its_why_was_known_stays_closed(sent: House, delivery: Delivery) -> None:
    reference = unreadable(sent)
    delivery.happens(reference, "refused", "Wrong address")
    delivery.tell(reference, "refused")
    sent.follow()
    sent.ledger.actions.perform(SKIP, [sent.job()], who="Ana", note="settled by phone")
    sent.world.faults.clear()
    sent.advance(2 * MINUTE)
    sent.follow()

    assert (sent.job().reason, sent.job().state_note) == (None, "Wrong address")


def test_a_refusal_that_only_a_list_tells_of_is_a_case_though_the_document_cannot_be_read(
    sent: House, delivery: Delivery
) -> None:
    reference = unreadable(sent)
    sent.advance(MINUTE)
    delivery.happens(reference, "refused")
    sent.follow()
    assert (sent.job().reason, sent.job().details["message"]) == ("refused_by_receiver", "no explanation")

    sent.world.faults.clear()
    sent.forget_requests()
    for _ in range(3):
        sent.advance(5 * MINUTE)
        sent.follow()
    assert sent.operations().count("read_invoice") == 1  # whether it says more


def test_an_explanation_that_is_known_is_not_lost_to_an_event_without_one(sent: House, delivery: Delivery) -> None:
    reference = unreadable(sent)
    delivery.tell(reference, "refused", notes="Wrong address", ago=10)
    sent.follow()
    delivery.tell(reference, "refused")
    sent.follow()

    assert sent.job().details["message"] == "Wrong address"
