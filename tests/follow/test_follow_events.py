"""What webhooks told reaches ledger and ERP in the order of the changes."""

from __future__ import annotations

import json
import logging

import pytest

from connector.domain.job import Stage, Status
from connector.domain.notice import Notice, notice
from connector.ledger.actions import RETRY, SKIP
from connector.ledger.queries import ATTENTION
from connector.operations.acts import fitting
from tests.follow.conftest import Delivery
from tests.support.builders import invoice
from tests.support.house import ACCOUNT, House, rows


def reference(house: House, key: str = "1") -> str:
    found = house.job(key).reference
    assert found is not None
    return found


def outcomes(house: House) -> list[str | None]:
    return [row[0] for row in rows(house.ledger, "SELECT outcome FROM inbox ORDER BY id")]


def test_a_state_is_shown_in_ledger_and_erp_without_a_call(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "registered")
    sent.follow()
    assert sent.job().remote_state == "registered"
    assert [(shown.state, shown.reason) for shown in sent.erp.shown["1"]] == [("registered", None)]
    assert sent.told()[-1] == "state"
    assert sent.requests() == []
    assert outcomes(sent) == ["taken"]


def test_an_older_event_that_comes_later_changes_nothing(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "registered", ago=5, event=9)
    sent.follow()
    delivery.tell(reference(sent), "sent", ago=8, event=8)
    sent.follow()
    assert sent.job().remote_state == "registered"
    assert [shown.state for shown in sent.erp.shown["1"]] == ["registered"]
    assert outcomes(sent) == ["taken", "older"]


def test_of_one_second_the_later_event_counts(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "registered", event=9)
    sent.follow()
    delivery.tell(reference(sent), "sent", event=8)
    delivery.tell(reference(sent), "refused", event=10, notes="No")
    sent.follow()
    assert sent.job().remote_state == "refused"
    assert [shown.state for shown in sent.erp.shown["1"]] == ["registered", "refused"]


def test_a_batch_in_disorder_shows_the_last_state_only(sent: House, delivery: Delivery) -> None:
    for ago, state in ((2, "registered"), (9, "sending"), (1, "accepted"), (6, "sent")):
        delivery.tell(reference(sent), state, ago=ago)
    sent.follow()
    assert [shown.state for shown in sent.erp.shown["1"]] == ["accepted"]


def test_an_event_that_comes_again_is_taken_once(sent: House, delivery: Delivery) -> None:
    assert delivery.tell(reference(sent), "sent", event=5)
    assert not delivery.tell(reference(sent), "sent", event=5)
    sent.follow()
    before = sent.told()
    assert not delivery.tell(reference(sent), "sent", event=5)
    sent.follow()
    assert sent.told() == before


def test_an_event_of_a_document_that_nobody_knows_yet_waits_for_it(sent: House, delivery: Delivery) -> None:
    sent.take_in(invoice("2"))
    coming = int(reference(sent)) + 1
    delivery.tell(str(coming), "registered", ago=-30)
    sent.follow()
    assert outcomes(sent) == [None]
    assert not sent.follower.due([ACCOUNT])
    sent.run()
    assert sent.job("2").reference == str(coming)
    sent.follow()
    assert (sent.job("2").remote_state, outcomes(sent)) == ("registered", ["taken"])


def test_what_is_in_a_workers_hands_is_left_to_it(sent: House, delivery: Delivery) -> None:
    seen: list[tuple[Stage, Status, str | None]] = []

    def told_too_early() -> None:
        delivery.tell(reference(sent, "2"), "registered")
        sent.follow()
        seen.append((sent.job("2").stage, sent.job("2").status, sent.job("2").remote_state))

    sent.erp.at("record", 1, told_too_early)
    sent.take_in(invoice("2"))
    sent.run()
    assert seen == [(Stage.SENT, Status.RUNNING, "sending")]
    sent.follow()
    assert (sent.job("2").status, sent.job("2").remote_state) == (Status.DONE, "registered")


def test_a_refusal_needs_a_person_and_says_why(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "refused", notes="Wrong order number")
    sent.follow()
    job = sent.job()
    assert (job.status, job.reason) == (Status.DONE, "refused_by_receiver")
    assert job.message is not None
    assert "Wrong order number" in job.message
    assert sent.erp.shown["1"][-1].reason == "Wrong order number"
    assert sent.ledger.queries.cases() == 1


