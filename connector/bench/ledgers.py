"""A ledger of as many invoices as one likes, on SQLite and PostgreSQL: a year's, nearly all of them issued.

Some thousands are held, waiting and due, as outages and habits spread them. What is kept of each has the size of an
invoice of five lines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.types import LargeBinary

from connector.domain import evidence
from connector.ledger import Ledger, schema
from connector.ledger.tables import EventRow, JobRow

ACCOUNTS: Final = ("north", "south")
"""Who issued them: nine of ten the first one."""

SOURCE: Final = "books"

UNSETTLED: Final = 20_000
"""Of so many, the newest, every second one at least is not issued."""

_SERIES: Final = {
    "sqlite": "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count)",
    "postgresql": "WITH s (n) AS (SELECT generate_series(1, :count))",
}
_AT: Final = {  # when the nth was found: evenly over the last year
    "sqlite": "STRFTIME('%Y-%m-%d %H:%M:%S.000000', 'now', '-' || ((:count - n) * 31536000 / :count) || ' seconds')",
    "postgresql": "now() - (:count - n) * INTERVAL '365 days' / :count",
}
_DAY: Final = {"sqlite": "DATE(at)", "postgresql": "CAST(at AS DATE)"}
_STATUS: Final = f"""CASE WHEN n % 200 = 0 THEN 'held' WHEN n > :count - {UNSETTLED} AND n % 2 = 0 THEN 'waiting'
    WHEN n > :count - 5000 THEN 'pending' WHEN n % 999 = 0 THEN 'skipped' ELSE 'done' END"""
_JOB: Final[Mapping[str, str]] = {
    "source": f"'{SOURCE}'",
    "company": "'1'",
    "key": "CAST(n AS VARCHAR(20))",
    "account": f"CASE WHEN n % 10 = 0 THEN '{ACCOUNTS[1]}' ELSE '{ACCOUNTS[0]}' END",
    "kind": "CASE WHEN n % 25 = 0 THEN 'credit_note' ELSE 'invoice' END",
    "number": "'INV/2026/' || SUBSTR(CAST(10000000 + n AS VARCHAR(8)), 2)",
    "issue_date": "{day}",
    "currency": "CASE WHEN n % 50 = 0 THEN 'USD' ELSE 'EUR' END",
    "total": "(10 + n % 99991) || '.' || SUBSTR(CAST(100 + n % 100 AS VARCHAR(3)), 2)",
    "size": "10 + n % 99991 + (n % 100) / 100.0",
    "customer": "'Customer ' || (n % 40000) || ' Ltd'",
    "customer_key": "'customer ' || (n % 40000) || ' ltd'",
    "tax_number": "'ESB' || SUBSTR(CAST(100000000 + n % 40000 AS VARCHAR(9)), 2)",
    "changed_at": "at",
    "stage": "CASE WHEN status = 'done' THEN 'recorded' WHEN n % 2 = 0 THEN 'created' ELSE 'found' END",
    "status": "status",
    "reason": """CASE WHEN status = 'waiting' THEN 'account_paused' WHEN status = 'held' THEN CASE n / 200 % 4
        WHEN 0 THEN 'vat_number_wrong' WHEN 1 THEN 'totals_differ' WHEN 2 THEN 'iban_wrong' ELSE 'tax_missing' END
        END""",
    "details": """CASE WHEN status = 'held' THEN '{{"differences"\\: "total", "number"\\: "X' || (n % 300) || '"}}'
        WHEN status = 'waiting' THEN '{{"account"\\: "north", "why"\\: "it is"}}' END""",
    "due_at": "at",
    "fence": "1",
    "payload": ":payload",
    "fingerprint": "'" + 64 * "0" + "'",
    "content": ":content",
    "contact_id": "'5001'",
    "reference": "CASE WHEN status = 'done' THEN CAST(100000 + n AS VARCHAR(20)) END",
    "xref": "CASE WHEN status = 'done' THEN 'b2brouter:simulator:1:' || (100000 + n) END",
    "remote_state": "CASE WHEN status = 'done' THEN 'closed' END",
    "created_at": "at",
    "updated_at": "at",
    "sent_at": "CASE WHEN status = 'done' THEN at END",
}
"""Column -> value of the nth job; what is not named is false or 0, or empty."""

_PAYLOAD_BYTES: Final = 900
_CONTENT_BYTES: Final = 270
_ANSWER: Final = evidence.packed(json.dumps({f"field {n}": str(n * 7919) for n in range(100)}).encode())
_TIMELINE: Final = """
    SELECT 1 AS place, 'found' AS what, 'found' AS stage, NULL AS effect, NULL AS outcome, NULL AS details,
           NULL AS request_id
    UNION ALL SELECT 2, 'reached', 'contact_ready', NULL, 'done', '{"contact"\\: "5010", "how"\\: "known"}', NULL
    UNION ALL SELECT 3, 'intent', 'contact_ready', 'create', NULL, NULL, NULL
    UNION ALL SELECT 4, 'reached', 'created', 'create', 'done', '{"reference"\\: "100100"}',
           '67f6d885-3c1e-400d-b65c-5f611b01140a'
    UNION ALL SELECT 5, 'reached', 'verified', NULL, 'done', NULL, NULL
    UNION ALL SELECT 6, 'intent', 'verified', 'send', NULL, NULL, NULL
    UNION ALL SELECT 7, 'reached', 'sent', 'send', 'done', '{"state"\\: "sending"}',
           '5dce845f-52b6-4740-8ed2-9fc3e1fa450a'
    UNION ALL SELECT 8, 'reached', 'recorded', 'record', 'done', '{"reference"\\: "100100"}', NULL
