"""The Odoo databases in tests/data, and what Odoo itself says that they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

VERSIONS: Final = ("17", "19")
DATA: Final = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class OdooDatabase:
    version: str
    url: str

    @staticmethod
    def dump(version: str) -> Path:
        return DATA / f"odoo{version}.sql.gz"

    @property
    def expected(self) -> dict[str, Any]:
        """`companies`, `customers` and `invoices`, read through Odoo's own models."""
        return _expected(self.version)


@cache
def _expected(version: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / f"odoo{version}.expected.json").read_text())
    return loaded
