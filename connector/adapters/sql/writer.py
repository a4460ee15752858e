"""Writes reference and cross-reference by the configured statements, in one transaction, both or neither."""

from __future__ import annotations

from sqlalchemy import Connection, text

from connector.adapters.database import Database, Row, plain
from connector.adapters.sql.columns import READ_BACK
from connector.domain.errors import WriteBackRefusedError


class Writer:
    """The write-back. Used from several threads."""

    def __init__(self, database: Database, *, read_back: str, write_back: str, key_is_text: bool) -> None:
        self._database = database
        self._read_back = text(read_back)
        self._write_back = text(write_back)
        self._key_is_text = key_is_text

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values, unless they are there already, and see that they arrived."""
        wanted = {"reference": reference, "xref": xref}
        known_key = self._known(key)
        with self._database.writing() as connection:
            present = self._present(connection, key, known_key)
            if present == wanted:
                return
            _refuse_others(key, present, wanted)
            written = self._database.run(
                connection, self._write_back, {"key": known_key, **wanted}, query="write_back"
            ).rowcount
            if written != 1 or self._present(connection, key, known_key) != wanted:
                raise WriteBackRefusedError(
                    f"The statement write_back changed {written} rows for document {key}, or not to our"
                    " values; it was undone.",
                    action="Correct write_back in the configuration, or look at the document in the ERP.",
                )

    def try_reading(self, key: str) -> None:
        """Run read_back for one document, changing nothing."""
        with self._database.reading() as connection:
            self._present(connection, key, self._known(key))

    def _present(self, connection: Connection, key: str, known_key: int | str) -> Row:
        result = self._database.run(connection, self._read_back, {"key": known_key}, query="read_back")
        READ_BACK.check(list(result.keys()))
        rows = result.mappings().all()
        if len(rows) != 1:
            raise WriteBackRefusedError(
                f"The query read_back gives {len(rows)} rows for document {key}, not one.",
                action="Look for the document in the ERP; it was issued.",
            )
        return {name: plain(value) for name, value in rows[0].items()}

    def _known(self, key: str) -> int | str:
        if self._key_is_text:
            return key
        if not key.removeprefix("-").isdecimal():
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        return int(key)


def _refuse_others(key: str, present: Row, wanted: Row) -> None:
    for name, new in wanted.items():
        old = present[name]
        if old and old != new:
            raise WriteBackRefusedError(
                f"Document {key} of the ERP already has the {name} {old}; {new} was not written.",
                action="Compare both documents at B2Brouter, then empty the field or correct the job.",
            )
