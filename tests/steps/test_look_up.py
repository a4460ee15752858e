"""How long a "not there" is doubted, and what counts as ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hypothesis import assume, given
from hypothesis import strategies as st

from connector.domain.identity import file_reference
from connector.domain.job import Effect, Status
from connector.ports import RemoteInvoice
from connector.steps.case import LONGEST_PAUSE
from connector.steps.look_up import pause_before_next
from tests.support.builders import invoice
from tests.support.house import SOURCE, House

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
