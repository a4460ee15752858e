"""A changed configuration is taken over while the process runs, or the one of before stays and people are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from config import secrets
from config.logging import redaction
from config.settings import load
from connector.bootstrap import Services
from connector.errands import drain
from connector.reload import UNREADABLE, Reloader
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.erp import Erp
from tests.support.ledgers import add

T = TypeVar("T")

MAIN = """
include = ["accounts.d/*.toml"]
[ledger]
url = "sqlite:///{folder}/ledger.db"
[accounts.main]
account_id = "1"
api_key_file = "{folder}/key"
[sources.erp]
adapter = "odoo"
url = "postgresql+psycopg://u:p@127.0.0.1/erp"
account = "main"
[retry]
attempts = 5
"""

OTHER = """
[accounts.other]
account_id = "2"
api_key = "test_other"
webhook_secret = "whsec_other"
[sources.second]
adapter = "odoo"
url = "postgresql+psycopg://u:p@127.0.0.1/erp"
account = "other"
"""


class Running:
    """A process as far as its configuration is concerned."""

    def __init__(self, folder: Path) -> None:
        self.file, self.key = folder / "connector.toml", folder / "key"
        self.more = folder / "accounts.d" / "more.toml"
        self.more.parent.mkdir()
        self.key.write_text("test_first")
        self.write(MAIN.format(folder=folder))
        self.services = Services(load(self.file))
        self.services.open_ledger()
        self.reloader = Reloader(self.services)

    def write(self, text: str, file: Path | None = None) -> None:
        """Write a file; what is written within one tick of the disk's clock is seen to be other all the same."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.replace(file or self.file)

    def look(self) -> None:
        self.reloader.look()
        self.reloader.look()

    def faults(self) -> list[str]:
        return [one.details["fault"] for one in self.services.ledger.alarms.lasting() if one.code == UNREADABLE]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.services.close()


