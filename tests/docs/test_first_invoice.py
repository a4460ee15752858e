"""What the first pages tell people to type is typed here, as it stands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import connector
from config import settings
from tests.support.odoo import OdooDatabase
from tests.support.ports import own_port
from tests.support.services import load_dump

ROOT = Path(connector.__file__).parents[1]
BIN = Path(sys.executable).parent
SIMULATOR = 'connector simulator --port "$PORT" >simulator.log 2>&1 & sleep 2 '


def block(page: str, language: str, having: str) -> str:
    """The code block of a page that has these words."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return next(code for code in blocks if having in code)


@pytest.fixture
def environment() -> Mapping[str, str]:
    """What the commands see; the simulator has a port of its own."""
    port = own_port()
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PORT": str(port),
        "CONNECTOR_B2BROUTER__BASE_URL": f"http://127.0.0.1:{port}",
    }


def shell(script: str, environment: Mapping[str, str], folder: Path) -> str:
    """What a shell prints that stops at the first failure; it ends with all that it started."""
    process = subprocess.Popen(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
    assert process.returncode == 0, output
    return output


@pytest.mark.slow
def test_the_quick_start_issues_its_invoices_here(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    steps = block("docs/quickstart.md", "sh", "connector simulator")
    steps = steps[steps.index("mkdir") :].replace("connector simulator", 'connector simulator --port "$PORT"')
    change = "UPDATE project SET invoice_date = '2026-09-03' WHERE invoice_number = 'P-2026-002'"
    typed = f"""{steps}
        connector sync
        python -c "import sqlite3; erp = sqlite3.connect('booking.db'); erp.execute(\\"{change}\\"); erp.commit()"
        connector sync || test $? = 3
        connector explain P-2026-002
    """

    told = shell(typed, environment, tmp_path)

    for words in (
        "All works.",
        "5 invoices to send",
        "3,609.51 EUR",
        "5 new invoices found, 5 issued",
        "Invoice P-2026-002",
        "0 new invoices found, 0 issued",
    ):
        assert words in told
    assert "changed_after_issue" in told.rpartition("Invoice P-2026-002")[2]


@pytest.mark.slow
def test_the_way_of_the_readme_issues_one_invoice_of_odoo_and_waits(
    environment: Mapping[str, str], postgres_url: str, tmp_path: Path
) -> None:
    """As it stands there, but for the address: the simulator takes the place of staging."""
    load_dump(postgres_url, OdooDatabase.dump("17"))
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (tmp_path / "api_key").write_text("test_key\n", encoding="utf-8")
    (tmp_path / "erp_url").write_text(f"{postgres_url}\n", encoding="utf-8")
    two_companies = block("README.md", "toml", "staging").replace('account = "main" ', 'accounts = { "1" = "main" } ')
    (tmp_path / "connector.toml").write_text(two_companies, encoding="utf-8")
    steps = block("README.md", "sh", "export CONNECTOR_ACCOUNTS").replace("make setup", SIMULATOR)
    steps = steps.replace("connector sync", "connector sync || test $? = 3")  # some need a person
    elsewhere = {"CONNECTOR_B2BROUTER__ENVIRONMENT": "simulator", "CONNECTOR_ACCOUNTS__MAIN__ACCOUNT_ID": "1"}

    told = shell(steps, {**environment, **elsewhere}, tmp_path)

    assert "All works" in told
    assert "34 invoices to send" in told
    assert "34 new invoices found, 1 issued" in told
    assert "First run of account main, step 1 of 1" in told
    assert told.count("\tramp_full\t") == 24


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_configuration_for_staging_is_complete(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("connector.toml").write_text(block(page, "toml", "staging"), encoding="utf-8")
    Path("api_key").write_text("a key\n", encoding="utf-8")
    Path("erp_url").write_text("postgresql+psycopg://connector:secret@erp-host/odoo\n", encoding="utf-8")
    for name, value in re.findall(r"(CONNECTOR_\w+)=(\S+)", block(page, "sh", "export CONNECTOR_ACCOUNTS")):
        monkeypatch.setenv(name, value)

    loaded = settings.load()

    assert loaded.b2brouter.host == "https://api-staging.b2brouter.net"
    assert loaded.accounts["main"].key() == "a key"
    assert loaded.sources["erp"].address() == "postgresql+psycopg://connector:secret@erp-host/odoo"
    assert loaded.accounts["main"].ramp_in("staging") == [1]
    assert loaded.sources["erp"].options["write_back"] == "none"
