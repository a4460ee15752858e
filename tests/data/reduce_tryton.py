"""Make the small Tryton databases of this folder from full ones that Tryton wrote.

    PYTHONPATH=. .venv/bin/python tests/data/reduce_tryton.py postgresql+psycopg://postgres@localhost/tryton tryton.postgresql.sql.gz
    PYTHONPATH=. .venv/bin/python tests/data/reduce_tryton.py sqlite:///tryton.sqlite tryton.sqlite.sql.gz

Documents, lines, moves, parties and the company stay as they are. Of the reference data only the rows that those
refer to remain; tables that no connector reads go. The source is copied first and never changed; `pg_dump` is
needed for PostgreSQL, and nobody else may be connected to the source meanwhile.
"""  # noqa: E501  # commands stand on one line

from __future__ import annotations

import argparse
import gzip
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from tests.data.reduce_odoo import dumped
from tests.support.services import PostgresServer, connect_postgres

# Table -> which rows remain. In this order: later rules look at what earlier ones left.
KEEP: Final = {
    "account_account": "id IN (SELECT account FROM account_move_line)",
    "account_tax": (
        "id IN (SELECT tax FROM account_invoice_line_account_tax UNION SELECT tax FROM account_invoice_tax) OR"
        " parent IS NOT NULL OR type = 'none'"
    ),
    "country_country": "id IN (SELECT country FROM party_address)",
    "currency_currency": ("id IN (SELECT currency FROM account_invoice UNION SELECT currency FROM company_company)"),
    "currency_currency_rate": "currency IN (SELECT id FROM currency_currency)",
    "product_uom": "id IN (SELECT unit FROM account_invoice_line UNION SELECT default_uom FROM product_template)",
    "ir_module": "name IN ('account', 'account_invoice', 'account_es', 'party_siret', 'bank', 'sale')",
}
DROP: Final = (
    "ir_attachment",
    "ir_note",
    "account_journal",
    "account_period",
    "account_move_reconciliation",
    "res_user",
)


def statements() -> Iterator[str]:
    for table in DROP:
        yield f"DROP TABLE {table}"
    for table, condition in KEEP.items():
        # NULL in the lists of a rule must not keep or drop anything by itself.
        yield f"DELETE FROM {table} WHERE ({condition}) IS NOT TRUE"
    yield "UPDATE account_invoice SET invoice_report_cache = NULL"  # printed documents


def reduced_postgres(source: str) -> Iterable[bytes]:
    server = PostgresServer(make_url(source).set(database="postgres"))
    with server.database(template=source) as url:
        with connect_postgres(url) as connection:
            connection.execute("SET search_path TO public")
            for statement in statements():
                connection.execute(statement.encode())
        yield from dumped(make_url(url))


def reduced_sqlite(source: str) -> Iterable[bytes]:
    copy = sqlite3.connect(":memory:")
    with sqlite3.connect(make_url(source).database or "") as original:
        original.backup(copy)
    for statement in statements():
        copy.execute(statement)
    copy.commit()
    yield from (f"{line}\n".encode() for line in copy.iterdump())


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a small copy of a Tryton database.")
    parser.add_argument("source", help="SQLAlchemy URL of the full database")
    parser.add_argument("target", type=Path, help="file to write, *.sql.gz")
    arguments = parser.parse_args()
    sqlite = make_url(arguments.source).get_backend_name() == "sqlite"
    reduced: Callable[[str], Iterable[bytes]] = reduced_sqlite if sqlite else reduced_postgres
    with arguments.target.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as target:
        target.writelines(reduced(arguments.source))


if __name__ == "__main__":
    main()
