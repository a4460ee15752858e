"""The archive as people see it."""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shop import Outcome, Shop

PERIOD = ("--from", "2020-01-01", "--to", "2099-12-31")


class Archived:
    """A back office whose documents were issued, with an archive that is still empty."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.place = shop.folder / "archive"
        self.config = shop.changed(extra=f'\n[archive]\nurl = "{self.place}"\n', name="archived.toml")

    def run(self, *arguments: str) -> Outcome:
        return self.shop.run(*arguments, config=self.config)

    def files(self, ending: str = "") -> list[Path]:
        return sorted(path for path in self.place.glob(f"files/*/*{ending}"))


@pytest.fixture
def archived(played: Shop) -> Archived:
    return Archived(played)


@pytest.fixture
def full(archived: Archived) -> Iterator[Archived]:
    """The same after its files were fetched."""
    archived.shop.world.switches.set({"pdf_seconds": 0.0})
    assert archived.run("archive", "fetch").status == 0
    yield archived
    for path in archived.place.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def issued(archived: Archived) -> int:
    return len(archived.run("jobs", "--status", "done", "--json").lines)


def test_without_a_place_there_is_none(played: Shop) -> None:
    assert "off; name a place in [archive] url" in played.run("archive", "status").out
    told = played.run("archive", "verify")
    assert (told.status, "There is no archive in the configuration." in told.err) == (2, True)
    assert checked(played)["archive"]["status"] == "ok"


def checked(at: Shop | Archived) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in at.run("check", "--json").json["checks"]}


def test_sync_keeps_what_it_has_issued(shop: Shop) -> None:
    archived = Archived(shop)
    shop.world.switches.set({"pdf_seconds": 0.0})

    ended = archived.run("sync", "--patience", "8", "--json")

    assert ended.status == 3  # some are held; nothing failed
    assert ended.json["faults"] == []
    counts = {row["piece"]: row for row in archived.run("archive", "status", "--json").json["files"]}
    assert {piece: (row["keeping"], row["files"]) for piece, row in counts.items()} == dict.fromkeys(
        ("legal", "original", "pdf"), ("kept", issued(archived))
    )


def test_a_place_that_cannot_be_written_to_fails_the_pass_in_a_sentence_and_nothing_else(archived: Archived) -> None:
    archived.place.write_text("in the way")

    ended = archived.run("sync", "--patience", "0", "--json")

    assert ended.status == 1
    [fault] = ended.json["faults"]
    assert fault["message"] == f"The archive {archived.place} cannot be written: File exists."
    assert checked(archived)["archive"]["status"] == "failed"
    archived.place.unlink()
    assert archived.run("sync", "--patience", "0", "--json").json["faults"] == []


def test_status_tells_how_far_the_keeping_has_come(full: Archived) -> None:
    told = full.run("archive", "status").out

    assert f"Archive: {full.place}" in told
    assert f"pdf\tkept\t{issued(full)}\t" in told
    assert full.run("archive", "status", "--json").json["last_list"].startswith("manifests/")


def test_verify_finds_a_changed_byte_a_missing_file_and_an_unknown_one(full: Archived) -> None:
    assert full.run("archive", "verify").status == 0
    changed, missing = full.files(".pdf")[:2]
    changed.chmod(0o640)
    changed.write_bytes(changed.read_bytes().replace(b"%PDF-1.4", b"%PDF-1.5"))
    missing.unlink()
    unknown = full.place / "files" / "note.txt"
    unknown.write_text("mine")

    told = full.run("archive", "verify", "--json")

    assert told.status == 3
    *findings, summary = told.lines
    assert {(row["reason"], row["file"]) for row in findings} == {
        ("archive_changed", str(changed.relative_to(full.place))),
        ("archive_missing", str(missing.relative_to(full.place))),
        ("archive_unknown", "files/note.txt"),
    }
    assert summary["findings"] == 3
    assert "was changed after it had been kept" in full.run("archive", "verify").out
    assert "se modificó después de guardarse" in full.run("--lang", "es", "archive", "verify").out


def test_export_packs_a_period_into_one_file_that_proves_itself(full: Archived, tmp_path: Path) -> None:
    full.run("skip", "B-0107", "--note", "looked at by Ana")
    bundle = tmp_path / "evidence.zip"
    told = full.run("archive", "export", *PERIOD, "--output", str(bundle), "--json")

    assert told.status == 0
    assert told.json["invoices"] == issued(full)
    assert (told.json["missing"], told.json["changed"]) == (0, [])
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(tmp_path / "out")
    check = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=False
    )
    assert check.returncode == 0
    [folder] = (tmp_path / "out").glob("*_B-0101_*")
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.json", "erp.json", "invoice.json", "invoice.pdf", "legal.xml", "payload.json", "people.json",
        "states.json", "timeline.json",
    ]  # fmt: skip
    assert json.loads((folder / "payload.json").read_text())["invoice"]["number"] == "B-0101"
    assert json.loads((folder / "erp.json").read_text())["fields"]["number"] == "B-0101"
    reference = json.loads((folder / "invoice.json").read_text())["reference"]
    answers = {event["effect"]: event["answer"] for event in json.loads((folder / "answers.json").read_text())}
    assert str(json.loads(answers["create"])["invoice"]["id"]) == reference
    assert json.loads(answers["send"])
    index = (tmp_path / "out" / "index.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(index) == 1 + issued(full)


def test_no_name_of_a_customer_is_a_formula_in_the_index(full: Archived, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full.shop.ledger_file)) as ledger, ledger:
        ledger.execute("""UPDATE job SET customer = '=HYPERLINK("http://x")'""")
    bundle = tmp_path / "evidence.zip"
    assert full.run("archive", "export", *PERIOD, "--output", str(bundle)).status == 0

    with zipfile.ZipFile(bundle) as opened:
        index = csv.DictReader(opened.read("index.csv").decode("utf-8-sig").splitlines())
        assert {row["customer"] for row in index} == {'\'=HYPERLINK("http://x")'}


def test_one_file_of_one_invoice_is_handed_out_as_it_was_kept(full: Archived, tmp_path: Path) -> None:
    file = tmp_path / "legal.xml"
    told = full.run("archive", "get", "B-0101", "--output", str(file), "--json")
    assert told.status == 0
    assert told.json == {"output": str(file), "bytes": file.stat().st_size}
    assert file.read_bytes() in [kept.read_bytes() for kept in full.files(".xml")]

    again = full.run("archive", "get", "B-0101", "--output", str(file))
    assert (again.status, "exists already" in again.err) == (2, True)
    held = full.run("archive", "get", "B-0103", "--piece", "pdf", "--output", str(tmp_path / "none.pdf"))
    assert "The archive does not have this file of B-0103" in held.err
    for kept in full.files(".pdf"):
        kept.chmod(0o640)
        kept.write_bytes(b"%PDF-forged")
    forged = full.run("archive", "get", "B-0101", "--piece", "pdf", "--output", str(tmp_path / "forged.pdf"))
    assert (forged.status, "is not as it was archived" in forged.err) == (1, True)
    assert not (tmp_path / "forged.pdf").exists()


def test_export_leaves_out_what_is_not_as_it_was_archived_and_says_so(full: Archived, tmp_path: Path) -> None:
    changed = full.files(".pdf")[0]
    changed.chmod(0o640)
    changed.write_bytes(b"%PDF-forged")
    bundle = tmp_path / "evidence.zip"

    told = full.run("archive", "export", *PERIOD, "--output", str(bundle), "--json")

    assert told.status == 3
    assert told.json["changed"] == [str(changed.relative_to(full.place))]
    assert b"forged" not in bundle.read_bytes()


def test_export_never_writes_over_a_file_and_works_without_an_archive(played: Shop, tmp_path: Path) -> None:
    bundle = tmp_path / "evidence.zip"

    told = played.run("archive", "export", *PERIOD, "--output", str(bundle), "--json")
    again = played.run("archive", "export", *PERIOD, "--output", str(bundle))

    assert told.status == 0
    assert told.json["missing"] == 2 * told.json["invoices"]  # legal files and PDFs
    assert (again.status, "exists already" in again.err) == (2, True)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


KILLED = -signal.SIGKILL


POINTS = ["kept:3"]
MORE_POINTS = [
    "named:2",
    "listed",
    "half_written:1",
    "half_written:8",
    "written:2",
    "written:18",
    "named:1",
    "named:18",
    "kept:1",
]


@pytest.mark.parametrize("point", [*POINTS, *(pytest.param(point, marks=pytest.mark.slow) for point in MORE_POINTS)])
def test_kill_9_at_any_moment_leaves_no_half_file_and_loses_none(archived: Archived, point: str) -> None:
    archived.shop.world.switches.set({"pdf_seconds": 0.0})
    killed = archived.shop.process("archive", "fetch", config=archived.config, CONNECTOR_CRASH_AT=f"archive.{point}")
    killed.communicate(timeout=60)
    assert killed.returncode == KILLED

    assert archived.run("archive", "verify").status == 0  # whatever has a good name is whole
    forget_claims(archived)
    assert archived.run("archive", "fetch").status == 0
    told = archived.run("archive", "verify", "--json")
    assert (told.status, told.lines[-1]["findings"]) == (0, 0)
    counts = archived.run("archive", "status", "--json").json["files"]
    assert {row["keeping"] for row in counts} == {"kept"}
    assert sum(row["files"] for row in counts) == 3 * issued(archived)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0, 1.2])
def test_kill_9_at_any_time_too(archived: Archived, after: float) -> None:
    archived.shop.world.switches.set({"pdf_seconds": 0.0})
    process = archived.shop.process("archive", "fetch", config=archived.config)
    time.sleep(after)  # which moment that is, chance decides
    process.kill()
    process.communicate(timeout=60)

    assert archived.run("archive", "verify").status == 0
    forget_claims(archived)
    assert archived.run("archive", "fetch").status == 0
    assert archived.run("archive", "verify").status == 0


def forget_claims(archived: Archived) -> None:
    """As time does."""
    with closing(sqlite3.connect(archived.shop.ledger_file)) as connection, connection:
        connection.execute("UPDATE archive SET due_at = '2020-01-01' WHERE keeping IN ('due', 'storing')")


def test_the_daemon_keeps_files_too(archived: Archived) -> None:
    archived.shop.world.switches.set({"pdf_seconds": 0.0})
    daemon = archived.shop.process("run", config=archived.config)
    try:
        deadline = time.monotonic() + 40
        while len(archived.files(".pdf")) < issued(archived) and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)
    assert len(archived.files(".pdf")) == issued(archived)
    assert archived.run("archive", "verify").status == 0
