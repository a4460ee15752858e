"""Files of Odoo's documents: only chosen ones, from the filestore or the database, and only as Odoo tells of them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.odoo import OdooAdapter
from connector.adapters.testing.sql import statements
from connector.domain.errors import SchemaChangedError, SourceUnavailableError
from connector.domain.invoice import Attachment, Invoice
from connector.ports import Attaches, File
from tests.adapters.databases import execute
from tests.support.odoo import OdooDatabase

# As Odoo 16 to 19 make it, without the columns that nobody reads here.
TABLE = """
    CREATE TABLE ir_attachment (
        id serial PRIMARY KEY, res_id integer, file_size integer, name varchar NOT NULL, res_model varchar,
        res_field varchar, type varchar NOT NULL, store_fname varchar, checksum varchar(40), db_datas bytea
    )
"""
PDF = b"%PDF-1.7 printed by Odoo"
PRICES = b"a;b"


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


class Files:
    """What users and Odoo do to the files of a document."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        execute(url, TABLE)

    def add(self, key: int, name: str, content: bytes, *, in_database: bool = False, **values: Any) -> None:
        digest = sha1(content)
        stored = f"{digest[:2]}/{digest}"
        if not in_database:
            (self.folder / stored).parent.mkdir(exist_ok=True)
            (self.folder / stored).write_bytes(content)
        row = {
            "name": name,
            "res_model": "account.move",
            "res_id": key,
            "res_field": None,
            "type": "binary",
            "store_fname": None if in_database else stored,
            "db_datas": content if in_database else None,
            "checksum": digest,
            "file_size": len(content),
            **values,
        }
        execute(self.url, f"INSERT INTO ir_attachment ({', '.join(row)}) VALUES (:{', :'.join(row)})", **row)

    def print(self, key: int, name: str, content: bytes) -> None:
        self.add(key, name, content, res_field="invoice_pdf_report_file")


@pytest.fixture
def files(odoo19: OdooDatabase, tmp_path: Path) -> Files:
    return Files(odoo19.url, tmp_path)


Make = Callable[..., OdooAdapter]


@pytest.fixture
def make(odoo19: OdooDatabase, tmp_path: Path) -> Iterator[Make]:
    made: list[OdooAdapter] = []

    def make_adapter(**options: Any) -> OdooAdapter:
        made.append(OdooAdapter.open("erp", odoo19.url, {"filestore": str(tmp_path), **options}))
        return made[-1]

    yield make_adapter
    for adapter in made:
        adapter.close()


def told(adapter: OdooAdapter, key: str = "1") -> tuple[Attachment, ...]:
    document = adapter.load([key])[key]
    assert isinstance(document, Invoice)
    return document.attachments


def test_by_default_no_file_goes_out_and_none_is_looked_for(files: Files, make: Make) -> None:
    files.print(1, "INV_2026_00001.pdf", PDF)
    adapter = make()
    with statements() as seen:
        assert told(adapter) == ()
        assert adapter.attachments("1") == []
    assert not [one for one in seen if "ir_attachment a" in one]


def test_the_printed_invoice_goes_out_where_that_is_wanted(files: Files, make: Make) -> None:
    files.print(1, "INV_2026_00001.pdf", PDF)
    files.add(1, "notes.pdf", b"internal")
    adapter = make(attach_printed=True)
    assert isinstance(adapter, Attaches)
    assert told(adapter) == (Attachment(name="INV_2026_00001.pdf", size=len(PDF), digest=sha1(PDF), is_view=True),)
    assert adapter.attachments("1") == [File(name="INV_2026_00001.pdf", content=PDF)]
    assert told(adapter, "2") == ()


def test_of_what_people_added_only_the_named_files_go_out(files: Files, make: Make) -> None:
    files.add(1, "Annex 1.PDF", PDF)
    files.add(1, "prices.csv", PRICES, in_database=True)
    files.add(1, "internal.txt", b"x")
    files.add(1, "link.pdf", b"", type="url")
    files.add(1, "of a partner.pdf", b"y", res_model="res.partner")
    files.add(1, "e-invoice.pdf", b"z", res_field="ubl_cii_xml_file")
    adapter = make(attachments=["*.pdf", "Prices.*"])
    assert [one.name for one in told(adapter)] == ["Annex 1.PDF", "prices.csv"]
    assert adapter.attachments("1") == [
        File(name="Annex 1.PDF", content=PDF),
        File(name="prices.csv", content=PRICES),
    ]
    assert not any(one.is_view for one in told(adapter))


def test_a_file_printed_anew_makes_another_fingerprint(files: Files, make: Make) -> None:
    def fingerprint() -> str:
        document = adapter.load(["1"])["1"]
        assert isinstance(document, Invoice)
        return document.fingerprint()

    adapter = make(attach_printed=True)
    files.print(1, "INV.pdf", PDF)
    before = fingerprint()
    assert fingerprint() == before
    execute(files.url, "DELETE FROM ir_attachment")
    files.print(1, "INV.pdf", PDF + b" again")
    assert fingerprint() != before


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "aa/missing", None])
def test_what_is_not_in_the_filestore_is_left_out(files: Files, make: Make, tmp_path: Path, name: str | None) -> None:
    (tmp_path / "store" / "ab").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(PDF)
    files.add(1, "a.pdf", PDF, store_fname=name)
    adapter = make(attachments=["*"], filestore=str(tmp_path / "store"))
    assert [one.name for one in told(adapter)] == ["a.pdf"]
    assert adapter.attachments("1") == []


