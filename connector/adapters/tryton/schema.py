"""Which tables and columns this Tryton has: modules and versions are told by nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, TextClause, bindparam, text

from connector.adapters.database import Database
from connector.domain.errors import SchemaChangedError


def _columns(required: str, optional: str = "") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(required.split()), frozenset(optional.split())


# Table -> columns that reading needs, and those that depend on version and installed modules.
_TABLES: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "account_invoice": _columns(
        "id type state number company currency party invoice_address invoice_date reference description comment"
        " move account untaxed_amount_cache tax_amount_cache total_amount_cache create_date write_date",
        "party_tax_identifier tax_identifier cancel_move",
    ),
    "account_invoice_line": _columns("id invoice sequence type description product quantity unit_price unit origin"),
    "account_invoice_line_account_tax": _columns("line tax"),
    "account_invoice_tax": _columns("id invoice sequence tax description base amount"),
    "account_tax": _columns(
        "id name description company type rate parent sequence legal_notice",
        "ec_sales_list_code es_reported_with",
    ),
    "account_move_line": _columns("move account maturity_date"),
    "company_company": _columns("id party"),
    "party_party": _columns("id name"),
    "party_address": _columns(
        "id party sequence active street postal_code city country", "party_name name subdivision"
    ),
    "party_identifier": _columns("id party sequence active type code", "address"),
    "party_contact_mechanism": _columns("id party sequence active type value", "invoice"),
    "country_country": _columns("id code"),
    "currency_currency": _columns("id code digits rounding"),
    "product_product": _columns("id code"),
    "product_uom": _columns("id symbol"),
}
# Tables of modules that are not always there; the reader asks for them.
SUBDIVISIONS: Final = "country_subdivision"
BANK_ACCOUNTS: Final = "bank_account-party_party"
_MODULES: Final[Mapping[str, frozenset[str]]] = {
    SUBDIVISIONS: frozenset({"id", "name"}),
    BANK_ACCOUNTS: frozenset({"owner", "account"}),
    "bank_account": frozenset({"id", "bank", "currency", "active"}),
    "bank_account_number": frozenset({"id", "account", "sequence", "active", "type", "number_compact"}),
    "bank": frozenset({"id", "bic"}),
}

READ_COLUMNS: Final = {table: required | optional for table, (required, optional) in _TABLES.items()} | dict(_MODULES)

OWN_COLUMNS: Final = READ_COLUMNS["account_invoice"] | frozenset(
    "accounting_date create_uid invoice_report_cache invoice_report_cache_id invoice_report_format journal"
    " payment_term payment_term_date posted_by sequence validated_by write_uid".split()
)
"""The columns of account_invoice that Tryton fills itself."""

# A column that may be missing is written `alias.?column` in the reader's statements.
_ALIASES: Final = {
    "i": "account_invoice",
    "t": "account_tax",
    "a": "party_address",
    "n": "party_identifier",
    "m": "party_contact_mechanism",
}
_OPTIONAL: Final = re.compile(r"\b([a-z])\.\?([a-z0-9_]+)")
_LIST: Final = re.compile(r"\bIN :(\w+)")

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


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the database, and what our user may do with it."""

    type: str
    readable: bool
    writable: bool

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers and no text."""
        return "int" in self.type.lower()


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and columns that are there, as the search path shows them."""

    columns: Mapping[tuple[str, str], Column]

    def has(self, table: str, column: str) -> bool:
        """Whether that column exists."""
        return (table, column) in self.columns

    def has_table(self, table: str) -> bool:
        """Whether that table exists."""
        return any(known == table for known, _ in self.columns)

    def statement(self, sql: str) -> TextClause:
        """Return an executable statement: columns that are not there read as NULL, `IN :name` takes a list."""

        def present(match: re.Match[str]) -> str:
            alias, column = match.groups()
            return f"{alias}.{column}" if self.has(_ALIASES[alias], column) else "NULL"

        return listing(_OPTIONAL.sub(present, sql))

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


def listing(sql: str) -> TextClause:
    """Return a statement whose `IN :name` take lists of any length, on every database."""
    return text(sql).bindparams(*(bindparam(name, expanding=True) for name in set(_LIST.findall(sql))))


def detect(database: Database, connection: Connection) -> Schema:
    """Look the schema up. Nothing is required yet."""
    rows = database.rows(connection, listing(_DETECT[database.dialect]), {"tables": [*READ_COLUMNS]})
    return Schema(
        {
            (row["table_name"], row["column_name"]): Column(row["type"], bool(row["readable"]), bool(row["writable"]))
            for row in rows
        }
    )


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
        action="Check that the url leads to a Tryton database with the module account_invoice, as of 7.0.",
    )


def lacks_index(database: Database, connection: Connection) -> bool:
    """Whether discovery has to sort so many documents for each page that an index would pay. Tryton makes none."""
    rows = database.rows(connection, text(_INDEX[database.dialect]))
    return any((row["documents"] or 0) > _MANY_DOCUMENTS and not row["indexed"] for row in rows)
