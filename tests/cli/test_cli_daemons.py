"""`connector run`, `scheduler`, `worker`, `simulator`, `adapters` and `db`."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import make_url

from config.settings import load
from connector import daemon
from connector.bootstrap import Services
from connector.domain.errors import LedgerError
from connector.duties import Duties
from tests.cli.shop import Shop, call
from tests.e2e.installation import until
from tests.support.ports import own_port
from tests.support.services import rendered


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_a_role_alone_needs_a_broker(shop: Shop, role: str) -> None:
    done = shop.run(role)
    assert done.status == 2
    assert f"A {role} alone needs a broker" in done.err


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_a_broker_of_no_known_kind_is_wrong_configuration(shop: Shop, role: str) -> None:
    assert shop.run(role, config=shop.changed(extra='\n[broker]\nurl = "kafka://host"\n')).status == 2


def test_the_daemon_works_logs_in_json_and_ends_in_peace(shop: Shop) -> None:
    process = shop.process("run")
    limit = time.monotonic() + 80
    while time.monotonic() < limit and sum(job["status"] == "done" for job in jobs(shop)) < 6:
        time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == ""
    assert [json.loads(line)["level"] for line in err.splitlines()].count("error") == 0
    assert sum(job["status"] == "done" for job in jobs(shop)) == 6
    assert not [job for job in jobs(shop) if job["status"] == "running"]


FRANCE = '[accounts.france]\naccount_id = "2"\napi_key = "test_key"'
LOST = '[accounts.france]\naccount_id = "2"\napi_key_file = "/nowhere/key"'


def test_the_lost_key_of_one_account_stops_no_other_account_of_the_daemon(shop: Shop) -> None:
    process = shop.process("run", config=shop.changed((FRANCE, LOST)))
    try:
        until(lambda: issued(shop, "spain") > 0, within=80, what="the account that has its key does not issue")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()

    assert process.returncode == 0
    told = [line["message"] for line in map(json.loads, err.splitlines()) if line["level"] == "error"]
    assert "accounts.france.api_key_file /nowhere/key cannot be read: No such file or directory." in told[0]
    assert issued(shop, "france") == 0


@pytest.mark.parametrize("role", ["run", "scheduler", "worker"])
def test_a_daemon_that_has_no_key_at_all_does_not_start(shop: Shop, role: str) -> None:
    broker = '\n[broker]\nurl = "redis://127.0.0.1:1"\n'
    config = shop.changed(('api_key = "test_key"', 'api_key_file = "/nowhere/key"'), extra=broker)
    done = shop.run(role, config=config)
    assert done.status == 2
    assert "api_key_file /nowhere/key cannot be read" in done.err


STUCK = """
from threading import Event
from connector import closing, daemon
from connector.cli import main

