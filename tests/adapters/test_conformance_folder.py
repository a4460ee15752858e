"""The folder adapter passes the conformance suite, as far as files are like an ERP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from typing_extensions import override

from connector.adapters.folder import FolderAdapter
from connector.adapters.testing import AdapterConformance, Expected, ThrowAwaySource
from connector.domain.invoice import Kind
from connector.ports import Adapter
from tests.support.files import sample

D = Decimal
_STAMP: Final = "the kernel gives a file its time of change; no user can"
_NO_DATABASE: Final = "a folder has no tables, no password and no connection"


class FolderSource(ThrowAwaySource):
    """A folder with one file of each format, and a credit note."""

    lacks: ClassVar[Mapping[str, str]] = {
        "add": _STAMP,
        "unconfirmed": "every file that is complete is confirmed",
        "drop_column": _NO_DATABASE,
        "drop_table": _NO_DATABASE,
        "wrong_password": _NO_DATABASE,
        "cut_connections": _NO_DATABASE,
        "queries": _NO_DATABASE,
        "credit_note": "a file names the original by its number; the ledger finds it",
        "negative_line": "none of the sample files has one",
    }
    written = ("waiting.content", "done.content")

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for name in ("ubl-invoice.xml", "ubl-credit-note.xml", "cii-invoice.xml"):
            (folder / name).write_bytes(sample(name))
        fractions = (("<Quantity>2.0<", "<Quantity>0.875<"), ("52.500000", "120.000000"))
        (folder / "facturae-3.2.2-signed.xsig").write_bytes(sample("facturae-3.2.2-signed.xsig", *fractions))

    @override
    def open(self, **options: Any) -> Adapter:
        return FolderAdapter.open("erp", None, {"folder": str(self._folder), "settle_seconds": 0, **options})

    @override
    def documents(self) -> Sequence[Expected]:
        figures = {"net": D(146), "tax": D("23.95"), "payable": D("169.95"), "lines": (D(95), D(61))}
        return [
            Expected(key="ubl-invoice.xml", number="F2026-0101", issue_date=date(2026, 3, 2), **figures),  # type: ignore[arg-type]
            Expected(
                key="ubl-credit-note.xml",
                number="R2026-0007",
                issue_date=date(2026, 3, 9),
                kind=Kind.CREDIT_NOTE,
                **figures,  # type: ignore[arg-type]
            ),
            Expected(
                key="cii-invoice.xml",
                number="FA-2026-31",
                issue_date=date(2026, 3, 4),
                net=D(170),
                tax=D(24),
                payable=D(194),
                lines=(D(120), D(50)),
            ),
            Expected(
                key="facturae-3.2.2-signed.xsig",
                number="0042",
                issue_date=date(2026, 3, 6),
                net=D(100),
                tax=D(21),
                withholding=D(-15),
                payable=D(106),
                lines=(D(100),),
            ),
        ]

    @override
    def change(self, key: str, *, changed_at: datetime) -> None:
        path = self._folder / key
        before, deadline = path.stat().st_ctime_ns, time.monotonic() + 10
        while path.stat().st_ctime_ns == before:  # the clock of the file system moves in steps
            assert time.monotonic() < deadline
            path.write_bytes(path.read_bytes() + b"\n")

    @override
    def unconfirm(self, key: str) -> None:
        (self._folder / key).unlink()

    @override
    def spoil(self, key: str) -> None:
        (self._folder / key).write_bytes(b"<Invoice")

    @override
    def fill(self, count: int) -> None:
        content = sample("cii-invoice.xml")
        for number in range(count):
            (self._folder / f"{number}.xml").write_bytes(content)

    @override
    def snapshot(self) -> Mapping[tuple[str, str, str], Any]:
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return {self._cell(path): path.read_bytes() for path in files}

    def _cell(self, path: Path) -> tuple[str, str, str]:
        relative = path.relative_to(self._folder)
        place = relative.parts[0] if len(relative.parts) > 1 else "waiting"
        return place, path.name, "content"


class TestFolder(AdapterConformance):
    """All rules but one."""

    rows = 6_000

    @pytest.fixture
    def source(self, tmp_path: Path) -> ThrowAwaySource:
        folder = tmp_path / "invoices"
        folder.mkdir()
        return FolderSource(folder)

    @pytest.mark.slow
    def test_many_rows_are_found_in_bounded_memory(self, source: ThrowAwaySource) -> None:
        super().test_many_rows_are_found_in_bounded_memory(source)

    def test_the_own_write_does_not_wake_discovery(self, source: ThrowAwaySource) -> None:
        """What was recorded is listed no more, for it stands in `done`; nothing else is listed again or otherwise."""
        adapter, key = source.adapter(), "ubl-invoice.xml"
        before = adapter.find(None, 100, since=None, companies=None)
        adapter.record(key, "77", "b2brouter:simulator:1:77")
        after = adapter.find(None, 100, since=None, companies=None)
        assert list(after) == [head for head in before if head.key != key]