def test_why_it_was_refused_is_read_where_the_event_does_not_say(sent: House, delivery: Delivery) -> None:
    delivery.happens(reference(sent), "refused", "Unknown buyer", "R7")
    delivery.tell(reference(sent), "refused")
    sent.follow()
    assert sent.job().details["message"] == "Unknown buyer / R7"
    assert sent.operations() == ["read_invoice"]


def test_a_document_that_is_accepted_after_all_closes_the_case(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "error", notes="PEPPOL_NO_RECEIVER", ago=3)
    sent.follow()
    assert sent.job().reason == "delivery_failed"
    assert sent.requests() == []
    delivery.happens(reference(sent), "sent")
    delivery.tell(reference(sent), "sent")
    sent.follow()
    assert (sent.job().reason, sent.job().remote_state) == (None, "sent")
    assert sent.erp.shown["1"][-1].reason is None
    assert sent.operations() == ["read_invoice"]


def test_a_word_that_the_document_does_not_bear_out_closes_no_case(sent: House, delivery: Delivery) -> None:
    delivery.happens(reference(sent), "refused", "No")
    delivery.tell(reference(sent), "refused", notes="No", ago=3)
    sent.follow()
    delivery.tell(reference(sent), "accepted")
    sent.follow()

    assert (sent.job().reason, sent.job().remote_state) == ("refused_by_receiver", "refused")
    assert outcomes(sent)[-1] is not None


def test_what_came_to_the_address_of_another_account_is_a_hint_to_read_the_document(
    sent: House, delivery: Delivery
) -> None:
    delivery.tell(reference(sent), "refused", notes="No", address="other")
    sent.follow()
    assert (sent.job().reason, sent.job().remote_state) == (None, "sending")
    assert (sent.operations(), outcomes(sent)) == (["read_invoice"], ["read_again"])

    delivery.happens(reference(sent), "refused", "Wrong order number")
    delivery.tell(reference(sent), "registered", address="other", ago=-1)
    sent.follow()
    assert (sent.job().reason, sent.job().details["message"]) == ("refused_by_receiver", "Wrong order number")


def test_it_counts_where_both_accounts_have_one_key(sent: House, delivery: Delivery) -> None:
    sent.believes = {"other"}
    delivery.tell(reference(sent), "registered", address="other")
    sent.follow()
    assert sent.job().remote_state == "registered"
    assert sent.requests() == []


def test_a_case_that_a_person_let_be_stays_closed_until_the_state_changes(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "annotated", notes="Which delivery?", ago=60)
    sent.follow()
    assert sent.job().reason == "receiver_remark"
    sent.ledger.actions.perform(SKIP, [sent.job()], who="Ana", note="answered by mail")
    delivery.tell(reference(sent), "annotated", notes="Which delivery?", ago=60, event=1)
    sent.follow()
    assert sent.job().reason is None
    delivery.tell(reference(sent), "refused", notes="No", ago=1)
    sent.follow()
    assert sent.job().reason == "refused_by_receiver"


def test_a_refusal_while_the_write_back_is_held_is_a_case_once_it_is_done(sent: House, delivery: Delivery) -> None:
    sent.take_in(invoice("2"))
    sent.erp.at("record", 1, lambda: sent.erp.write("2", "999", "other"))
    sent.run()
    delivery.tell(reference(sent, "2"), "refused", notes="No")
    sent.follow()
    held = sent.job("2")
    assert (held.status, held.reason, held.remote_state) == (Status.HELD, "erp_reference_differs", "refused")
    sent.erp.records["2"].written = None
    sent.ledger.actions.perform(RETRY, [held], who="Ana", note="cleared")
    sent.run()
    assert (sent.job("2").status, sent.job("2").reason) == (Status.DONE, "refused_by_receiver")


def left_out_after_sending(house: House) -> None:
    house.take_in(invoice("2"))
    house.erp.at("record", 1, lambda: house.erp.write("2", "999", "other"))
    house.run()
    assert house.job("2").reason == "erp_reference_differs"


def test_a_document_that_was_left_out_after_it_was_sent_is_a_case_when_it_is_refused(
    sent: House, delivery: Delivery
) -> None:
    left_out_after_sending(sent)
    sent.ledger.actions.perform(SKIP, [sent.job("2")], who="Ana", note="the other reference may stay")
    assert sent.ledger.queries.cases() == 0
    delivery.tell(reference(sent, "2"), "refused", notes="No")
    sent.follow()

    left_out = sent.job("2")
    assert (left_out.status, left_out.stage, left_out.reason) == (Status.SKIPPED, Stage.SENT, "refused_by_receiver")
    assert sent.ledger.queries.cases() == 1
    assert [job.key for job in sent.ledger.queries.jobs(ATTENTION)] == ["2"]
    assert [cause.reason for cause in sent.ledger.queries.causes()] == ["refused_by_receiver"]

    assert {act.name for act in fitting(left_out)} == {"release", "skip"}
    sent.ledger.actions.perform(SKIP, [left_out], who="Ana", note="settled by mail")
    assert (sent.job("2").status, sent.job("2").reason) == (Status.SKIPPED, None)