def test_a_file_that_is_gone_from_a_filestore_that_is_there_is_left_out(
    files: Files, make: Make, tmp_path: Path
) -> None:
    files.add(1, "a.pdf", PDF)
    files.add(1, "b.pdf", PRICES)
    (tmp_path / sha1(PDF)[:2] / sha1(PDF)).unlink()
    assert [one.name for one in make(attachments=["*"]).attachments("1")] == ["b.pdf"]


def test_a_filestore_that_is_not_there_is_tried_again_later(files: Files, make: Make, tmp_path: Path) -> None:
    files.folder = tmp_path / "mounted" / "company"
    files.folder.mkdir(parents=True)
    files.add(1, "a.pdf", PDF)
    adapter = make(attachments=["*"], filestore=str(files.folder))
    assert len(adapter.attachments("1")) == 1

    shutil.rmtree(files.folder)
    with pytest.raises(SourceUnavailableError, match="mounted/company cannot be read: No such file") as told:
        adapter.attachments("1")
    assert "mounted" in told.value.action
    files.folder.mkdir()  # where nothing is mounted, the place for it is an empty folder
    with pytest.raises(SourceUnavailableError, match="mounted/company cannot be read: it is empty"):
        adapter.attachments("1")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN])
@pytest.mark.parametrize("where", ["file", "filestore"])
def test_a_filestore_that_fails_is_tried_again_later(
    files: Files, make: Make, monkeypatch: pytest.MonkeyPatch, number: int, where: str
) -> None:
    files.add(1, "a.pdf", PDF)
    if where == "filestore":
        execute(files.url, "UPDATE ir_attachment SET store_fname = 'aa/gone'")

    def failing(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    if where == "file":
        monkeypatch.setattr(Path, "read_bytes", failing)
    else:
        monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(SourceUnavailableError, match=os.strerror(number)):
        make(attachments=["*"]).attachments("1")


def test_a_file_that_our_user_may_not_read_is_tried_again_later(
    files: Files, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.add(1, "a.pdf", PDF)

    def refused(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(SourceUnavailableError, match=rf"{sha1(PDF)}: Permission denied"):
        make(attachments=["*"]).attachments("1")


def test_a_content_that_is_not_the_one_odoo_tells_of_is_left_out(files: Files, make: Make) -> None:
    files.add(1, "a.pdf", PDF, checksum=sha1(b"another"))
    assert make(attachments=["*"]).attachments("1") == []


def test_without_a_filestore_only_the_database_is_read(files: Files, make: Make) -> None:
    files.add(1, "a.pdf", PDF)
    files.add(1, "b.pdf", PDF, in_database=True)
    assert [one.name for one in make(attachments=["*"], filestore="").attachments("1")] == ["b.pdf"]


def test_many_documents_cost_no_more_queries_than_one(files: Files, make: Make) -> None:
    for key in range(1, 9):
        files.print(key, f"{key}.pdf", PDF)
    adapter = make(attach_printed=True)
    adapter.load(["1"])
    with statements() as one:
        adapter.load(["1"])
    with statements() as many:
        assert len(adapter.load([str(key) for key in range(1, 9)])) == 8
    assert len(one) == len(many)


def test_the_check_up_tries_table_and_folder(files: Files, make: Make) -> None:
    def row(**options: Any) -> tuple[str, str]:
        [found] = [one for one in make(attach_printed=True, **options).check() if one.name == "attachments"]
        return found.status, found.message

    def unreadable(folder: object) -> tuple[str, str]:
        found = row(filestore=str(folder))
        return found[0], found[1].removeprefix(f"The filestore {folder} ")

    assert row(filestore="") == ("warning", "only files kept in the database are found")
    assert unreadable("/no/such/folder") == ("failed", "cannot be read: No such file or directory.")
    assert unreadable("/proc/version") == ("failed", "cannot be read: Not a directory.")
    assert unreadable(files.folder) == ("failed", "cannot be read: it is empty.")
    files.print(1, "INV.pdf", PDF)
    assert row() == ("ok", f"read from {files.folder}")
    (files.folder / "other" / "ab").mkdir(parents=True)  # of another database
    assert unreadable(files.folder / "other") == (
        "failed",
        "holds none of the 1 files that Odoo kept there last for invoices.",
    )
    execute(files.url, "DROP TABLE ir_attachment")
    assert row() == ("failed", "Our user may not read ir_attachment, where Odoo keeps files.")


def test_a_database_without_the_table_stops_the_source_and_names_it(odoo19: OdooDatabase, make: Make) -> None:
    with pytest.raises(SchemaChangedError, match="ir_attachment"):
        make(attach_printed=True).load(["1"])
