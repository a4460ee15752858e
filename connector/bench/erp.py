"""A made-up ERP with as many invoices as one likes, on SQLite and PostgreSQL, and the mapping of the sql adapter."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import create_engine, make_url, text

from connector.adapters.sql import SqlAdapter

CUSTOMERS: Final = 5000

_TABLES: Final = (
    "CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, tax_number VARCHAR(20) NOT NULL)",
    """CREATE TABLE invoice (id INTEGER PRIMARY KEY, company INTEGER NOT NULL, number VARCHAR(40) NOT NULL,
    issued DATE NOT NULL, customer INTEGER NOT NULL, net NUMERIC(14, 2) NOT NULL, tax NUMERIC(14, 2) NOT NULL,
    status INTEGER NOT NULL, changed_at TIMESTAMP NOT NULL, reference VARCHAR(40), xref VARCHAR(80))""",
)
_SERIES: Final = {
    "sqlite": "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})",
    "postgresql": "WITH s (n) AS (SELECT generate_series(1, {count}))",
}
# The letter of a Spanish number follows from its digits.
_BUYERS: Final = (
    "INSERT INTO customer {series} SELECT n, 'Customer ' || n, 'ES' || CAST(10000000 + n AS VARCHAR(8))"
    " || SUBSTR('TRWAGMYFPDXBNJZSQVHLCKE', (10000000 + n) % 23 + 1, 1) FROM s"
)
# Several invoices share each second, as after an import; pages end within one.
_INVOICES: Final = {
    "sqlite": "INSERT INTO invoice {series} SELECT n, 1, 'F-' || n, DATE('now', (-n % 300) || ' days'),"
    " 1 + n % {customers}, 100 * (1 + n % 900), 21 * (1 + n % 900), 1,"
    " DATETIME('2026-01-01', (n / 7) || ' seconds'), NULL, NULL FROM s",
    "postgresql": "INSERT INTO invoice {series} SELECT n, 1, 'F-' || n, CURRENT_DATE - n % 300,"
    " 1 + n % {customers}, 100 * (1 + n % 900), 21 * (1 + n % 900), 1,"
    " TIMESTAMP '2026-01-01' + (n / 7) * INTERVAL '1 second', NULL, NULL FROM s",
}
_INDEX: Final = "CREATE INDEX invoice_changed ON invoice (changed_at, id)"

_FIND: Final = """
    SELECT i.id AS document_key, i.company, i.changed_at, i.number, 'invoice' AS kind, i.issued AS issue_date,
           'EUR' AS currency, i.net + i.tax AS total, c.name AS customer
    FROM invoice i JOIN customer c ON c.id = i.customer
    WHERE i.status = 1
"""
_HEADER: Final = """
    SELECT i.id AS document_key, 1 AS confirmed, i.number, 'invoice' AS kind, i.issued AS issue_date,
           'EUR' AS currency, i.net, i.tax, i.net + i.tax AS payable, i.reference, i.xref,
           c.id AS buyer_key, c.name AS buyer_name, c.tax_number AS buyer_tax_number, 'ES' AS buyer_country,
           'ES' AS seller_country, 'Calle Mayor 1' AS buyer_address, 'Madrid' AS buyer_city,
           '28013' AS buyer_postal_code
    FROM invoice i JOIN customer c ON c.id = i.customer WHERE i.id IN :keys
"""
_LINES: Final = """
    SELECT i.id AS document_key, p.position || '. piece of work' AS description, p.share AS quantity,
           i.net / 100 AS net_price, i.net / 100 * p.share AS net_amount, 21 AS tax_percent, 'S' AS tax_category
    FROM invoice i
    CROSS JOIN (SELECT 1 AS position, 50 AS share UNION ALL SELECT 2, 20 UNION ALL SELECT 3, 15
                UNION ALL SELECT 4, 10 UNION ALL SELECT 5, 5) p
    WHERE i.id IN :keys ORDER BY i.id, p.position
"""
_READ_BACK: Final = "SELECT reference, xref FROM invoice WHERE id = :key"
_WRITE_BACK: Final = """
    UPDATE invoice SET reference = :reference, xref = :xref
    WHERE id = :key AND COALESCE(reference, '') IN ('', :reference) AND COALESCE(xref, '') IN ('', :xref)
"""

OPTIONS: Final[dict[str, Any]] = {
    "key_type": "int",
    "find": _FIND,
    "header": _HEADER,
    "lines": _LINES,
    "read_back": _READ_BACK,
    "write_back": _WRITE_BACK,
}
"""Of a source: how the tables are read and written."""


def fill(url: str, count: int, *, customers: int = CUSTOMERS) -> None:
    """Make the tables in an empty database, with so many confirmed invoices of five lines."""
    dialect = make_url(url).get_backend_name()
    series = _SERIES[dialect]
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in _TABLES:
            connection.exec_driver_sql(statement)
        connection.execute(text(_BUYERS.format(series=series.format(count=customers))))
        connection.execute(text(_INVOICES[dialect].format(series=series.format(count=count), customers=customers)))
        connection.exec_driver_sql(_INDEX)
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def adapter(url: str) -> SqlAdapter:
    """Return the adapter for it."""
    return SqlAdapter.open("bench", url, OPTIONS)
