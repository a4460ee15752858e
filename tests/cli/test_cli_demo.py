"""The demo: every document meets its fate, and what is kept can be played on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.demo.__main__ import Fate, _folder, demo
from connector.demo.cases import CASES
from connector.domain.catalogue import LANGUAGES, reason
from tests.cli.shop import call


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "connector.demo", *options], capture_output=True, text=True, timeout=110, check=False
    )


def test_every_document_meets_its_fate_and_what_is_kept_works(tmp_path: Path) -> None:
    done = run("--json", "--keep", str(tmp_path / "kept"))
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
    assert "--keep DIR" in done.stdout


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
