"""The reading half of an adapter whose ERP is read by a handful of statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from connector.adapters.database import Database, Row
from connector.adapters.rows import grouped, row_id
from connector.adapters.schema import listing
from connector.ports import Position

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What is asked of an ERP. `IN :name` takes a list.

    Documents and companies have whole numbers for keys unless `document` and `company` say otherwise: they make of a
    key what its column holds, None where it can hold no such key. With texts, `document=str, lowest=""`.
    """

    find: str
    """Heads of confirmed documents in the order of (changed at, id), after :changed_at and :id, at most :limit.

    Other conditions go where {wanted} stands.
    """
    since: str
    """Condition that leaves out documents issued before :since."""
    companies_wanted: str
    """Condition that leaves out the documents of all companies but those IN :companies."""
    headers: str
    """One row for each of the documents IN :ids, whatever their state, with its key as `id`."""
    parts: Mapping[str, str]
    """What belongs to the documents IN :ids, such as their lines, each with the document's key as `invoice_id`."""
    companies: str
    """All companies that issue."""
    stored: Callable[[datetime], Any]
    """Returns a time as the column of the time of change holds it, to be compared with it."""
    document: Callable[[str], Any] = row_id
    company: Callable[[str], Any] = row_id
    lowest: Any = 0
    """What the key of every document is greater than."""


class StatementReader:
    """Runs the statements, each read in a read-only transaction of its own. Used from several threads."""

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._statements = statements

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Row]:
        """Return the heads of one page; see the port."""
        asked = self._statements
        conditions = []
        values: dict[str, Any] = {
            "changed_at": asked.stored(after.changed_at if after else EPOCH),
            "id": (asked.document(after.key) if after and after.key else None) or asked.lowest,
            "limit": limit,
        }
        if since is not None:
            conditions.append(asked.since)
            values["since"] = since.isoformat() if self._database.dialect == "sqlite" else since
        if companies is not None:
            conditions.append(asked.companies_wanted)
            values["companies"] = _known(asked.company, companies)
        wanted = "".join(f" AND ({condition})" for condition in conditions)
        with self._database.reading() as connection:
            return self._database.rows(connection, listing(asked.find.replace("{wanted}", wanted)), values)

    def load(self, keys: Sequence[str]) -> Sequence[tuple[Row, Mapping[str, Sequence[Row]]]]:
        """Return each document's header with its parts by name, all as of one moment."""
        asked = self._statements
        ids = {"ids": _known(asked.document, keys)}
        with self._database.reading() as connection:
            headers = self._database.rows(connection, listing(asked.headers), ids)
            parts = {
                name: grouped(self._database.rows(connection, listing(statement), ids), "invoice_id")
                for name, statement in asked.parts.items()
            }
        return [(row, {name: rows.get(row["id"], []) for name, rows in parts.items()}) for row in headers]

    def companies(self) -> Sequence[Row]:
        """Return the companies that issue."""
        with self._database.reading() as connection:
            return self._database.rows(connection, listing(self._statements.companies))


def _known(stored: Callable[[str], Any], keys: Sequence[str]) -> list[Any]:
    """Return keys as their column holds them, each once, without those that it cannot hold."""
    return [value for key in dict.fromkeys(keys) if (value := stored(key)) is not None]