closing.LONGEST_STOP = 2.0
daemon.drain = lambda *_, **__: print("busy", flush=True) or Event().wait()
main()
"""


def test_the_daemon_ends_in_time_and_leaves_its_office_though_a_thread_is_stuck(shop: Shop) -> None:
    process = shop.process("run", program=["-c", STUCK])
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    finally:
        process.kill()

    assert process.returncode == 0
    [told] = [line["message"] for line in map(json.loads, err.splitlines()) if line["level"] == "warning"]
    assert told.startswith("the process ends now, 2 seconds after it was told to; what is still busy lets its leases")
    assert "account " in told
    with closing(sqlite3.connect(shop.ledger_file)) as ledger:
        assert ledger.execute("SELECT owner FROM lease WHERE name = 'scheduler'").fetchall() == [(None,)]


def test_a_ledger_that_fails_at_the_end_does_not_keep_the_daemon_from_closing_the_rest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Duties) -> None:
        raise LedgerError("The ledger cannot be reached.")

    closed: list[None] = []
    close = Services.close
    monkeypatch.setattr(Duties, "leave", fail)
    monkeypatch.setattr(Services, "close", lambda services: closed.append(close(services)))
    monkeypatch.setenv("CONNECTOR_WEB__PORT", "0")
    stop = Event()
    stop.set()
    daemon.run(load(shop.config), stop)

    assert len(closed) == 1
    assert "The ledger cannot be reached." in caplog.text


@pytest.mark.redis
def test_a_worker_logs_nothing_but_json_from_its_first_line_on(day: Shop, redis_url: str) -> None:
    process = day.process("worker", config=day.changed(extra=f'\n[broker]\nurl = "{redis_url}"\n'))
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or "ready" not in lines[-1]:
        lines.append(process.stderr.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)

    assert out.strip() == "worker: Warm shutdown (MainProcess)"  # Celery's own, whatever one sets
    assert all(json.loads(line)["logger"] for line in [*lines, *err.splitlines()])


def issued(shop: Shop, account: str) -> int:
    return sum(job["account"] == account and job["status"] == "done" for job in jobs(shop))


def jobs(shop: Shop) -> list[dict[str, object]]:
    return shop.run("jobs", "--json").lines


@pytest.mark.redis
def test_the_scheduler_ends_in_peace(shop: Shop, redis_url: str) -> None:
    config = shop.changed(extra=f'\n[broker]\nurl = "{redis_url}"\n')
    process = shop.process("scheduler", config=config)
    assert process.stderr is not None
    assert "the scheduler works" in json.loads(process.stderr.readline())["message"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    process.communicate()


# ---------------------------------------------------------------- the simulator


def switches_of(port: int) -> dict[str, object]:
    limit = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_simulator/switches") as answer:
                return dict(json.loads(answer.read())["switches"])
        except OSError:
            assert time.monotonic() < limit
            time.sleep(0.05)


def test_the_simulator_serves_until_a_signal_comes() -> None:
    port = own_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.cli", "simulator", "--port", str(port), "--no-number-guard",
         "--set", "number_filter=prefix", "--fault", '{"kind": "html", "times": 1}', "--account",
         '{"id": 9, "name": "Nine"}', "--latency", "0.01"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert str(port) in process.stdout.readline()
    switches = switches_of(port)
    assert (switches["number_guard"], switches["number_filter"]) == (False, "prefix")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = call("simulator", "--port", port, "--quiet")
    assert done.status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.err


@pytest.mark.parametrize(
    ("name", "why"), [("no/folder", "unable to open database file"), ("notes.txt", "file is not a database")]
)
def test_a_state_that_cannot_be_kept_is_said(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "notes.txt").write_text("no database, but longer than the head of one " * 9, encoding="utf-8")
    done = call("simulator", "--port", "0", "--quiet", "--state", str(tmp_path / name))
    assert done.status == 1
    assert f"cannot keep its documents in {tmp_path / name}: {why}." in done.err
    assert "--state" in done.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "number_guard"], "--set takes NAME=VALUE"),
        (["--set", "no_such=1"], "there is no switch"),
        (["--fault", "html"], "--fault takes a JSON object"),
        (["--fault", '{"kind": "flood"}'], "there is no fault"),
        (["--account", "[]"], "--account takes a JSON object"),
        (["--drop-after", "2"], "is not in the range"),
    ],
)
def test_wrong_options_of_the_simulator(options: list[str], says: str) -> None:
    done = call("simulator", "--port", "0", *options)
    assert done.status == 2
    assert says in done.err


# ---------------------------------------------------------------- adapters and db


def test_the_installed_adapters_are_listed() -> None:
    names = {line["name"]: line for line in call("adapters", "list", "--json").lines}
    assert names["sql"]["target"] == "connector.adapters.sql:SqlAdapter"
    assert {"odoo", "sql"} <= set(names)
    assert call("adapters", "list").out.startswith("name\tpackage\tversion\tclass\n")


def test_the_ledger_is_upgraded_once(shop: Shop) -> None:
    first = shop.run("db", "upgrade", "--json").json
    assert (first["before"], shop.ledger_file.exists()) == (None, True)
    assert "went from" not in shop.run("db", "upgrade").out
    assert "is up to date" in shop.run("db", "upgrade").out


def test_a_password_among_the_parameters_of_the_ledgers_url_is_not_printed(shop: Shop, postgres_url: str) -> None:
    password = "pw-17"  # too short to be struck out wherever it occurs
    url = rendered(make_url(postgres_url).update_query_dict({"sslpassword": password}))
    config = shop.changed((f"sqlite:///{shop.ledger_file}", url))
    for command in (
        ["db", "upgrade"],
        ["db", "upgrade", "--json"],
        ["db", "rebind", "--note", "moved", "--json"],
        ["db", "erase", "--before", "2020-01-01", "--note", "old"],
        ["check"],
    ):
        done = shop.run(*command, config=config)
        assert str(make_url(url).database) in done.out, command
        assert password not in done.out + done.err, command


def test_a_newer_ledger_is_refused(shop: Shop) -> None:
    shop.run("db", "upgrade")
    with sqlite3.connect(shop.ledger_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    done = shop.run("db", "upgrade")
    assert done.status == 1
    assert "newer version" in done.err


def test_a_group_without_a_command_is_wrong_usage(tmp_path: Path) -> None:
    for group in ("db", "adapters"):
        done = call("--config", str(tmp_path / "c.toml"), group)
        assert done.status == 2
        assert f"See: connector {group} --help" in done.err
