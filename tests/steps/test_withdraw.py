"""Taking back an unsent document: only what we made, and only what was never sent."""

from __future__ import annotations

import pytest

from connector.domain.invoice import Payment
from connector.domain.job import Stage, Status
from connector.ledger.actions import RELEASE, RETRY, SKIP, Act
from tests.support.builders import invoice, line
from tests.support.house import House

NEW_IBAN = Payment(iban="ES7921000813610123456789")


def tie(house: House, reference: str) -> None:
    """What `connector link` does after its comparison."""
    job = house.job()
    assert house.ledger.actions.link(
        job,
        reference=reference,
        remote_state="new",
        invoice=invoice("1"),
        stage=Stage.CREATED,
        who="Ana",
        note="the same",
    )


@pytest.fixture
def tied(house: House) -> House:
    """A job that a person tied to a document which others had made, without any mark."""
    house.know_customer(invoice())
    [planted] = house.plant(invoices=[{"account": 1, "number": "F-1", "date": "2026-01-10"}])["invoices"]
    house.issue(invoice("1"))
    assert house.job().reason == "already_exists"
    tie(house, str(planted))
    return house


def test_a_document_that_others_made_is_never_deleted(tied: House) -> None:
    tied.erp.alter("1", payment=NEW_IBAN)

    tied.run()

    job = tied.job()
    assert (job.status, job.reason) == (Status.HELD, "withdrawal_refused")
    assert tied.requests("delete_invoice") == []
    assert len(tied.remote_invoices("F-1")) == 1


def test_a_tied_document_is_compared_sent_and_recorded(tied: House) -> None:
    tied.run()

    tied.assert_issued("1")


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "unavailable_after"])
def test_a_lost_answer_to_a_withdrawal_is_settled_by_looking(house: House, kind: str) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.erp.at("load", 2, lambda: house.erp.alter("1", payment=NEW_IBAN))
    house.fault(kind, operation="delete_invoice")

    house.run()

    house.assert_issued("1")
    [there] = house.remote_invoices("F-1")
    assert there.fields["bank_account"]["iban"] == NEW_IBAN.iban


def test_a_document_that_went_out_while_it_was_to_be_withdrawn_stays(house: House) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.erp.at("load", 2, lambda: house.erp.alter("1", payment=NEW_IBAN))
    house.fault("drop_before", operation="delete_invoice")
    house.drain()
    [there] = house.remote_invoices("F-1")
    with house.world.lock:
        there.state, there.sent_times = "sent", 1

    house.run()

    job = house.job()
    assert (job.status, job.reason, job.open_effect) == (Status.HELD, "changed_after_send", None)
    assert len(house.remote_invoices("F-1")) == 1


# ---------------------------------------------------------------- its number


def act(house: House, what: Act, key: str) -> None:
    assert house.ledger.actions.perform(what, [house.job(key)], who="Ana", note="looked into it")


@pytest.fixture
def entered_anew(house: House) -> House:
    """An unsent document was deleted in the ERP and entered anew under its number; the old job was skipped."""
    house.know_customer(invoice())
    house.take_in(invoice("1", number="F-1"))
    house.fault("rate_limit", operation="send_invoice")
    house.drain()
    assert house.job("1").stage is Stage.VERIFIED
    house.erp.delete("1")
    house.take_in(invoice("2", line("50.00"), number="F-1"))
    house.run()
    assert (house.job("1").reason, house.job("2").reason) == ("erp_deleted", "number_clash")
    act(house, SKIP, "1")
    return house


def test_the_number_of_a_skipped_document_is_free_for_another_once_its_draft_is_gone(entered_anew: House) -> None:
    house = entered_anew
    act(house, RETRY, "2")
    house.run()
    assert (house.job("2").status, house.job("2").reason) == (Status.HELD, "already_exists")

    [draft] = house.remote_invoices("F-1")
    house.connect().delete_invoice(str(draft.id))
    act(house, RETRY, "2")
    house.run()

    house.assert_issued("2")


@pytest.mark.parametrize("guard", [True, False], ids=["guard", "no guard"])
def test_a_skipped_document_that_is_released_does_not_leave_beside_the_one_that_has_its_number(
    entered_anew: House, guard: bool
) -> None:
    house = entered_anew
    house.world.switches.number_guard = guard
    if guard:
        [draft] = house.remote_invoices("F-1")
        house.connect().delete_invoice(str(draft.id))
    act(house, RETRY, "2")
    house.run()
    house.erp.add(invoice("1", number="F-1"))  # restored

    act(house, RELEASE, "1")
    house.run()

    assert (house.job("1").status, house.job("1").reason) == (Status.HELD, "number_clash")
    house.assert_issued("2")


def test_a_skipped_document_that_is_released_is_made_anew_and_issued(house: House) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("rate_limit", operation="send_invoice")
    house.drain()
    act(house, SKIP, "1")

    act(house, RELEASE, "1")
    house.run()

    house.assert_issued("1")
    assert len(house.requests("delete_invoice")) == 1


def test_one_that_somebody_sent_while_it_was_skipped_is_taken_as_sent(house: House) -> None:
    house.world.switches.set({"second_send": "accepted"})
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("rate_limit", operation="send_invoice")
    house.drain()
    act(house, SKIP, "1")
    house.connect().send_invoice(house.job().reference or "")

    act(house, RELEASE, "1")
    house.run()

    house.assert_issued("1")


def test_two_withdrawn_documents_may_swap_their_numbers(house: House) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1", number="F-1"), invoice("2", number="F-2"))
    for _ in range(2):
        house.fault("rate_limit", operation="send_invoice")
    house.drain()
    house.erp.alter("1", number="F-2")
    house.erp.alter("2", number="F-1")
    house.run()

    for job in house.jobs():
        if job.reason == "number_clash":  # it came before the other one had let its number go
            act(house, RETRY, job.key)
    house.run()

    house.assert_issued("1", "2")
    assert (house.job("1").number, house.job("2").number) == ("F-2", "F-1")
