"""`connector check`."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.domain.wording import sentences
from connector.ledger.database import Database
from connector.operations import checkup
from connector.simulator.seeds import plant_accounts
from tests.cli.shop import Outcome, Shop


def rows(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["status"], row["message"]) for row in outcome.json["checks"]}


def test_every_part_has_a_row(day: Shop) -> None:
    done = day.run("check", "--json")
    assert done.status == 0
    assert all(set(row) == {"name", "status", "message", "action"} for row in done.json["checks"])
    told = rows(done)
    for part in ("configuration", "ledger", "broker", "account spain", "account france", "clock"):
        assert told[part][0] == "ok"
    assert "ESB76543214" in told["account spain"][1]
    assert "rounding half_up" in told["account spain"][1]
    assert told["account spain: stamp"] == ("ok", "the ledger belongs to this environment")
    assert "through account france" in told["booking: company 2"][1]
    assert told["booking: write-back"] == ("ok", "by the statement write_back; read_back answers")


def many_accounts(shop: Shop, count: int, *, timeout: float) -> Path:
    """A configuration with so many accounts beside spain and france, whose ids begin with 9."""
    extra = "".join(
        f'[accounts.a{number}]\naccount_id = "9{number}"\napi_key = "test_key"\n\n' for number in range(count)
    )
    pace = ("timeout = 2\nquiet_time = 2.4", f"timeout = {timeout}\nquiet_time = {2 * timeout}")
    return shop.changed(pace, ("[ledger]", f"{extra}[ledger]"))


def second_source(shop: Shop) -> Path:
    """A configuration with a source of files too, and an account of its own."""
    plant_accounts(shop.world, [{"id": 3, "name": "Lone, S.L."}], api_key="test_key")
    inbox = shop.folder / "inbox"
    inbox.mkdir()
    return shop.changed(
        ("[ledger]", '[accounts.lone]\naccount_id = "3"\napi_key = "test_key"\n\n[ledger]'),
        extra=f"""
[sources.files]
adapter = "folder"
account = "lone"
since = 2026-01-01

