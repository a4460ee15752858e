"""Adapters of the version of the contract before this one work; older and newer ones are refused in a sentence."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.adapters import adapter_class, interface_of
from connector.ports import INTERFACE, OLDEST_INTERFACE
from connector.simulator import SimulatorServer
from tests.cli.shop import call

OLD_ADAPTER = Path(__file__).parents[1] / "data" / "interface_1"


@pytest.fixture
def old_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The class of an adapter of interface 1, installed as a package of its own."""
    about = tmp_path / "site" / "old_erp-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: old-erp\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[connector.adapters]\nold = old_erp:OldAdapter\n", encoding="utf-8")
    monkeypatch.syspath_prepend(OLD_ADAPTER)
    monkeypatch.syspath_prepend(about.parent)
    yield importlib.import_module("old_erp").OldAdapter
    sys.modules.pop("old_erp", None)


@pytest.fixture
def config(tmp_path: Path, simulator: SimulatorServer) -> Path:
    """An installation whose ERP is read by that adapter."""
    simulator.reset()
    today = datetime.now(UTC).date().isoformat()
    erp = tmp_path / "old.db"
    with closing(sqlite3.connect(erp)) as connection, connection:
        connection.execute(
            "CREATE TABLE bill (id INTEGER PRIMARY KEY, number, day, changed, state, net, vat, written)"
        )
        bills = [(key, f"O-{key}", today, f"{today} 08:00:0{key}", "sent", "100.00", "21.00") for key in (1, 2)]
        connection.executemany("INSERT INTO bill VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", bills)
    path = tmp_path / "connector.toml"
    path.write_text(
        f"""
[b2brouter]
environment = "simulator"
base_url = "{simulator.base_url}"
[ledger]
url = "sqlite:///{tmp_path / "connector.db"}"
[accounts.main]
account_id = "1"
api_key = "test_key"
[sources.erp]
adapter = "old"
url = "sqlite:///{erp}"
account = "main"
""",
        encoding="utf-8",
    )
    return path


def test_an_adapter_of_the_version_before_still_issues_its_documents(
    old_adapter: Any, config: Path, tmp_path: Path
) -> None:
    assert interface_of(old_adapter) == OLDEST_INTERFACE == INTERFACE - 1
    told = call("--config", str(config), "sync", "--json")
    assert told.status == 0, told.out + told.err
    assert told.json["issued"] == 2
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        written = [row[0] for row in connection.execute("SELECT written FROM bill ORDER BY id")]
    assert all("b2brouter:simulator:1:" in each for each in written)


def test_its_age_is_told_by_the_check_up(old_adapter: Any, config: Path) -> None:
    rows = {row["name"]: row for row in call("--config", str(config), "check", "--json").json["checks"]}
    assert rows["erp: adapter"]["status"] == "warning"
    assert "old was written for interface 1" in rows["erp: adapter"]["message"]


@pytest.mark.parametrize(
    ("declared", "sentence", "action"),
    [
        (INTERFACE + 1, f"and this connector has {INTERFACE}", "Upgrade the connector"),
        (OLDEST_INTERFACE - 1, f"and this connector knows {OLDEST_INTERFACE} to {INTERFACE}", "Install a newer"),
    ],
)
def test_other_versions_are_refused(
    old_adapter: Any, config: Path, monkeypatch: pytest.MonkeyPatch, declared: int, sentence: str, action: str
) -> None:
    monkeypatch.setattr(old_adapter, "INTERFACE", declared, raising=False)
    told = call("--config", str(config), "sync")
    assert told.status == 2
    assert f"The adapter old was written for interface {declared}, {sentence}" in told.err
    assert action in told.err


@pytest.mark.parametrize("name", ["dolibarr", "folder", "odoo", "sql", "tryton"])
def test_the_built_in_adapters_are_of_this_version(name: str) -> None:
    assert interface_of(adapter_class(name)) == INTERFACE
