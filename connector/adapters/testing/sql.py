"""A throw-away source in a database that SQLAlchemy reaches: most of what the suite needs comes by itself."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from typing_extensions import override

from connector.adapters.testing.source import Cells, ThrowAwaySource
from connector.ports import Adapter

_CUT: Final = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
_NO_SERVER: Final = {
    "wrong_password": "SQLite has no users and no passwords.",
    "cut_connections": "SQLite is a file: there is no connection to a server that could be lost.",
}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that go to any database meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


class SqlSource(ThrowAwaySource):
    """Derive it: name a column and a table, tell how the adapter is opened, and write the SQL of the rest."""

    needed_column: ClassVar[str] = ""
    """A column that reading needs, as table.column."""
    needed_table: ClassVar[str] = ""
    """A table that reading needs."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self._dialect = make_url(url).get_backend_name()

    @abstractmethod
    def open_at(self, url: str, **options: Any) -> Adapter:
        """Return a new adapter of the database at this URL; `options` win over those it usually has."""

    # ------------------------------------------------------------ for authors

    def execute(self, statement: str, **values: Any) -> None:
        """Execute a statement behind the adapter's back; `:name` takes a value."""
        with self._connection() as connection:
            connection.execute(text(statement), values)

    def script(self, statements: str) -> None:
        """Execute a file of statements, each of which ends with a semicolon at the end of a line."""
        with self._connection() as connection:
            for statement in re.split(r";\s*\n", statements):
                if statement.strip():
                    connection.execute(text(statement.replace(":", "\\:")))

    def query(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with self._connection() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def copy(self, table: str, where: str, **values: Any) -> None:
        """Insert rows like others of the same table.

        Args:
            table: its name.
            where: condition of the rows to copy, in SQL.
            values: what the new rows have instead, by column; None is NULL. A `text(…)` of SQLAlchemy's is an
                expression over the copied row.
        """
        with self._connection() as connection:
            self._copy(connection, table, where, values)

    def multiply(self, table: str, key: str, first: int, count: int, **expressions: str) -> None:
        """Make `count` rows of the one whose number is `first`, in few statements; the numbers after it are free.

        Args:
            table: its name.
            key: column of the number.
            first: number of the row to copy.
            count: how many rows there shall be in the end, the first one included.
            expressions: SQL of other columns that must differ; `{step}` is how far the copied row is away.
        """
        made = 1
        with self._connection() as connection:
            while made < count:
                step = min(made, count - made)
                row = {column: text(sql.replace("{step}", str(made))) for column, sql in expressions.items()}
                self._copy(
                    connection,
                    table,
                    f"{key} >= {first} AND {key} < {first + step}",
                    {key: text(f"{key} + {made}"), **row},
                )
                made += step

    # ------------------------------------------------------------ what the suite asks for

    @override
    def open(self, **options: Any) -> Adapter:
        return self.open_at(self.url, **options)

    @override
    def reason(self, part: str) -> str:
        return super().reason(part) or (_NO_SERVER.get(part, "") if self._dialect == "sqlite" else "")

    @override
    def drop_column(self) -> str:
        if not self.needed_column:
            self.not_supplied("drop_column")
        table, _, column = self.needed_column.rpartition(".")
        with self._connection() as connection:
            quote = connection.dialect.identifier_preparer.quote
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(table)} RENAME COLUMN {quote(column)} TO {quote(column + '_gone')}"
            )
        return column

    @override
    def drop_table(self) -> str:
        if not self.needed_table:
            self.not_supplied("drop_table")
        with self._connection() as connection:
            quote = connection.dialect.identifier_preparer.quote
            connection.exec_driver_sql(
                f"ALTER TABLE {quote(self.needed_table)} RENAME TO {quote(self.needed_table + '_gone')}"
            )
        return self.needed_table

    @override
    def wrong_password(self) -> tuple[Adapter, str]:
        if self.reason("wrong_password"):
            self.not_supplied("wrong_password")
        # A server that trusts everybody it knows still refuses a user that does not exist.
        secret = "wrong-and-secret-4711"  # noqa: S105  # of nobody
        url = make_url(self.url).set(username="nobody_of_that_name", password=secret)
        return self.open_at(url.render_as_string(hide_password=False)), secret

    @override
    def cut_connections(self) -> None:
        if self.reason("cut_connections"):
            self.not_supplied("cut_connections")
        mysql = self._dialect in {"mysql", "mariadb"}
        with self._connection() as connection:
            cut = connection.exec_driver_sql(_CUT["mysql" if mysql else self._dialect]).scalars().all()
            for number in cut if mysql else ():
                connection.exec_driver_sql(f"KILL {number}")

    @override
    def snapshot(self) -> Cells:
        cells: dict[tuple[str, str, str], Any] = {}
        with self._connection() as connection:
            inspector = inspect(connection)
            quote = connection.dialect.identifier_preparer.quote
            for (_, table), constraint in inspector.get_multi_pk_constraint().items():
                rows = connection.exec_driver_sql(f"SELECT * FROM {quote(table)}").mappings()
                key = constraint["constrained_columns"]
                cells.update(_cells(table, key, [dict(row) for row in rows]))
        return cells

    @override
    def queries(self) -> AbstractContextManager[list[str]]:
        return statements()

    # ------------------------------------------------------------ parts

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        engine = create_engine(self.url)
        try:
            with engine.begin() as connection:
                if self._dialect in {"mysql", "mariadb"}:  # a TIMESTAMP is taken and told in the session's zone
                    connection.exec_driver_sql("SET time_zone = '+00:00'")
                yield connection
        finally:
            engine.dispose()

    @staticmethod
    def _copy(connection: Connection, table: str, where: str, values: Mapping[str, Any]) -> None:
        quote = connection.dialect.identifier_preparer.quote
        columns = [column["name"] for column in inspect(connection).get_columns(table) if "computed" not in column]
        shown, bound = [], {}
        for name in columns:
            if name not in values:
                shown.append(quote(name))
            elif values[name] is None or hasattr(values[name], "text"):
                shown.append("NULL" if values[name] is None else values[name].text)
            else:
                shown.append(f":new_{name}")
                bound[f"new_{name}"] = values[name]
        unknown = set(values) - set(columns)
        if unknown:
            raise LookupError(f"{table} has no column {', '.join(sorted(unknown))}")
        into, given = ", ".join(map(quote, columns)), ", ".join(shown)
        connection.execute(
            text(f"INSERT INTO {quote(table)} ({into}) SELECT {given} FROM {quote(table)} WHERE {where}"),
            bound,
        )


def _cells(table: str, key: Sequence[str], rows: list[dict[str, Any]]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Yield all values of a table; rows without a primary key go by their place among the others."""
    for place, row in enumerate(sorted(rows, key=repr)):
        name = "/".join(str(row[column]) for column in key) if key else str(place)
        for column, value in row.items():
            yield (table, name, column), value