def test_accounts_come_and_go_and_what_did_not_change_is_kept(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="connector.reload")
    services = running.services
    kept, watch, began = services.remote("main"), services.watch, services.journey
    running.write(OTHER, running.more)
    running.reloader.look()
    assert "other" not in services.settings.accounts  # it may still be being written
    running.reloader.look()
    assert services.sources_of("other") == ["second"]
    assert services.remote("main") is kept
    assert services.watch is watch
    assert services.journey is not began
    other = services.remote("other")
    running.write(OTHER.replace("test_other", "test_another"), running.more)
    running.look()
    assert services.remote("other") is not other
    running.more.unlink()
    running.look()
    assert list(services.settings.accounts) == ["main"]
    for _ in range(3):
        drain(services, "other", stopping=lambda: False)
    assert caplog.text.count("account other has left the configuration: its jobs wait until it comes back") == 1
    assert not services.ledger.alarms.lasting()
    told = [line.removeprefix("the configuration changed: ") for line in caplog.messages]
    assert [line for line in told if "accounts" in line and "more.toml" not in line] == [
        "accounts, new: other", "accounts, other: other", "accounts, gone: other",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_changed_key_is_used_by_the_next_call_and_one_that_cannot_be_read_by_none(running: Running) -> None:
    services = running.services
    first = services.remote("main")
    running.write("test_second", running.key)
    running.look()
    second = services.remote("main")
    assert second is not first
    running.key.unlink()
    running.look()
    assert services.remote("main") is second
    assert running.faults() == [
        f"accounts.main.api_key_file {running.key} cannot be read: No such file or directory."
    ]
    running.write("test_second", running.key)
    running.look()
    assert running.faults() == []


def test_what_cannot_be_used_is_said_once_and_the_configuration_of_before_stays(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    before = running.services.settings
    running.write("[accounts.main\n", running.more)
    for _ in range(3):
        running.look()
    assert running.services.settings is before
    (fault,) = running.faults()
    assert fault.startswith(f"{running.more} is not valid TOML")
    assert sum("stays in force" in line for line in caplog.messages) == 1
    running.write('[accounts.new]\naccount_id = 9\napi_key_file = "nowhere"\n', running.more)
    running.look()
    assert running.faults() == [
        f"accounts.new.api_key_file {Path('nowhere').absolute()} cannot be read: No such file or directory."
    ]
    running.write(OTHER + "[sources.second.options]\nno_such = 1\n", running.more)
    running.look()
    assert running.faults()[0].startswith("Unknown key sources.second.options.no_such")
    running.write(OTHER, running.more)
    running.look()
    assert running.faults() == []
    assert "other" in running.services.settings.accounts


@pytest.mark.slow
def test_what_cannot_change_while_running_is_named(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    text = running.file.read_text(encoding="utf-8")
    running.write(text.replace("attempts = 5", "attempts = 7") + "[b2brouter]\ntimeout = 7\n[web]\nport = 1\n")
    running.reloader.look_at_once()
    services = running.services
    assert (services.settings.retry.attempts, services.settings.b2brouter.timeout) == (7, 30)
    for section in ("b2brouter", "web"):
        assert f"the configuration changed: [{section}] takes effect at the next start" in caplog.messages
    assert "[retry]" not in caplog.text


@pytest.mark.slow
def test_work_that_has_begun_goes_by_the_configuration_that_it_began_with(running: Running) -> None:
    services = running.services
    services.erps.use("erp", Erp(FakeClock()))
    desk = services.desk("main")
    text = running.file.read_text(encoding="utf-8")
    running.write(text[: text.index("[accounts.main]")] + OTHER.replace('"2"', "2"))
    running.look()
    assert list(services.settings.accounts) == ["other"]
    assert desk.rules("erp").own_accounts == {"1"}
    assert not services.rulebook.plan("main").mark_as


def test_an_invoice_whose_worker_vanished_is_not_worked_beside_others_that_began_before_the_change(
    running: Running,
) -> None:
    services = running.services
    running.write(OTHER, running.more)
    running.look()
    busy, idle = Erp(FakeClock()), Erp(FakeClock())
    services.erps.use("erp", busy)
    services.erps.use("second", idle)
    for key, account, source in (("1", "main", "erp"), ("2", "other", "second")):
        add(services.ledger, invoice(key), account=account, source=source)
    with services.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET lapses = 1 WHERE account = 'other'")

    def meanwhile() -> None:
        running.write(running.file.read_text(encoding="utf-8").replace("attempts = 5", "attempts = 7"))
        running.look()
        services.journey.drain("other", seconds=5)
        services.stop.set()

    busy.at("load", 1, meanwhile)
    services.journey.drain("main", seconds=5, stopping=services.stop.is_set)

    assert services.settings.retry.attempts == 7
    assert "load" not in idle.calls


@pytest.mark.slow
def test_a_sealed_key_is_read_again_when_the_keys_change(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, old, new = tmp_path / "seal", secrets.new_key(), secrets.new_key()
    monkeypatch.setenv(f"{secrets.KEY}_FILE", str(keys))
    keys.write_text(old)
    running.write(secrets.sealed("test_sealed"), running.key)
    running.look()
    assert running.faults() == []
    running.write(new, keys)
    running.look()
    assert [fault.split(",")[0] for fault in running.faults()] == ["accounts.main.api_key is sealed"]
    running.write(f"{new}\n{old}", keys)
    running.look()
    assert running.faults() == []


@pytest.mark.slow
def test_connections_of_a_client_that_nobody_has_any_more_are_closed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = running.services
    line = services.remotes.line("main", services.settings.accounts["main"])
    closed: list[str] = []
    monkeypatch.setattr(line.transport._link().transport, "close", lambda: closed.append("the connection"))
    running.write("test_second", running.key)
    running.look()
    assert services.remote("main") is not line.remote
    assert closed == []
    del line
    assert closed == ["the connection"]


@pytest.mark.slow
def test_ten_thousand_accounts_in_files_of_their_own_cost_seconds_to_load_and_little_to_watch(tmp_path: Path) -> None:
    (tmp_path / "accounts.d").mkdir()
    (tmp_path / "keys").mkdir()
    main = tmp_path / "connector.toml"
    main.write_text(f'include = ["accounts.d/*.toml"]\n[ledger]\nurl = "sqlite:///{tmp_path}/ledger.db"\n')
    for n in range(10_000):
        (tmp_path / "keys" / str(n)).write_text(f"test_key_{n}")
        (tmp_path / "accounts.d" / f"{n}.toml").write_text(
            f'[accounts.a{n}]\naccount_id = "{n}"\napi_key_file = "{tmp_path}/keys/{n}"\n'
            f'[sources.s{n}]\nadapter = "odoo"\nurl = "postgresql+psycopg://u:p@h/{n}"\naccount = "a{n}"\n'
        )
    spent = {}

    def measured(name: str, act: Callable[[], T]) -> T:
        began = time.process_time()
        result = act()
        spent[name] = round(time.process_time() - began, 2)
        return result

    services = Services(measured("load", lambda: load(main)))
    services.open_ledger()
    reloader = Reloader(services)
    reloader.look()
    measured("look", reloader.look)
    (tmp_path / "accounts.d" / "7.toml").unlink()
    reloader.look()
    measured("take over", reloader.look)
    assert len(services.settings.accounts) == 9_999
    measured("read all keys", lambda: [account.key() for account in services.settings.accounts.values()])
    print(spent)  # noqa: T201 - the figures of docs/operations.md
    assert spent["load"] < 10
    assert spent["look"] < 1
    assert spent["take over"] < 10
    assert spent["read all keys"] < 5
    services.close()
    redaction.forget()


@pytest.mark.slow
def test_an_address_that_is_none_leaves_the_source_where_it_was(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = tmp_path / "address"
    running.write("postgresql://reader@127.0.0.1:1/erp", address)
    running.write(
        OTHER.replace('url = "postgresql+psycopg://u:p@127.0.0.1/erp"', f'url_file = "{address}"'), running.more
    )
    running.look()
    erps, settings = running.services.erps, running.services.settings.sources["second"]
    before = erps.adapter("second", settings)
    running.write("postgresql://reader@127.0.0.1:port/erp", address)
    assert erps.adapter("second", settings) is before
    assert "The address of before stays in force." in caplog.text
    running.look()
    assert len(running.faults()) == 1
    running.write("postgresql://reader@127.0.0.1:2/erp", address)
    assert erps.adapter("second", settings) is not before
    running.look()
    assert running.faults() == []
