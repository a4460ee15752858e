"""How long a "not there" is doubted, and what counts as ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connector.domain.identity import file_reference
from connector.domain.job import Effect, Status
from connector.ledger.actions import RETRY, SKIP
from connector.ports import RemoteInvoice
from connector.steps.case import LONGEST_PAUSE
from connector.steps.look_up import pause_before_next
from tests.support.builders import invoice
from tests.support.house import SOURCE, House

CREATE = "create_invoice"

quiet_times = st.floats(1, 3600)


@given(waited=st.floats(0, 7200), looks=st.integers(1, 50), quiet_time=quiet_times)
def test_absence_is_final_only_after_the_quiet_time_and_a_second_look(
    waited: float, looks: int, quiet_time: float
) -> None:
    pause = pause_before_next(waited=waited, looks=looks, quiet_time=quiet_time)

    assert (pause is None) is (waited >= quiet_time and looks >= 2)
    assert pause is None or 0.5 <= pause <= LONGEST_PAUSE


@given(quiet_time=quiet_times)
def test_whoever_follows_the_pauses_comes_to_an_end_soon_after_the_quiet_time(quiet_time: float) -> None:
    waited, looks = 2.0, 1
    while (pause := pause_before_next(waited=waited, looks=looks, quiet_time=quiet_time)) is not None:
        waited, looks = waited + pause, looks + 1

    assert quiet_time <= waited <= max(quiet_time, 2.0) + 2.0
    assert looks >= 2


@given(waited=st.floats(0, 3600), quiet_time=quiet_times, looks=st.integers(1, 50))
def test_the_next_look_never_falls_just_before_the_end(waited: float, quiet_time: float, looks: int) -> None:
    """The last look must lie behind the quiet time, or one more would be needed."""
    pause = pause_before_next(waited=waited, looks=looks, quiet_time=quiet_time)
    assume(pause is not None and waited < quiet_time)
    assert pause is not None

    assert pause >= min(LONGEST_PAUSE, 0.5)


def test_an_answer_about_another_document_leaves_the_question_to_a_person(house: House) -> None:
    house.know_customer(invoice())
    house.fault("wrong_number", operation="create_invoice")

    house.issue(invoice("1"))

    job = house.job()
    assert (job.status, job.reason, job.open_effect) == (Status.HELD, "remote_differs", Effect.CREATE)
    assert "?" not in (job.message or "")
    assert len(house.requests("create_invoice")) == 1


def test_two_documents_with_our_mark_are_a_persons_affair(house: House) -> None:
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("drop_after", operation="create_invoice")
    house.drain()
    copy = {"account": 1, "number": "F-1", "date": "2026-01-10", "file_reference": our_mark()}
    house.plant(invoices=[copy])

    house.run()

    job = house.job()
    assert (job.status, job.reason, job.open_effect) == (Status.HELD, "found_twice", Effect.CREATE)
    assert house.requests("send_invoice") == []


def test_a_document_of_another_account_is_not_ours(house: House) -> None:
    """One key may see many accounts (API reference 16)."""
    house.know_customer(invoice())
    theirs = {"account": 2, "number": "F-1", "date": "2026-01-10", "file_reference": our_mark()}
    [planted] = house.plant(invoices=[theirs])["invoices"]
    find = house.remote.find_invoices

    def leaks(number: str, *, issued_on: date | None = None) -> Sequence[RemoteInvoice]:
        return [*find(number, issued_on=issued_on), RemoteInvoice(id=str(planted), number=number)]

    house.remote.find_invoices = leaks  # type: ignore[method-assign]
    house.fault("drop_after", operation="create_invoice")

    house.issue(invoice("1"))

    house.assert_issued("1")
    assert house.job().reference != str(planted)


def our_mark() -> str:
    return file_reference(SOURCE, "1", "1")


# ---------------------------------------------------------------- lost, and the number is another's by now


@pytest.fixture
def rivalled(house: House) -> House:
    """A create that never arrived; meanwhile somebody gave the number to another document by hand."""
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("drop_before", operation=CREATE)
    house.drain()
    house.plant(invoices=[{"account": 1, "number": "F-1", "date": "2026-01-05"}])
    return house


def test_a_lost_create_whose_number_is_anothers_by_now_may_still_arrive_within_the_quiet_time(
    rivalled: House,
) -> None:
    rivalled.run(seconds=rivalled.rules.quiet_time - 10)

    job = rivalled.job()
    assert (job.status, job.reason, job.open_effect) == (Status.PENDING, "looking_up", Effect.CREATE)


def test_after_the_quiet_time_it_is_held_and_the_question_is_closed(rivalled: House) -> None:
    rivalled.run()

    job = rivalled.job()
    assert (job.status, job.reason, job.open_effect) == (Status.HELD, "already_exists", None)
    assert SKIP.fits(job)
    assert "not_sent" in {event.outcome for event in rivalled.timeline()}


def test_one_that_arrives_after_all_is_ours_beside_the_other(house: House) -> None:
    house.world.switches.number_guard = False
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("late_commit", operation=CREATE, seconds=120)
    house.drain()
    [theirs] = house.plant(invoices=[{"account": 1, "number": "F-1", "date": "2026-01-05"}])["invoices"]

    house.run()

    ours = [there for there in house.remote_invoices("F-1") if there.id != theirs]
    assert [(str(there.id), there.sent_times) for there in ours] == [(house.job().reference, 1)]
    assert house.job().status is Status.DONE


def test_renumbered_it_is_issued_under_its_new_number(rivalled: House) -> None:
    rivalled.run()
    rivalled.erp.alter("1", number="F-1B")
    rivalled.discover()

    retry(rivalled)
    rivalled.run()

    rivalled.assert_issued("1")
    assert rivalled.job().number == "F-1B"


def test_renumbered_before_anybody_was_told_it_is_issued_by_itself(rivalled: House) -> None:
    rivalled.run(seconds=60)
    rivalled.erp.alter("1", number="F-1B")

    rivalled.run()

    rivalled.assert_issued("1")
    assert rivalled.job().number == "F-1B"


@pytest.mark.parametrize("guard", [True, False], ids=["guard", "no guard"])
def test_a_retry_makes_no_second_document_beside_the_other_and_goes_on_once_that_is_gone(
    rivalled: House, guard: bool
) -> None:
    rivalled.world.switches.number_guard = guard
    rivalled.run()
    retry(rivalled)
    rivalled.run()
    assert (rivalled.job().status, rivalled.job().reason) == (Status.HELD, "already_exists")
    assert len(rivalled.requests(CREATE)) == 1

    [theirs] = rivalled.remote_invoices("F-1")
    rivalled.connect().delete_invoice(str(theirs.id))
    retry(rivalled)
    rivalled.run()

    rivalled.assert_issued("1")


def test_where_nothing_is_repeated_unasked_a_person_is_asked_first(rivalled: House) -> None:
    rivalled.rules = replace(rivalled.rules, repeat_unknown=False)
    rivalled.run()
    assert (rivalled.job().reason, rivalled.job().open_effect) == ("outcome_unknown", Effect.CREATE)

    retry(rivalled)
    rivalled.run()

    assert (rivalled.job().reason, rivalled.job().open_effect) == ("already_exists", None)


def retry(house: House) -> None:
    assert house.ledger.actions.perform(RETRY, [house.job()], who="Ana", note="looked into it")
