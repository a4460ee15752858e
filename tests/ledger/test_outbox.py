"""The outbox: put in once, taken by one, kept until it went, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from connector.domain.job import Event
from connector.ledger import Ledger
from connector.ledger.outbox import KEEP, SENDING_SECONDS, Kind, Notice
from connector.ledger.records import Entry
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.house import rows
from tests.support.ledgers import lease_one


@pytest.fixture
def alarm(ledger: Ledger) -> int:
    ledger.alarms.begin("no_look", "erp", {"source": "erp"})
    return ledger.alarms.lasting()[0].id


def notice(ledger: Ledger, alarm_id: int | None = None, **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "key": "a",
        "recipient": "ops",
        "kind": Kind.BEGUN if alarm_id else Kind.DIGEST,
        "fact": {"code": "no_look"},
        "due_at": ledger.database.clock.now(),
        "alarm_id": alarm_id,
    }
    return Notice(**{**values, **changes})


def test_what_is_put_in_twice_comes_out_once(ledger: Ledger, alarm: int) -> None:
    ledger.outbox.put([notice(ledger, alarm)])
    ledger.outbox.put([notice(ledger, alarm, fact={"code": "other"}), notice(ledger, alarm, key="b")])

    taken = ledger.outbox.take("ops")

    assert [(one.key, one.kind, one.fact, one.attempts) for one in taken] == [
        ("a", Kind.BEGUN, {"code": "no_look"}, 1),
        ("b", Kind.BEGUN, {"code": "no_look"}, 1),
    ]
    assert ledger.outbox.take("ops") == [], "somebody is sending them"
    assert ledger.outbox.unsent_alarms() == {("ops", alarm)}
    ledger.outbox.went(taken)
    assert ledger.outbox.unsent_alarms() == set()


def test_of_thousands_no_statement_lists_more_than_a_database_takes(ledger: Ledger, alarm: int) -> None:
    listed: list[int] = []

    @event.listens_for(ledger.database.engine, "before_cursor_execute")
    def count(_c: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        listed.append(len(parameters))

    notices = [notice(ledger, alarm, key=str(number)) for number in range(1500)]
    ledger.outbox.put(notices, closing=range(1500))
    ledger.outbox.put(notices)
    taken = ledger.outbox.take("ops")
    ledger.outbox.went(taken)

    assert len(taken) == 1500
    assert ledger.outbox.take("ops") == []
    assert ledger.alarms.open() == []
    assert max(listed) <= 1010


def test_it_waits_for_its_time_and_for_its_recipient(ledger: Ledger, clock: FakeClock, alarm: int) -> None:
    ledger.outbox.put([notice(ledger, alarm, due_at=clock.now() + timedelta(seconds=60))])

    assert ledger.outbox.take("ops") == []
    clock.advance(60)
    assert ledger.outbox.take("acc") == []
    assert len(ledger.outbox.take("ops")) == 1


def test_what_came_back_is_due_after_its_pause_and_what_was_abandoned_after_a_while(
    ledger: Ledger, clock: FakeClock, alarm: int
) -> None:
    ledger.outbox.put([notice(ledger, alarm)])
    ledger.outbox.came_back(ledger.outbox.take("ops"), pause=30)
    assert ledger.outbox.backlogs()["ops"].count == 1
    clock.advance(29)
    assert ledger.outbox.take("ops") == []
    clock.advance(1)
    assert len(ledger.outbox.take("ops")) == 1  # and its taker dies

    clock.advance(SENDING_SECONDS - 1)
    assert ledger.outbox.take("ops") == []
    clock.advance(1)
    [again] = ledger.outbox.take("ops")
    assert again.attempts == 3


def test_only_what_is_about_one_alarm(ledger: Ledger, alarm: int) -> None:
    ledger.outbox.put([notice(ledger, alarm), notice(ledger, key="digest")])

    assert [one.key for one in ledger.outbox.take("ops", alarm_id=alarm)] == ["a"]
    assert [one.key for one in ledger.outbox.take("ops")] == ["digest"]


def test_a_digest_remembers_what_it_tells_of(ledger: Ledger, clock: FakeClock) -> None:
    job = lease_one(ledger, invoice("1"))
    ledger.jobs.settle(job, Event.STUCK, reason="lines_missing", details={}, entry=Entry(what="stuck"))
    assert [row.reason for row in ledger.outbox.cases([])] == ["lines_missing"]
    assert ledger.outbox.last_told("ops") is None

    assert ledger.outbox.put_digest(notice(ledger), {job.id: "lines_missing"}, gone=[])
    assert not ledger.outbox.put_digest(notice(ledger), {job.id: "number_missing"}, gone=[])
    assert ledger.outbox.told("ops") == {job.id: "lines_missing"}
    assert ledger.outbox.last_digests() == {"ops": ("a", None)}
    assert ledger.outbox.last_told("ops") == clock.now()

    told_at = clock.now()
    clock.advance(60)
    assert ledger.outbox.put_digest(notice(ledger, key="b", fact={}), {}, gone=[job.id])
    assert ledger.outbox.told("ops") == {}
    assert ledger.outbox.last_digests() == {"ops": ("b", clock.now())}, "there is nothing to send"
    assert ledger.outbox.last_told("ops") == told_at


def test_a_sign_of_life_is_written_by_one(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.outbox.signed("x") is None
    assert [ledger.outbox.sign("x", every=60) for _ in range(2)] == [True, False]
    clock.advance(60)
    assert [ledger.outbox.sign("x", every=60) for _ in range(2)] == [True, False]
    assert ledger.outbox.signed("x") == clock.now()


def test_what_is_long_past_is_forgotten(ledger: Ledger, clock: FakeClock, alarm: int) -> None:
    ledger.outbox.put([notice(ledger, alarm)], closing=[alarm])
    ledger.alarms.end("no_look", "erp")
    clock.advance(KEEP.total_seconds() - 1)
    ledger.alarms.begin("no_look", "erp", {})
    ledger.outbox.tidy()
    assert rows(ledger, "SELECT count(*) FROM notification") == [(1,)]

    clock.advance(2)
    ledger.outbox.tidy()
    assert rows(ledger, "SELECT count(*) FROM notification") == [(0,)]
    assert len(ledger.alarms.lasting()) == 1
    assert rows(ledger, "SELECT count(*) FROM alarm") == [(1,)]
