"""The world on disk, so that a killed simulator comes back with all that it had confirmed.

One SQLite file in write-ahead mode. A commit is in the operating system's hands before the answer
leaves, which the death of the process survives; a power cut is not what this is for.
"""

import dataclasses
import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from connector.simulator import documents, journal, totals

_CLASSES: Final[dict[str, type]] = {
    cls.__name__: cls
    for module in (documents, totals, journal)
    for cls in vars(module).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
}
_VALUES: Final[dict[str, Callable[[Any], object]]] = {
    "Decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": b64decode,
    "set": lambda items: set(_unpack(items)),
    "dict": lambda members: {key: _unpack(item) for key, item in members.items()},
}


class Storage:
    """Rows of (kind, id, document as JSON)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed: dict[tuple[str, str], object] = {}  # None: to be removed
        self._connection: sqlite3.Connection | None = None
        self.open()

    def open(self) -> None:
        """Connect; once more after a `close`, and without effect while connected."""
        if self._connection is not None:
            return
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS kept"
            " (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
            " WITHOUT ROWID"
        )
        self._connection = connection

    def put(self, kind: str, key: int | str, document: object) -> None:
        self._changed[kind, str(key)] = document

    def remove(self, kind: str, key: int | str) -> None:
        self._changed[kind, str(key)] = None

    def commit(self) -> None:
        """Write what has changed since the last commit, in one transaction."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        for (kind, key), document in changed.items():
            if document is None:
                connection.execute("DELETE FROM kept WHERE kind = ? AND id = ?", (kind, key))
            else:
                body = json.dumps(_pack(document), separators=(",", ":"))
                connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (kind, key, body))
        connection.execute("COMMIT")

    def unchanged(self) -> None:
        """Forget what waits to be written: it was just read."""
        self._changed.clear()

    def clear(self) -> None:
        self._changed.clear()
        self._connected().execute("DELETE FROM kept")

    def documents(self, kind: str) -> Iterator[Any]:
        """Everything of one kind, in order of id."""
        rows = self._connected().execute(
            "SELECT body FROM kept WHERE kind = ? ORDER BY CAST(id AS INTEGER), id", (kind,)
        )
        for (body,) in rows.fetchall():
            yield _unpack(json.loads(body))

    def close(self) -> None:
        if self._connection is None:
            return
        self.commit()
        self._connection.close()
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the state file is closed")
        return self._connection


def _pack(value: object) -> object:
    """JSON that remembers types: `{"$": "Decimal", "v": "1.10"}`."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_pack(item) for item in value]
    if isinstance(value, Mapping):
        return {"$": "dict", "v": {key: _pack(item) for key, item in value.items()}}
    if isinstance(value, (set, frozenset)):
        return {"$": "set", "v": [_pack(item) for item in value]}
    if isinstance(value, bytes):
        return {"$": "bytes", "v": b64encode(value).decode()}
    if isinstance(value, (datetime, date)):
        return {"$": type(value).__name__, "v": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$": "Decimal", "v": str(value)}
    if dataclasses.is_dataclass(value) and type(value).__name__ in _CLASSES:
        members = {item.name: _pack(getattr(value, item.name)) for item in dataclasses.fields(value)}
        return {"$": type(value).__name__, "v": members}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind, content = value["$"], value["v"]
    if kind in _VALUES:
        return _VALUES[kind](content)
    return _CLASSES[kind](**{name: _unpack(item) for name, item in content.items()})
