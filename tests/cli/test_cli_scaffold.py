"""`connector adapters new` writes a package that works at once, and that the connector finds by its entry point."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shop import call

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of an adapter `acme`."""
    folder = tmp_path_factory.mktemp("authors") / "acme"
    assert call("adapters", "new", "acme", "--into", str(folder)).status == 0
    return folder


def run(*command: str, folder: Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program as an author would, with the connector installed."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_package_passes_its_own_tests_and_shows_the_verdict_sheet(package: Path) -> None:
    # The rule about memory takes a hundred thousand rows; it is the nightly run's.
    told = run("pytest", "-q", "-p", "no:cacheprovider", "-k", "not bounded_memory", folder=package)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "verdict sheet of TestAcme" in told.stdout
    assert "pass     drafts and cancelled documents never appear" in told.stdout
    skipped = "skipped  a wrong password is not permitted and never told: SQLite has no users and no passwords."
    assert skipped in told.stdout
    assert "35 pass, 0 fail, 3 skipped" in told.stdout


@pytest.mark.slow
def test_the_whole_suite_passes_within_its_memory_limit(package: Path) -> None:
    told = run("pytest", "-q", "-p", "no:cacheprovider", folder=package)
    assert "36 pass, 0 fail, 3 skipped" in told.stdout, told.stdout + told.stderr


def test_a_broken_adapter_fails_in_its_verdict_sheet(tmp_path: Path) -> None:
    call("adapters", "new", "acme", "--into", str(tmp_path / "acme"))
    reader = tmp_path / "acme" / "connector_acme" / "reader.py"
    shown = reader.read_text(encoding="utf-8").replace("i.state = 'confirmed'", "i.state <> 'cancelled'")
    reader.write_text(shown, encoding="utf-8")
    told = run("pytest", "-q", "-p", "no:cacheprovider", "-k", "never_appear", folder=tmp_path / "acme")
    assert told.returncode == 1
    fault = "fail     drafts and cancelled documents never appear: find gives 5, which the ERP shows as a draft"
    assert fault in told.stdout


def test_the_connector_finds_the_installed_package_and_tries_it_on_a_source(package: Path, tmp_path: Path) -> None:
    wheel = build_wheel(package, tmp_path)
    with closing(sqlite3.connect(tmp_path / "erp.db")) as connection:
        connection.executescript((package / "tests" / "sample.sql").read_text(encoding="utf-8"))
    (tmp_path / "connector.toml").write_text(
        f"""
[b2brouter]
environment = "simulator"
base_url = "http://127.0.0.1:9"
[ledger]
url = "sqlite:///{tmp_path / "connector.db"}"
[accounts.main]
account_id = "1"
api_key = "test_key"
[sources.erp]
adapter = "acme"
url = "sqlite:///erp.db"
accounts = {{ "1" = "main" }}
""",
        encoding="utf-8",
    )
    told = run("connector.cli", "adapters", "test", "erp", "--json", folder=tmp_path, path=wheel)
    assert told.returncode == 0, told.stdout + told.stderr
    result = json.loads(told.stdout)
    assert {finding["verdict"] for finding in result["findings"]} == {"pass"}
    assert (result["adapter"], result["interface"]) == ("acme", 2)
    assert [document["number"] for document in result["documents"]] == ["2026-001", "2026-001", "C2026-001"]


def test_the_readme_tells_the_settings_of_the_model(package: Path) -> None:
    readme = (package / "README.md").read_text(encoding="utf-8")
    assert '| `write_back` | `"columns"` or `"none"` | `"columns"` | Where the reference goes:' in readme


def test_what_is_written_is_clean(package: Path) -> None:
    ruff = run(
        "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(package / "connector_acme"), folder=ROOT
    )
    assert ruff.returncode == 0, ruff.stdout
    for file in package.rglob("*"):
        assert not file.is_file() or not re.search(r"[{]{2}|[{]%", file.read_text(encoding="utf-8")), file


def test_an_author_s_adapter_has_fewer_lines_than_250(package: Path) -> None:
    lines = [
        line
        for file in (package / "connector_acme").glob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    assert 150 < len(lines) < 250


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Acme", "Acme cannot be the name of an adapter."),
        ("acme-erp", "acme-erp cannot be the name of an adapter."),
        ("class", "class cannot be the name of an adapter."),
        ("odoo", "There is an adapter odoo already."),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    told = call("adapters", "new", name, "--into", str(tmp_path / "new"))
    assert told.status == 2
    assert sentence in told.err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = call("adapters", "new", "acme", "--into", str(tmp_path / "file" / "acme"))
    assert told.status == 1
    assert "cannot be written: Not a directory" in told.err
    assert "--into" in told.err


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    told = call("adapters", "new", "acme", "--into", str(tmp_path))
    assert told.status == 2
    assert f"{tmp_path} exists already" in told.err
    assert list(tmp_path.iterdir()) == []


def test_machines_are_told_the_files(tmp_path: Path) -> None:
    told = call("adapters", "new", "acme_one", "--into", str(tmp_path / "one"), "--json").json
    assert told["adapter"] == "acme_one"
    assert str(tmp_path / "one" / "connector_acme_one" / "mapping.py") in told["files"]
    assert "class AcmeOneAdapter" in (tmp_path / "one" / "connector_acme_one" / "__init__.py").read_text("utf-8")


def build_wheel(package: Path, into: Path) -> Path:
    """Build the wheel; it is imported from the archive, as if it were installed."""
    pytest.importorskip("hatchling")
    program = f"from hatchling.build import build_wheel; print(build_wheel({str(into)!r}))"
    built = subprocess.run([sys.executable, "-c", program], cwd=package, capture_output=True, text=True, check=True)
    return into / built.stdout.strip().splitlines()[-1]
