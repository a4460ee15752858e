"""The commands of docs/operations.md, "Backup and restore", as they are printed."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import connector

MANUAL = Path(connector.__file__).parents[1] / "docs" / "operations.md"


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed here")
def test_a_backup_is_for_its_own_user_alone(tmp_path: Path) -> None:
    _, section = MANUAL.read_text(encoding="utf-8").split("\n## Backup and restore\n")
    block = re.search(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if not line.startswith("pg_dump")]
    ledger, backup = tmp_path / "connector.db", tmp_path / "ledger.db"
    script = "\n".join(lines).replace("/var/lib/connector/connector.db", str(ledger))
    script = script.replace("/backup/ledger.db", str(backup))
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("CREATE TABLE job (id INTEGER)")

    subprocess.run(["sh", "-ec", script], check=True, umask=0o022, timeout=60)

    assert f"{backup.stat().st_mode:o}" == "100600"
