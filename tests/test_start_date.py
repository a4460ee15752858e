"""Nothing of before the start date is ever sent, also where it was found before that day was set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connector.cures import Cures
from connector.discovery import Discovery
from connector.domain.job import Effect, Stage, Status
from connector.ledger.actions import HOLD, RELEASE, SKIP
from tests.support.builders import invoice
from tests.support.house import House

DAY = date(2026, 1, 1)
OLD: dict[str, Any] = {"issue_date": date(2025, 12, 20), "due_date": date(2026, 1, 20)}

CREATE, SEND = "create_invoice", "send_invoice"


def begin_at(house: House, day: date | None, *, by_confirmation: bool = False) -> None:
    """What the next start of the connector does after an operator has set the start date."""
    house.source = replace(house.source, since=day, by_confirmation=by_confirmation)
    house.rules = replace(house.rules, since=day, by_confirmation=by_confirmation)
    house.discovery = Discovery(
        house.ledger,
        clock=house.clock,
        overlap=900,
        sweep_every=86400,
        cures=Cures(
            house.ledger,
            clock=house.clock,
            rules=lambda account, source: house.rules,
            arithmetic=lambda account: None,
        ),
    )


def look(house: House) -> None:
    house.advance(60)
    house.discover()
    house.run()


def is_left_out(house: House, stage: Stage = Stage.FOUND) -> bool:
    job = house.job()
    return (job.status, job.reason, job.stage) == (Status.HELD, "before_since", stage)


@pytest.fixture
def early(house: House) -> House:
    """An old document was found where no start date, or a wrong one, was set; nothing of it has left yet."""
    house.know_customer(invoice())
    house.take_in(invoice("1", **OLD))
    return house


def test_what_was_found_before_the_start_date_was_set_is_not_sent(early: House) -> None:
    early.ledger.actions.perform(HOLD, [early.job()], who="Ana", note="wait")
    begin_at(early, DAY)
    early.ledger.actions.perform(RELEASE, [early.job()], who="Ana", note="go on")

    look(early)

    assert is_left_out(early)
    assert "2025-12-20" in (early.job().message or "")
    assert "?" not in f"{early.job().message}{early.job().cure}"
    assert early.requests() == []


def test_it_is_not_looked_for_at_b2brouter_either(early: House) -> None:
    early.rules = replace(early.rules, adopt_existing=True)
    begin_at(early, DAY)

    early.run()

    assert is_left_out(early)
    assert early.requests() == []


@pytest.mark.parametrize(
    "cure",
    [
        lambda house: begin_at(house, date(2025, 12, 1)),
        lambda house: begin_at(house, None),
        lambda house: house.erp.alter("1", issue_date=DAY),
    ],
    ids=["an earlier start date", "none", "another date of the document"],
)
def test_it_goes_by_itself_once_it_is_not_too_old_any_more(early: House, cure: Callable[[House], object]) -> None:
    begin_at(early, DAY)
    early.run()
    look(early)
    assert is_left_out(early)
    assert early.told().count("released") == 0

    cure(early)
    look(early)

    early.assert_issued("1")


def test_a_document_whose_date_was_moved_before_the_start_date_is_not_sent(house: House) -> None:
    house.know_customer(invoice())
    begin_at(house, DAY)
    house.take_in(invoice("1"))
    house.erp.alter("1", **OLD)

    look(house)

    assert is_left_out(house)


def test_a_day_is_not_too_early_for_itself(house: House) -> None:
    begin_at(house, DAY)

    house.issue(invoice("1", issue_date=DAY))

    house.assert_issued("1")


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_an_open_question_is_answered_first(early: House, kind: str) -> None:
    early.fault(kind, operation=CREATE)
    early.drain()
    assert early.job().open_effect is Effect.CREATE
    begin_at(early, DAY)

    early.run()

    is_made = kind == "drop_after"
    assert is_left_out(early, Stage.VERIFIED if is_made else Stage.CONTACT_READY)
    assert len(early.remote_invoices("F-1")) == is_made
    assert early.requests(SEND) == []


@pytest.fixture
def made(early: House) -> House:
    """An old document stands at B2Brouter unsent; then the start date was set."""
    early.fault("rate_limit", operation=SEND)
    early.drain()
    assert early.job().stage is Stage.VERIFIED
    begin_at(early, DAY)
    early.forget_requests()
    return early


def test_what_stands_at_b2brouter_unsent_is_not_sent_either(made: House) -> None:
    made.run()
    look(made)

    assert is_left_out(made, Stage.VERIFIED)
    assert "2025-12-20" in (made.job().message or "")
    assert made.requests(SEND) == []


@pytest.mark.parametrize("day", [date(2025, 12, 1), None], ids=["an earlier start date", "none"])
def test_it_is_sent_as_it_stands_there_once_it_is_not_too_old_any_more(made: House, day: date | None) -> None:
    made.run()
    begin_at(made, day)

    look(made)

    made.assert_issued("1")
    assert made.requests(CREATE) == []


def test_one_whose_date_is_corrected_in_the_erp_is_made_anew(made: House) -> None:
    made.run()
    made.erp.alter("1", issue_date=DAY)

    look(made)

    made.assert_issued("1")
    assert "withdrawn" in made.told()


def test_one_that_was_left_out_is_taken_back_when_it_is_released_all_the_same(made: House) -> None:
    made.run()
    for act in (SKIP, RELEASE):
        assert made.ledger.actions.perform(act, [made.job()], who="Ana", note="after all")

    made.run()

    assert is_left_out(made)
    assert made.remote_invoices("F-1") == []


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_an_open_question_about_its_sending_is_answered_first(early: House, kind: str) -> None:
    early.fault(kind, operation=SEND)
    early.drain()
    assert early.job().open_effect is Effect.SEND
    begin_at(early, DAY)

    early.run()

    if kind == "drop_after":
        early.assert_issued("1")
    else:
        assert is_left_out(early, Stage.VERIFIED)
        assert len(early.requests(SEND)) == 1


def test_what_a_person_sent_there_is_taken_as_sent(made: House) -> None:
    [there] = made.remote_invoices("F-1")
    made.connect().send_invoice(str(there.id))

    made.run()

    made.assert_issued("1")


@pytest.mark.parametrize(
    ("confirmed_on", "left_out"),
    [(date(2025, 12, 31), True), (DAY, False), (None, True)],
    ids=["before", "in time", "not known"],
)
def test_by_confirmation_the_day_of_confirmation_counts(
    house: House, confirmed_on: date | None, left_out: bool
) -> None:
    house.know_customer(invoice())
    house.erp.add(invoice("1", **OLD))
    record = house.erp.records["1"]
    record.head = replace(record.head, confirmed_on=confirmed_on)
    house.discover()
    begin_at(house, DAY, by_confirmation=True)

    house.run()

    assert is_left_out(house) is left_out
    if not left_out:
        house.assert_issued("1")
