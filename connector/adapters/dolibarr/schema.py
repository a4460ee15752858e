"""Which tables and columns this Dolibarr has, and what its tables' names begin with.

Versions are told apart by nothing else. Statements are written with Dolibarr's usual prefix, `llx_`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, TextClause, bindparam, text

from connector.adapters.database import Database
from connector.adapters.rights import Right
from connector.adapters.schema import Needs, needs
from connector.domain.errors import SchemaChangedError, UsageError

# Table -> columns that every version has, and those that depend on version and modules. `a|b`: one of them
# (before version 10 the number was facnumber, and the totals were tva and total).
_TABLES: Final[Mapping[str, Needs]] = {
    "facture": needs(
        "rowid entity ref|facnumber type fk_statut close_code fk_soc datef date_valid date_lim_reglement tms"
        " ref_client note_public fk_facture_source fk_account total_ht|total total_tva|tva total_ttc localtax1"
        " localtax2",
        "revenuestamp payment_reference fk_cond_reglement fk_mode_reglement multicurrency_code"
        " multicurrency_total_ht"
        " multicurrency_total_tva multicurrency_total_ttc",
    ),
    "facturedet": needs(
        "rowid fk_facture rang product_type description fk_product qty subprice remise_percent tva_tx"
        " localtax1_tx localtax2_tx total_ht total_tva total_localtax1 total_localtax2 info_bits",
        "label vat_src_code fk_unit fk_remise_except fk_prev_id multicurrency_subprice multicurrency_total_ht"
        " multicurrency_total_tva",
    ),
    "facture_extrafields": needs("rowid fk_object"),
    "societe": needs(
        "rowid nom tva_intra siren siret address zip town fk_pays fk_departement email phone default_lang fk_typent"
    ),
    "societe_extrafields": needs("rowid fk_object"),
    "societe_remise_except": needs("rowid", "fk_facture_source"),
    "element_contact": needs("rowid element_id fk_c_type_contact fk_socpeople"),
    "c_type_contact": needs("rowid element source code"),
    "socpeople": needs("rowid email"),
    "c_country": needs("rowid code"),
    "c_departements": needs("rowid nom"),
    "c_tva": needs("fk_pays taux active", "code note"),
    "c_units": needs("rowid", "code label short_label"),
    "bank_account": needs("rowid iban_prefix bic"),
    "product": needs("rowid ref label"),
    "const": needs("name value entity"),
}
_OPTIONAL_TABLES: Final = {
    "c_typent": frozenset({"id", "code"}),
    "c_paiement": frozenset({"id", "code", "libelle"}),
    "c_payment_term": frozenset({"rowid", "code", "libelle_facture"}),
}

# A column that may be missing is written `alias.?column`, in the order of preference where there are several.
_ALIASES: Final = {
    "f": "facture",
    "o": "facture",
    "d": "facturedet",
    "q": "facturedet",
    "r": "societe_remise_except",
    "t": "c_tva",
    "u": "c_units",
}
_OPTIONAL: Final = re.compile(r"\b([a-z]+)\.\?([a-z0-9_]+(?:\|[a-z0-9_]+)*)")
_NAME: Final = re.compile(r"\bllx_(\w+)")
_ANCHOR: Final = "facturedet"  # no other table of Dolibarr's ends like this without another word before it

_FIND_PREFIX: Final = text(
    "SELECT table_name AS name FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name LIKE '%facturedet' ORDER BY 1"
)
_DETECT: Final = text(
    "SELECT table_name AS table_name, column_name AS column_name, privileges AS privileges"
    " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN :tables"
).bindparams(bindparam("tables", expanding=True))
_INDEX: Final = text(
    "SELECT MAX(t.table_rows) AS documents,"
    " MAX(CASE WHEN s.column_name = 'tms' AND s.seq_in_index = 1 THEN 1 ELSE 0 END) AS indexed"
    " FROM information_schema.tables t LEFT JOIN information_schema.statistics s"
    " ON s.table_schema = t.table_schema AND s.table_name = t.table_name"
    " WHERE t.table_schema = DATABASE() AND t.table_name = :name"
)
_MANY_DOCUMENTS: Final = 100_000

NO_DOLIBARR: Final = "Check that the url leads to a Dolibarr database, and our user's grants."


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and columns that our user sees. Names are without the prefix."""

    prefix: str
    rights: Mapping[tuple[str, str], frozenset[str]]  # select, insert, update

    def name(self, table: str) -> str:
        """Return a table's name as SQL wants it."""
        return f"`{self.prefix}{table}`"

    def has(self, table: str, column: str) -> bool:
        """Whether that column exists."""
        return (table, column) in self.rights

    def has_table(self, table: str) -> bool:
        """Whether that table exists."""
        return any(known == table for known, _ in self.rights)

    def may(self, right: str, table: str, column: str) -> bool:
        """Whether our user has a right (select, insert, update) to a column."""
        return right in self.rights.get((table, column), frozenset())

    def statement(self, sql: str) -> TextClause:
        """Return an executable statement for these tables, in which columns that are not there read as NULL."""

        def present(match: re.Match[str]) -> str:
            alias, columns = match.groups()
            there = (column for column in columns.split("|") if self.has(_ALIASES[alias], column))
            column = next(there, None)
            return f"{alias}.{column}" if column else "NULL"

        found = text(_NAME.sub(lambda match: self.name(match[1]), _OPTIONAL.sub(present, sql)))
        return found.bindparams(bindparam("ids", expanding=True)) if ":ids" in sql else found

    def missing(self) -> Iterable[str]:
        """Name what reading needs and the database lacks: whole tables, else `table.column`."""
        for table, (required, _) in _TABLES.items():
            if not self.has_table(table):
                yield f"{self.prefix}{table}"
                continue
            for columns in sorted(required):
                if not any(self.has(table, column) for column in columns.split("|")):
                    yield f"{self.prefix}{table}.{columns.partition('|')[0]}"

    def reading_rights(self) -> Iterable[Right]:
        """Return what reading needs of the tables that are there."""
        wanted = {table: required | optional for table, (required, optional) in _TABLES.items()} | _OPTIONAL_TABLES
        for table, columns in wanted.items():
            names = {name for each in columns for name in each.split("|") if self.has(table, name)}
            if names:
                yield Right(f"{self.prefix}{table}", {"SELECT": frozenset(names)})

    def unreadable(self) -> Iterable[str]:
        """Name the columns that reading uses and our user may not read."""
        for table, (required, optional) in _TABLES.items():
            for columns in sorted(required | optional):
                for column in columns.split("|"):
                    if self.has(table, column) and not self.may("select", table, column):
                        yield f"{self.prefix}{table}.{column}"


