"""Acceptance on a folder: every file that is dropped is issued once, byte for byte, and a bad one is reported."""

from __future__ import annotations

import json
import shutil
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.checks import see_that_the_audit_is_clean
from tests.e2e.conftest import Installer
from tests.e2e.installation import Installation

SAMPLES: Final = Path(__file__).parents[1] / "data" / "folder"
ACCOUNTS: Final = {"ESB76543214": "main", "FR44732829320": "fr"}

BOMB: Final = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<lolz>&lol2;</lolz>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which one file of each kind was dropped."""
    there = tmp_path / "invoices"
    shutil.copytree(SAMPLES, there)
    return there


def installed(install: Installer, b2brouter: SimulatorServer, folder: Path, **settings: Any) -> Installation:
    settings = {"accounts": ACCOUNTS, "options": f'folder = "{folder}"\nsettle_seconds = 0.2', **settings}
    return install(b2brouter.base_url, "", adapter="folder", **settings)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_issued_once_as_it_is_and_a_bad_one_is_reported(
    folder: Path, b2brouter: SimulatorServer, install: Installer
) -> None:
    samples = files(folder)
    assert len(samples) == 8
    (folder / "bomb.xml").write_bytes(BOMB)
    (folder / "half.xml.part").write_bytes(b"<Invoice")
    (folder / ".hidden.xml").write_bytes(b"<Invoice")
    it = installed(install, b2brouter, folder)

    ended = it.run("sync", "--patience", "30")

    assert ended.status == 3, ended.err
    assert (ended.record["found"], ended.record["issued"], ended.record["held"]) == (9, 8, 1)
    jobs = it.jobs()
    assert jobs["bomb.xml"]["reason"] == "document_not_usable"
    assert jobs["bomb.xml"]["message"].count("bomb.xml") == 1
    assert "entities" in jobs["bomb.xml"]["message"]
    issued = [invoice for invoice in b2brouter.world.invoices.values() if invoice.deleted_at is None]
    originals = {sha256(invoice.original or b"").hexdigest(): invoice for invoice in issued}
    for name in samples:
        invoice, job = originals.pop(sha256((SAMPLES / name).read_bytes()).hexdigest()), jobs[name]
        assert (job["status"], job["number"], job["reference"]) == ("done", invoice.number, str(invoice.id))
        assert invoice.sent_times == 1
        written = json.loads((folder / "done" / f"{name}.b2brouter.json").read_text())
        account = {"main": "1", "fr": "2"}[job["account"]]
        assert (written["reference"], written["xref"]) == (
            job["reference"],
            f"b2brouter:simulator:{account}:{job['reference']}",
        )
        assert (folder / "done" / name).read_bytes() == (SAMPLES / name).read_bytes()
    assert originals == {}
    assert files(folder) == {
        *(f"done/{name}" for name in samples),
        *(f"done/{name}.b2brouter.json" for name in samples),
        "failed/bomb.xml",
        "failed/bomb.xml.b2brouter.txt",
        "half.xml.part",
        ".hidden.xml",
    }
    see_that_the_audit_is_clean(b2brouter)

    again = it.sync()
    assert (again["found"], again["issued"], again["held"]) == (0, 0, 1)
    see_that_the_audit_is_clean(b2brouter)


def test_a_bad_file_that_is_put_right_is_issued_without_further_ado(
    tmp_path: Path, b2brouter: SimulatorServer, install: Installer
) -> None:
    folder = tmp_path / "invoices"
    folder.mkdir()
    whole = (SAMPLES / "ubl-invoice.xml").read_bytes()
    (folder / "a.xml").write_bytes(whole[: len(whole) // 2])
    it = installed(install, b2brouter, folder)
    assert it.sync()["held"] == 1
    assert "is no XML, or not all of it" in (folder / "failed" / "a.xml.b2brouter.txt").read_text()

    (folder / "a.xml").write_bytes(whole)
    cured = it.sync()

    assert (cured["found"], cured["issued"], cured["held"], cured["done"]) == (0, 1, 0, 1)
    (job,) = it.jobs().values()
    assert (job["company"], job["account"], job["number"]) == ("ESB76543214", "main", "F2026-0101")
    assert (folder / "done" / "a.xml").exists()
    assert not (folder / "failed" / "a.xml.b2brouter.txt").exists()
    see_that_the_audit_is_clean(b2brouter)


def test_the_same_invoice_in_two_files_leaves_once(
    tmp_path: Path, b2brouter: SimulatorServer, install: Installer
) -> None:
    folder = tmp_path / "invoices"
    folder.mkdir()
    for name in ("a.xml", "copy of a.xml"):
        shutil.copy(SAMPLES / "ubl-invoice.xml", folder / name)
    it = installed(install, b2brouter, folder, accounts="main")

    it.sync()

    jobs = sorted(it.jobs().values(), key=lambda job: str(job["status"]))
    assert [(job["status"], job["reason"]) for job in jobs] == [("done", None), ("held", "number_clash")]
    assert len(b2brouter.world.invoices) == 1
    see_that_the_audit_is_clean(b2brouter)
    assert it.sync()["issued"] == 0


OFTEN = ("import.after_request", "record.between")
SELDOM = ("import.after_intent", "import.after_reply", "record.after_write")


@pytest.mark.parametrize("point", [*OFTEN, *(pytest.param(point, marks=pytest.mark.slow) for point in SELDOM)])
def test_a_process_that_is_killed_leaves_nothing_undone_and_nothing_twice(
    point: str, tmp_path: Path, b2brouter: SimulatorServer, install: Installer
) -> None:
    folder = tmp_path / "invoices"
    folder.mkdir()
    shutil.copy(SAMPLES / "ubl-invoice.xml", folder)
    it = installed(install, b2brouter, folder, accounts="main", quiet_time=5, timeout=2)
    it.crash_at = point
    assert it.run("sync").status == -signal.SIGKILL

    it.crash_at = ""
    it.sync()

    (job,) = it.jobs().values()
    assert job["status"] == "done", job
    assert files(folder) == {"done/ubl-invoice.xml", "done/ubl-invoice.xml.b2brouter.json"}
    (there,) = b2brouter.world.invoices.values()
    assert (there.sent_times, str(there.id)) == (1, job["reference"])
    see_that_the_audit_is_clean(b2brouter)
