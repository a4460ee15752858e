"""What falls silent becomes an alarm after its time and ends by itself; the heartbeat goes while all is well."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connector.bench.throughput import tallied
from connector.bootstrap.telling import expected
from connector.domain.alarms import alarms
from connector.domain.errors import EnvironmentLockedError
from connector.domain.job import Event, Stage
from connector.domain.rounding import Way
from connector.errands import discover, notify, open_ledger
from connector.ledger import owner
from connector.ledger.accounts import SCHEDULER
from connector.ledger.actions import SKIP
from connector.ledger.alarms import CALM
from connector.ledger.records import Entry
from connector.lookout import UNTOLD, Lookout
from tests.notify.conftest import Desk
from tests.support.builders import invoice
from tests.support.erp import Erp
from tests.support.ledgers import ACCOUNT, SOURCE, add, advance_to, hold, jobs, lease_one, send, settle

HOUR = 3600.0
DAY = 24 * HOUR


def lasting(desk: Desk) -> set[str]:
    return {alarm.code for alarm in desk.ledger.alarms.lasting()}


def look(desk: Desk, after: float = 0.0, *, looked: bool = True, in_office: bool = True) -> set[str]:
    """Let time pass and watch; by default somebody is in office and looks into the ERP."""
    watch = desk.services.watch  # it watches from here on
    desk.clock.advance(after)
    if in_office:
        desk.ledger.offices.hold(SCHEDULER, seconds=30)
    if looked:
        desk.ledger.intake.remember(SOURCE, discovered_at=desk.clock.now())
    watch.look()
    return lasting(desk)


def test_all_is_well_where_everything_happens(desk: Desk) -> None:
    assert look(desk) == set()
    for _ in range(24):
        assert look(desk, HOUR) == set()


def test_no_look_for_an_hour(desk: Desk) -> None:
    look(desk)
    assert look(desk, HOUR, looked=False) == set()
    assert look(desk, 60, looked=False) == {"no_look"}
    assert look(desk, 60) == set()


def test_a_process_that_starts_after_a_long_pause_gives_the_first_look_its_time(desk: Desk) -> None:
    look(desk)
    desk.clock.advance(3 * DAY)
    desk.services = desk.another_process()

    assert look(desk, looked=False) == set()
    assert look(desk, HOUR + 1, looked=False) == {"no_look"}

    desk.services = desk.another_process()
    assert look(desk, 60, looked=False) == {"no_look"}, "a restart is no cure"


def test_nobody_in_the_scheduler_s_office(desk: Desk) -> None:
    look(desk)
    assert look(desk, 300, in_office=False) == set()
    assert look(desk, 60, in_office=False) == {"scheduler_silent"}
    assert look(desk, 60) == set()


def test_due_work_that_nobody_takes_up(desk: Desk) -> None:
    look(desk)
    add(desk.ledger, invoice("1"), invoice("2"))
    assert look(desk, 900) == set()
    assert look(desk, 60) == {"work_stalled"}

    [job] = desk.ledger.jobs.lease(ACCOUNT, 1)
    assert look(desk, 60) == set(), "a backlog is no fault while somebody works at it"
    desk.ledger.jobs.give_back(job)
    desk.pause()
    assert look(desk, HOUR) == {"account_stopped"}, "a paused account is an alarm of its own"


def test_invoices_that_are_late_whatever_the_cause(desk: Desk) -> None:
    look(desk)
    send(desk.ledger, lease_one(desk.ledger, invoice("sent")))
    job = lease_one(desk.ledger, invoice("1", number="F-1"))
    desk.ledger.jobs.settle(job, Event.STUCK, reason="lines_missing", details={}, entry=Entry(what="stuck"))

    assert look(desk, 72 * HOUR) == set()
    assert look(desk, 60) == {"invoices_overdue"}
    [alarm] = desk.ledger.alarms.lasting()
    assert (alarm.details["count"], alarm.details["number"], alarm.details["hours"]) == ("1", "F-1", "72")

    desk.ledger.jobs.rescue()
    with desk.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET status = 'skipped' WHERE number = 'F-1'")
    assert look(desk, 60) == set()


def test_following_that_fails_for_an_hour(desk: Desk) -> None:
    look(desk)
    desk.ledger.accounts.learn(ACCOUNT, Way())
    for _ in range(7):
        fails_to_follow(desk)
        assert look(desk, 600) == set()
    fails_to_follow(desk)
    assert look(desk, 60) == {"states_unseen"}
    [alarm] = desk.ledger.alarms.lasting()
    assert alarm.subject == ACCOUNT

    desk.services = desk.another_process()
    assert look(desk, DAY) == {"states_unseen"}, "a restart is no cure"
    desk.ledger.following.looked(ACCOUNT, desk.clock.now(), proved=None)
    assert look(desk) == set()


def fails_to_follow(desk: Desk) -> None:
    desk.ledger.following.look_later(ACCOUNT, desk.clock.now() + timedelta(minutes=1))


def test_one_failure_of_following_a_day_is_none_that_lasts(desk: Desk) -> None:
    look(desk)
    desk.ledger.accounts.learn(ACCOUNT, Way())
    for _ in range(3):
        fails_to_follow(desk)
        assert look(desk, 60) == set()
        assert look(desk, DAY) == set()


def test_a_comparison_that_cannot_be_made(desk: Desk) -> None:
    look(desk)
    compared(desk, fault=None)
    assert look(desk, 7 * DAY) == set()
    for _ in range(2):
        compared(desk, fault="remote_unavailable")
        assert look(desk, 6 * HOUR) == set()
    compared(desk, fault="remote_unavailable")
    assert look(desk, HOUR) == {"not_compared"}

    compared(desk, fault=None)
    assert look(desk) == set()


def test_not_even_the_first_one(desk: Desk) -> None:
    look(desk)
    compared(desk, fault="remote_unavailable")
    assert look(desk, 12 * HOUR) == set()
    compared(desk, fault="stopped")
    assert look(desk, 60) == {"not_compared"}

    desk.pause()
    assert look(desk, 60) == {"account_stopped"}, "an alarm of its own"


def test_where_nothing_is_compared_nothing_is_missed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(reconcile={"every_days": 0})
    look(desk)
    compared(desk, fault="remote_unavailable")
    assert look(desk, 3 * DAY) == set()


def compared(desk: Desk, *, fault: str | None) -> None:
    run = desk.ledger.reconciliations.begin(ACCOUNT, None, None)
    assert run is not None
    desk.ledger.reconciliations.finish(run, by_reason={}, for_person=0, sides={}, fault=fault)


def test_a_limit_of_one_s_own_or_none(open_desk: Callable[..., Desk]) -> None:
    accounts = {
        "quick": {"account_id": "1", "api_key": "key", "overdue_hours": 2},
        "slow": {"account_id": "2", "api_key": "key", "overdue_hours": None},
    }
    desk = open_desk(accounts=accounts, sources={})
    look(desk)
    for name in accounts:
        add(desk.ledger, invoice(name), account=name)
        [job] = desk.ledger.jobs.lease(name, 1)
        desk.ledger.jobs.settle(job, Event.STUCK, reason="lines_missing", details={}, entry=Entry(what="stuck"))
    look(desk, 3 * HOUR, looked=False)

    assert [(alarm.code, alarm.subject) for alarm in desk.ledger.alarms.lasting()] == [("invoices_overdue", "quick")]


def test_nothing_new_for_some_working_days(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(sources={"erp": {"adapter": "sql", "account": "main", "silent_after": 2}})
    desk.ledger.stamps.check_source("erp", "sqlite:erp")  # Thursday, 15 January
    assert look(desk, 2 * DAY) == set()  # Friday was the first whole day; the weekend does not count
    assert look(desk, 2 * DAY) == set()  # Monday is the second one, and not over
    assert look(desk, DAY) == {"nothing_found"}
    assert desk.ledger.alarms.lasting()[0].details["days"] == "2"

    add(desk.ledger, invoice("1"))
    assert look(desk) == set()


def test_an_account_of_another_environment(open_desk: Callable[..., Desk], desk: Desk) -> None:
    desk.ledger.accounts.stamp(
        "main", environment="simulator", host="h", account_id="1", remote_id="1", tax_number=None
    )
    assert look(desk) == set()

    moved = open_desk(environment="staging")
    assert look(moved) == {"account_is_another"}
    assert look(desk) == set()


def test_a_source_that_is_another_database(desk: Desk) -> None:
    erp = Erp(desk.clock)
    desk.services.erps.use("erp", erp)
    discover(desk.services, "erp")
    assert lasting(desk) == set()

    erp.identity = lambda: "sqlite:/elsewhere#2"  # type: ignore[method-assign]
    discover(desk.services, "erp")
    assert lasting(desk) == {"source_is_another"}

    del erp.identity
    discover(desk.services, "erp")
    assert lasting(desk) == set()


def test_of_a_source_that_is_paused_or_gone_nothing_is_missed_that_its_erp_was_not_told(
    open_desk: Callable[..., Desk], desk: Desk
) -> None:
    facts = {"source": SOURCE, "since": "2026-01-15T11:00:00+00:00", "fault": "No right."}
    desk.ledger.alarms.begin("erp_not_told", SOURCE, facts)
    assert look(desk) == {"erp_not_told"}
    desk.ledger.sources.pause(SOURCE, who="ana", note="moves", until=None)
    assert look(desk) == set()

    desk.ledger.alarms.begin("erp_not_told", SOURCE, facts)
    assert look(open_desk(sources={}), looked=False) == set()


def test_alarms_of_an_account_that_left_the_configuration_are_over(desk: Desk) -> None:
    look(desk)
    for code, one in alarms().items():
        if "{account}" in one.lasting.sentences["en"]:
            desk.ledger.alarms.begin(code, "old", {"account": "old"})
    desk.pause("old")
    desk.ledger.alarms.begin("completeness_gap", ACCOUNT, {"account": ACCOUNT})
    assert not desk.services.watch.all_is_well(), "work_stalled is among them"

    assert look(desk, 300) == {"completeness_gap"}
    [alarm] = desk.ledger.alarms.lasting()
    assert alarm.subject == ACCOUNT, "what an account of the configuration has is still told"
    assert desk.services.watch.all_is_well()


OTHER = {"other": {"account_id": "2", "api_key": "key"}}


def test_invoices_of_an_account_that_was_renamed(open_desk: Callable[..., Desk], desk: Desk) -> None:
    add(desk.ledger, invoice("1"), invoice("2"))
    renamed = open_desk(accounts=OTHER, sources={"erp": {"adapter": "sql", "account": "other"}})
    for minutes in (0, 10, 5):
        assert look(renamed, 60 * minutes) == set()
    assert look(renamed, 300) == {"account_gone"}
    [alarm] = desk.ledger.alarms.lasting()
    assert alarm.subject == ACCOUNT
    assert (alarm.details["count"], alarm.details["source"]) == ("2", SOURCE)

    renamed.services = renamed.another_process()
    assert look(renamed, HOUR) == {"account_gone"}, "a restart is no cure"
    assert look(desk) == set(), "the account is back under its name"


def test_they_are_left_out_or_sent_by_hand(open_desk: Callable[..., Desk], desk: Desk) -> None:
    hold(desk.ledger, lease_one(desk.ledger, invoice("1")))
    gone = open_desk(accounts=OTHER, sources={})
    look(gone, looked=False)
    assert look(gone, HOUR, looked=False) == {"account_gone"}

    desk.ledger.actions.perform(SKIP, jobs(desk.ledger), who="ana", note="on paper")
    assert look(gone, HOUR, looked=False) == set()


def test_invoices_of_a_source_that_left_its_account(open_desk: Callable[..., Desk], desk: Desk) -> None:
    add(desk.ledger, invoice("1"), source="shop")
    hold(desk.ledger, lease_one(desk.ledger))
    look(desk)
    assert "account_gone" in look(desk, HOUR)
    [alarm] = [alarm for alarm in desk.ledger.alarms.lasting() if alarm.code == "account_gone"]
    assert (alarm.subject, alarm.details["count"], alarm.details["source"]) == (ACCOUNT, "1", "shop")


def test_an_invoice_that_was_sent_and_is_not_written_back_any_more(
    open_desk: Callable[..., Desk], desk: Desk
) -> None:
    job = lease_one(desk.ledger, invoice("1"))
    job = advance_to(desk.ledger, job, [Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED, Stage.SENT])
    settle(desk.ledger, job, Event.POSTPONED, "erp_unavailable", delay=60)
    moved = open_desk(accounts=OTHER, sources={"erp": {"adapter": "sql", "account": "other"}})
    look(moved)
    assert look(moved, HOUR) == {"account_gone"}


def test_what_a_removed_source_has_due_is_no_work_that_stalls(open_desk: Callable[..., Desk], desk: Desk) -> None:
    add(desk.ledger, invoice("1"), source="shop")
    look(desk)
    assert "work_stalled" not in look(desk, HOUR)


def test_a_change_of_the_configuration_begins_the_time_anew(open_desk: Callable[..., Desk], desk: Desk) -> None:
    add(desk.ledger, invoice("1"))
    hold(desk.ledger, lease_one(desk.ledger))
    look(desk)
    look(desk, HOUR)
    desk.services.watch.expect(expected(open_desk(accounts=OTHER, sources={}).settings))
    assert look(desk) == set(), "this may be one of two steps"
    assert look(desk, 960) == {"account_gone"}


def test_of_an_account_that_is_gone_those_hear_whose_source_it_was(
    open_desk: Callable[..., Desk], desk: Desk
) -> None:
    add(desk.ledger, invoice("1"))
    recipients = {"ops": {"for": "operators", "accounts": ["other"]}, "all": {"for": "operators"}}
    for sources in ({"erp": {"adapter": "sql", "account": "other"}}, {}):
        renamed = open_desk(accounts=OTHER, sources=sources, recipients=recipients)
        look(renamed)
        assert look(renamed, 960) == {"account_gone"}
        [standing] = desk.ledger.alarms.lasting()
        accounts_of = {name: source.issuers for name, source in renamed.settings.sources.items()}
        assert all(to.hears(standing, accounts_of) for to in renamed.services.recipients)


def test_an_account_that_comes_back_and_still_does_not_work_is_told_of_again(
    open_desk: Callable[..., Desk], desk: Desk
) -> None:
    desk.pause()
    assert look(open_desk(accounts=OTHER, sources={}), looked=False) == set()

    assert desk.ledger.accounts.to_probe() == []
    desk.clock.advance(60)
    assert desk.ledger.accounts.to_probe() == [ACCOUNT], "it is tried, and then"
    desk.pause()
    assert look(desk) == {"account_stopped"}


def test_a_copied_ledger_says_so_and_tells_nothing_else(desk: Desk, tmp_path: Path) -> None:
    desk.ledger.stamps.check_ledger()
    desk.pause()
    desk.services.notifier.plan_alarms()  # the original will tell of that
    copy = tmp_path / "copy.db"
    with desk.ledger.database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql(f"VACUUM INTO '{copy}'")
        connection.exec_driver_sql("BEGIN")
    elsewhere = Desk(f"sqlite:///{copy}", desk.mail, desk.clock)

    for _ in range(3):
        with pytest.raises(EnvironmentLockedError):
            open_ledger(elsewhere.services)
        elsewhere.services.close()
        elsewhere.services = elsewhere.another_process()
    elsewhere.services.close()

    assert desk.mail.subjects() == [
        "[TEST simulator] Alarm: The connector does not start: its ledger is a copy of another one. Nothing is sent."
    ]


# ---------------------------------------------------------------- others that look


def test_where_nobody_tells_people_any_more_another_process_does(desk: Desk) -> None:
    lookout = Lookout(desk.services)
    desk.services.watch  # noqa: B018  # it watches from here on
    notify(desk.services)
    desk.clock.advance(360)
    notify(desk.services)
    desk.pause()
    lookout.look()
    assert "account_stopped" in lasting(desk)
    assert len(desk.mail.mails) == 1, "of the scheduler; whoever tells people has just done so"

    desk.clock.advance(UNTOLD.total_seconds() + 1)
    lookout.look()
    assert len(desk.mail.mails) == 2


# ---------------------------------------------------------------- the dead-man's switch


class Switch:
    """Counts the calls that it gets."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 200
        switch = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                switch.calls.append(f"{self.command} {self.path}")
                self.send_response(switch.status)
                self.end_headers()

            do_POST = do_GET  # noqa: N815  # as the base asks for it

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base has it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/canary-ping-token"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def switch() -> Iterator[Switch]:
    made = Switch()
    yield made
    made.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_heartbeat_goes_once_a_minute_while_all_is_well(
    open_desk: Callable[..., Desk], switch: Switch, method: str
) -> None:
    desk = open_desk(notifications={"heartbeat_url": switch.url, "heartbeat_method": method})
    for _ in range(8):
        look(desk, 15)
        notify(desk.services)

    assert switch.calls == [f"{method} /canary-ping-token"] * 2


