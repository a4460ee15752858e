"""The scheduler's round with many accounts: what it costs does not grow with their number."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from config.sections.sources import SourceSettings
from config.settings import Settings
from connector import duties
from connector.bench.throughput import tallied
from connector.bootstrap import Services
from connector.domain.errors import EnvironmentLockedError, LedgerError, UsageError
from connector.domain.job import Stage, Status
from connector.domain.remote_state import News
from connector.domain.rounding import Way
from connector.duties import FOLLOW_EVERY, NOTIFY_EVERY, OFFICE_SECONDS, Duties, rounds
from connector.ledger import Ledger, schema, waiting
from connector.ledger.accounts import SCHEDULER
from connector.ledger.following import Change
from connector.ledger.queries import Filter
from connector.ledger.tables import LeaseRow
from connector.ports import Adapter
from connector.supervision import let_all_wait
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.erp import Erp
from tests.support.ledgers import add, send

EVERYTHING_ONCE = 700  # seconds, after which each duty has come round


class Round:
    """The scheduler of an installation with so many accounts, each of which was used before."""

    def __init__(self, folder: Path, accounts: int, **bells: Callable[..., object]) -> None:
        self.clock = FakeClock()
        self.names = [f"tenant{n}" for n in range(accounts)]
        settings = Settings.model_validate(
            {
                "accounts": {name: {"account_id": name, "api_key": "test_key"} for name in self.names},
                "sources": {name: {"adapter": "sql", "url": "sqlite://", "account": name} for name in self.names},
            }
        )
        self.services = Services(settings)
        self.ledger = Ledger(f"sqlite:///{folder / f'{accounts}.db'}", clock=self.clock)
        self.services.__dict__["ledger"] = self.ledger
        schema.upgrade(self.ledger.database)
        for name in self.names:
            self.ledger.accounts.learn(name, Way())
        self.rung: list[str] = []
        nothing = lambda _: None  # noqa: E731
        silent: dict[str, Any] = {
            "ring": self.rung.append,
            "discover": nothing,
            "follow": nothing,
            "notify": lambda: None,
            "archive": nothing,
            "reconcile": nothing,
        }
        self.duties = Duties(self.services, **{**silent, **bells})

    def statements(self) -> int:
        """What a later round asks of the ledger when each duty is due."""
        self.duties.tick()
        self.clock.advance(EVERYTHING_ONCE)
        with tallied(self.ledger.database.engine) as tally:
            self.duties.tick()
        return tally.statements


def test_a_round_asks_the_ledger_as_often_for_a_hundred_accounts_as_for_one(tmp_path: Path) -> None:
    few, many = Round(tmp_path, 1), Round(tmp_path, 100)
    assert many.statements() == few.statements()


def test_so_it_does_where_each_has_a_document_of_which_news_is_expected(tmp_path: Path) -> None:
    """As long as nobody has looked, and nobody has compared, it is due again and again."""
    asked = []
    for number in (2, 20):
        followed: list[str] = []
        compared: list[str] = []
        round_ = Round(tmp_path, number, follow=followed.append, reconcile=compared.append)
        for name in round_.names:
            add(round_.ledger, invoice("1"), account=name, source=name)
            [job] = round_.ledger.jobs.lease(name, 1)
            job = send(round_.ledger, job, f"{name} 1")
            round_.ledger.jobs.give_back(job)
        asked.append(round_.statements())
        assert sorted({*followed}) == sorted({*compared}) == sorted(round_.names)
    assert asked[0] == asked[1]


def test_paused_accounts_whose_jobs_wait_cost_the_round_nothing_however_many(tmp_path: Path) -> None:
    round_ = Round(tmp_path, 50)
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    for name in round_.names:
        round_.ledger.accounts.pause(name, "outage", {})
    assert let_all_wait(round_.services, seconds=60)
    assert round_.ledger.queries.by_status()[Status.WAITING] == 1

    with tallied(round_.ledger.database.engine) as tally:
        assert let_all_wait(round_.services, seconds=60)
    assert tally.statements <= 5


def test_a_large_backlog_of_one_paused_account_does_not_keep_that_of_another_from_saying_why_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PIECE", 1)
    round_ = Round(tmp_path, 2)
    for name in round_.names:
        add(round_.ledger, *(invoice(str(n)) for n in range(40)), account=name, source=name)
        round_.ledger.accounts.pause(name, "outage", {})

    for _ in range(30):
        assert not let_all_wait(round_.services, seconds=0)

    told = Counter(job.account for job in round_.ledger.queries.jobs(Filter(status=Status.WAITING)))
    assert told.keys() == {*round_.names}
    assert told.total() == 30


def test_no_account_s_bell_comes_always_behind_those_of_older_backlogs(tmp_path: Path) -> None:
    """Where accounts are more than threads, whoever comes first of a round is worked, and the others wait."""
    round_ = Round(tmp_path, 3)
    add(round_.ledger, *(invoice(f"a{n}") for n in range(50)), account="tenant1", source="tenant1")
    round_.clock.advance(timedelta(minutes=1).total_seconds())
    add(round_.ledger, invoice("b"), account="tenant0", source="tenant0")
    first = Counter[str]()
    for _ in range(40):
        round_.rung.clear()
        round_.duties.tick()
        assert sorted(round_.rung) == ["tenant0", "tenant1"], "each once, however much it has"
        first[round_.rung[0]] += 1
    assert first.keys() == {"tenant0", "tenant1"}


@pytest.mark.parametrize("is_sent", [False, True])
def test_an_account_is_left_in_peace_for_what_a_removed_source_has_due(tmp_path: Path, is_sent: bool) -> None:
    round_ = Round(tmp_path, 2)
    add(round_.ledger, invoice("1"), account="tenant0", source="removed")
    if is_sent:
        [job] = round_.ledger.jobs.lease("tenant0", 1)
        round_.ledger.jobs.give_back(round_.ledger.jobs.advance(job, Stage.SENT))
    round_.duties.tick()
    assert round_.rung == []

    add(round_.ledger, invoice("2"), account="tenant0", source="tenant0")
    round_.duties.tick()
    assert round_.rung == ["tenant0"]


def test_what_is_to_be_issued_does_not_wait_for_the_bells_of_looks_into_thousands_of_erps(tmp_path: Path) -> None:
    looked: list[str] = []

    def slow(source: str) -> None:
        assert round_.rung, "first what is due"
        round_.clock.advance(0.4)
        looked.append(source)

    round_ = Round(tmp_path, 10, discover=slow)
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    rounds_made = 0
    while len(looked) < 10:
        before = len(looked)
        round_.duties.tick()
        rounds_made += 1
        assert len(looked) - before <= 3
    assert sorted(looked) == sorted(round_.names), "each has its turn before any has a second one"
    assert rounds_made == 4


def test_a_source_whose_settings_changed_is_looked_into_at_once_and_no_other(tmp_path: Path) -> None:
    looked: list[str] = []
    round_ = Round(tmp_path, 3, discover=looked.append)
    round_.duties.tick()
    assert sorted(looked) == round_.names
    looked.clear()

    settings = round_.services.settings
    changed = settings.sources["tenant1"].model_copy(update={"since": NOON.date()})
    sources = {**settings.sources, "tenant1": changed}
    round_.services.settings = settings.model_copy(update={"sources": sources})
    for _ in range(3):
        round_.duties.tick()
    assert looked == ["tenant1"]


def test_a_look_for_which_there_is_no_room_keeps_its_turn_and_others_are_late_until_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="connector.duties")
    looked: list[str] = []
    free = 1

    def has_room(_: str) -> bool:
        return len(looked) < free

    round_ = Round(tmp_path, 3, discover=looked.append, has_room=has_room)
    for _ in range(6):
        round_.duties.tick()
        round_.clock.advance(70)
        free += 1
    assert looked == [*round_.names, *round_.names]

    free = 100
    for _ in range(2):
        round_.duties.tick()
        round_.clock.advance(60)
    told = [record.getMessage() for record in caplog.records if "looks into ERPs" in record.getMessage()]
    assert ["seconds late" in line for line in told] == [True, False]


def test_the_office_is_kept_while_bells_are_rung_slowly(tmp_path: Path) -> None:
    left: list[timedelta] = []

    def slow(account: str) -> None:
        until = round_.ledger.offices.held_until(SCHEDULER)
        assert until is not None
        left.append(until - round_.clock.now())
        round_.clock.advance(4)

    round_ = Round(tmp_path, 10, ring=slow)
    for name in round_.names:
        add(round_.ledger, invoice(name), account=name, source=name)
    while len(left) < 10:
        round_.duties.tick()

    assert min(left) > timedelta(seconds=OFFICE_SECONDS / 2)


def test_the_office_is_kept_while_duties_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = Round(tmp_path, 1)
    left: list[timedelta] = []
    takes_long(round_, monkeypatch, left)
    round_.duties.tick()

    assert len(left) == 3
    assert min(left) > timedelta(seconds=OFFICE_SECONDS / 2)


def test_whoever_has_lost_the_office_in_a_duty_does_no_other_of_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, notified = Trouble(None), Trouble(None)
    round_ = Round(tmp_path, 1, discover=looked, notify=notified)
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    round_.duties.tick()
    round_.clock.advance(EVERYTHING_ONCE)
    before = (looked.calls, notified.calls, len(round_.rung))

    def lose() -> None:
        round_.clock.advance(OFFICE_SECONDS + 1)
        with round_.ledger.database.write() as connection:
            until = round_.clock.now() + timedelta(minutes=1)
            connection.execute(update(LeaseRow).values(owner="another", leased_until=until))

    monkeypatch.setattr(round_.ledger.ramp, "refill", lambda _: lose())
    round_.duties.tick()

    assert (looked.calls, notified.calls, len(round_.rung)) == before


def takes_long(round_: Round, monkeypatch: pytest.MonkeyPatch, left: list[timedelta]) -> None:
    """Have three duties of a round take ten seconds each; note how long the office was held yet when each began."""

    def slow(act: Callable[..., Any]) -> Callable[..., Any]:
        def late(*values: Any) -> Any:
            until = round_.ledger.offices.held_until(SCHEDULER)
            assert until is not None
            left.append(until - round_.clock.now())
            round_.clock.advance(10)
            return act(*values)

        return late

    ledger = round_.ledger
    for where, name in ((ledger.jobs, "rescue"), (ledger.accounts, "to_probe"), (ledger.inbox, "sort_out")):
        monkeypatch.setattr(where, name, slow(getattr(where, name)))


def test_slow_bells_keep_the_rest_of_the_round_waiting_for_a_second_and_the_next_round_goes_on(
    tmp_path: Path,
) -> None:
    rung: list[str] = []

    def slow(account: str) -> None:
        rung.append(account)
        round_.clock.advance(0.4)

    looked = Trouble(None)
    round_ = Round(tmp_path, 10, ring=slow, notify=looked)
    for name in round_.names:
        add(round_.ledger, invoice(name), account=name, source=name)
    round_.duties.tick()
    assert (len(rung), looked.calls) == (3, 1)

    for _ in range(3):
        round_.duties.tick()
    assert sorted(rung) == sorted(round_.names), "each has its turn before any has a second one"
    round_.duties.tick()
    assert len(rung) == 13


def test_a_duty_whose_turn_comes_rarely_goes_on_in_the_next_round_as_well(tmp_path: Path) -> None:
    followed: list[str] = []

    def slow(account: str) -> None:
        followed.append(account)
        round_.clock.advance(0.6)

    round_ = Round(tmp_path, 3, follow=slow)
    for name in round_.names:
        round_.services.erps.use(name, Erp(round_.clock))
        becomes_known(round_.ledger, name)
    round_.duties.tick()
    assert len(followed) == 2
    round_.duties.tick()
    assert sorted(followed) == round_.names


def test_of_more_accounts_than_workers_get_through_some_are_rung_at_a_time_and_each_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "MOST_COMPARED", 4)
    compared: list[str] = []
    round_ = Round(tmp_path, 10, reconcile=compared.append)
    monkeypatch.setattr(duties, "to_reconcile", lambda _: round_.names)  # however often they are rung
    for expected in ([4], [8], [10], [14]):
        round_.duties.tick()
        round_.duties.tick()  # before its next turn
        assert [len(compared)] == expected
        round_.clock.advance(duties.RECONCILE_LOOK)
    assert sorted(compared[:10]) == round_.names


def test_nothing_more_is_begun_once_the_process_is_to_end(tmp_path: Path) -> None:
    rung: list[str] = []

    def last(account: str) -> None:
        rung.append(account)
        round_.services.stop.set()

    others = Trouble(None)
    round_ = Round(tmp_path, 10, ring=last, discover=others, notify=others)
    for name in round_.names:
        add(round_.ledger, invoice(name), account=name, source=name)
    round_.duties.tick()

    assert (len(rung), others.calls) == (1, 0)


class Trouble:
    """A bell that fails for as long as there is an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, *_: str) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