"""
"""What a worker writes about an invoice that meets with no trouble."""

_JOBS: Final = """
    INSERT INTO job ({names}) {series}
    SELECT {values} FROM (SELECT n, {at} AS at, {status} AS status FROM s) AS made ORDER BY n
"""
_EVENTS: Final = """
    INSERT INTO event (job_id, at, what, stage, effect, outcome, details, request_id, answer)
    SELECT id, created_at, what, told.stage, effect, outcome, told.details, request_id,
           CASE WHEN request_id IS NOT NULL THEN :answer END
    FROM job CROSS JOIN ({timeline}) AS told WHERE id % :told = 0 ORDER BY id, place
"""
_MANY_DEEDS: Final = (
    "INSERT INTO deed (at, who, what, subject, count) {series} SELECT {at}, 'ana', 'retry', 'INV', 1 FROM s"
)
_DEEDS: Final = 50_000


def fill(ledger: Ledger, count: int, *, told: int = 10) -> None:
    """Make the tables in an empty database, with so many invoices.

    Args:
        ledger: an empty one.
        count: how many invoices.
        told: of so many, one has its timeline of eight entries.
    """
    schema.upgrade(ledger.database)
    dialect = ledger.database.url.get_backend_name()
    # Made anew at the end they take a fraction of the time; but SQLite would forget what it was told of them.
    indexes = [] if ledger.database.is_sqlite else [*JobRow.__table__.indexes, *EventRow.__table__.indexes]
    with ledger.database.write() as connection:
        for index in indexes:
            index.drop(connection)
        _fill_jobs(connection, dialect, count)
        _fill_events(connection, told)
        connection.execute(text(_MANY_DEEDS.format(series=_SERIES[dialect], at=_AT[dialect])), {"count": _DEEDS})
        for index in indexes:
            index.create(connection)
    if not ledger.database.is_sqlite:
        vacuum(ledger)


def vacuum(ledger: Ledger) -> None:
    """Do what PostgreSQL does by itself in the course of time, where nobody has switched its autovacuum off."""
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


def _fill_jobs(connection: Connection, dialect: str, count: int) -> None:
    values = {**_neither_named_nor_empty(), **_JOB}
    statement = _JOBS.format(
        names=", ".join(values),
        values=", ".join(values.values()).format(day=_DAY[dialect]),
        series=_SERIES[dialect],
        at=_AT[dialect],
        status=_STATUS,
    )
    binary = [bindparam(name, type_=LargeBinary) for name in ("payload", "content")]
    payload, content = bytes(range(256)) * 4, bytes(range(255, -1, -1)) * 2
    connection.execute(
        text(statement).bindparams(*binary),
        {"count": count, "payload": payload[:_PAYLOAD_BYTES], "content": content[:_CONTENT_BYTES]},
    )


def _neither_named_nor_empty() -> dict[str, str]:
    others = [column for column in JobRow.__table__.c if not column.nullable and column.name not in {"id", *_JOB}]
    return {column.name: "false" if column.type.python_type is bool else "0" for column in others}


def _fill_events(connection: Connection, told: int) -> None:
    statement = text(_EVENTS.format(timeline=_TIMELINE)).bindparams(bindparam("answer", type_=LargeBinary))
    connection.execute(statement, {"told": told, "answer": _ANSWER})