def test_it_stays_away_when_something_has_fallen_silent_and_comes_back(
    open_desk: Callable[..., Desk], switch: Switch
) -> None:
    desk = open_desk(notifications={"heartbeat_url": switch.url})
    look(desk, looked=False)
    notify(desk.services)
    assert switch.calls == [], "no look has succeeded yet"

    look(desk, 60)
    notify(desk.services)
    assert len(switch.calls) == 1
    look(desk, 3 * HOUR, looked=False)
    notify(desk.services)
    assert len(switch.calls) == 1

    look(desk, 60)
    notify(desk.services)
    assert len(switch.calls) == 2


def test_a_switch_that_does_not_answer_disturbs_nothing_and_its_url_is_never_told(
    open_desk: Callable[..., Desk], switch: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = open_desk(notifications={"heartbeat_url": switch.url})
    switch.status = 500
    look(desk)
    notify(desk.services)
    switch.close()
    look(desk, 61)
    notify(desk.services)

    told = [record.getMessage() for record in caplog.records if record.name == "connector.notify.heartbeat"]
    assert told == ["the heartbeat was answered with status 500", "the heartbeat did not arrive: ConnectError"]
    assert desk.ledger.outbox.signed("heartbeat") is None


def test_calm_is_shorter_than_what_counts_as_silence() -> None:
    assert CALM <= UNTOLD


def test_two_processes_do_not_watch_beside_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    watch = desk.services.watch

    def look_long(_ours: Callable[[], bool]) -> None:
        looks.append("one")
        monkeypatch.setattr(owner, "this_process", lambda: "another")
        notify(desk.services)
        monkeypatch.undo()

    monkeypatch.setattr(watch, "look", look_long)
    notify(desk.services)

    assert looks == ["one"]


@pytest.fixture
def large(open_desk: Callable[..., Desk]) -> Callable[[int], Desk]:
    """An installation of so many accounts, each with work that stalls and an invoice that is overdue."""

    def open_one(number: int) -> Desk:
        accounts = {f"a{n}": {"account_id": str(n), "api_key": "key"} for n in range(number)}
        sources = {f"s{n}": {"adapter": "sql", "account": f"a{n}"} for n in range(number)}
        desk = open_desk(accounts=accounts, sources=sources)
        look(desk)
        for n in range(number):
            add(desk.ledger, invoice("1"), account=f"a{n}", source=f"s{n}")
        return desk

    return open_one


def test_a_look_asks_the_ledger_as_often_for_many_accounts_as_for_one(large: Callable[[int], Desk]) -> None:
    asked, told = [], Counter[str]()
    for desk in map(large, (1, 41)):
        look(desk, 73 * HOUR)
        with tallied(desk.ledger.database.engine) as tally:
            desk.services.watch.look()
            desk.services.watch.all_is_well()
        asked.append(tally.statements)
        told = Counter(alarm.code for alarm in desk.ledger.alarms.lasting())

    assert asked[1] == asked[0]
    assert told["work_stalled"] == told["invoices_overdue"] == 41


def test_a_look_at_many_accounts_stays_with_whoever_makes_it_however_long_it_takes(
    large: Callable[[int], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, held = large(5), list[bool]()
    desk.clock.advance(73 * HOUR)
    begin = desk.ledger.alarms.begin

    def begin_slowly(code: str, subject: str, details: Mapping[str, str]) -> bool:
        desk.clock.advance(50)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(owner, "this_process", lambda: "another")
            held.append(not desk.ledger.offices.hold("notify", seconds=1))
        return begin(code, subject, details)

    monkeypatch.setattr(desk.ledger.alarms, "begin", begin_slowly)
    notify(desk.services)

    assert len(held) >= 10
    assert all(held)


def test_a_look_that_another_process_has_taken_over_ends(large: Callable[[int], Desk]) -> None:
    desk = large(5)
    desk.clock.advance(73 * HOUR)
    sources, accounts = [True] * 5, [True, True, False]
    asked = iter([*sources, *accounts])
    desk.services.watch.look(lambda: next(asked))
    assert {alarm.subject for alarm in desk.ledger.alarms.lasting() if alarm.code == "work_stalled"} == {"a0", "a1"}
