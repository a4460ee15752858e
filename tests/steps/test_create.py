"""A document that is found again may say what the ERP said then: only what says the same as now is sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from connector.domain.errors import AccountError
from connector.domain.job import Stage, Status
from connector.ledger.actions import RETRY
from connector.simulator.documents import Invoice as SimInvoice
from connector.simulator.problems import ApiProblem
from tests.support.builders import credit_note, invoice
from tests.support.house import House

CREATE = "create_invoice"
DELETE = "delete_invoice"
LIST = "list_invoices"
SEND = "send_invoice"


def altered(house: House) -> None:
    """Change what neither head nor totals show."""
    house.erp.alter("1", note="changed")
    house.discover()


def retry(house: House, key: str = "1") -> None:
    assert house.ledger.actions.perform(RETRY, [house.job(key)], who="Ana", note="looked into it")


def assert_says_what_the_erp_says(house: House) -> None:
    house.assert_issued("1")
    [there] = house.remote_invoices("F-1")
    assert there.fields["extra_info"] == "changed"


@pytest.fixture
def lost(house: House) -> House:
    """A document whose create was carried out without our hearing of it; lists do not show it for a long while."""
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.world.switches.list_lag = 700.0
    house.fault("drop_after", operation=CREATE)
    house.drain()
    return house


def test_what_was_made_before_the_erp_changed_is_withdrawn_when_its_number_is_found_taken(lost: House) -> None:
    lost.run()
    assert (lost.job().status, lost.job().reason) == (Status.HELD, "number_taken")
    lost.advance(700)

    altered(lost)
    lost.run()

    assert_says_what_the_erp_says(lost)
    assert len(lost.requests(DELETE)) == 1


def test_what_was_made_before_the_erp_changed_is_withdrawn_when_it_shows_only_after_a_second_question(
    lost: House,
) -> None:
    lost.run(seconds=180.5)
    assert lost.job().reason == "not_arrived"
    altered(lost)
    lost.fault("drop_before", operation=CREATE)

    lost.world.switches.list_lag = 0.0
    for there in lost.remote_invoices("F-1"):
        there.listed_from = None
    lost.run()

    assert_says_what_the_erp_says(lost)


def test_what_was_made_from_the_very_same_bytes_is_taken_over(lost: House) -> None:
    lost.run(seconds=180.5)
    for there in lost.remote_invoices("F-1"):
        there.listed_from = None

    lost.run()

    lost.assert_issued("1")
    assert lost.requests(DELETE) == []


@pytest.mark.parametrize("fault", [None, "rate_limit"])
def test_a_document_that_is_late_in_the_list_is_waited_for_once_more_when_its_number_is_found_taken(
    lost: House, fault: str | None
) -> None:
    [there] = lost.remote_invoices("F-1")
    there.listed_from = there.created_at + timedelta(seconds=300)
    if fault:
        lost.fault(fault, operation=CREATE)

    lost.run()

    lost.assert_issued("1")
    assert lost.job().reference == str(there.id)


@pytest.mark.parametrize("late", [False, True], ids=["listed", "not listed yet"])
def test_a_refusal_in_unknown_words_after_a_lost_create_is_not_believed_before_a_look(
    lost: House, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    refusal = ApiProblem(422, "parameter_invalid", "Ez da baliozkoa", "base")
    monkeypatch.setattr("connector.simulator.invoices.taken", lambda param: refusal)
    lost.run(seconds=180.5)
    [there] = lost.remote_invoices("F-1")
    there.listed_from = lost.clock.now() + timedelta(seconds=60) if late else None

    lost.run()

    if late:
        assert (lost.job().status, lost.job().reason) == (Status.HELD, "refused_by_b2brouter")
        lost.advance(60)
        retry(lost)
        lost.run()
    lost.assert_issued("1")
    assert lost.job().reference == str(there.id)


def test_a_taken_number_is_told_after_a_second_quiet_time(lost: House) -> None:
    lost.run()

    first, last = lost.requests(CREATE)[0], lost.requests(CREATE)[-1]
    assert (lost.job().reason, len(lost.requests(CREATE))) == ("number_taken", 3)
    assert 2 * 180 < (last.at - first.at).total_seconds() < 2 * 180 + 10


def test_another_number_that_is_taken_is_waited_for_anew(house: House) -> None:
    """A number that was changed in the ERP, for the first one was taken."""
    house.know_customer(invoice())
    house.world.switches.number_scope = "account"
    house.plant(invoices=[{"account": 1, "number": number, "date": "2020-01-01"} for number in ("F-1", "F-2")])
    house.take_in(invoice("1"))
    house.run(seconds=100)
    house.erp.alter("1", number="F-2")
    house.discover()
    before = house.clock.now()

    house.run()

    assert house.job().reason == "number_taken"
    assert (house.job().updated_at - before).total_seconds() > 180


def test_what_was_sent_by_hand_before_the_erp_changed_is_left_alone(lost: House) -> None:
    lost.run()
    [there] = lost.remote_invoices("F-1")
    there.state, there.sent_times, there.listed_from = "sent", 1, None

    altered(lost)
    lost.run()

    assert lost.requests(DELETE) == lost.requests(SEND) == []
    assert lost.job().reference == str(there.id)


# ---------------------------------------------------------------- set anew between two requests


NEWER = "2026-04-20"
"""A version of the API for which the original of a correction is named in another way."""

Settings = dict[str, Any]


def set_anew(house: House, **settings: Any) -> None:
    """What the next start of the connector does after an operator has changed its configuration."""
    house.remote = house.connect(**settings)


@pytest.fixture
def correction(house: House) -> House:
    """A correction that was found and is to be made; no reason of corrections is set."""
    set_anew(house, amend_reason=None)
    first = invoice("1")
    house.issue(first)
    house.take_in(credit_note("2", first))
    house.forget_requests()
    return house


@pytest.mark.parametrize("settings", [{"amend_reason": "R4"}, {"api_version": NEWER}], ids=["reason", "version"])
@pytest.mark.parametrize("fault", [("rate_limit", {}), ("unauthorized", {}), ("error_before", {"status": 422})])
def test_after_an_answer_that_says_no_what_the_operator_has_set_since_counts(
    correction: House, settings: Settings, fault: tuple[str, Settings]
) -> None:
    kind, more = fault
    correction.fault(kind, operation=CREATE, **more)
    with suppress(AccountError):
        correction.drain()
    set_anew(correction, **settings)

    retry(correction, "2")
    correction.run()

    correction.assert_issued("2")
    first, second = correction.requests(CREATE)
    assert first.body_sha256 != second.body_sha256


def test_what_was_looked_for_in_vain_goes_again_as_it_was(correction: House) -> None:
    correction.fault("drop_before", operation=CREATE)
    correction.drain()
    set_anew(correction, amend_reason="R4")

    correction.run()

    correction.assert_issued("2")
    first, second = correction.requests(CREATE)
    assert first.body_sha256 == second.body_sha256


def test_what_was_looked_for_in_vain_is_written_anew_for_another_version_of_the_api(correction: House) -> None:
    correction.fault("drop_before", operation=CREATE)
    correction.drain()
    set_anew(correction, amend_reason=None, api_version=NEWER)

    correction.run()

    correction.assert_issued("2")
    first, second = correction.requests(CREATE)
    assert first.body_sha256 != second.body_sha256


def test_what_was_lost_and_then_answered_with_no_is_written_anew(correction: House) -> None:
    correction.fault("drop_before", operation=CREATE)
    correction.fault("rate_limit", operation=CREATE)
    correction.drain()
    set_anew(correction, amend_reason="R4")

    correction.run()

    correction.assert_issued("2")
    first, second, third = correction.requests(CREATE)
    assert first.body_sha256 == second.body_sha256 != third.body_sha256


# ---------------------------------------------------------------- withdrawn, and there all the same


Undead = Callable[..., None]


@pytest.fixture
def undead(house: House, monkeypatch: pytest.MonkeyPatch) -> Undead:
    """Lets what is deleted stand on, for some seconds where they are given, and keep its number."""
    remove = house.world.remove_invoice

    def stay(*, seconds: float | None = None) -> None:
        def keeps(gone: SimInvoice) -> None:
            if seconds is not None:
                house.world.after(seconds, lambda: remove(gone))

        monkeypatch.setattr(house.world, "remove_invoice", keeps)

    return stay


def changed_before_it_was_sent(house: House) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.erp.at("load", 2, lambda: house.erp.alter("1", note="changed"))


def test_what_was_withdrawn_is_never_taken_over_though_it_is_still_there(house: House, undead: Undead) -> None:
    undead()
    changed_before_it_was_sent(house)

    house.run()

    assert (house.job().status, house.job().reason) == (Status.HELD, "number_taken")
    assert house.job().stage is Stage.CONTACT_READY
    assert house.requests(SEND) == []


def test_a_withdrawal_that_takes_its_time_is_waited_for(house: House, undead: Undead) -> None:
    undead(seconds=60)
    changed_before_it_was_sent(house)

    house.run()

    assert_says_what_the_erp_says(house)


# ---------------------------------------------------------------- the ledger was lost while it stood there unsent


@pytest.fixture
def forgotten(house: House) -> House:
    """An unsent document of ours that the ledger knows nothing of; the ERP has another note by now."""
    house.issue(invoice("1"))
    house.advance(3600)  # no state of the first sending comes after this
    [there] = house.remote_invoices("F-1")
    there.state, there.sent_times = "new", 0
    house.erp.records["1"].written = None
    with house.ledger.database.write() as connection:
        for table in ("event", "number_claim", "source", "job"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    house.forget_requests()
    house.erp.alter("1", note="changed")
    house.discover()
    return house


def assert_made_anew(house: House) -> None:
    assert_says_what_the_erp_says(house)
    assert len(house.requests(DELETE)) == 1


def is_listed_after(house: House, seconds: float) -> None:
    [there] = house.remote_invoices("F-1")
    there.listed_from = house.clock.now() + timedelta(seconds=seconds)


@pytest.mark.parametrize("fault", [None, "rate_limit", "unauthorized"])
def test_what_an_earlier_ledger_made_is_made_anew_whatever_came_to_nothing_before(
    forgotten: House, fault: str | None
) -> None:
    if fault:
        forgotten.fault(fault, operation=CREATE)
        with suppress(AccountError):
            forgotten.drain()

    forgotten.run()

    assert_made_anew(forgotten)


def test_what_an_earlier_ledger_made_is_made_anew_though_the_list_shows_it_late(forgotten: House) -> None:
    is_listed_after(forgotten, 30)

    forgotten.run()

    assert_made_anew(forgotten)


def test_what_an_earlier_ledger_made_is_made_anew_though_the_list_fails_at_first(forgotten: House) -> None:
    forgotten.fault("unavailable_before", operation=LIST, times=4)
    forgotten.drain()
    assert forgotten.job().reason == "remote_unavailable"

    forgotten.run()

    assert_made_anew(forgotten)


def test_what_an_earlier_ledger_made_has_its_own_quiet_time_to_be_gone(forgotten: House, undead: Undead) -> None:
    undead(seconds=60)
    is_listed_after(forgotten, 30)

    forgotten.run()

    assert_made_anew(forgotten)
