"""What an ERP does not accept holds up nobody behind it, is told again more and more rarely, and not in silence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from connector.domain.errors import SchemaChangedError, SourceNotPermittedError, SourceUnavailableError
from connector.ledger.alarms import ERP_NOT_TOLD
from tests.follow.conftest import Delivery
from tests.support.builders import invoice
from tests.support.erp import Erp
from tests.support.house import ACCOUNT, SOURCE, House, Opener

MINUTE, HOUR = 60, 3600


class PickyErp(Erp):
    """Takes no states of some documents, as a table whose character set lacks a letter of the reason."""

    refused: set[str]
    error: Exception
    asked: list[str]

    def record_state(self, key: str, state: str, reason: str | None, changed_at: datetime) -> None:
        self.asked.append(key)
        if key in self.refused:
            raise self.error
        super().record_state(key, state, reason, changed_at)

    def record_tax_report(self, key: str, report: Any) -> None:
        if key in self.refused:
            raise self.error
        super().record_tax_report(key, report)


@pytest.fixture
def house(open_house: Opener) -> House:
    """A house with three documents that were just sent; the ERP does not take the state of the first one."""
    made = open_house()
    erp = made.erp = made.adapter = PickyErp(made.clock)
    erp.refused, erp.error, erp.asked = {"1"}, SchemaChangedError("The ERP does not accept our statement."), []
    object.__setattr__(made.source, "adapter", erp)
    made.stamp()
    made.issue(*(invoice(key) for key in ("1", "2", "3")))
    return made


def erp(house: House) -> PickyErp:
    assert isinstance(house.erp, PickyErp)
    return house.erp


def asked(house: House, after: float) -> list[str]:
    """The documents that the ERP was asked to show a state of, once so many seconds have passed."""
    erp(house).asked.clear()
    house.advance(after)
    house.follow()
    return erp(house).asked


def alarms(house: House) -> list[tuple[str, str]]:
    return [(alarm.code, alarm.subject) for alarm in house.ledger.alarms.lasting()]


def test_others_are_told_behind_the_one_that_is_refused(house: House) -> None:
    assert asked(house, 5 * MINUTE) == ["1", "2", "3"]
    assert sorted(house.erp.shown) == ["2", "3"]
    assert "warned" in house.told("1")
    assert "warned" not in house.told("2")


def test_it_is_tried_again_more_and_more_rarely_and_noted_once(house: House) -> None:
    asked(house, 5 * MINUTE)
    assert not house.follower.due([ACCOUNT])
    tries = [bool(asked(house, MINUTE)) for _ in range(60)]

    assert tries[:8] == [True, False, True, False, False, False, True, False]
    assert sum(tries) == 5
    assert house.told("1").count("warned") == 1


def test_its_next_state_is_told_at_once(house: House) -> None:
    delivery = Delivery(house)
    asked(house, 5 * MINUTE)
    asked(house, MINUTE)
    delivery.tell(str(house.job("1").reference), "accepted")
    erp(house).refused.clear()

    assert asked(house, 1) == ["1"]
    assert house.erp.shown["1"][-1].state == "accepted"


def test_once_one_that_was_refused_is_taken_the_others_are_told_at_once(house: House) -> None:
    for _ in range(12):  # the first document rests for minutes by now
        asked(house, MINUTE)
    erp(house).refused |= {"2"}
    Delivery(house).tell(str(house.job("2").reference), "accepted")
    assert asked(house, 1) == ["2"]

    erp(house).refused.clear()
    assert asked(house, MINUTE) == ["2", "1"]
    assert not house.follower.due([ACCOUNT])


@pytest.mark.parametrize("error", [SourceUnavailableError("It is away."), SourceNotPermittedError("No right.")])
def test_an_erp_that_takes_nothing_at_all_is_left_alone(house: House, error: Exception) -> None:
    erp(house).error = error
    assert asked(house, 5 * MINUTE) == ["1"]
    assert asked(house, 1) == []


def test_so_is_one_that_refuses_one_after_the_other(house: House) -> None:
    keys = [str(n) for n in range(40, 76)]
    house.issue(*(invoice(key) for key in keys))
    erp(house).refused |= {"2", "3", *keys}

    first, second = list(asked(house, 5 * MINUTE)), list(asked(house, MINUTE))
    assert first == ["1", "2", "3", *keys[:7]], "the table itself may be gone"
    assert second == keys[7:17], "those that were not tried yet come first"


def test_after_an_hour_people_are_told_until_it_is_cured(house: House) -> None:
    for _ in range(59):
        asked(house, MINUTE)
    assert alarms(house) == []
    for _ in range(60):
        asked(house, MINUTE)
    assert alarms(house) == [(ERP_NOT_TOLD, SOURCE)]
    [alarm] = house.ledger.alarms.lasting()
    assert alarm.details["fault"] == "The ERP does not accept our statement."

    erp(house).refused.clear()
    for _ in range(60):
        asked(house, MINUTE)
    assert alarms(house) == []


def test_so_they_are_where_the_erp_takes_nothing_at_all(house: House) -> None:
    erp(house).error = SourceNotPermittedError("No right.")
    for _ in range(70):
        asked(house, MINUTE)
    assert alarms(house) == [(ERP_NOT_TOLD, SOURCE)]


def test_a_tax_report_that_is_refused_holds_up_no_other_document(house: House) -> None:
    house.plant(accounts=[{"id": 1, "tax_report_settings": {"verifactu": {"code": "verifactu"}}}])
    house.issue(invoice("4"))
    erp(house).refused = {"4"}
    house.issue(invoice("5"))
    asked(house, 5 * MINUTE)
    assert sorted(house.erp.reports) == ["5"]

    erp(house).refused.clear()
    asked(house, MINUTE)
    assert sorted(house.erp.reports) == ["4", "5"]
