"""Looking finds what webhooks missed: one list for all, often at first, rarely later and while webhooks tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.domain.errors import AccountError, SourceUnavailableError
from connector.follow import Plan
from connector.follow.plan import since
from connector.ledger import Ledger
from tests.follow.conftest import Delivery
from tests.support.builders import NOON, invoice
from tests.support.house import ACCOUNT, House, Opener

MINUTE, HOUR, DAY = 60, 3600, 86400


def look(house: House, after: float = 5 * MINUTE) -> None:
    house.advance(after)
    house.follow()


def next_look_after(house: House, seconds: float) -> bool:
    """Whether the next look comes just then."""
    house.advance(seconds - 1)
    early = house.follower.due([ACCOUNT])
    house.advance(1)
    return bool(house.follower.due([ACCOUNT])) and not early


def test_without_webhooks_a_look_finds_the_state(sent: House) -> None:
    look(sent)
    assert sent.job().remote_state == "registered"
    assert [shown.state for shown in sent.erp.shown["1"]] == ["registered"]
    assert sent.operations() == ["list_invoices"]


def test_nothing_is_asked_before_it_is_time(sent: House) -> None:
    look(sent, 4 * MINUTE)
    assert sent.requests() == []


def test_nothing_is_asked_where_nothing_was_sent(open_house: Opener) -> None:
    house = open_house()
    house.stamp()
    look(house, DAY)
    assert house.requests() == []


def test_one_list_covers_all_documents(open_house: Opener) -> None:
    house = open_house()
    house.stamp()
    house.issue(*(invoice(str(n)) for n in range(1, 13)))
    house.forget_requests()
    look(house)
    assert house.operations() == ["list_invoices"]
    assert {job.remote_state for job in house.jobs()} == {"registered"}


def test_a_second_look_changes_nothing(sent: House) -> None:
    look(sent)
    before = (sent.told(), sent.erp.shown["1"][:])
    look(sent)
    assert (sent.told(), sent.erp.shown["1"]) == before


def test_looks_become_rare_with_the_age_of_the_last_document(sent: House) -> None:
    look(sent)
    assert next_look_after(sent, 5 * MINUTE)
    look(sent, 10 * HOUR - 10 * MINUTE)
    assert next_look_after(sent, 4000)  # a tenth of its age by then
    look(sent, 20 * DAY)
    assert next_look_after(sent, DAY)


def test_a_new_document_makes_them_frequent_again(sent: House) -> None:
    look(sent, 20 * DAY)
    sent.issue(invoice("2"))
    assert next_look_after(sent, 5 * MINUTE)


def test_a_look_that_is_wanted_soon_is_due_at_once_and_again_in_its_time(sent: House) -> None:
    sent.follower.look_soon(ACCOUNT)
    look(sent, MINUTE)
    assert sent.operations() == ["list_invoices"]
    assert sent.job().remote_state == "registered"
    assert next_look_after(sent, 5 * MINUTE)


def test_a_look_that_is_wanted_soon_sees_all_that_changed_since_the_last_one(sent: House, delivery: Delivery) -> None:
    look(sent, 20 * DAY)
    sent.advance(HOUR)
    delivery.happens(sent.job().reference or "", "accepted")
    sent.advance(HOUR)
    assert not sent.follower.due([ACCOUNT])

    sent.follower.look_soon(ACCOUNT)
    look(sent, 1)
    assert sent.job().remote_state == "accepted"


def test_no_look_is_wanted_where_nothing_was_sent(open_house: Opener) -> None:
    house = open_house()
    house.stamp()
    house.follower.look_soon(ACCOUNT)
    look(house, 1)
    assert house.requests() == []


def test_after_the_days_of_the_setting_nothing_is_asked(sent: House) -> None:
    sent.plan = Plan(days=30)
    look(sent, DAY * 31)
    assert sent.requests() == []


def test_what_is_paid_is_not_watched_any_more(sent: House, delivery: Delivery) -> None:
    sent.advance(MINUTE)
    delivery.happens(sent.job().reference or "", "paid")
    look(sent)
    assert sent.job().remote_state == "paid"
    sent.forget_requests()
    look(sent, DAY * 3)
    assert sent.requests() == []


def test_a_late_refusal_needs_a_person(sent: House, delivery: Delivery) -> None:
    look(sent)
    sent.advance(DAY * 12)
    delivery.happens(sent.job().reference or "", "refused", "Not ours", "B2")
    look(sent, DAY)
    assert sent.job().reason == "refused_by_receiver"
    assert sent.erp.shown["1"][-1].reason == "Not ours / B2"


def tell_all(house: House, delivery: Delivery, key: str) -> None:
    """Have all changes of a document told at once, as webhooks do that work."""
    for seconds, state in ((0, "sending"), (2, "sent"), (3, "registered")):
        house.advance(seconds)
        delivery.tell(house.job(key).reference or "", state)
        house.follow()


def test_while_webhooks_tell_of_everything_looks_are_rare(sent: House, delivery: Delivery) -> None:
    tell_all(sent, delivery, "1")
    look(sent)
    sent.issue(invoice("2"))
    tell_all(sent, delivery, "2")
    look(sent)
    assert next_look_after(sent, 6 * HOUR)


def test_a_webhook_that_does_not_come_makes_them_frequent_again(sent: House, delivery: Delivery) -> None:
    test_while_webhooks_tell_of_everything_looks_are_rare(sent, delivery)
    sent.issue(invoice("3"))  # nobody tells of it
    look(sent, 6 * HOUR)
    assert sent.job("3").remote_state == "registered"
    sent.issue(invoice("4"))
    assert next_look_after(sent, 5 * MINUTE)


def test_where_list_and_event_disagree_the_document_itself_is_asked(sent: House, delivery: Delivery) -> None:
    delivery.tell(sent.job().reference or "", "accepted", ago=-20)  # later than what the list will say
    sent.follow()
    assert sent.job().remote_state == "accepted"
    look(sent)
    assert sent.operations() == ["list_invoices", "read_invoice"]
    assert sent.job().remote_state == "registered"


def test_the_service_may_look_at_days_alone(sent: House) -> None:
    sent.world.switches.state_filter_by = "date"
    look(sent)
    assert sent.job().remote_state == "registered"


def test_a_look_goes_back_a_day_before_the_last_one() -> None:
    assert since(NOON, NOON - timedelta(days=40)).isoformat() == "2026-01-14"
    assert since(None, NOON - timedelta(days=40)).isoformat() == "2025-12-05"


def test_a_look_that_fails_is_made_again_after_a_minute(sent: House) -> None:
    sent.fault("unavailable_before", operation="list_invoices", times=20)
    look(sent)
    assert sent.job().remote_state == "sending"
    assert not sent.follower.due([ACCOUNT])
    sent.world.faults.clear()
    look(sent, MINUTE)
    assert sent.job().remote_state == "registered"


def test_a_failure_is_over_with_the_next_pass_that_succeeds(sent: House, delivery: Delivery) -> None:
    sent.advance(5 * MINUTE)
    sent.follow()
    sent.fault("unavailable_before", operation="read_invoice", times=20)
    delivery.tell(str(sent.job().reference), "refused")  # why, the document itself has to say
    look(sent, 1)
    assert failing(sent)

    sent.world.faults.clear()
    look(sent, MINUTE)
    assert not failing(sent)


def failing(house: House) -> bool:
    state = house.ledger.accounts.get(ACCOUNT)
    return state is not None and state.poll_after is not None


def test_another_process_does_not_follow_the_same_account(sent: House, embedded_url: str) -> None:
    sent.advance(5 * MINUTE)
    other = Ledger(embedded_url, clock=sent.clock, owner="elsewhere/1/1")
    with other.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO lease (name, owner, leased_until) VALUES ('follow main', 'elsewhere/1/1', '2099-01-01')"
        )
    sent.follow()
    assert sent.requests() == []
    other.close()


def test_a_pass_that_fails_leaves_the_account_to_other_processes(sent: House) -> None:
    sent.fault("unauthorized", operation="list_invoices")
    with pytest.raises(AccountError):
        look(sent)
    assert sent.ledger.offices.held_until("follow main") is None


# ---------------------------------------------------------------- the ERP is told alone


def test_an_erp_that_fails_is_told_later_and_the_invoice_stays_done(sent: House) -> None:
    sent.erp.fail("record_state", SourceUnavailableError("The ERP is away."))
    look(sent)
    assert "1" not in sent.erp.shown
    assert sent.job().reason is None
    assert not sent.follower.due([ACCOUNT])
    look(sent, MINUTE)
    assert [shown.state for shown in sent.erp.shown["1"]] == ["registered"]


def test_a_document_that_is_gone_from_the_erp_is_not_told_for_ever(sent: House) -> None:
    sent.erp.delete("1")
    look(sent)
    assert "warned" in sent.told()
    assert not sent.follower.due([ACCOUNT])


def test_an_erp_that_shows_no_states_is_not_told(sent: House) -> None:
    sent.erp.shows_states = False
    look(sent)
    assert sent.erp.shown == {}
    assert not sent.follower.due([ACCOUNT])


def test_a_process_that_ends_tells_no_further_document_and_the_next_one_tells_the_rest(sent: House) -> None:
    sent.issue(invoice("2"), invoice("3"))
    sent.erp.at("record_state", 1, sent.stop.set)
    look(sent)
    assert list(sent.erp.shown) == ["1"]
    sent.stop.clear()
    sent.another_follower().follow(ACCOUNT)
    assert sorted(sent.erp.shown) == ["1", "2", "3"]
    assert len(sent.erp.shown["1"]) == 1


# ---------------------------------------------------------------- markers


def test_delivered_documents_are_acknowledged_once_where_it_is_configured(sent: House, delivery: Delivery) -> None:
    sent.plan = replace(sent.plan, acknowledge=True)
    delivery.tell(sent.job().reference or "", "sent")
    sent.follow()
    delivery.tell(sent.job().reference or "", "registered", ago=-5)
    sent.follow()
    assert sent.operations() == ["acknowledge"]
    assert sent.remote_invoices()[0].ack_at is not None
    assert "acknowledged" in sent.told()


def test_documents_are_marked_where_it_is_configured(sent: House) -> None:
    sent.plan = Plan(mark_as={"registered": "closed"})
    look(sent)
    assert sent.remote_invoices()[0].state == "closed"
    assert sent.told()[-1] == "marked"
    look(sent)
    assert sent.job().remote_state == "closed"


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_marker_whose_answer_was_lost_is_set_again(sent: House, kind: str) -> None:
    sent.plan = Plan(mark_as={"registered": "closed"})
    sent.fault(kind, operation="mark_invoice")
    look(sent)
    look(sent, MINUTE)
    assert sent.remote_invoices()[0].state == "closed"


def test_a_marker_that_always_fails_keeps_no_other_from_being_set(sent: House) -> None:
    sent.plan = Plan(mark_as={"registered": "closed"})
    sent.issue(invoice("2"), invoice("3"))
    sent.fault("error_before", operation="mark_invoice", status=500, times=1)
    look(sent)
    assert [there.state for there in sent.remote_invoices()] == ["registered", "closed", "closed"]
    look(sent, MINUTE)
    assert {there.state for there in sent.remote_invoices()} == {"closed"}


def test_where_every_marker_fails_not_all_are_tried(sent: House) -> None:
    sent.plan = Plan(mark_as={"registered": "closed"})
    sent.issue(*(invoice(str(n)) for n in range(2, 9)))
    sent.fault("error_before", operation="mark_invoice", status=500, times=None)
    look(sent)
    assert len(sent.requests("mark_invoice")) == 3


def test_a_marker_that_is_refused_is_told_and_not_tried_for_ever(sent: House) -> None:
    sent.plan = Plan(mark_as={"registered": "nonsense"})
    look(sent)
    assert sent.told()[-1] == "mark_refused"
    assert not sent.follower.due([ACCOUNT])


# ---------------------------------------------------------------- a clock that was ahead


@pytest.mark.parametrize("ahead", [2 * HOUR, 40 * DAY])
def test_a_look_that_is_dated_ahead_puts_no_other_off(sent: House, ahead: float) -> None:
    sent.clock.put(ahead)
    sent.follow()
    assert sent.operations() == ["list_invoices"]
    sent.clock.put(-ahead)
    sent.forget_requests()

    look(sent)

    assert sent.operations() == ["list_invoices"]
    assert sent.job().remote_state == "registered"
    assert next_look_after(sent, 5 * MINUTE)


def test_nor_does_a_document_that_was_sent_while_it_was_ahead(open_house: Opener) -> None:
    house = open_house()
    house.stamp()
    house.clock.put(DAY)
    house.issue(invoice("1"))
    house.clock.put(-DAY)
    house.forget_requests()

    look(house)

    assert house.operations() == ["list_invoices"]
    assert next_look_after(house, 5 * MINUTE)


def test_nor_does_a_failure_that_was_seen_while_it_was_ahead(sent: House) -> None:
    sent.clock.put(DAY)
    sent.fault("error_before", operation="list_invoices", status=500)
    sent.follow()
    sent.clock.put(-DAY)
    sent.forget_requests()

    look(sent)

    assert sent.operations() == ["list_invoices"]
