"""A whole installation for tests of the command line: the demo's back office, a simulator, a configuration."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner
from typing_extensions import override

from connector.cli import main
from connector.demo.stage import Stage
from connector.simulator import SimulatorServer
from connector.simulator.journal import Entry


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.out))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def call(*arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Outcome:
    """Call the command line within this process."""
    result = CliRunner().invoke(main, list(arguments), env=env, input=stdin, catch_exceptions=False)
    return Outcome(result.exit_code, result.stdout, result.stderr)


class Reopened(Stage):
    """A stage on which was played before, with all that came of it; its simulator has a new address."""

    def __init__(self, before: Path, folder: Path) -> None:
        """Put back what is kept of `before` into the folder where it was played."""
        self.folder = folder
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        for path in before.iterdir():
            shutil.copy(path, folder)
        self.erp, self.config, self.state = folder / "erp.db", folder / "connector.toml", folder / "simulator.db"
        self.simulator = SimulatorServer(state_file=self.state)

    @override
    def __enter__(self) -> Stage:
        text = self.config.read_text(encoding="utf-8")
        self.simulator.start()
        self.config.write_text(
            re.sub(r"base_url = .*", f'base_url = "{self.simulator.base_url}"', text), encoding="utf-8"
        )
        return self


class Shop:
    """An installation in a folder; the simulator misbehaves only when told to."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.folder = stage.folder
        self.config = stage.config
        self.world = stage.simulator.world
        self.world.faults.clear()
        self.ledger_file = self.folder / "connector.db"

    def run(self, *arguments: str, config: Path | None = None, stdin: str | None = None) -> Outcome:
        """Call a command within this process."""
        return call("--config", str(config or self.config), *arguments, stdin=stdin)

    def process(
        self,
        *arguments: str,
        config: Path | None = None,
        program: Sequence[str] = ("-m", "connector.cli"),
        **env: str,
    ) -> subprocess.Popen[str]:
        """Start a command as a process of its own, with its output in pipes."""
        return subprocess.Popen(
            [sys.executable, *program, "--config", str(config or self.config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CONNECTOR_WEB__PORT": "0", **env},
        )

    def changed(self, *replacements: tuple[str, str], extra: str = "", name: str = "other.toml") -> Path:
        """Write the configuration with other words in it."""
        text = self.config.read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text + extra, encoding="utf-8")
        return path

    def copied_erp(self) -> Path:
        """Copy the ERP's database; return a configuration that leads to the copy."""
        copy = self.stage.erp.with_name("copy.db")
        shutil.copy(self.stage.erp, copy)
        return self.changed((str(self.stage.erp), str(copy)), name="copied.toml")

    def lose_a_request(self, number: str) -> None:
        """Have a sync end while it is not known whether the creation of this document came to anything."""
        self.world.faults.add("drop_before", operation="create_invoice", number=number)
        self.run("sync", "--patience", "0", config=self.changed(("quiet_time = 2.4", "quiet_time = 600")))

    def ids(self) -> dict[str, int]:
        """The job ids by number."""
        return {job["number"]: job["id"] for job in self.run("jobs", "--json").lines}

    def erp(self, statement: str, *values: object) -> list[Any]:
        """Execute a statement in the ERP."""
        with closing(sqlite3.connect(self.stage.erp)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def erp_hash(self) -> str:
        """What tells whether the ERP's file changed."""
        return hashlib.sha256(self.stage.erp.read_bytes()).hexdigest()

    def writes(self) -> list[Entry]:
        """The writing requests that B2Brouter has seen."""
        return [entry for entry in self.world.journal if entry.method in {"POST", "PUT", "DELETE"}]