[sources.files.options]
folder = "{inbox}"
""",
    )


def tried(outcome: Outcome) -> set[str]:
    """The accounts, sources and companies that have rows."""
    names = [name.split(": ") for name in rows(outcome)]
    found = {name[0] for name in names} | {name[1] for name in names if name[1:] and name[1].startswith("company ")}
    return found - {"configuration", "ledger", "broker", "notifications", "archive", "clock"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--account", "france"), {"account france", "booking", "company 2"}),
        (("--source", "files"), {"account lone", "files"}),
        (
            ("--source", "booking"),
            {"account spain", "account france", "booking", "company 1", "company 2"},
        ),
        (
            ("--account", "lone", "--account", "france"),
            {"account lone", "account france", "files", "booking", "company 2"},
        ),
        (("--account", "france", "--source", "files"), {"account france", "files"}),
    ],
)
def test_only_what_is_named_is_tried_and_what_belongs_to_it(
    shop: Shop, options: tuple[str, ...], expected: set[str]
) -> None:
    config = second_source(shop)
    shop.world.journal.clear()

    done = shop.run("check", "--json", *options, config=config)

    assert (done.status, tried(done)) == (0, expected)
    assert {"configuration", "ledger", "broker", "notifications", "archive", "clock"} <= set(rows(done))
    ids = {"account spain": 1, "account france": 2, "account lone": 3}
    assert {entry.account for entry in shop.world.journal} == {ids[name] for name in expected & ids.keys()}


def test_a_name_that_is_not_configured_is_refused(shop: Shop) -> None:
    account, source = shop.run("check", "--account", "itlay"), shop.run("check", "--source", "erp")
    assert (account.status, source.status) == (2, 2)
    assert "There is no account itlay in the configuration." in account.err
    assert "There is no source erp in the configuration; there are: booking." in source.err
    assert shop.run("check", "--grants", "--source", "erp").status == 2


def test_grants_are_printed_for_the_sources_that_are_named(shop: Shop) -> None:
    config = second_source(shop)
    both = shop.run("check", "--grants", "--json", config=config).lines
    assert [line["source"] for line in both] == ["booking", "files"]
    for options in (("--source", "files"), ("--account", "lone")):
        assert shop.run("check", "--grants", "--json", *options, config=config).json["source"] == "files"


def test_accounts_that_hang_are_tried_side_by_side_and_told_in_their_order(shop: Shop) -> None:
    config = many_accounts(shop, 10, timeout=2)
    shop.world.faults.add("hang_before", path="/accounts/9*", seconds=60, times=None)

    began = time.monotonic()
    done = shop.run("check", "--json", config=config)

    assert time.monotonic() - began < 10 * 2  # one after the other
    failed = [row["name"] for row in done.json["checks"] if row["status"] == "failed"]
    assert failed == [f"account a{number}" for number in range(10)]
    assert "timed out" in rows(done)["account a9"][1]
    assert rows(done)["account france"][0] == "ok"


def test_what_is_tried_side_by_side_is_told_in_the_language_that_was_asked_for(shop: Shop) -> None:
    config = shop.changed(('account_id = "2"', 'account_id = "777"'))
    told = rows(shop.run("check", "--json", "--lang", "es", config=config))["account france"][1]
    assert told.startswith("B2Brouter no conoce la cuenta 777")


@pytest.mark.parametrize(
    ("accounts", "requests_per_minute", "threads"),
    [(2000, 900, 16), (2000, 60, 5), (2000, 1, 1), (3, 900, 3), (0, 9, 1)],
)
def test_accounts_of_one_key_do_not_wait_longer_for_its_budget_than_it_lets_anybody(
    accounts: int, requests_per_minute: int, threads: int
) -> None:
    assert checkup.side_by_side(accounts, requests_per_minute) == threads


def test_an_interrupted_check_ends_though_accounts_hang(shop: Shop) -> None:
    config = many_accounts(shop, 40, timeout=200)
    shop.world.faults.add("hang_before", path="/accounts/*", seconds=300, times=None)
    shop.world.journal.clear()
    running = shop.process("check", config=config)
    try:
        deadline = time.monotonic() + 30
        while len(shop.world.journal) < 16 and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=40)
    finally:
        running.kill()
    assert (running.returncode, out, err.strip()) == (130, "", "Error: Interrupted.")
    assert len(shop.world.journal) == 16


def test_grants_are_printed_by_source_for_the_user_that_is_named(shop: Shop) -> None:
    done = shop.run("check", "--grants", "--user", "ana", "--json")
    assert (done.status, done.json["source"], done.json["user"]) == (0, "booking", "ana")
    assert done.json["grants"][0].startswith("setfacl -m u:ana:rw ")
    assert shop.run("check", "--grants").out.startswith("-- Source booking: what connector must be allowed")
    assert "Give --grants too." in shop.run("check", "--user", "ana").err


@pytest.mark.parametrize("guard", [True, False])
def test_a_probe_says_what_a_new_ledger_needs_where_a_number_is_taken_twice(shop: Shop, *, guard: bool) -> None:
    shop.world.switches.number_guard = guard
    done = shop.run("check", "--probe", "--json", config=shop.changed((', "2" = "france"', "")))
    [row] = [row for row in done.json["checks"] if row["name"] == "account spain: probe: number"]
    assert (row["status"], 'existing = "adopt"' in row["action"]) == (("ok", False) if guard else ("warning", True))


def test_it_changes_nothing(shop: Shop) -> None:
    before = shop.erp_hash()
    assert shop.run("check").status == 0
    assert not shop.ledger_file.exists()
    assert shop.erp_hash() == before
    assert shop.writes() == []


def test_it_does_not_touch_a_ledger_that_is_there(played: Shop) -> None:
    content = played.ledger_file.read_bytes()
    assert played.run("check").status == 0
    assert played.ledger_file.read_bytes() == content


def test_one_part_that_fails_does_not_hide_the_others(shop: Shop) -> None:
    shop.stage.erp.rename(shop.folder / "gone.db")
    config = shop.changed(('account_id = "2"', 'account_id = "777"'))
    done = shop.run("check", "--json", config=config)
    assert done.status == 1
    told = rows(done)
    assert told["account france"] == (
        "failed",
        "B2Brouter does not know the account 777, or the key may not see it.",
    )
    assert told["booking: query find"][0] == "failed"
    assert told["account spain"][0] == "ok"
    assert "2 parts failed." in shop.run("check", config=config).out


def test_a_source_without_a_start_date_is_warned_of_for_all_its_history_would_be_sent(shop: Shop) -> None:
    assert "booking: start date" not in rows(shop.run("check", "--json"))
    [since] = [line for line in shop.config.read_text(encoding="utf-8").splitlines() if "since = " in line]

    done = shop.run("check", "--json", config=shop.changed((since, "")))

    [row] = [row for row in done.json["checks"] if row["name"] == "booking: start date"]
    assert (done.status, row["status"]) == (0, "warning")
    assert "all invoices that the ERP ever confirmed are sent, those of past years too" in row["message"]
    assert row["action"] == (
        f"Write since = {datetime.now(UTC).year}-01-01, or the first day that shall be sent, into [sources.booking]; "
        "connector preview shows how many are sent."
    )


def test_a_company_without_account_is_warned_of(shop: Shop) -> None:
    config = shop.changed((', "2" = "france"', ""))
    done = shop.run("check", "--json", config=config)
    assert done.status == 0
    told = rows(done)
    assert told["booking: company 2"][0] == "warning"
    assert told["account france"] == ("warning", "no source issues through it")
    assert "All works; 3 warnings." in shop.run("check", config=config).out


def test_a_wrong_option_is_a_row_and_wrong_configuration(shop: Shop) -> None:
    done = shop.run("check", "--json", config=shop.changed(("key_type", "key_typ")))
    assert done.status == 2
    assert "did you mean key_type?" in rows(done)["source booking"][1]


def test_the_ledger_of_another_account_is_told(played: Shop) -> None:
    done = played.run("check", "--json", config=played.changed(('account_id = "2"', 'account_id = "777"')))
    assert done.status == 1
    assert rows(done)["account france: stamp"][0] == "failed"


def test_another_database_under_the_same_name_is_told(played: Shop) -> None:
    (played.folder / "copy.db").write_bytes(played.stage.erp.read_bytes())
    done = played.run("check", "--json", config=played.changed(("erp.db", "copy.db")))
    assert done.status == 1
    assert rows(done)["booking: stamp"][0] == "failed"


def test_a_paused_account_is_warned_of(shop: Shop) -> None:
    shop.run("sync", config=shop.changed(('api_key = "test_key"', 'api_key = "test_wrong_one"')))
    told = rows(shop.run("check", "--json"))
    assert told["account spain: work"][0] == "warning"
    assert "refuses the API key of account spain" in told["account spain: work"][1]


def test_a_copied_ledger_is_told(played: Shop) -> None:
    copy = played.folder / "copied.db"
    with closing(sqlite3.connect(played.ledger_file)) as original, closing(sqlite3.connect(copy)) as target:
        original.backup(target)

    done = played.run("check", "--json", config=played.changed(("connector.db", "copied.db")))

    status, told = rows(done)["ledger: stamp"]
    assert (done.status, status, "This ledger is a copy" in told) == (1, "failed", True)
    assert "ledger: stamp" not in rows(played.run("check", "--json"))


def test_ledgers_that_need_something_first(shop: Shop) -> None:
    shop.ledger_file.touch()
    assert rows(shop.run("check", "--json"))["ledger"][0] == "warning"
    shop.ledger_file.unlink()
    gone = shop.run("check", "--json", config=shop.changed(("connector.db", "nowhere/connector.db")))
    assert "There is no folder" in rows(gone)["ledger"][1]
    unwritable = shop.run("check", "--json", config=shop.changed((str(shop.ledger_file), "/proc/connector.db")))
    assert "cannot be written" in rows(unwritable)["ledger"][1]


def test_an_older_schema_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("db", "upgrade")
    monkeypatch.setattr("connector.ledger.schema.HEAD", "9999")
    assert "not 9999" in rows(shop.run("check", "--json"))["ledger"][1]


def test_an_unfinished_configuration_is_warned_of(shop: Shop) -> None:
    path = shop.folder / "bare.toml"
    path.write_text("")
    done = shop.run("check", "--json", config=path)
    assert done.json["checks"][0]["status"] == "warning"
    assert "[accounts.NAME]" in done.json["checks"][0]["action"]
    path.write_text('[accounts.main]\naccount_id = "1"\napi_key = "test_key"\n')
    assert "[sources.NAME]" in shop.run("check", "--json", config=path).json["checks"][0]["action"]


@pytest.mark.postgres
def test_clocks_that_are_apart_are_warned_of(shop: Shop, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = shop.changed((f"sqlite:///{shop.ledger_file}", postgres_url))
    assert rows(shop.run("check", "--json", config=config))["ledger"] == (
        "warning",
        rows(shop.run("check", "--json", config=config))["ledger"][1],
    )
    assert shop.run("db", "upgrade", config=config).status == 0
    assert rows(shop.run("check", "--json", config=config))["clock"][0] == "ok"

    class Late(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(minutes=5)

    monkeypatch.setattr(checkup, "datetime", Late)
    assert rows(shop.run("check", "--json", config=config))["clock"][0] == "warning"


@pytest.mark.postgres
def test_a_ledger_that_nobody_cleans_up_is_warned_of(
    shop: Shop, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = shop.changed((f"sqlite:///{shop.ledger_file}", postgres_url))
    assert shop.run("db", "upgrade", config=config).status == 0

    monkeypatch.setattr(Database, "cleans_up", lambda _: True)
    assert "ledger: upkeep" not in rows(shop.run("check", "--json", config=config))
    monkeypatch.setattr(Database, "cleans_up", lambda _: False)
    status, told = rows(shop.run("check", "--json", config=config))["ledger: upkeep"]
    assert (status, "autovacuum is off" in told) == ("warning", True)


@pytest.mark.redis
def test_a_broker_that_answers(shop: Shop, redis_url: str) -> None:
    config = shop.changed(extra=f'\n[broker]\nurl = "{redis_url}"\n')
    assert rows(shop.run("check", "--json", config=config))["broker"][0] == "ok"


def test_a_broker_that_does_not_answer(shop: Shop) -> None:
    config = shop.changed(extra='\n[broker]\nurl = "redis://:CANARYpass@127.0.0.1:1/0"\n')
    done = shop.run("check", "--json", config=config)
    assert done.status == 1
    assert "cannot be reached" in rows(done)["broker"][1]
    assert "CANARY" not in done.out


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("2 found", "2 found. Do this."),
        ("It is away.", "It is away. Do this."),
        ("unknown key urls; did you mean url?", "unknown key urls; did you mean url? Do this."),
        ("they are:", "they are: Do this."),
        ("Number has already been taken", "Number has already been taken. Do this."),
        ("Le numéro existe déjà !", "Le numéro existe déjà ! Do this."),
    ],
)
def test_between_what_was_found_and_what_to_do_there_is_one_end_of_a_sentence(found: str, told: str) -> None:
    assert sentences(found, "Do this.") == told
    assert sentences(found, "") == found


def test_a_slip_in_the_options_of_a_source_is_one_question(shop: Shop) -> None:
    config = shop.changed(('adapter = "sql"', 'adapter = "sqll"'))

    out = shop.run("check", config=config).out

    assert "There is no adapter sqll; did you mean sql? See: connector adapters list." in out
    assert "?." not in out
