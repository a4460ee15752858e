"""The demo: every document meets its fate, and what is kept can be played on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.cli.output import Output
from connector.demo import programs
from connector.demo.__main__ import Fate, _folder, _suggest, demo
from connector.demo.cases import CASES
from connector.domain.catalogue import LANGUAGES, reason
from tests.cli.shop import call


def run(*options: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "connector.demo", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=110, check=False, env={**os.environ, **(env or {})}
    )


def test_every_document_meets_its_fate_and_what_is_kept_works(tmp_path: Path) -> None:
    # As in a terminal that is set up for a real installation: none of it may be met.
    theirs = {
        "CONNECTOR_CONFIG": str(tmp_path / "theirs.toml"),
        "CONNECTOR_LEDGER__URL": f"sqlite:///{tmp_path / 'theirs.db'}",
        "CONNECTOR_SOURCES__ERP__URL_FILE": "erp_url",
    }
    done = run("--json", "--keep", str(tmp_path / "kept"), env=theirs)
    assert not (tmp_path / "theirs.db").exists()
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["ok"]
    fates = {one["story"]: one["fate"] for one in result["documents"]}
    assert list(fates.values()).count("issued") == 6
    assert list(fates.values()).count("held") == 8
    assert list(fates.values()).count("not touched") == 3
    assert fates["B2Brouter's answer got lost"] == "issued"
    assert_the_guides_failures_are_told_and_cured(result)

    config = str(tmp_path / "kept" / "connector.toml")
    told = call("--config", config, "explain", "B-0110", "--json").json
    assert "adopted" in [event["what"] for event in told["events"]]
    attempts = call("--config", config, "explain", "B-0111").out
    assert "(attempt 3)" in attempts
    assert (tmp_path / "kept" / "simulator.db").exists()
    assert "http://127.0.0.1:8790" in Path(config).read_text(encoding="utf-8")


def assert_the_guides_failures_are_told_and_cured(result: dict[str, Any]) -> None:
    held = {one["number"]: one for one in result["documents"] if one["fate"] == "held"}
    cured = {one["number"]: one for one in result["cured"]}
    assert set(cured) == {"B-0090", *held} - {"B-0109"}
    assert {one["fate"] for one in cured.values()} == {"issued"}
    for number in (case.number or "" for case in CASES if case.guide):
        assert (held[number]["reference"], held[number]["xref"]) == (None, None)
        assert len(set(held[number]["messages"].values())) == len(LANGUAGES)
        assert cured[number]["xref"].endswith(f":{cured[number]['reference']}")


def test_the_tables_say_number_fate_reason_and_cure_in_the_language_that_is_asked_for() -> None:
    done = run("--lang", "fr")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"B-0103\tthe IBAN is wrong\theld\tiban_wrong\t{reason('iban_wrong').advice({}, 'fr')}" in done.stdout
    assert "6 issued; 8 held for a person; 3 not touched" in done.stdout
    assert "FAST\tB-0102\tca\tEl NIF " in done.stdout
    assert "B-0106\tB2Brouter: the account adds up VAT line by line\tissued\t" in done.stdout
    assert "8 of 8 left by themselves" in done.stdout
    assert "All as expected: each issued exactly once" in done.stdout
    program = Path(sys.executable)
    shown = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    assert f"To go on with it yourself: {shown} -m connector.demo --keep DIR" in done.stdout


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment below the current folder, which is not on the PATH."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "connector").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    return programs


def test_what_to_call_next_is_named_so_that_it_can_be_called_from_here(installed: Path) -> None:
    assert programs.interpreter() == ".venv/bin/python"
    assert programs.connector() == ".venv/bin/connector"


def test_what_to_call_next_is_named_with_its_whole_path_from_elsewhere(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = installed / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert programs.interpreter() == str(installed / "python")
    assert programs.connector() == str(installed / "connector")


def test_an_installation_without_the_script_is_called_by_its_module(installed: Path) -> None:
    (installed / "connector").unlink()

    assert programs.connector() == ".venv/bin/python -m connector.cli"


def test_all_lines_about_what_to_try_next_name_the_programs_of_this_installation(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _suggest(Output(json=False), installed.parent)

    commands = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert {line.split()[0] for line in commands} == {".venv/bin/connector", "export"}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = run("--keep", str(tmp_path), "--json")
    assert done.returncode == 2
    assert "is not empty" in json.loads(done.stdout)["error"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_fate_that_is_not_the_expected_one_is_seen() -> None:
    case = next(case for case in CASES if case.number == "B-0102")
    untouched = Fate(case=case, job=None, reference=None, xref=None, way=frozenset())
    assert not untouched.as_expected
    assert not replace(untouched, reference="1").as_expected
    draft = next(case for case in CASES if case.number is None)
    assert replace(untouched, case=draft).as_expected
    original = next(case for case in CASES if case.number == "B-0090")
    assert replace(untouched, case=original).as_expected
    assert not replace(untouched, case=original, cured=True).as_expected


def test_without_a_folder_it_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = _folder(None)
    assert folder.parent == tmp_path
    folder.rmdir()
    assert demo.name == "demo"
