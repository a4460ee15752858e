"""The Dolibarr database in tests/data, and what Dolibarr itself says that it holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine

from tests.support.odoo import DATA

DUMP: Final = DATA / "dolibarr.sql.gz"


@dataclass(frozen=True)
class DolibarrDatabase:
    url: str

    @property
    def invoices(self) -> list[dict[str, Any]]:
        """All customer documents, read through Dolibarr's own classes."""
        return [invoice for invoice in expected()["invoices"] if invoice["table"] == "llx_facture"]

    @property
    def sendable(self) -> dict[str, dict[str, Any]]:
        """What a connector should pick up, by primary key as text."""
        return {str(invoice["id"]): invoice for invoice in self.invoices if invoice["sendable"]}

    def named(self, key: str) -> dict[str, Any]:
        return next(invoice for invoice in self.invoices if invoice["key"] == key)


@cache
def expected() -> dict[str, Any]:
    """`companies`, `customers` and `invoices`, read through Dolibarr's own classes."""
    loaded: dict[str, Any] = json.loads((DATA / "dolibarr.expected.json").read_text(encoding="utf-8"))
    return loaded


_NOT_OURS: Final = ("/*!", "--", "LOCK TABLES", "UNLOCK TABLES")
"""Lines of a full dump that speak to the client that loads it."""


@cache
def _statements(dump: Path = DUMP) -> tuple[str, ...]:
    """The dump escapes line breaks in texts, so a semicolon at the end of a line ends a statement."""
    lines = gzip.decompress(dump.read_bytes()).decode().split("\n")
    text = "\n".join(line for line in lines if line and not line.startswith(_NOT_OURS))
    return tuple(statement.removesuffix(";") for statement in f"{text}\n".split(";\n") if statement.strip())


def load(url: str, dump: Path = DUMP) -> DolibarrDatabase:
    """Fill an empty database."""
    _run(url, _statements(dump))
    return DolibarrDatabase(url)


def restore(url: str) -> DolibarrDatabase:
    """Put all rows back as they were; for a database whose tables nobody has altered."""
    inserts = [statement for statement in _statements() if statement.startswith("INSERT")]
    _run(url, [*(f"DELETE FROM {name}" for name in _tables()), *inserts])
    return DolibarrDatabase(url)


def _tables() -> list[str]:
    created = "CREATE TABLE "
    return [statement.split()[2] for statement in _statements() if statement.startswith(created)]


def _run(url: str, statements: Iterable[str]) -> None:
    """Execute all in one transaction, in UTC as `mariadb-dump` has it."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        connection.commit()
    engine.dispose()