def test_a_duty_that_fails_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    trouble = Trouble(RuntimeError("can't start new thread"))
    round_ = Round(tmp_path, 1, discover=trouble)
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    round_.duties.tick()

    assert (trouble.calls, round_.rung) == (1, ["tenant0"])


def test_a_duty_that_fails_is_tried_at_its_next_turn_and_told_once_while_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="connector.duties")
    trouble = Trouble(UsageError("The vault is sealed.", action="Open it."))
    round_ = Round(tmp_path, 1, notify=trouble)
    for turn in range(1, 4):
        round_.duties.tick()
        round_.duties.tick()
        assert trouble.calls == turn, "not before its time"
        round_.clock.advance(NOTIFY_EVERY)
    trouble.error = None
    round_.duties.tick()

    told = [record.getMessage() for record in caplog.records if "notify" in record.getMessage()]
    assert told == ["notify fails and is tried again: The vault is sealed. Open it.", "notify works again"]


@pytest.mark.parametrize(
    "error", [LedgerError("It is away."), EnvironmentLockedError("It is a copy."), KeyboardInterrupt()]
)
def test_what_is_no_duty_s_own_failure_is_not_swallowed(tmp_path: Path, error: BaseException) -> None:
    round_ = Round(tmp_path, 1, notify=Trouble(error))
    with pytest.raises(type(error)):
        round_.duties.tick()


