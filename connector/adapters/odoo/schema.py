"""Which tables and columns this Odoo has: versions 16 to 19 are told apart by nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, TextClause, text

from connector.adapters.database import Database
from connector.domain.errors import SchemaChangedError


def _columns(required: str, optional: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(required.split()), frozenset(optional.split())


# Table -> columns that every version has, and those that depend on version and installed modules.
_TABLES: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "account_move": _columns(
        "id name ref state move_type company_id currency_id partner_id commercial_partner_id partner_bank_id"
        " reversed_entry_id invoice_date invoice_date_due invoice_origin payment_reference narration"
        " amount_untaxed amount_tax amount_total write_date",
        "buyer_reference purchase_order_reference contract_reference delivery_date debit_origin_id",
    ),
    "account_move_line": _columns(
        "id move_id sequence name display_type quantity price_unit discount price_subtotal tax_line_id"
        " amount_currency product_id product_uom_id"
    ),
    "account_move_line_account_tax_rel": _columns("account_move_line_id account_tax_id"),
    "account_tax": _columns(
        "id name amount amount_type sequence company_id",
        "country_id l10n_es_type l10n_es_exempt_reason ubl_cii_tax_category_code ubl_cii_tax_exemption_reason_code",
    ),
    "res_partner": _columns(
        "id name vat commercial_partner_id type active street street2 zip city state_id country_id email"
        " phone lang is_company",
        "company_registry siret l10n_es_edi_facturae_ac_center_code",
    ),
    "res_company": _columns("id name partner_id"),
    "res_country": _columns("id code"),
    "res_country_state": _columns("id name"),
    "res_currency": _columns("id name"),
    "res_partner_bank": _columns("id sanitized_acc_number bank_id"),
    "res_bank": _columns("id bic"),
    "product_product": _columns("id default_code"),
    "uom_uom": _columns("id name"),
}
# Tables that exist with some modules or uses only; the reader asks whether they are there.
TAX_CHILDREN: Final = "account_tax_filiation_rel"  # taxes of the type "group"
DIR3_ROLES: Final = (  # by version: 18 and 19, 17 and before
    "l10n_es_edi_facturae_ac_role_type",
    "l10n_es_edi_facturae_adm_centers_ac_role_type",
)

READ_COLUMNS: Final = {table: required | optional for table, (required, optional) in _TABLES.items()}

# A column that may be missing is written `alias.?column` in the reader's statements.
_ALIASES: Final = {"m": "account_move", "t": "account_tax", "p": "res_partner"}
_OPTIONAL: Final = re.compile(r"\b([a-z]+)\.\?([a-z0-9_]+)")

_DETECT: Final = text(
    """
    SELECT c.relname AS table_name, a.attname AS column_name,
           has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
           has_column_privilege(c.oid, a.attnum, 'UPDATE') AS writable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
      AND pg_catalog.pg_table_is_visible(c.oid)
      AND c.relname = ANY(:tables)
    """
)


# How many documents there are, about, and whether an index begins with their time of change.
_INDEX: Final = text(
    """
    SELECT c.reltuples AS documents,
           EXISTS (SELECT 1 FROM pg_catalog.pg_index i
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND a.attname = 'write_date' AND i.indpred IS NULL) AS indexed
    FROM pg_catalog.pg_class c
    WHERE c.relname = 'account_move' AND pg_catalog.pg_table_is_visible(c.oid)
    """
)
_MANY_DOCUMENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Rights:
    """What our user may do with one column."""

    readable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and columns that are there, as the search path shows them."""

    columns: Mapping[tuple[str, str], Rights]

    def has(self, table: str, column: str) -> bool:
        """Whether that column exists."""
        return (table, column) in self.columns

    def has_table(self, table: str) -> bool:
        """Whether that table exists."""
        return any(known == table for known, _ in self.columns)

    def statement(self, sql: str) -> TextClause:
        """Return an executable statement in which columns that are not there read as NULL."""

        def present(match: re.Match[str]) -> str:
            alias, column = match.groups()
            return f"{alias}.{column}" if self.has(_ALIASES[alias], column) else "NULL"

        return text(_OPTIONAL.sub(present, sql))

    def missing(self) -> Iterable[str]:
        """Name what reading needs and the database lacks: whole tables, else `table.column`."""
        for table, (required, _) in _TABLES.items():
            if not self.has_table(table):
                yield table
            else:
                yield from (f"{table}.{column}" for column in sorted(required) if not self.has(table, column))

    def unreadable(self) -> Iterable[str]:
        """Name the columns that reading uses and our user may not read."""
        for table, column in sorted(self.columns):
            used = column in READ_COLUMNS.get(table, frozenset())
            if used and not self.columns[table, column].readable:
                yield f"{table}.{column}"


def detect(database: Database, connection: Connection) -> Schema:
    """Look the schema up. Nothing is required yet."""
    tables = [*_TABLES, TAX_CHILDREN, *DIR3_ROLES, *(f"{table}_res_partner_rel" for table in DIR3_ROLES)]
    rows = database.rows(connection, _DETECT, {"tables": tables})
    return Schema({(row["table_name"], row["column_name"]): Rights(row["readable"], row["writable"]) for row in rows})


def require(schema: Schema, *, source: str) -> Schema:
    """Return the schema when everything that reading needs is there.

    Raises:
        SchemaChangedError: names the first missing table or column.
    """
    missing = next(iter(schema.missing()), None)
    if missing is None:
        return schema
    thing = f"column {missing}" if "." in missing else f"table {missing}"
    raise SchemaChangedError(
        f"The database of source {source} has no {thing}.",
        action="Check that the url leads to an Odoo database, 16 to 19, with the Invoicing app.",
    )


def lacks_index(database: Database, connection: Connection) -> bool:
    """Whether discovery has to sort so many documents for each page that an index would pay.

    Odoo makes none on write_date. With 1,000,000 documents a page of 1,000 takes about 0.4 s without it.
    """
    rows = database.rows(connection, _INDEX)
    return any(row["documents"] > _MANY_DOCUMENTS and not row["indexed"] for row in rows)
