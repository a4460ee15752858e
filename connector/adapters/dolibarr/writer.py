"""Where Dolibarr keeps what is written back: extra fields of an invoice, by SQL or by Dolibarr itself, or a table.

Extra fields are made in Dolibarr and live in a table of their own, whose row exists only after a first save. By SQL
the invoice's row is locked meanwhile and never changed: its `tms` stays, so that discovery does not see our own write
as a change, and no trigger of Dolibarr's is passed by. A document that was abandoned after it had been issued still
gets its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

from connector.adapters.checks import failed, ok
from connector.adapters.database import Database, Row, plain
from connector.adapters.dolibarr.api import Api
from connector.adapters.dolibarr.reader import Reader
from connector.adapters.dolibarr.schema import Schema
from connector.adapters.dolibarr.settings import DolibarrOptions
from connector.adapters.rights import Right, Verb
from connector.adapters.rows import BIG_INTEGER, row_id
from connector.adapters.web_api import WebApi
from connector.adapters.writeback import Fields, Target, WriteBack
from connector.adapters.writeback.rules import Values
from connector.adapters.writeback.side_table import FIELDS, RIGHTS, Documents, SideTable
from connector.domain.errors import SchemaChangedError, WriteBackRefusedError
from connector.ports import CheckRow

TABLE: Final = "facture_extrafields"
HOW_TO_MAKE: Final = (
    "Make two text fields for invoices in Dolibarr (Setup, Modules, Invoices, Complementary attributes; codes"
    " b2b_reference and b2b_xref, one line of 128 characters), or name others in reference_column and xref_column,"
    ' or set write_back = "none".'
)
_LOCK: Final = "SELECT f.rowid FROM llx_facture f WHERE f.rowid = :key FOR UPDATE"
_EXISTS: Final = "SELECT f.rowid FROM llx_facture f WHERE f.rowid = :key"
_ENTITY: Final = "SELECT f.entity FROM llx_facture f WHERE f.rowid = :key"


def writer(database: Database, options: DolibarrOptions, reader: Reader, side: SideTable | None) -> WriteBack | None:
    """Return what writes back as the options say; None where nothing does."""
    if side:
        return WriteBack(side, FIELDS)
    if options.write_back == "none":
        return None
    fields = options.fields(options.reference_column, options.xref_column)
    target: Target
    if options.write_back == "api":
        target = _api(database, options, reader, fields)
    else:
        target = ExtraFields(database, reader.schema, fields)
    return WriteBack(target, fields)


def _api(database: Database, options: DolibarrOptions, reader: Reader, fields: Fields) -> Api:
    key = options.key()
    api = WebApi(
        database.source, options.api_url or "", key=key, timeout=options.api_timeout, headers={"DOLAPIKEY": key}
    )

    def entity_of(number: int) -> int | None:
        with database.reading() as connection:
            rows = database.rows(connection, reader.statement(connection, _ENTITY), {"key": number})
        return rows[0]["entity"] if rows else None

    return Api(api, fields, entity_of=entity_of)


def side_table(database: Database, reader: Reader) -> SideTable:
    """Return the table of our own in Dolibarr's database."""

    def exists(connection: Connection, key: Any) -> bool:
        return bool(database.rows(connection, reader.statement(connection, _EXISTS), {"key": key}))

    return SideTable(database, Documents(heads=reader.heads, exists=exists))


def written_rights(schema: Schema, options: DolibarrOptions, *, source: str) -> Sequence[Right]:
    """Return what writing back needs, where the options say that it goes.

    Raises:
        SchemaChangedError: an extra field is not there.
    """
    if options.write_back == "side_table":
        return RIGHTS
    if options.write_back == "none":
        return ()
    names = options.fields(options.reference_column, options.xref_column).names
    if missing := _missing(schema, names):
        raise _no_field(source, schema, missing[0])
    ours = frozenset(names)
    written: Mapping[Verb, frozenset[str]] = {"INSERT": ours | {"fk_object"}, "UPDATE": ours}
    read: Mapping[Verb, frozenset[str]] = {"SELECT": ours}
    return [Right(f"{schema.prefix}{TABLE}", {**read, **(written if options.write_back == "columns" else {})})]


def _missing(schema: Schema, names: Sequence[str]) -> Sequence[str]:
    return [name for name in names if not schema.has(TABLE, name.lower())]


def _no_field(source: str, schema: Schema, name: str) -> SchemaChangedError:
    return SchemaChangedError(
        f"The database of source {source} has no column {schema.prefix}{TABLE}.{name} for the write-back.",
        action=HOW_TO_MAKE,
    )


