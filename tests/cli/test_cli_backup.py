"""The ledger is backed up, lost, restored; the procedure is that of docs/operations.md, "Backup and restore"."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.cli.shop import Shop
from tests.support.services import postgres_server

pytestmark = pytest.mark.slow

LATER = (101, 104, 105, 110)
"""Documents that are confirmed after the backup."""


def tool(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here")
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def libpq(url: str) -> str:
    """The URL as PostgreSQL's own programs want it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def sqlite_back_up(url: str, to: Path) -> None:
    tool("sqlite3", make_url(url).database or "", f".backup {to}")


def sqlite_restore(url: str, backup: Path, folder: Path) -> str:
    Path(make_url(url).database or "").unlink()
    shutil.copy(backup, folder / "restored.db")
    return f"sqlite:///{folder / 'restored.db'}"


def postgres_back_up(url: str, to: Path) -> None:
    tool("pg_dump", "--format=custom", f"--file={to}", libpq(url))


def postgres_restore(url: str, backup: Path, folder: Path) -> str:
    server, name = postgres_server(), make_url(url).database
    server.drop(url)
    server.create(name=name)
    tool("pg_restore", "--exit-on-error", f"--dbname={libpq(url)}", str(backup))
    return url


HOW: dict[str, tuple[Callable[[str, Path], None], Callable[[str, Path, Path], str]]] = {
    "sqlite": (sqlite_back_up, sqlite_restore),
    "postgresql": (postgres_back_up, postgres_restore),
}


def issued(jobs: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {job["number"]: (job["reference"], job["stage"]) for job in jobs if job["reference"]}


def test_what_was_issued_after_the_backup_is_taken_over_and_nothing_is_issued_twice(
    shop: Shop, ledger_url: str, tmp_path: Path
) -> None:
    back_up, restore = HOW[make_url(ledger_url).get_backend_name()]
    embedded = f"sqlite:///{shop.ledger_file}"
    config = shop.changed((embedded, ledger_url))
    assert shop.run("db", "upgrade", config=config).status == 0
    for number in LATER:
        shop.erp("UPDATE project SET status = 'draft' WHERE id = ?", number)
    shop.run("sync", "--patience", "8", config=config)
    back_up(ledger_url, tmp_path / "backup")
    for number in LATER:
        shop.erp("UPDATE project SET status = 'invoiced', updated_at = datetime('now') WHERE id = ?", number)
    assert shop.run("sync", "--patience", "8", config=config).status == 3
    before = issued(shop.run("jobs", "--json", config=config).lines)
    writes = len(shop.writes())

    restored = restore(ledger_url, tmp_path / "backup", tmp_path)
    config = shop.changed((embedded, restored), name="restored.toml")
    told = shop.run("check", config=config)
    assert (told.status, "This ledger is a copy" in told.out) == (1, True)
    assert len(issued(shop.run("jobs", "--json", config=config).lines)) < len(before)
    assert shop.run("db", "rebind", "--note", "restored after the disk failed", config=config).status == 0
    compared = shop.run("reconcile", config=config)
    assert compared.status == 3, compared.out + compared.err
    assert shop.run("sync", "--patience", "8", config=config).status == 3

    assert issued(shop.run("jobs", "--json", config=config).lines) == before
    assert [entry for entry in shop.writes()[writes:] if entry.effects] == []
    assert shop.stage.nothing_twice
