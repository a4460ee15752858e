"""Days and times of PostgreSQL that Python knows no such of: infinity, years after 9999 and before our era.

psycopg refuses the rows of all documents for the one that has such a day. Here it comes as PostgreSQL writes it, as a
day of zeros comes from PyMySQL: whoever reads it as a day finds that it is none, and names the document.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from psycopg import DataError, adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.abc import Loader as Loads
from psycopg.adapt import Loader
from psycopg.pq import Format


class _OrText(Loader):
    strict: ClassVar[type[Loads]]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._load = self.strict(oid, context).load

    def load(self, data: Buffer) -> Any:
        try:
            return self._load(data)
        except DataError:
            return bytes(data).decode()


def _lenient(name: str) -> tuple[int, type[_OrText]]:
    oid = adapters.types[name].oid
    return oid, type(f"{name}_or_text", (_OrText,), {"strict": adapters.get_loader(oid, Format.TEXT)})


_LOADERS: Final = tuple(_lenient(name) for name in ("date", "time", "timestamp", "timestamptz"))


def let_through(connection: Any, _record: Any) -> None:
    """Have a new connection give them as texts."""
    for oid, loader in _LOADERS:
        connection.adapters.register_loader(oid, loader)
