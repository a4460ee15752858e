"""A page of documents at once: a statement or two, and no work of SQLAlchemy's for each row.

Discovery of a large ERP spends its time here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, String, bindparam, select, text, type_coerce

from connector.domain.job import Status
from connector.ledger import raw
from connector.ledger.database import Database
from connector.ledger.tables import JobRow
from connector.ports import Found

_LATER: Final = "INSERT INTO event (job_id, at, what, stage) SELECT id, {at}, {what}, {stage} FROM {found}"

_COMPARED_SQLITE: Final = text("""
    SELECT d.key AS place, job.id IS NULL AS absent
    FROM json_each(:documents) AS d
    LEFT JOIN job ON job.source = :source
        AND job.company = json_extract(d.value, '$[0]') AND job.key = json_extract(d.value, '$[1]')
    WHERE job.id IS NULL
       OR job.changed_at < json_extract(d.value, '$[2]') AND job.status IN (SELECT value FROM json_each(:resting))
    ORDER BY d.key
""")
# One look along the index for each document: without LATERAL a page of a large ledger is joined by reading all of it.
_COMPARED_POSTGRESQL: Final = text("""
    SELECT d.place - 1 AS place, job.id IS NULL AS absent
    FROM json_array_elements(CAST(:documents AS json)) WITH ORDINALITY AS d (value, place)
    LEFT JOIN LATERAL (
        SELECT * FROM job WHERE source = :source AND company = d.value ->> 0 AND key = d.value ->> 1 LIMIT 1
    ) AS job ON true
    WHERE job.id IS NULL
       OR job.changed_at < CAST(d.value ->> 2 || '+00' AS timestamptz)
          AND job.status IN (SELECT json_array_elements_text(CAST(:resting AS json)))
    ORDER BY d.place