def detect(database: Database, connection: Connection, prefix: str | None) -> Schema:
    """Look the schema up. Nothing is required yet, but that there is one Dolibarr.

    Raises:
        SchemaChangedError: no table of a Dolibarr is to be seen.
        UsageError: there are several Dolibarrs, and the configuration does not say which.
    """
    prefix = _prefix(database, connection) if prefix is None else prefix
    tables = {f"{prefix}{table}": table for table in (*_TABLES, *_OPTIONAL_TABLES)}
    rows = database.rows(connection, _DETECT, {"tables": list(tables)})
    by_lower = {name.lower(): table for name, table in tables.items()}
    return Schema(
        prefix,
        {
            (by_lower[row["table_name"].lower()], row["column_name"].lower()): frozenset(
                str(row["privileges"]).lower().replace(" ", "").split(",")
            )
            for row in rows
        },
    )


def lacks_index(database: Database, connection: Connection, schema: Schema) -> bool:
    """Whether discovery has to sort so many documents for each page that an index would pay.

    Dolibarr makes none on tms.
    """
    rows = database.rows(connection, _INDEX, {"name": f"{schema.prefix}facture"})
    return any((row["documents"] or 0) > _MANY_DOCUMENTS and not row["indexed"] for row in rows)


def _prefix(database: Database, connection: Connection) -> str:
    names = [str(row["name"]) for row in database.rows(connection, _FIND_PREFIX)]
    prefixes = [name[: -len(_ANCHOR)] for name in names]
    if len(prefixes) > 1:
        raise UsageError(
            f"The database of source {database.source} holds several Dolibarrs: {', '.join(prefixes)}.",
            action="Name one of them in table_prefix.",
        )
    if not prefixes:
        raise SchemaChangedError(
            f"The database of source {database.source} has no table llx_facturedet, or our user may not see it.",
            action=NO_DOLIBARR,
        )
    return prefixes[0]
