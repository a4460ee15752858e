"""The folder adapter: which files are read, how they are called, what is written beside them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.folder import FolderAdapter
from connector.adapters.folder.files import Files, key_of
from connector.adapters.folder.settings import FolderOptions
from connector.domain.errors import (
    DocumentNotUsableError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.invoice import Invoice, Kind
from connector.ports import UNKNOWN_COMPANY, Adapter, Found, HoldsFiles, Position
from tests.support.files import NAMES, SAMPLES, files, sample

XREF = "b2brouter:simulator:1:77"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "invoices"
    there.mkdir()
    return there


@pytest.fixture
def adapter(folder: Path) -> FolderAdapter:
    return FolderAdapter(files(folder))


def drop(folder: Path, name: str = "a.xml", content: bytes | None = None) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sample("ubl-invoice.xml") if content is None else content)
    return path


def find(adapter: Adapter, after: Position | None = None, limit: int = 100, **options: Any) -> list[Found]:
    return list(adapter.find(after, limit, **{"since": None, "companies": None, **options}))


def found(adapter: Adapter, **options: Any) -> list[str]:
    return sorted(head.key for head in find(adapter, **options))


def load(adapter: Adapter, key: str = "a.xml") -> Invoice:
    document = adapter.load([key])[key]
    assert isinstance(document, Invoice), document
    return document


def refused(adapter: Adapter, key: str = "a.xml") -> str:
    document = adapter.load([key])[key]
    assert isinstance(document, DocumentNotUsableError), document
    return document.message


def tick(folder: Path) -> None:
    """Wait until the file system's clock, which moves in steps, has moved on."""
    probe = folder.parent / "probe"
    probe.touch()
    before, deadline = probe.stat().st_ctime_ns, time.monotonic() + 10
    while probe.stat().st_ctime_ns == before:
        assert time.monotonic() < deadline
        probe.touch()
    probe.unlink()


