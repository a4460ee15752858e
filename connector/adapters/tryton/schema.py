"""Which tables and columns this Tryton has: modules and versions are told by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, text

from connector.adapters.database import Database
from connector.adapters.schema import Column, Needs, Schema, Wanted, listing, needs
from connector.adapters.tryton.streets import PARTS

# Table -> columns that reading needs, and those that depend on version and installed modules.
_TABLES: Final[Mapping[str, Needs]] = {
    "account_invoice": needs(
        "id type state number company currency party invoice_address invoice_date reference description comment"
        " move account untaxed_amount_cache tax_amount_cache total_amount_cache create_date write_date",
        "party_tax_identifier tax_identifier cancel_move payment_term cash_rounding",
    ),
    "account_invoice_line": needs("id invoice sequence type description product quantity unit_price unit origin"),
    "account_invoice_tax": needs("id invoice sequence tax description base amount"),
    "account_tax": needs(
        "id name description company type rate parent sequence legal_notice",
        "ec_sales_list_code es_reported_with",
    ),
    "account_move_line": needs("move account maturity_date"),
    "company_company": needs("id party"),
    "party_party": needs("id name"),
    "party_address": needs(
        "id party sequence active postal_code city country",
        f"party_name attn street street_unstructured name building_name subdivision {' '.join(PARTS)}",
    ),
    "party_identifier": needs("id party sequence active type code", "address"),
    "party_contact_mechanism": needs("id party sequence active type value", "invoice"),
    "country_country": needs("id code"),
    "currency_currency": needs("id code digits rounding"),
    "product_product": needs("id code"),
    "product_uom": needs("id symbol"),
}
# The taxes of lines; the first name is that of 7.2 and later.
_LINE_TAXES: Final = ("account_invoice_line-account_tax", "account_invoice_line_account_tax")

# Tables of modules that are not always there; the reader asks for them.
SUBDIVISIONS: Final = "country_subdivision"
BANK_ACCOUNTS: Final = "bank_account-party_party"
PAYMENT_TERMS: Final = "account_invoice_payment_term"
_MODULES: Final[Mapping[str, frozenset[str]]] = {
    SUBDIVISIONS: frozenset({"id", "name"}),
    BANK_ACCOUNTS: frozenset({"owner", "account"}),
    "bank_account": frozenset({"id", "bank", "currency", "active"}),
    "bank_account_number": frozenset({"id", "account", "sequence", "active", "type", "number_compact"}),
    "bank": frozenset({"id", "bic"}),
    PAYMENT_TERMS: frozenset({"id", "name"}),
}

TABLES: Final = frozenset((*_TABLES, *_MODULES, *_LINE_TAXES))
"""All tables that reading may use, by whichever version."""

_ALIASES: Final = {
    "i": "account_invoice",
    "t": "account_tax",
    "a": "party_address",
    "n": "party_identifier",
    "m": "party_contact_mechanism",
}
NO_TRYTON: Final = (
    "Check that the url leads to a Tryton database with the module account_invoice, as of 7.0, and our user's grants."
)

OWN_COLUMNS: Final = frozenset.union(*_TABLES["account_invoice"]) | frozenset(
    "accounting_date create_uid invoice_report_cache invoice_report_cache_id invoice_report_format journal"
    " payment_term_date posted_by sequence validated_by write_uid".split()
)
"""The columns of account_invoice that Tryton fills itself."""

_DETECT: Final = {
    "postgresql": """
        SELECT c.relname AS table_name, a.attname AS column_name, format_type(a.atttypid, NULL) AS type,
               has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
               has_column_privilege(c.oid, a.attnum, 'UPDATE') AS writable
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND pg_catalog.pg_table_is_visible(c.oid)
          AND c.relname IN :tables
    """,
    "sqlite": """
        SELECT t.name AS table_name, c.name AS column_name, c.type AS type, 1 AS readable, 1 AS writable
        FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type IN ('table', 'view') AND t.name IN :tables
    """,
}

# About how many documents there are, and whether some index has the time of change in it, as an expression.
_INDEX: Final = {
    "postgresql": """
        SELECT c.reltuples AS documents, EXISTS (
            SELECT 1 FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid AND x.indpred IS NULL
            AND pg_get_expr(x.indexprs, x.indrelid) LIKE 'COALESCE(write_date, create_date, %') AS indexed
        FROM pg_catalog.pg_class c
        WHERE c.relname = 'account_invoice' AND pg_catalog.pg_table_is_visible(c.oid)
    """,
    "sqlite": """
        SELECT (SELECT MAX(id) FROM account_invoice) AS documents, EXISTS (
            SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = 'account_invoice'
            AND LOWER(REPLACE(sql, ' ', '')) LIKE '%(coalesce(write_date,create_date,%') AS indexed
    """,
}
_MANY_DOCUMENTS: Final = 100_000


def line_taxes(schema: Schema) -> str:
    """Return the table of the taxes of lines, by its name in this version."""
    return next((name for name in _LINE_TAXES if schema.has_table(name)), _LINE_TAXES[-1])


def detect(database: Database, connection: Connection) -> Schema:
    """Look the schema up. Nothing is required yet."""
    rows = database.rows(connection, listing(_DETECT[database.dialect]), {"tables": [*TABLES]})
    columns = {
        (row["table_name"], row["column_name"]): Column(
            readable=bool(row["readable"]), writable=bool(row["writable"]), type=row["type"]
        )
        for row in rows
    }
    found = Schema(columns, Wanted(tables=_TABLES, modules=_MODULES, aliases=_ALIASES))
    named = {**_TABLES, line_taxes(found): needs("line tax")}
    return replace(found, wanted=replace(found.wanted, tables=named))


def lacks_index(database: Database, connection: Connection) -> bool:
    """Whether discovery has to sort so many documents for each page that an index would pay. Tryton makes none."""
    rows = database.rows(connection, text(_INDEX[database.dialect]))
    return any((row["documents"] or 0) > _MANY_DOCUMENTS and not row["indexed"] for row in rows)
