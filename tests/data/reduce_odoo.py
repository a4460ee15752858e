"""Make the small Odoo databases of this folder from full ones that Odoo wrote.

    .venv/bin/python tests/data/reduce_odoo.py postgresql+psycopg://postgres@localhost/odoo19 odoo19.sql.gz

Documents, lines, customers, companies and journals stay as they are. Of the reference data (accounts, taxes,
countries, provinces, banks, currencies, modules) only the rows that those refer to remain. The source is
copied first and never changed; `pg_dump` is needed, and nobody else may be connected to the source meanwhile.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.support.services import PostgresServer, connect_postgres

# Table -> which rows remain. In this order: later rules look at what earlier ones left.
KEEP: Final = {
    "account_account": "id IN (SELECT account_id FROM account_move_line)",
    "account_tax": (
        "id IN (SELECT account_tax_id FROM account_move_line_account_tax_rel"
        " UNION SELECT tax_line_id FROM account_move_line)"
    ),
    "account_tax_repartition_line": "id IN (SELECT tax_repartition_line_id FROM account_move_line)",
    "account_tax_group": "id IN (SELECT tax_group_id FROM account_tax)",
    "account_fiscal_position": "id IN (SELECT fiscal_position_id FROM account_move)",
    "account_payment_term": "id IN (SELECT invoice_payment_term_id FROM account_move)",
    "account_payment_term_line": "payment_id IN (SELECT id FROM account_payment_term)",
    "res_country_state": "id IN (SELECT state_id FROM res_partner)",
    "res_country": (
        "id IN (SELECT country_id FROM res_partner UNION SELECT country_id FROM res_country_state"
        " UNION SELECT account_fiscal_country_id FROM res_company UNION SELECT country_id FROM account_tax)"
    ),
    "res_bank": "id IN (SELECT bank_id FROM res_partner_bank)",
    "res_currency": (
        "id IN (SELECT currency_id FROM account_move UNION SELECT currency_id FROM account_move_line"
        " UNION SELECT currency_id FROM res_company UNION SELECT currency_id FROM res_currency_rate)"
    ),
    "uom_uom": ("id IN (SELECT product_uom_id FROM account_move_line UNION SELECT uom_id FROM product_template)"),
    "ir_model_fields": "model = 'account.move' AND state = 'manual'",
    "ir_module_module": "name IN ('base', 'account', 'sale') OR name LIKE 'l10n%'",
}
LONGEST_TEXT: Final = 2000  # of the companies' columns; longer ones are logos and style sheets


def reduce(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    connection.execute("SET search_path TO public")
    for table, condition in KEEP.items():
        # A rule is our own text, and NULL in its lists must not keep or drop anything by itself.
        connection.execute(f"DELETE FROM {table} WHERE ({condition}) IS NOT TRUE".encode())
    _blank_long_texts(connection, "res_company")


def _blank_long_texts(connection: psycopg.Connection[tuple[Any, ...]], table: str) -> None:
    columns = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s AND data_type IN ('text', 'bytea', 'jsonb')",
        [table],
    ).fetchall()
    for (column,) in columns:
        connection.execute(
            sql.SQL("UPDATE {0} SET {1} = NULL WHERE length({1}::text) > {2}").format(
                sql.Identifier(table), sql.Identifier(column), sql.Literal(LONGEST_TEXT)
            )
        )


def dumped(url: URL) -> Iterator[bytes]:
    """Yield the lines of a plain dump without comments and psql commands: the same data, the same file."""
    environment = dict(os.environ)
    if url.password:
        environment["PGPASSWORD"] = url.password
    command = ["pg_dump", "--no-owner", "--no-privileges", "-h", url.host or "localhost"]
    command += ["-p", str(url.port or 5432), "-U", url.username or "postgres", url.database or ""]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    in_data = False
    for line in result.stdout.splitlines(keepends=True):
        if in_data:
            in_data = line != b"\\.\n"
        elif line.startswith((b"--", b"\\")) or not line.strip():
            continue
        else:
            in_data = line.startswith(b"COPY ")
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a small copy of an Odoo database.")
    parser.add_argument("source", help="SQLAlchemy URL of the full database")
    parser.add_argument("target", type=Path, help="file to write, *.sql.gz")
    arguments = parser.parse_args()
    source = make_url(arguments.source)
    server = PostgresServer(source.set(database="postgres"))
    with server.database(template=arguments.source) as url:
        with connect_postgres(url) as connection:
            reduce(connection)
        with arguments.target.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as target:
            target.writelines(dumped(make_url(url)))


if __name__ == "__main__":
    main()
