"""Beside the table of our own another one, of what tax authorities know: one row per report, several per document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, String, Table, Text, insert, select, update
from sqlalchemy.types import TypeEngine

from connector.adapters.database import Database
from connector.adapters.writeback.rules import LONGEST, fitting
from connector.ports import RemoteTaxReport

REPORTS: Final = "b2brouter_tax_reports"
COLUMNS: Final = ("report", "document_key", "kind", "label", "state", "changed_at", "url", "qr", "problem")
"""Its columns. `changed_at` is in UTC; `qr` is a PNG in base 64."""


class ReportTable:
    """The table, and how a report gets into it."""

    def __init__(self, database: Database, *, key: TypeEngine[Any], moment: TypeEngine[datetime]) -> None:
        """Describe it; `key` is the type of a document's key, `moment` that of an instant."""
        self._database = database
        types = dict.fromkeys(COLUMNS, String(LONGEST)) | {
            "report": String(64),
            "document_key": key,
            "changed_at": moment,
            "url": Text(),
            "qr": Text(),
        }
        columns = [Column(name, type_, primary_key=name == "report") for name, type_ in types.items()]
        self.table = Table(REPORTS, MetaData(), *columns)

    def write(self, connection: Connection, key: int | str, report: RemoteTaxReport) -> None:
        """Write a report, unless what stands there is newer."""
        ours = self.table.c
        row = select(ours.changed_at).where(ours.report == report.id).with_for_update()
        there = self._database.rows(connection, row)
        values = _values(key, report)
        if not there:
            self._database.run(connection, insert(self.table).values(values))
        elif not _is_later(there[0]["changed_at"], values["changed_at"]):
            self._database.run(connection, update(self.table).where(ours.report == report.id).values(values))


def _values(key: int | str, report: RemoteTaxReport) -> dict[str, Any]:
    short = {name: getattr(report, name) for name in ("kind", "label", "state", "problem")}
    return {
        **{name: value and fitting(value) for name, value in short.items()},
        "report": report.id,
        "document_key": key,
        "changed_at": report.changed_at and report.changed_at.astimezone(UTC).replace(tzinfo=None),
        "url": report.url,
        "qr": report.qr,
    }


def _is_later(there: datetime | None, moment: datetime | None) -> bool:
    return there is not None and moment is not None and there > moment