def test_the_rounds_go_on_until_they_are_stopped(tmp_path: Path) -> None:
    stop = Event()
    round_ = Round(tmp_path, 1, discover=Trouble(RuntimeError("can't start new thread")), ring=lambda _: stop.set())
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    rounds(round_.duties, stop)

    assert stop.is_set()


def test_a_source_that_cannot_be_opened_keeps_no_other_account_from_being_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    followed: list[str] = []
    round_ = Round(tmp_path, 2, follow=followed.append)
    round_.services.settings.sources["tenant0"] = SourceSettings.model_validate(
        {"adapter": "sql", "url_command": ["false"], "account": "tenant0"}
    )
    round_.services.erps.use("tenant1", Erp(round_.clock))
    becomes_known(round_.ledger, "tenant0")
    becomes_known(round_.ledger, "tenant1")
    for _ in range(3):
        round_.duties.tick()
        round_.clock.advance(FOLLOW_EVERY)

    assert followed == ["tenant1"] * 3
    assert caplog.text.count("url_command: false ended") == 1


def test_only_the_erps_of_what_is_to_be_told_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[str] = []
    round_ = Round(tmp_path, 20, follow=followed.append)
    round_.services.erps.use("tenant7", Erp(round_.clock))
    becomes_known(round_.ledger, "tenant7")
    opened: list[str] = []
    adapters_of = round_.services.adapters_of

    def noted(account: str) -> Mapping[str, Adapter]:
        opened.append(account)
        return adapters_of(account)

    monkeypatch.setattr(round_.services, "adapters_of", noted)
    round_.duties.tick()

    assert (followed, opened) == (["tenant7"], ["tenant7"])


def becomes_known(ledger: Ledger, account: str) -> None:
    """A document of an account was issued, and the ERP is to be told how it fares."""
    add(ledger, invoice("1"), account=account, source=account)
    [job] = ledger.jobs.lease(account, 1)
    send(ledger, job, "1")
    [followed] = ledger.following.jobs(account, ["1"]).values()
    ledger.following.take([Change(job=followed, news=News(state="accepted", changed_at=NOON), note=None)])


def test_what_was_found_while_the_clock_was_ahead_is_issued_minutes_after_it_is_right(tmp_path: Path) -> None:
    round_ = Round(tmp_path, 1)
    round_.clock.put(30 * 86400)
    add(round_.ledger, invoice("1"), account="tenant0", source="tenant0")
    round_.clock.put(-30 * 86400)

    for _ in range(0, EVERYTHING_ONCE, 10):
        round_.duties.tick()
        round_.clock.advance(10)

    assert "tenant0" in round_.rung
