"""The Tryton databases in tests/data, and what Tryton itself says that they hold."""

from __future__ import annotations

import gzip
import json
import sqlite3
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from tests.support.services import load_dump

DATA: Final = Path(__file__).parents[1] / "data"


def fill_sqlite(url: str, dump: Path) -> None:
    """Run a dump of SQLite's own."""
    connection = sqlite3.connect(make_url(url).database or "")
    connection.executescript(gzip.decompress(dump.read_bytes()).decode())
    connection.close()


@dataclass(frozen=True)
class TrytonDatabase:
    backend: str  # sqlite or postgresql
    url: str

    def fill(self) -> None:
        """Load the dump into the empty database."""
        dump = DATA / f"tryton.{self.backend}.sql.gz"
        if self.backend == "postgresql":
            load_dump(self.url, dump)
            return
        fill_sqlite(self.url, dump)

    @property
    def expected(self) -> dict[str, Any]:
        """`companies`, `customers` and `invoices`, read through Tryton's own models."""
        return _expected(self.backend)

    def named(self, key: str) -> dict[str, Any]:
        """The document that the scenario calls so."""
        return next(invoice for invoice in self.expected["invoices"] if invoice["key"] == key)

    @property
    def sendable(self) -> dict[str, dict[str, Any]]:
        """What a connector should pick up, by primary key as text."""
        return {str(invoice["id"]): invoice for invoice in self.expected["invoices"] if invoice["sendable"]}


@cache
def _expected(backend: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / f"tryton.{backend}.expected.json").read_text())
    return loaded
