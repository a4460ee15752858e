"""Alarms reach people at once, once, again while they last, and their end is told; whatever the mail server does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest

from connector.domain.catalogue import LANGUAGES
from connector.ledger.alarms import CALM
from connector.ledger.outbox import SENDING_SECONDS, Taken
from connector.notify.texts import Message
from tests.notify.conftest import Desk
from tests.support.mail import MailServer

OPS = "ops@example.com"
WELL_AGAIN = CALM.total_seconds() + 1
BEGUN = "[TEST simulator] Alarm: Account main is paused, nothing of it is sent:"
OVER = "[TEST simulator] Over: Account main works again; its invoices go on."


def test_an_alarm_is_told_at_once_and_once_with_what_to_do(desk: Desk) -> None:
    desk.pause()
    for _ in range(3):
        desk.wait_and_tell(30)

    [mail] = desk.mail.mails
    assert mail.to == OPS
    assert mail.subject.startswith(BEGUN)
    assert "Since 2026-01-15 12:00 (UTC)." in mail.text
    assert "What to do: " in mail.text
    assert "environment simulator" in mail.text


def test_while_it_lasts_it_is_told_again_and_its_end_is_told(desk: Desk) -> None:
    desk.pause()
    desk.tell()
    desk.wait_and_tell(4 * 3600)
    desk.wait_and_tell(60)
    assert len(desk.mail.mails) == 2
    assert "it still lasts" in desk.mail.mails[1].text

    desk.ledger.accounts.resume("main")
    desk.tell()
    assert len(desk.mail.mails) == 2, "it may come back at once"
    desk.wait_and_tell(WELL_AGAIN)
    desk.wait_and_tell(5 * 3600)

    assert desk.mail.subjects()[2:] == [OVER]
    assert "From 2026-01-15 12:00 (UTC) to 2026-01-15 16:01 (UTC)." in desk.mail.mails[2].text


def test_what_flickers_is_one_alarm(desk: Desk) -> None:
    for _ in range(5):
        desk.pause()
        desk.tell()
        desk.ledger.accounts.resume("main")
        desk.wait_and_tell(60)
    desk.wait_and_tell(WELL_AGAIN)

    assert [subject.partition(":")[0] for subject in desk.mail.subjects()] == [
        "[TEST simulator] Alarm",
        "[TEST simulator] Over",
    ]


def test_an_alarm_that_came_and_went_unseen_is_told_all_the_same(desk: Desk) -> None:
    desk.pause()
    desk.ledger.accounts.resume("main")
    desk.wait_and_tell(WELL_AGAIN)

    assert desk.mail.subjects() == [OVER], "one message tells of both"
    assert "From 2026-01-15 12:00 (UTC) to 2026-01-15 12:00 (UTC)." in desk.mail.mails[0].text


def test_a_mail_server_that_is_away_loses_nothing_and_doubles_nothing(desk: Desk) -> None:
    desk.mail.stop()
    desk.pause()
    for _ in range(10):
        desk.wait_and_tell(30)
    assert desk.ledger.outbox.backlogs()["ops"].count == 1

    desk.mail.start()
    for _ in range(40):
        desk.wait_and_tell(60)

    assert len(desk.mail.mails) == 1
    assert desk.ledger.outbox.backlogs() == {}


def test_the_pauses_between_tries_grow(open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk()
    tries: list[datetime] = []

    def fails(address: str, message: Message) -> bool:
        tries.append(desk.clock.now())
        return False

    monkeypatch.setattr(desk.services.notifier, "_send", fails)
    desk.pause()
    for _ in range(240):
        desk.wait_and_tell(30)

    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(tries)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1920]


def test_a_crash_between_sending_and_noting_it_tells_a_second_time_and_no_third(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(taken: list[Taken]) -> None:
        raise Killed

    desk.pause()
    with monkeypatch.context() as crash:
        crash.setattr(desk.ledger.outbox, "went", killed)
        with pytest.raises(Killed):
            desk.tell()
    assert len(desk.mail.mails) == 1

    desk.services = desk.another_process()
    desk.wait_and_tell(60)
    assert len(desk.mail.mails) == 1, "for all that anybody knows, the other one is still sending it"
    for _ in range(3):
        desk.wait_and_tell(SENDING_SECONDS)

    assert len(desk.mail.mails) == 2


def test_of_two_processes_one_tells(desk: Desk) -> None:
    other = desk.another_process()
    desk.pause()
    desk.services.notifier.plan_alarms()
    other.notifier.plan_alarms()
    taken = desk.ledger.outbox.take("ops")

    other.notifier.deliver()

    assert len(taken) == 1
    assert desk.mail.mails == []
    other.close()


def test_several_alarms_are_one_message(open_desk: Callable[..., Desk]) -> None:
    accounts = {name: {"account_id": name, "api_key": "key"} for name in ("a", "b", "c")}
    desk = open_desk(accounts=accounts, sources={})
    for name in accounts:
        desk.pause(name)
    desk.tell()

    [mail] = desk.mail.mails
    assert mail.subject == "[TEST simulator] 3 alarms"
    assert [f"Account {name} is paused" in mail.text for name in accounts] == [True, True, True]


def test_of_an_outage_of_all_accounts_a_message_tells_some_and_counts_the_others(
    open_desk: Callable[..., Desk],
) -> None:
    accounts = {f"a{number:02}": {"account_id": str(number), "api_key": "key"} for number in range(50)}
    desk = open_desk(accounts=accounts, sources={})
    for name in accounts:
        desk.pause(name)
    desk.ledger.alarms.begin("no_look", "erp", {"source": "erp", "since": "2026-01-01T00:00:00+00:00"})
    desk.tell()

    [mail] = desk.mail.mails
    assert mail.subject == "[TEST simulator] 51 alarms"
    assert mail.text.count("is paused") == 20
    assert "And 30 more like the last one." in " ".join(mail.text.split())
    assert "erp" in mail.text


def test_one_who_cannot_be_reached_costs_the_others_nothing(open_desk: Callable[..., Desk]) -> None:
    lost = MailServer().start()
    lost.stop()
    desk = open_desk(recipients={"gone": {"address": lost.address("gone@example.com")}, "ops": {}})
    desk.pause()
    desk.tell()
    desk.wait_and_tell(60)

    assert len(desk.mail.subjects(OPS)) == 1
    assert list(desk.ledger.outbox.backlogs()) == ["gone"]


# ---------------------------------------------------------------- to whom, when, in which words


@pytest.mark.parametrize(
    ("recipient", "hears"),
    [
        ({"for": "operators"}, True),
        ({"for": "accountants"}, False),
        ({"for": "operators", "accounts": ["main"]}, True),
        ({"for": "operators", "accounts": ["other"]}, False),
    ],
)
def test_it_is_told_to_whom_it_concerns(
    open_desk: Callable[..., Desk], recipient: dict[str, Any], hears: bool
) -> None:
    accounts = {name: {"account_id": name, "api_key": "key"} for name in ("main", "other")}
    desk = open_desk(accounts=accounts, recipients={"them": recipient})
    desk.pause()
    desk.tell()

    assert bool(desk.mail.mails) is hears


def test_what_concerns_a_source_concerns_its_accounts(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(
        accounts={name: {"account_id": name, "api_key": "key"} for name in ("main", "other")},
        sources={"erp": {"adapter": "sql", "accounts": {"1": "main"}}},
        recipients={"mine": {"accounts": ["main"]}, "others": {"accounts": ["other"]}},
    )
    desk.ledger.alarms.begin("no_look", "erp", {"source": "erp", "since": "2026-01-15T11:00:00+00:00"})
    desk.tell()

    assert [mail.to for mail in desk.mail.mails] == ["mine@example.com"]


def test_everybody_reads_it_in_their_language_and_time(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(
        environment="production",
        recipients={name: {"language": name, "time_zone": "Europe/Madrid"} for name in LANGUAGES},
    )
    desk.ledger.alarms.begin("no_look", "erp", {"source": "erp", "since": "2026-01-15T11:00:00+00:00"})
    desk.tell()

    assert {mail.to[:2]: mail.subject.partition(" (Europe/Madrid)")[0] for mail in desk.mail.mails} == {
        "en": "[production] Alarm: No look into source erp has succeeded since 2026-01-15 12:00",
        "es": "[production] Alarma: Ninguna consulta del origen erp ha salido bien desde 2026-01-15 12:00",
        "fr": "[production] Alarme : Aucune lecture de la source erp n'a réussi depuis 2026-01-15 12:00",
        "ca": "[production] Alarma: Cap consulta de l'origen erp no ha anat bé des de 2026-01-15 12:00",
    }


def test_in_quiet_hours_nobody_is_told_but_who_wants_to_be(open_desk: Callable[..., Desk]) -> None:
    night = {"quiet_hours": "20:00-07:30", "time_zone": "Europe/Madrid"}
    desk = open_desk(recipients={"asleep": night, "awake": {**night, "alarms_in_quiet_hours": True}})
    desk.clock.advance_to(datetime(2026, 1, 15, 23, 0, tzinfo=UTC))
    desk.pause()
    desk.tell()
    assert [mail.to for mail in desk.mail.mails] == ["awake@example.com"]

    desk.clock.advance_to(datetime(2026, 1, 16, 6, 29, tzinfo=UTC))
    desk.tell()
    assert desk.mail.subjects("asleep@example.com") == []
    desk.wait_and_tell(60)
    assert len(desk.mail.subjects("asleep@example.com")) == 1


def test_facts_from_outside_cannot_write_headers(desk: Desk) -> None:
    desk.ledger.accounts.pause("main", "outage", {"message": "no\r\nBcc: all@example.com\r\n\r\nhello"})
    desk.tell()

    [mail] = desk.mail.mails
    assert "\n" not in mail.subject
    assert mail.to == OPS
    assert "\nBcc:" not in mail.text


def test_without_recipients_alarms_are_kept_and_nothing_is_sent(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(recipients={})
    desk.pause()
    desk.tell()

    assert [alarm.code for alarm in desk.ledger.alarms.lasting()] == ["account_stopped"]
    assert desk.mail.mails == []


def test_services_other_than_mail_get_it_too(open_desk: Callable[..., Desk]) -> None:
    got: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base has it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        desk = open_desk(recipients={"chat": {"address": f"json://127.0.0.1:{server.server_port}/canary"}})
        desk.pause()
        desk.tell()
        server.shutdown()

    [one] = got
    assert one["title"].startswith(BEGUN)
    assert "What to do: " in one["message"]