def forbid(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Have the system refuse to open files, as it does with those of others; the tests may run as root."""
    real = Path.open

    def open_(path: Path, *rest: Any, **options: Any) -> Any:
        if path in paths:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(Path, "open", open_)


def there(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


class TestFinding:
    def test_every_sample_is_found_with_its_head(self, folder: Path, adapter: FolderAdapter) -> None:
        for name in NAMES:
            shutil.copy(SAMPLES / name, folder)
        heads = {head.key: head for head in find(adapter)}
        assert set(heads) == set(NAMES)
        credit = heads["facturae-3.2.2-corrective.xml"]
        assert (credit.kind, credit.number, credit.total, credit.currency, credit.company, credit.issue_date) == (
            Kind.CREDIT_NOTE,
            "0003",
            Decimal(106),
            "EUR",
            "ESB76543214",
            date(2026, 3, 20),
        )
        assert isinstance(adapter, HoldsFiles)

    def test_found_again_it_is_the_same(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        assert find(adapter) == find(adapter)
        assert load(adapter).fingerprint() == load(adapter).fingerprint()

    @pytest.mark.parametrize(
        "name",
        [".a.xml", "a.xml.part", "a.xml.tmp", "a.xml.filepart", "~a.xml", "a.xml~", "a.txt", "a.xml.b2brouter.json"],
    )
    def test_what_is_hidden_unfinished_or_of_another_kind_is_not_read(
        self, name: str, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder, name)
        assert found(adapter) == []
        assert found(FolderAdapter(files(folder, patterns=["*"]))) == (["a.txt"] if name == "a.txt" else [])

    def test_patterns_choose_by_name_and_depth_whatever_the_case(self, folder: Path) -> None:
        for name in ("A.XML", "b.xsig", "x/c.xml", "x/y/d.xml", "done/e.xml", "failed/f.xml", "x/.h/g.xml"):
            drop(folder, name)

        def seen(*patterns: str) -> list[str]:
            return found(FolderAdapter(files(folder, patterns=list(patterns))))

        assert found(FolderAdapter(files(folder))) == ["A.XML", "b.xsig"]
        assert seen("*.xml") == ["A.XML"]
        assert seen("**/*.xml") == ["A.XML", "x/c.xml", "x/y/d.xml"]
        assert seen("x/*.xml") == ["x/c.xml"]
        assert seen("?.xsig") == ["b.xsig"]

    def test_pages_lose_and_repeat_nothing_while_files_come(self, folder: Path, adapter: FolderAdapter) -> None:
        for n in range(25):
            drop(folder, f"{n:02}.xml")
        seen: list[str] = []
        page = find(adapter, limit=10)
        while page:
            seen += [head.key for head in page]
            if len(seen) < 30:
                drop(folder, f"late-{len(seen)}.xml")
            page = find(adapter, page[-1].position, limit=10)
        assert len(seen) == len(set(seen))
        assert set(seen) == there(folder)

    def test_files_of_one_instant_are_told_apart_by_name(
        self, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(7):
            drop(folder, f"{n}.xml")
        instant = datetime(2026, 5, 1, tzinfo=UTC)
        real = Files._entries

        def same(self: Files) -> Any:
            return (replace(entry, changed_at=instant) for entry in real(self))

        monkeypatch.setattr(Files, "_entries", same)
        first = find(adapter, limit=3)
        rest = find(FolderAdapter(files(folder)), first[-1].position)
        assert [head.key for head in [*first, *rest]] == [f"{n}.xml" for n in range(7)]

    def test_a_file_with_an_old_date_is_found_when_it_comes(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder, "new.xml")
        [last] = find(adapter)
        tick(folder)
        old = drop(folder, "old.xml")
        os.utime(old, (0, 0))
        assert [head.key for head in find(adapter, last.position)] == ["old.xml"]

    def test_files_that_come_within_a_folder_are_found(self, folder: Path, tmp_path: Path) -> None:
        adapter = FolderAdapter(files(folder, patterns=["**/*.xml"]))
        drop(tmp_path / "elsewhere", "batch/old.xml")
        drop(folder, "new.xml")
        [last] = find(adapter)
        tick(folder)
        (tmp_path / "elsewhere" / "batch").rename(folder / "batch")
        assert [head.key for head in find(adapter, last.position)] == ["batch/old.xml"]

    def test_start_date_and_companies_choose(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder, "march.xml")
        drop(folder, "french.xml", sample("cii-invoice.xml"))
        drop(folder, "bad.xml", b"?")
        assert found(adapter, since=date(2026, 3, 3)) == ["bad.xml", "french.xml"]
        assert found(adapter, companies=["FR44732829320"]) == ["bad.xml", "french.xml"]
        assert found(adapter, companies=[]) == ["bad.xml"]
        assert [company.key for company in adapter.companies()] == ["ESB76543214", "FR44732829320"]

    def test_a_bad_file_is_found_without_a_company_and_the_others_still_come(
        self, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder, "bad.xml", b"<Invoice")
        drop(folder, "good.xml")
        heads = {head.key: head for head in find(adapter)}
        assert (heads["bad.xml"].company, heads["bad.xml"].number) == (UNKNOWN_COMPANY, None)
        assert heads["good.xml"].number == "F2026-0101"
        assert refused(adapter, "bad.xml").startswith("The file bad.xml is no XML")

    def test_a_file_that_our_user_may_not_read_is_told_and_the_others_still_come(
        self, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        private = drop(folder, "private.xml")
        drop(folder, "good.xml")
        private.chmod(0o600)
        forbid(monkeypatch, private)
        heads = {head.key: head for head in find(adapter)}
        assert heads["private.xml"].company == UNKNOWN_COMPANY
        assert heads["good.xml"].number == "F2026-0101"
        documents = adapter.load(["private.xml", "good.xml"])
        assert isinstance(documents["good.xml"], Invoice)
        assert refused(adapter, "private.xml") == "The file private.xml may not be read by our user."
        with pytest.raises(DocumentNotUsableError, match="may not be read"):
            adapter.file("private.xml")
        [row] = [row for row in adapter.check() if row.name == "file"]
        assert (row.status, row.message) == ("warning", "The file private.xml may not be read by our user.")

    @pytest.mark.parametrize("method", ["stat", "lstat"])
    def test_a_folder_that_our_user_may_not_use_stops_the_source(
        self, method: str, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drop(folder)

        def refuse(path: Path, **_: Any) -> os.stat_result:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, method, refuse)
        with pytest.raises(SourceNotPermittedError, match="our user may not use"):
            find(adapter)

    def test_a_folder_that_is_not_there_is_no_empty_folder(self, tmp_path: Path) -> None:
        adapter = FolderAdapter(files(tmp_path / "gone"))
        with pytest.raises(SourceUnavailableError, match="No such file"):
            find(adapter)
        with pytest.raises(SourceUnavailableError, match="No such file"):
            adapter.load(["a.xml"])

    def test_many_files_are_paged_with_one_look_at_the_folder(
        self, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = sample("cii-invoice.xml")
        for n in range(600):
            drop(folder, f"{n}.xml", content)
        looks: list[int] = []
        real = Files._entries

        def counted(self: Files) -> Any:
            looks.append(1)
            return real(self)

        monkeypatch.setattr(Files, "_entries", counted)
        keys, page = [], find(adapter, limit=100)
        while page:
            keys += [head.key for head in page]
            page = find(adapter, page[-1].position, limit=100)
        assert (len(keys), len(set(keys))) == (600, 600)
        assert len(looks) <= 3  # the last ones see what came meanwhile

    def test_a_folder_of_any_size_is_listed_in_lots(
        self, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connector.adapters.folder.AT_ONCE", 7)
        monkeypatch.setattr(Files.listing, "__kwdefaults__", {"most": 7})
        for n in range(30):
            drop(folder, f"{n:02}.xml")
        for limit in (1, 4, 7, 10, 30, 100):
            keys, page = [], find(adapter, limit=limit)
            while page:
                keys += [head.key for head in page]
                page = find(adapter, page[-1].position, limit=limit)
            assert sorted(keys) == [f"{n:02}.xml" for n in range(30)]


class TestCompleteness:
    def settling(
        self, folder: Path, during: Callable[[], object] = lambda: None
    ) -> tuple[FolderAdapter, list[float]]:
        """An adapter with a settling time; while it waits, `during` happens."""
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            during()

        options = FolderOptions(folder=folder, settle_seconds=100)
        return FolderAdapter(Files("erp", options, sleep=sleep)), waits

    def test_a_young_file_is_waited_for_once(self, folder: Path) -> None:
        drop(folder, "a.xml")
        drop(folder, "b.xml")
        adapter, waits = self.settling(folder)
        assert found(adapter) == ["a.xml", "b.xml"]
        assert waits[0] == 100

    def test_one_that_goes_on_growing_is_left_for_later_and_then_found(self, folder: Path) -> None:
        half = drop(folder, "a.xml", sample("ubl-invoice.xml")[:3000])
        drop(folder, "b.xml")
        adapter, _ = self.settling(folder, lambda: half.write_bytes(sample("ubl-invoice.xml")[:5000]))
        first = find(adapter)
        assert [head.key for head in first] == ["b.xml"]
        drop(folder, "a.xml")
        assert [head.key for head in find(FolderAdapter(files(folder)), first[-1].position)] == ["a.xml"]

    def test_an_old_file_is_not_waited_for(self, folder: Path) -> None:
        drop(folder)
        options = FolderOptions(folder=folder, settle_seconds=5)

        def never(seconds: float) -> None:
            raise AssertionError("nothing to wait for")

        later = Files("erp", options, sleep=never, now=lambda: datetime.now(UTC).timestamp() + 6)
        assert found(FolderAdapter(later)) == ["a.xml"]
        assert load(FolderAdapter(later)).number == "F2026-0101"

    def test_one_that_is_written_over_while_it_is_loaded_is_tried_again_later(self, folder: Path) -> None:
        path = drop(folder)
        adapter, _ = self.settling(folder, lambda: path.write_bytes(b"<Invoice"))
        with pytest.raises(SourceUnavailableError, match=r"a\.xml is being written"):
            adapter.load(["a.xml"])

    def test_a_renamed_file_is_there_whole(self, folder: Path, adapter: FolderAdapter) -> None:
        part = drop(folder, "a.xml.part")
        assert found(adapter) == []
        part.rename(folder / "a.xml")
        assert found(adapter) == ["a.xml"]


class TestHostileFiles:
    def test_a_gigabyte_is_refused_unread(self, folder: Path, adapter: FolderAdapter) -> None:
        with drop(folder).open("r+b") as file:
            file.truncate(1_000_000_000)
        assert refused(adapter) == "The file a.xml has 1000000000 bytes, more than the 10000000 that are read."
        assert [head.company for head in find(adapter)] == [UNKNOWN_COMPANY]

    def test_the_limit_is_a_setting(self, folder: Path) -> None:
        drop(folder)
        assert "more than the 1000 that are read" in refused(FolderAdapter(files(folder, max_megabytes=0.001)))

    def test_links_are_not_followed(self, folder: Path, adapter: FolderAdapter, tmp_path: Path) -> None:
        outside = drop(tmp_path / "private", "salaries.xml")
        (folder / "a.xml").symlink_to(outside)
        (folder / "within").symlink_to(tmp_path / "private")
        assert "is a symbolic link" in refused(adapter)
        assert found(FolderAdapter(files(folder, patterns=["**/*.xml"]))) == ["a.xml"]
        with pytest.raises(DocumentNotUsableError):
            adapter.file("a.xml")

    def test_a_pipe_is_no_file(self, folder: Path, adapter: FolderAdapter) -> None:
        os.mkfifo(folder / "a.xml")
        assert found(adapter) == []
        assert "no file at all" in refused(adapter)

    @pytest.mark.parametrize("key", ["../a.xml", "/etc/passwd", "x/../../a.xml", "", ".", "a//b.xml", "~0~x"])
    def test_a_key_never_leads_out_of_the_folder(self, key: str, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder.parent, "a.xml")
        assert adapter.load([key]) == {}
        with pytest.raises(WriteBackRefusedError, match="is gone"):
            adapter.record(key, "77", XREF)
        adapter.set_aside(key, "?")
        assert there(folder.parent) == {"a.xml"}

    @pytest.mark.parametrize("name", ["x" * 240 + ".xml", "new\nline.xml", "caf\udce9.xml"])
    def test_names_that_no_ledger_can_keep_have_a_short_key(
        self, name: str, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder, name)
        [head] = find(adapter)
        assert head.key == key_of(name) != name
        assert len(head.key) <= 200
        assert head.key.isprintable()
        assert load(adapter, head.key).number == "F2026-0101"
        adapter.record(head.key, "77", XREF)
        assert (folder / "done" / name).exists()
        assert (load(adapter, head.key).reference, find(adapter)) == ("77", [])


class TestWriteBack:
    def test_both_values_stand_beside_the_file_that_is_done(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder, "2026/a.xml")
        adapter.record("2026/a.xml", "77", XREF)
        assert there(folder) == {"done/2026/a.xml", "done/2026/a.xml.b2brouter.json"}
        assert json.loads((folder / "done/2026/a.xml.b2brouter.json").read_text()) == {
            "reference": "77",
            "xref": XREF,
            "file": "2026/a.xml",
        }
        document = load(adapter, "2026/a.xml")
        assert (document.reference, document.xref) == ("77", XREF)

    def test_it_changes_neither_the_file_nor_what_it_says(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        before = load(adapter).fingerprint()
        adapter.record("a.xml", "77", XREF)
        assert (folder / "done" / "a.xml").read_bytes() == sample("ubl-invoice.xml")
        assert load(adapter).fingerprint() == before
        assert find(adapter) == []

    def test_the_same_again_changes_nothing(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        adapter.record("a.xml", "77", XREF)
        sidecar = folder / "done" / "a.xml.b2brouter.json"
        before = sidecar.stat()
        adapter.record("a.xml", "77", XREF)
        assert sidecar.stat().st_mtime_ns == before.st_mtime_ns
        assert sidecar.stat().st_ino == before.st_ino

    def test_another_value_is_refused_and_nothing_moves(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        adapter.record("a.xml", "77", XREF)
        drop(folder)
        before = there(folder)
        for values in (("78", XREF), ("77", "b2brouter:simulator:1:78")):
            with pytest.raises(WriteBackRefusedError, match="already has"):
                adapter.record("a.xml", *values)
        assert there(folder) == before

    def test_another_file_of_that_name_is_never_written_over(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder, "done/a.xml", b"somebody's")
        drop(folder)
        with pytest.raises(WriteBackRefusedError, match="Another file stands at"):
            adapter.record("a.xml", "77", XREF)
        assert there(folder) == {"a.xml", "done/a.xml"}
        assert (folder / "done" / "a.xml").read_bytes() == b"somebody's"

    def test_a_side_car_file_that_is_no_longer_ours_stops_both_ways(
        self, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder)
        drop(folder, "done/a.xml.b2brouter.json", b"{")
        with pytest.raises(WriteBackRefusedError, match="cannot be read"):
            adapter.record("a.xml", "77", XREF)
        assert "side-car file" in refused(adapter)

    def test_a_file_that_is_gone_is_said(self, folder: Path, adapter: FolderAdapter) -> None:
        with pytest.raises(WriteBackRefusedError, match=r"a\.xml is gone"):
            adapter.record("a.xml", "77", XREF)
        assert there(folder) == set()

    @pytest.mark.parametrize("moment", ["temporary file", "side-car file", "moved"])
    def test_a_write_that_died_at_any_moment_is_finished_by_the_next(
        self, moment: str, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder)
        if moment == "temporary file":
            drop(folder, "done/.b2brouter-x1", b'{"refer')
        else:
            text = json.dumps({"reference": "77", "xref": XREF, "file": "a.xml"})
            drop(folder, "done/a.xml.b2brouter.json", text.encode())
        if moment == "moved":
            (folder / "a.xml").rename(folder / "done" / "a.xml")
        adapter.record("a.xml", "77", XREF)
        assert there(folder) - {"done/.b2brouter-x1"} == {"done/a.xml", "done/a.xml.b2brouter.json"}
        assert load(adapter).reference == "77"

    def test_a_full_or_closed_disk_leaves_the_file_where_it_is(
        self, folder: Path, adapter: FolderAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drop(folder)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SourceUnavailableError, match="No space left"):
            adapter.record("a.xml", "77", XREF)
        assert there(folder) == {"a.xml"}


class TestSettingAside:
    def test_the_file_stands_with_its_reason_and_can_still_be_loaded_and_recorded(
        self, folder: Path, adapter: FolderAdapter
    ) -> None:
        drop(folder)
        adapter.set_aside("a.xml", "The VAT number is wrong.")
        assert there(folder) == {"failed/a.xml", "failed/a.xml.b2brouter.txt"}
        assert (folder / "failed" / "a.xml.b2brouter.txt").read_text() == "The VAT number is wrong.\n"
        assert (find(adapter), load(adapter).number) == ([], "F2026-0101")
        adapter.set_aside("a.xml", "again")
        adapter.record("a.xml", "77", XREF)
        assert there(folder) == {"done/a.xml", "done/a.xml.b2brouter.json"}

    def test_a_corrected_file_counts_before_the_one_set_aside(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        adapter.set_aside("a.xml", "wrong")
        drop(folder, "a.xml", sample("ubl-invoice.xml", ("F2026-0101", "F2026-0102")))
        assert load(adapter).number == "F2026-0102"
        assert adapter.file("a.xml") == (folder / "a.xml").read_bytes()

    def test_what_is_done_or_gone_stays_so(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        adapter.record("a.xml", "77", XREF)
        before = there(folder)
        adapter.set_aside("a.xml", "?")
        adapter.set_aside("b.xml", "?")
        assert there(folder) == before


class TestSettings:
    def opened(self, folder: Path, options: dict[str, Any] | None = None, url: str | None = None) -> FolderAdapter:
        return FolderAdapter.open("erp", url, {"folder": str(folder), **(options or {})})

    def test_a_folder_is_known_by_its_path(self, folder: Path) -> None:
        assert self.opened(folder).identity() == f"folder:{folder.resolve()}"
        assert self.opened(folder / ".." / folder.name).identity() == f"folder:{folder.resolve()}"

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"folder": "invoices"}, "folder: give an absolute path"),
            ({"done": "../done"}, "done: give the name of a folder inside the folder"),
            ({"failed": "/failed"}, "failed: give the name of a folder inside the folder"),
            ({"failed": "done"}, "done and failed must be two folders"),
            ({"patterns": []}, "patterns:"),
            ({"settle_seconds": -1}, "settle_seconds:"),
            ({"max_megabytes": 100}, "max_megabytes:"),
            ({"pattern": "*"}, "did you mean patterns?"),
        ],
    )
    def test_a_wrong_option_is_named(self, options: dict[str, Any], words: str, folder: Path) -> None:
        with pytest.raises(UsageError, match=words.replace("?", r"\?")):
            self.opened(folder, options)

    def test_the_folder_must_be_named_and_has_no_url(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"options\.folder is missing"):
            FolderAdapter.open("erp", None, {})
        with pytest.raises(UsageError, match="a folder has no URL"):
            self.opened(folder, url="sqlite:///x.db")

    def test_a_check_up_names_what_waits_and_what_cannot_be_read(self, folder: Path, adapter: FolderAdapter) -> None:
        drop(folder)
        drop(folder, "bad.xml", b"<Invoice")
        before = there(folder)
        rows = [(row.name, row.status, row.message) for row in adapter.check()]
        assert rows[0] == ("folder", "ok", f"{folder}: 2 files wait")
        assert rows[1][2] == "ESB76543214 Ibérica de Montajes Aplicados, S.L."
        assert rows[2][:2] == ("file", "warning")
        assert rows[3][:2] == ("write-back", "ok")
        assert there(folder) == before

    def test_a_check_up_of_a_missing_folder_fails(self, tmp_path: Path) -> None:
        [row] = FolderAdapter(files(tmp_path / "gone")).check()
        assert (row.status, row.action) == ("failed", "See that the folder is there and mounted.")


def test_times_of_change_are_aware_and_move_with_a_change(folder: Path, adapter: FolderAdapter) -> None:
    drop(folder)
    [before] = find(adapter)
    assert before.changed_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - before.changed_at) < timedelta(minutes=1)
    tick(folder)
    drop(folder)
    [after] = find(adapter)
    assert after.changed_at > before.changed_at
