"""A running daemon takes over what changes in its configuration: real processes, a simulator, an ERP."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.simulator.documents import ApiKey
from tests.cli.shop import Shop

pytestmark = pytest.mark.slow


class Live:
    """A daemon whose account for Spain, and the source that feeds it, come later, in files of their own."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.key = shop.folder / "key"
        self.key.write_text("test_old_key")
        self.allow("test_old_key")
        text = shop.config.read_text(encoding="utf-8")
        spain = text[text.index("[accounts.spain]") : text.index("[accounts.france]")]
        booking = text[text.index("[sources.booking]") :]
        both = 'accounts = { "1" = "spain", "2" = "france" }'
        self.spain = spain.replace('api_key = "test_key"', f'api_key_file = "{self.key}"') + booking.replace(
            "sources.booking", "sources.second"
        ).replace(both, 'accounts = { "1" = "spain" }')
        self.config = shop.changed(
            (spain, ""), (both, 'accounts = { "2" = "france" }'), ("[b2brouter]", INCLUDE),
            ("discover_every = 1", "discover_every = 2"), name="live.toml",
        )  # fmt: skip
        self.more = shop.folder / "more" / "spain.toml"
        self.more.parent.mkdir()

    def allow(self, key: str) -> None:
        """Let B2Brouter know a key."""
        self.shop.world.add_key(ApiKey(key, set(self.shop.world.accounts)))

    def put(self, text: str, file: Path) -> None:
        beside = self.shop.folder / "beside"
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        if not self.shop.ledger_file.exists():
            return []
        with closing(sqlite3.connect(self.shop.ledger_file, timeout=30)) as ledger:
            try:
                return ledger.execute(statement).fetchall()
            except sqlite3.OperationalError:  # it is just being made
                return []

    def done(self) -> set[str]:
        found = self.rows("SELECT number FROM job WHERE source = 'second' AND status = 'done'")
        return {str(number) for (number,) in found}

    def faults(self) -> list[tuple[object, ...]]:
        return self.rows("SELECT details FROM alarm WHERE code = 'configuration_unreadable' AND ended_at IS NULL")

    def bill_again(self, number: str, new: str) -> None:
        """Confirm another document in the ERP that says the same as one of before."""
        (row,) = self.shop.erp("SELECT * FROM project WHERE invoice_number = ?", number)
        (names,) = [[name for _, name, *_ in self.shop.erp("PRAGMA table_info(project)")]]
        (newest,) = self.shop.erp("SELECT max(id) + 1 FROM project")
        changed = {
            "id": newest[0], "invoice_number": new, "reference": None, "project_xref": None,
            "updated_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        }  # fmt: skip
        values = [changed.get(name, value) for name, value in zip(names, row, strict=True)]
        self.shop.erp(f"INSERT INTO project VALUES ({', '.join('?' * len(values))})", *values)
        self.shop.erp(
            "INSERT INTO task (project_id, position, description, quantity, unit, rate, amount, vat_code) "
            "SELECT ?, position, description, quantity, unit, rate, amount, vat_code FROM task WHERE project_id = ?",
            newest[0], row[0],
        )  # fmt: skip
        self.shop.erp(
            "INSERT INTO project_vat SELECT ?, vat_code, base, amount FROM project_vat WHERE project_id = ?",
            newest[0], row[0],
        )  # fmt: skip


INCLUDE = 'include = ["more/*.toml"]\n\n[b2brouter]'


@pytest.fixture
def live(shop: Shop) -> Live:
    return Live(shop)


@contextmanager
def running(live: Live, *, log: Path) -> Iterator[subprocess.Popen[str]]:
    process = live.shop.process("run", config=live.config)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        log.write_text(err, encoding="utf-8")
    assert process.returncode == 0


def await_(what: Callable[[], object], seconds: float) -> float:
    """Wait until something holds; return how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.2)
    return time.monotonic() - began


def test_an_account_and_its_source_come_while_the_daemon_runs(live: Live, tmp_path: Path) -> None:
    with running(live, log=tmp_path / "log") as process:
        await_(lambda: live.rows("SELECT 1 FROM job WHERE source = 'booking'"), 60)
        live.put(live.spain, live.more)
        await_(lambda: len(live.done()) == 5, 60)

        # The key is changed: the new one counts, the old one does not any more.
        live.allow("test_new_key")
        live.put("test_new_key\n", live.key)
        process.send_signal(signal.SIGHUP)
        del live.shop.world.keys["test_old_key"]
        number = min(live.done())
        live.bill_again(number, "B-0901")
        await_(lambda: "B-0901" in live.done(), 60)

        # A file is broken: the old configuration stays, with an alarm, until the file is mended.
        live.put("[accounts.spain\n", live.more)
        await_(live.faults, 30)
        ((details,),) = live.faults()
        assert json.loads(str(details))["fault"].startswith(f"{live.more} is not valid TOML")
        live.bill_again(number, "B-0902")
        await_(lambda: "B-0902" in live.done(), 60)
        live.put(live.spain, live.more)
        process.send_signal(signal.SIGHUP)
        await_(lambda: not live.faults(), 30)

    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    told = [line["message"] for line in lines]
    assert "the configuration changed: accounts, new: spain" in told
    assert sum("stays in force" in message for message in told) == 1
    assert "test_new_key" not in (tmp_path / "log").read_text(encoding="utf-8")
    assert not [line for line in told if "unexpected error" in line]
    assert live.shop.stage.nothing_twice
