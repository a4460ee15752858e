"""What can be proven of the deployment files without the machines that they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.group import COMMANDS

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES = ("scheduler", "worker", "web")


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here")
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, with an executable that exists here."""
    templates = {f"connector-{role}@.service": "connector-role@.service" for role in ROLES}
    for name, file in {**templates, "connector.service": "connector.service"}.items():
        text = (DEPLOY / "systemd" / file).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/connector/bin/connector", sys.executable), encoding="utf-8")
    shutil.copy(DEPLOY / "systemd" / "connector.target", tmp_path)
    return tmp_path


@pytest.mark.parametrize("unit", ["connector.service", *(f"connector-{role}@1.service" for role in ROLES)])
def test_systemd_finds_no_fault_with_a_unit(units: Path, unit: str) -> None:
    done = run(needed("systemd-analyze"), "verify", f"./{unit}", folder=units)
    assert (done.returncode, [line for line in done.stderr.splitlines() if line.startswith("connector")]) == (0, [])


@pytest.mark.parametrize("unit", ["connector.service", "connector-worker@1.service"])
def test_a_unit_is_exposed_to_little(units: Path, unit: str) -> None:
    done = run(needed("systemd-analyze"), "security", "--offline=true", f"./{unit}", folder=units)
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if level is None:
        pytest.skip("this systemd cannot judge a unit offline")
    assert float(level[1]) <= 2.0


@pytest.mark.parametrize("unit", ["connector.service", "connector-role@.service"])
def test_a_unit_gives_the_steps_under_way_time_to_end_and_shows_no_secret(unit: str) -> None:
    lines = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    assert "TimeoutStopSec=45" in lines
    assert "KillMode=mixed" in lines
    secrets = [line for line in lines if line.startswith("Environment=")]
    assert secrets
    assert all(re.search(r"_FILE=%d/\w+$", line) for line in secrets)


def test_compose_understands_its_file_and_every_role_is_a_command(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    (tmp_path / "secrets").mkdir()
    for name in ("connector.toml", "secrets/ledger_url", "secrets/api_key", "secrets/postgres_password"):
        (tmp_path / name).touch()
    done = run(needed("docker-compose"), "-f", "compose.yaml", "config", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    roles = re.findall(r"command:\n +- ([\w-]+)", done.stdout)
    assert {*ROLES} <= {*roles} - {"redis-server"} <= {*COMMANDS}