class ExtraFields:
    """The row of extra fields of an invoice, which may not be there yet."""

    def __init__(self, database: Database, schema: Callable[[], Schema], fields: Fields) -> None:
        """Write through `database`; `schema` looks up which tables and columns there are now."""
        self._database = database
        self._look = schema
        self._schema: Schema | None = None
        self._fields = fields

    @contextmanager
    def opened(self, key: str) -> Iterator[ExtraFieldsSlot]:
        """Lock the invoice's row, without changing it, until the end of the block."""
        rowid = row_id(key, BIG_INTEGER)
        if rowid is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        schema = self._required()
        with self._database.writing() as connection:
            if not self._database.rows(connection, schema.statement(_LOCK), {"key": rowid}):
                raise WriteBackRefusedError(
                    f"Document {key} is not in the ERP any more.", action="Look for it in Dolibarr; it was issued."
                )
            slot = ExtraFieldsSlot(self._database, connection, schema, self._fields.names, rowid)
            slot.even_out()
            yield slot

    def check(self) -> CheckRow:
        """See that the fields are there, and that we may write them."""
        schema = self._look()
        table, names = f"{schema.prefix}{TABLE}", self._fields.names
        missing = _missing(schema, names)
        if missing:
            return failed("write-back", f"There is no column {table}.{missing[0]}.", HOW_TO_MAKE)
        every = ", ".join(names)
        for right, columns in (("update", names), ("insert", ("fk_object", *names))):
            for column in columns:
                if not schema.may(right, TABLE, column.lower()):
                    return failed(
                        "write-back",
                        f"Our user may not {right} {table}.{column}.",
                        f"GRANT INSERT (fk_object, {every}), UPDATE ({every}) ON {table} TO our user.",
                    )
        return ok("write-back", f"into the columns {', '.join(names[:-1])} and {names[-1]} of {table}")

    def close(self) -> None:
        """Nothing: the database is the adapter's."""

    def _required(self) -> Schema:
        """Return the schema; as long as a column is missing, it is looked up again each time."""
        if self._schema is None:
            schema = self._look()
            if missing := _missing(schema, self._fields.names):
                raise _no_field(self._database.source, schema, missing[0])
            self._schema = schema
        return self._schema


class ExtraFieldsSlot:
    """Our extra fields of one invoice. In older versions nothing forbids several rows of them: all are kept alike."""

    def __init__(
        self, database: Database, connection: Connection, schema: Schema, names: tuple[str, ...], rowid: int
    ) -> None:
        self._database = database
        self._connection = connection
        self._schema = schema
        self._names = names
        self._rowid = rowid

    def read(self) -> Values:
        """Return what the rows say."""
        values = {name: sorted(set(filter(None, found))) for name, found in self._columns().items()}
        return {name: ", ".join(found) or None for name, found in values.items()}

    def even_out(self) -> None:
        """Give a value of some rows to those that have none: it is the same document's."""
        for name, found in self._columns().items():
            values = set(found)
            if len(values) == 2 and None in values:
                self._update({name: next(filter(None, values))})

    def write(self, values: Values) -> None:
        """Change the rows, or make one."""
        if self._rows():
            self._update(values)
        else:
            columns = ", ".join(f"`{name}`" for name in values)
            binds = ", ".join(f":{_bind(name)}" for name in values)
            self._run(f"INSERT INTO llx_{TABLE} (fk_object, {columns}) VALUES (:key, {binds})", values)

    def _update(self, values: Values) -> None:
        changes = ", ".join(f"`{name}` = :{_bind(name)}" for name in values)
        self._run(f"UPDATE llx_{TABLE} SET {changes} WHERE fk_object = :key", values)

    def _run(self, sql: str, values: Values) -> None:
        bound = {_bind(name): value for name, value in values.items()}
        self._database.run(self._connection, self._schema.statement(sql), {"key": self._rowid, **bound})

    def _columns(self) -> Mapping[str, list[str | None]]:
        rows = self._rows()
        return {name: [plain(row[name]) for row in rows] for name in self._names}

    def _rows(self) -> list[Row]:
        columns = ", ".join(f"`{name}`" for name in self._names)
        sql = f"SELECT {columns} FROM llx_{TABLE} WHERE fk_object = :key"
        return [*self._database.rows(self._connection, self._schema.statement(sql), {"key": self._rowid})]


def _bind(name: str) -> str:
    return f"new_{name}"