def test_what_stood_behind_the_hold_of_a_document_is_a_case_when_that_is_left_out(
    sent: House, delivery: Delivery
) -> None:
    left_out_after_sending(sent)
    delivery.tell(reference(sent, "2"), "refused", notes="No")
    sent.follow()
    assert sent.job("2").reason == "erp_reference_differs"
    sent.ledger.actions.perform(SKIP, [sent.job("2")], who="Ana", note="the other reference may stay")

    assert (sent.job("2").status, sent.job("2").reason) == (Status.SKIPPED, "refused_by_receiver")


def test_a_state_never_seen_before_is_kept_raw_with_a_warning(
    sent: House, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    delivery.tell(reference(sent), "teleported")
    sent.follow()
    assert (sent.job().remote_state, sent.job().reason) == ("teleported", None)
    assert "'teleported'" in caplog.text


def test_what_others_do_with_documents_of_their_own_is_put_aside_and_waits_no_less_long(
    sent: House, delivery: Delivery
) -> None:
    delivery.tell("777", "sent")
    delivery.tell(reference(sent), "registered")
    sent.ledger.inbox.put(ACCOUNT, of_report("778", None))
    sent.ledger.inbox.put(ACCOUNT, of_report("779", "777"))
    assert sent.ledger.inbox.sort_out() == 0, "their documents may become known at any moment"
    sent.advance(3601)
    assert sent.ledger.inbox.sort_out() == 3
    assert outcomes(sent) == ["foreign", None, "foreign", "foreign"]
    sent.follow()
    assert outcomes(sent) == ["foreign", "taken", "foreign", "foreign"]

    sent.advance(88 * 86400)
    assert sent.ledger.inbox.tidy() == 0
    sent.advance(2 * 86400)
    assert sent.ledger.inbox.tidy() == 3
    assert outcomes(sent) == ["taken"]


def test_it_is_taken_up_again_when_its_document_turns_out_to_be_ours(sent: House, delivery: Delivery) -> None:
    sent.take_in(invoice("2"))
    coming = str(int(reference(sent)) + 1)
    delivery.tell(coming, "registered", ago=-7200)
    sent.ledger.inbox.put(ACCOUNT, of_report("778", coming))
    sent.advance(3601)
    sent.ledger.inbox.sort_out()
    assert outcomes(sent) == ["foreign", "foreign"]
    assert sent.ledger.inbox.states_to_come(coming) == ["registered"]
    sent.run()
    assert not sent.ledger.inbox.accounts_with_news()
    sent.ledger.inbox.sort_out()
    assert sent.ledger.inbox.accounts_with_news() == {ACCOUNT}
    sent.follow()

    assert (sent.job("2").remote_state, outcomes(sent)) == ("registered", ["taken", "taken"])


def test_so_is_that_of_a_report_that_became_known_meanwhile(sent: House) -> None:
    sent.ledger.inbox.put(ACCOUNT, of_report("778", None))
    sent.advance(3601)
    sent.ledger.inbox.sort_out()
    assert outcomes(sent) == ["foreign"]
    sent.ledger.tax_reports.expect(ACCOUNT, {"778": reference(sent)})
    sent.ledger.inbox.sort_out()
    sent.follow()

    assert outcomes(sent) == ["taken"]


def of_report(id_: str, document: str | None) -> Notice:
    data = {"tax_report_id": id_, "event_id": id_, "state": "registered", "object": {"invoice_id": document}}
    told = {"code": "tax_report.state_change", "id": id_, "triggered_at": 1768478400, "data": data}
    return notice(json.dumps(told).encode())


def test_settled_events_are_dropped_after_three_months(sent: House, delivery: Delivery) -> None:
    delivery.tell(reference(sent), "sent")
    delivery.tell("777", "sent")  # of a document that is none of ours
    sent.follow()
    sent.advance(89 * 86400)
    assert sent.ledger.inbox.tidy() == 0
    sent.advance(2 * 86400)
    assert sent.ledger.inbox.tidy() == 2
    assert outcomes(sent) == []
