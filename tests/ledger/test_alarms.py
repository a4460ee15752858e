"""Alarms: one row from beginning to end, in the transaction of the fact; what comes back at once goes on."""

from __future__ import annotations

from datetime import date

import pytest

from connector.domain.alarms import alarm
from connector.ledger import Ledger
from connector.ledger.alarms import CALM
from tests.support.clock import FakeClock

WELL_AGAIN = CALM.total_seconds() + 1


def test_an_alarm_begins_once_and_lasts_with_its_latest_facts(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.alarms.begin("no_look", "erp", {"source": "erp", "since": "a"})
    clock.advance(60)
    assert not ledger.alarms.begin("no_look", "erp", {"source": "erp", "since": "b"})
    assert ledger.alarms.begin("no_look", "other", {"source": "other"})

    first, second = ledger.alarms.lasting()

    assert (first.subject, first.details["since"]) == ("erp", "b")
    assert (second.since - first.since).total_seconds() == 60


def test_it_ends_and_another_begins_only_after_a_while_of_calm(ledger: Ledger, clock: FakeClock) -> None:
    ledger.alarms.begin("no_look", "erp", {})
    ledger.alarms.end("no_look", "erp")
    clock.advance(30)

    assert not ledger.alarms.begin("no_look", "erp", {"again": "yes"}), "it flickers: the same alarm goes on"
    assert len(ledger.alarms.open()) == 1

    ledger.alarms.end("no_look", "erp")
    assert not ledger.alarms.lasting()
    assert not ledger.alarms.open()[0].calm(clock.now())
    clock.advance(WELL_AGAIN)
    assert ledger.alarms.open()[0].calm(clock.now())
    assert ledger.alarms.begin("no_look", "erp", {}), "a new one"


def test_what_has_not_begun_cannot_end(ledger: Ledger) -> None:
    ledger.alarms.end("no_look", "erp")

    assert ledger.alarms.open() == []


@pytest.mark.parametrize("reason", ["outage", "access_refused"])
def test_a_paused_account_is_an_alarm_until_it_works_again(ledger: Ledger, reason: str) -> None:
    ledger.accounts.pause("main", reason, {"message": "connection refused"})
    ledger.accounts.pause("main", reason, {"message": "connection refused"})

    [alarm] = ledger.alarms.lasting()
    assert (alarm.code, alarm.subject, alarm.details["why_reason"]) == ("account_stopped", "main", reason)

    ledger.accounts.resume("main")
    assert ledger.alarms.lasting() == []


def test_differences_between_the_systems_are_an_alarm_until_there_are_none(ledger: Ledger) -> None:
    period = {"start": date(2026, 1, 1), "end": date(2026, 1, 15)}
    ledger.alarms.compared("main", differences=0, **period)
    assert ledger.alarms.open() == []

    ledger.alarms.compared("main", differences=3, **period)
    [gap] = ledger.alarms.lasting()
    assert alarm(gap.code).message(gap.details, "en") == (
        "ERP, ledger and B2Brouter do not agree about account main: 3 differences between 2026-01-01 and 2026-01-15."
    )

    ledger.alarms.compared("main", differences=0, **period)
    assert ledger.alarms.lasting() == []