""")

_JOB: Final[Any] = JobRow.__table__

_VARIABLES: Final = 30_000
"""Of one statement; SQLite takes 32,766."""


def insert_jobs(
    database: Database, connection: Connection, values: Mapping[str, Sequence[Any]], common: Mapping[str, Any]
) -> int:
    """Insert jobs that are not there yet, each with the first line of its timeline; return how many were new.

    Args:
        database: the ledger's.
        connection: a transaction that may write.
        values: the columns that differ from document to document, each with the values of all documents.
        common: the other columns, the same for all.
    """
    stored = {name: raw.converted(connection, _JOB, name, column) for name, column in values.items()}
    shared = {name: raw.converted(connection, _JOB, name, [value])[0] for name, value in common.items()}
    found = {"at": shared["created_at"], "what": "found", "stage": shared["stage"]}
    insert = _insert_sqlite if database.is_sqlite else _insert_postgresql
    return insert(connection, stored, shared, found)


def _insert_sqlite(
    connection: Connection, values: Mapping[str, Sequence[Any]], shared: Mapping[str, Any], found: Mapping[str, Any]
) -> int:
    """Many rows a statement, so that other threads run on; nobody else writes, so what is new has the highest ids."""
    last = connection.exec_driver_sql("SELECT COALESCE(MAX(id), 0) FROM job").scalar_one()
    columns = ", ".join(f"column{place}" for place, _ in enumerate(values, start=1))
    for some in _batches([*zip(*values.values(), strict=True)], _VARIABLES // len(values)):
        statement = (
            f"INSERT INTO job ({', '.join((*values, *shared))})"
            f" SELECT {columns}{', ?' * len(shared)} FROM {raw.listed(connection, len(values), len(some))}"
            f" WHERE true ON CONFLICT DO NOTHING"
        )
        connection.exec_driver_sql(statement, (*shared.values(), *chain.from_iterable(some)))
    later = _LATER.format(at="?", what="?", stage="?", found="job WHERE id > ?")
    return connection.exec_driver_sql(later, (*found.values(), last)).rowcount


def _batches(rows: list[tuple[Any, ...]], most: int) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(0, len(rows), most):
        yield rows[start : start + most]


def _insert_postgresql(
    connection: Connection, values: Mapping[str, Sequence[Any]], shared: Mapping[str, Any], found: Mapping[str, Any]
) -> int:
    """One statement, a text for each column: the server takes it apart sooner than the driver makes arrays."""
    typed = [raw.typed(connection.dialect, _JOB, name, name) for name in values]
    selected = ", ".join((*typed, *(f":{name}" for name in shared)))
    listed = ", ".join(f"json_array_elements_text(CAST(:{name} AS json))" for name in values)
    later = _LATER.format(at=":at", what=":what", stage=":first_stage", found="fresh")
    statement = text(
        f"WITH fresh AS (INSERT INTO job ({', '.join((*values, *shared))})"
        f" SELECT {selected} FROM ROWS FROM ({listed}) AS d ({', '.join(values)})"
        f" ON CONFLICT DO NOTHING RETURNING id) {later}"
    )
    said = {"at": found["at"], "what": found["what"], "first_stage": found["stage"]}
    columns = {name: json.dumps(column, default=str) for name, column in values.items()}  # days and times
    return connection.execute(statement, {**columns, **shared, **said}).rowcount


def compared(
    connection: Connection, source: str, documents: Sequence[Found], resting: Collection[Status]
) -> tuple[list[Found], list[Found]]:
    """Return the documents that have no job, and those that changed since while their job rests.

    The ledger compares: of what it knows already, which is nearly all of a sweep, no row comes back.

    Args:
        connection: to the ledger.
        source: by name.
        documents: heads.
        resting: the statuses of a job that a change in the ERP matters to.
    """
    sqlite = connection.dialect.name == "sqlite"
    listed = [(found.company, found.key, _instant(found.changed_at)) for found in documents]
    values = {"documents": json.dumps(listed), "source": source, "resting": json.dumps([*map(str, resting)])}
    fresh: list[Found] = []
    moved: list[Found] = []
    for place, absent in connection.execute(_COMPARED_SQLITE if sqlite else _COMPARED_POSTGRESQL, values):
        (fresh if absent else moved).append(documents[place])
    return fresh, moved


def _instant(moment: datetime) -> str:
    """Return a time as SQLite keeps it, which PostgreSQL reads as well, for it is told that this is UTC."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


def known(
    connection: Connection, source: str, keys: Mapping[str, Sequence[str]], *, issued_since: datetime | None = None
) -> Iterator[Row[*tuple[Any, ...]]]:
    """Return id, company, key, time of change and status (as text) of the jobs of some documents.

    Args:
        connection: to the ledger.
        source: by name.
        keys: of documents, by company.
        issued_since: only of those that are done, and were sent then or later.
    """
    sqlite = connection.dialect.name == "sqlite"
    wanted = _known(sqlite=sqlite, issued=issued_since is not None)
    values = {"of_source": source} if issued_since is None else {"of_source": source, "issued_since": issued_since}
    for company, some in keys.items():
        listed = json.dumps(list(some)) if sqlite else list(some)
        yield from connection.execute(wanted, {**values, "of_company": company, "keys": listed})


@cache
def _known(*, sqlite: bool, issued: bool) -> Select[*tuple[Any, ...]]:
    """Keys are one bound value, whatever their number: a list of them would be compiled each time."""
    status = type_coerce(JobRow.status, String).label("status")
    wanted = select(JobRow.id, JobRow.company, JobRow.key, JobRow.changed_at, status).where(
        JobRow.source == bindparam("of_source"), JobRow.company == bindparam("of_company")
    )
    if issued:
        wanted = wanted.where(JobRow.status == Status.DONE, JobRow.sent_at >= bindparam("issued_since"))
    return wanted.where(
        text("job.key IN (SELECT value FROM json_each(:keys))" if sqlite else "job.key = ANY(CAST(:keys AS text[]))")
    )
