"""Looks into more ERPs than workers get through: some seconds' work is rung for, and each has its turn."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.sections.broker import BrokerSettings
from config.settings import Settings
from connector.bootstrap import Services
from connector.duties import Duties
from connector.ledger import Ledger, schema
from connector.ledger.looks import look_office
from tests.support.clock import FakeClock
from workers.ahead import AHEAD, AHEAD_SLOW
from workers.app import make_app
from workers.broker import Bell
from workers.scheduler import _Bell

SOURCES = 300


class Installation:
    """A scheduler and its ledger, with many sources; the looks are made here, as many as are wanted."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = FakeClock()
        sources = {f"s{n:04}": {"adapter": "sql", "url": "sqlite://", "account": "a"} for n in range(SOURCES)}
        settings = {"accounts": {"a": {"account_id": "1", "api_key": "test_key"}}, "sources": sources}
        self.services = Services(Settings.model_validate(settings))
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=self.clock)
        self.services.__dict__["ledger"] = self.ledger
        schema.upgrade(self.ledger.database)
        self.app = make_app(BrokerSettings(url=url))
        self.duties, self.rung, self.waiting = self.scheduler()
        self.looked = Counter[str]()

    def scheduler(self) -> tuple[Duties, list[str], list[str]]:
        """Return one that has just begun; what it rings for, and what of it nobody has done yet."""
        bell, rung, waiting = _Bell(self.app, self.services), list[str](), list[str]()

        def discover(source: str) -> None:
            bell.discover(source)
            rung.append(source)
            waiting.append(source)

        nothing: Any = lambda *_: None  # noqa: E731
        duties = Duties(
            self.services,
            ring=nothing,
            discover=discover,
            follow=nothing,
            notify=nothing,
            archive=nothing,
            reconcile=nothing,
            has_room=bell.has_room,
        )
        return duties, rung, waiting

    def round(self, *, looks: int = 0, but: frozenset[str] = frozenset()) -> None:
        """Make a round; then a worker, if there is one, hears all bells and makes so many looks, none into some."""
        self.duties.tick()
        self.clock.advance(1)
        if looks:
            self.hear()
        done = [source for source in self.waiting if source not in but][:looks]
        for source in done:
            self.waiting.remove(source)
            self.look(source)

    def hear(self) -> None:
        with self.app.connection_for_write() as connection:
            self.app.amqp.queues[self.app.conf.task_default_queue].bind(connection.default_channel).purge()

    def look(self, source: str) -> None:
        with self.ledger.offices.alone(look_office(source), seconds=300) as ours:
            assert ours()
            self.ledger.intake.remember(source, discovered_at=self.clock.now())
        self.looked[source] += 1


@pytest.fixture
def many(tmp_path: Path, redis_url: str) -> Iterator[Installation]:
    many = Installation(tmp_path, redis_url)
    yield many
    many.ledger.close()


def test_what_is_to_be_issued_stands_behind_a_hundred_looks_at_most(many: Installation) -> None:
    for _ in range(10):
        many.round()
    assert Bell(many.app).waiting() == AHEAD


def test_each_source_has_its_turn_before_any_has_a_second_one_however_late(
    many: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="connector.duties")
    while many.looked.total() < 2 * SOURCES:
        many.round(looks=2)
        assert len(many.looked) == SOURCES or max(many.looked.values()) == 1
        assert max(many.looked.values()) <= 2

    assert many.clock.monotonic() >= 4 * many.services.settings.scheduler.discover_every
    assert len(many.rung) <= 2 * SOURCES + AHEAD, "none is rung for twice and heard once"
    assert sum("seconds late" in record.getMessage() for record in caplog.records) == 1


def test_looks_that_are_in_time_are_not_told(many: Installation, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(70):
        many.round(looks=50)
    assert min(many.looked.values()) >= 2
    assert not [record for record in caplog.records if "late" in record.getMessage()]


def test_a_scheduler_that_takes_over_goes_on_with_those_that_were_looked_into_longest_ago(many: Installation) -> None:
    while many.looked.total() < SOURCES // 2:
        many.round(looks=20)
    before = {*many.looked}
    many.duties, many.rung, many.waiting = many.scheduler()
    while many.looked.total() < SOURCES:
        many.round(looks=20)

    assert len({*many.looked} - before) >= SOURCES // 2 - AHEAD
    assert {*many.rung[:AHEAD]}.isdisjoint(before)


def test_erps_that_do_not_answer_take_the_others_room_for_a_minute_and_then_have_one_of_their_own(
    many: Installation,
) -> None:
    mute = frozenset(f"s{n:04}" for n in range(AHEAD))
    for _ in range(60):
        many.round(looks=50, but=mute)
    assert not many.looked.total()
    for _ in range(20):
        many.round(looks=50, but=mute)

    assert len(many.looked) == SOURCES - len(mute)
    assert len(mute.intersection(many.rung[AHEAD:])) == AHEAD_SLOW


def test_an_erp_whose_look_fails_is_done_with_as_soon_as_it_is_over(many: Installation) -> None:
    many.round()
    for source in many.rung[:AHEAD]:
        with many.ledger.offices.alone(look_office(source), seconds=300) as ours:
            assert ours()
    many.round()
    assert len(many.rung) == 2 * AHEAD


def test_a_look_whose_bell_was_lost_is_rung_for_again_after_ten_seconds_if_it_is_due(many: Installation) -> None:
    bell = _Bell(many.app, many.services)
    bell.discover("s0000")
    many.hear()
    many.clock.advance(9)
    assert not bell.has_room("s0000")
    many.clock.advance(1)
    assert bell.has_room("s0000")
    bell.discover("s0000")
    assert Bell(many.app).waiting() == 1
