"""Taking back an unsent document: only what we made, and only what was never sent."""

from __future__ import annotations

import pytest

from connector.domain.invoice import Payment
from connector.domain.job import Stage, Status
from tests.support.builders import invoice
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
