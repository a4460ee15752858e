"""Reads Dolibarr's tables: a page of heads for discovery, whole documents for the rest.

Where things are was learnt from a database that Dolibarr 16.0 made itself, and from the upgrade scripts of later
versions. `tms` is a TIMESTAMP in whole seconds, which the session's time zone (UTC, see `Database`) shows; it is
NULL where rows were imported without it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, TextClause, bindparam

from connector.adapters.database import Database, Row
from connector.adapters.dolibarr.schema import NO_DOLIBARR, Schema, detect, lacks_index
from connector.adapters.dolibarr.settings import DolibarrOptions
from connector.adapters.dolibarr.taxes import RateNotes, percentage
from connector.adapters.rows import BIG_INTEGER, grouped, row_id, row_ids
from connector.adapters.schema import require
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import SchemaChangedError
from connector.ports import Position

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
COMPANY_VALUES: Final = (
    "MAIN_INFO_SOCIETE_NOM", "MAIN_INFO_SOCIETE_ADDRESS", "MAIN_INFO_SOCIETE_ZIP", "MAIN_INFO_SOCIETE_TOWN",
    "MAIN_INFO_SOCIETE_STATE", "MAIN_INFO_SOCIETE_COUNTRY", "MAIN_INFO_SOCIETE_MAIL", "MAIN_INFO_SOCIETE_TEL",
    "MAIN_INFO_TVAINTRA", "MAIN_INFO_SIREN", "MAIN_INFO_SIRET",
)  # fmt: skip

# Issued: validated (1) or closed as paid (2); an abandoned one (3) only as a bad debt, which it is after issue.
# Kinds: 0 standard, 1 replacement, 2 credit note, 3 deposit, 5 situation. Not 4, pro forma.
_WANTED: Final = """f.type IN (0, 1, 2, 3, 5)
           AND (f.fk_statut IN (1, 2) OR (f.fk_statut = 3 AND f.close_code = 'badcustomer'))
           AND (:since IS NULL OR f.datef IS NULL OR f.datef >= :since)
           AND (:everybody = 1 OR f.entity IN :companies)"""

_CURRENCY: Final = """(SELECT c.value FROM llx_const c WHERE c.name = 'MAIN_MONNAIE'
            AND c.entity IN (0, f.entity) ORDER BY c.entity DESC LIMIT 1)"""

# Rows without tms, or with zeros for it, sort first, as of 1970. They are asked for apart, so that an index on
# (tms, rowid), where the administrator has made one, serves the rest.
_FIND: Final = """
    SELECT f.rowid AS id, f.entity, page.changed_at, f.?ref|facnumber AS number, f.type, f.datef, f.date_valid,
           f.?multicurrency_code AS currency, CURRENCY AS company_currency, f.total_ttc,
           f.?multicurrency_total_ttc AS foreign_total_ttc, s.nom AS customer, f.fk_facture_source
    FROM (
        (SELECT f.rowid AS id, CAST('1970-01-01 00:00:00' AS DATETIME) AS changed_at FROM llx_facture f
         WHERE (f.tms IS NULL OR f.tms < '1970-01-02') AND :from_the_start = 1 AND f.rowid > :id AND WANTED
         ORDER BY f.rowid LIMIT :limit)
        UNION ALL
        (SELECT f.rowid, f.tms FROM llx_facture f
         WHERE f.tms >= :changed_at AND f.tms >= '1970-01-02' AND (f.tms > :changed_at OR f.rowid > :id) AND WANTED
         ORDER BY f.tms, f.rowid LIMIT :limit)
        ORDER BY changed_at, id LIMIT :limit
    ) page
    JOIN llx_facture f ON f.rowid = page.id
    LEFT JOIN llx_societe s ON s.rowid = f.fk_soc
    ORDER BY page.changed_at, page.id
""".replace("WANTED", _WANTED).replace("CURRENCY", _CURRENCY)

_HEADERS: Final = """
    SELECT f.rowid AS id, f.entity, f.?ref|facnumber AS number, f.type, f.fk_statut, f.close_code, f.datef,
           f.date_lim_reglement, f.ref_client, f.note_public, f.?payment_reference AS payment_reference,
           f.?total_ht|total AS total_ht, f.?total_tva|tva AS total_tva, f.localtax1, f.localtax2,
           f.?revenuestamp AS revenuestamp, f.total_ttc,
           f.?multicurrency_code AS currency, CURRENCY AS company_currency,
           f.?multicurrency_total_ht AS foreign_total_ht, f.?multicurrency_total_tva AS foreign_total_tva,
           f.?multicurrency_total_ttc AS foreign_total_ttc,
           b.iban_prefix AS iban, b.bic, TERMS AS payment_terms, MODE,
           f.fk_facture_source AS original_id, o.?ref|facnumber AS original_number, o.datef AS original_date,
           o.fk_statut AS original_statut, o.close_code AS original_close_code,
           s.rowid AS buyer_id, s.nom AS name, s.tva_intra, s.siren, s.siret, s.address, s.zip, s.town,
           s.email, s.phone, s.default_lang, country.code AS country, province.nom AS province, TYPENT AS buyer_type
    FROM llx_facture f
    LEFT JOIN llx_societe s ON s.rowid = f.fk_soc
    LEFT JOIN llx_c_country country ON country.rowid = s.fk_pays
    LEFT JOIN llx_c_departements province ON province.rowid = s.fk_departement
    LEFT JOIN llx_bank_account b ON b.rowid = f.fk_account
    LEFT JOIN llx_facture o ON o.rowid = f.fk_facture_source MODES
    WHERE f.rowid IN :ids
""".replace("CURRENCY", _CURRENCY)

# Dolibarr's own terms are English here and translated on its pages: of those that are dates, the due date says the
# same. The percentage of a deposit is an order's; an invoice has none to fill in.
_TERMS: Final = """(SELECT v.libelle_facture FROM llx_c_payment_term v
            WHERE v.rowid = f.?fk_cond_reglement AND v.code NOT IN (
            'RECEP', '10D', '10DENDMONTH', '14D', '14DENDMONTH', '30D', '30DENDMONTH', '45D', '45DENDMONTH',
            '60D', '60DENDMONTH') AND INSTR(v.libelle_facture, '__DEPOSIT_PERCENT__') = 0)"""
_MODE: Final = "mode.code AS payment_mode, mode.libelle AS payment_label"
_NO_MODE: Final = "NULL AS payment_mode, NULL AS payment_label"
_MODES: Final = "LEFT JOIN llx_c_paiement mode ON mode.id = f.?fk_mode_reglement"
_TYPENT: Final = "(SELECT y.code FROM llx_c_typent y WHERE y.id = s.fk_typent)"

# Dolibarr's short names of times are those of other units: `m` for a month, `i` for a minute.
_UNIT: Final = """COALESCE(CASE WHEN u.?code IN ('S', 'MI', 'W', 'MO', 'Y') THEN u.?label END, u.?short_label)"""

# Lines of the type 9 are titles, subtotals and texts of add-ons. `before` is the same line of the situation before.
_LINES: Final = """
    SELECT d.rowid AS id, d.fk_facture, d.description, d.?label AS label, p.label AS product_label,
           p.ref AS article_code, u.?code AS unit, UNIT AS unit_label,
           d.qty, d.subprice, d.remise_percent, d.info_bits,
           d.tva_tx, d.?vat_src_code AS vat_code, d.localtax1_tx, d.localtax2_tx,
           d.total_ht, d.total_tva, d.total_localtax1, d.total_localtax2,
           d.?multicurrency_subprice AS foreign_subprice, d.?multicurrency_total_ht AS foreign_total_ht,
           d.?multicurrency_total_tva AS foreign_total_tva, o.?ref|facnumber AS discount_source,
           q.total_ht AS before_total_ht, q.total_tva AS before_total_tva,
           q.total_localtax1 AS before_total_localtax1, q.total_localtax2 AS before_total_localtax2,
           q.?multicurrency_total_ht AS before_foreign_total_ht,
           q.?multicurrency_total_tva AS before_foreign_total_tva
    FROM llx_facturedet d
    LEFT JOIN llx_facturedet q ON q.rowid = d.?fk_prev_id
    LEFT JOIN llx_product p ON p.rowid = d.fk_product
    LEFT JOIN llx_c_units u ON u.rowid = d.?fk_unit
    LEFT JOIN llx_societe_remise_except r ON r.rowid = d.?fk_remise_except
    LEFT JOIN llx_facture o ON o.rowid = r.?fk_facture_source
    WHERE d.fk_facture IN :ids AND d.product_type IN (0, 1)
    ORDER BY d.fk_facture, d.rang, d.rowid
""".replace("UNIT", _UNIT)

_EXTRA_FIELDS: Final = "SELECT x.fk_object FIELDS FROM TABLE x WHERE x.fk_object IN :ids ORDER BY x.rowid DESC"

_BILLING_CONTACTS: Final = """
    SELECT e.element_id, p.email
    FROM llx_element_contact e
    JOIN llx_c_type_contact k ON k.rowid = e.fk_c_type_contact
         AND k.element = 'facture' AND k.source = 'external' AND k.code = 'BILLING'
    JOIN llx_socpeople p ON p.rowid = e.fk_socpeople
    WHERE e.element_id IN :ids AND p.email <> ''
    ORDER BY e.rowid DESC
"""

_COMPANIES: Final = """
    SELECT c.entity, c.name, c.value, country.code AS country
    FROM llx_const c
    LEFT JOIN llx_c_country country
         ON c.name = 'MAIN_INFO_SOCIETE_COUNTRY' AND country.rowid = CAST(c.value AS UNSIGNED)
    WHERE c.name IN :names
    ORDER BY c.entity, c.name
"""

_SPANISH_RATES: Final = """
    SELECT t.?code AS code, t.taux AS rate, t.?note AS note
    FROM llx_c_tva t
    JOIN llx_c_country country ON country.rowid = t.fk_pays
    WHERE country.code = 'ES' AND t.active = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The rows of some documents, all read in one transaction."""

    headers: Sequence[Row] = ()
    lines: Mapping[int, list[Row]] = field(default_factory=dict)  # by document
    written: Mapping[int, Row] = field(default_factory=dict)  # document -> its extra fields that are ours
    contacts: Mapping[int, str] = field(default_factory=dict)  # document -> e-mail of the billing contact
    buyer_fields: Mapping[int, Row] = field(default_factory=dict)  # third party -> its extra fields
    companies: Mapping[int, Mapping[str, str]] = field(default_factory=dict)  # entity -> name -> value
    rate_notes: RateNotes = field(default_factory=dict)


class Reader:
    """The queries. Used from several threads."""

    def __init__(self, database: Database, options: DolibarrOptions) -> None:
        self._database = database
        self._options = options
        self.side_table: SideTable | None = None  # where reference and cross-reference are, if not in extra fields
        self._schema: Schema | None = None
        self._detecting = threading.Lock()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Row]:
        """Return the heads of one page, oldest change first."""
        changed_at = max(after.changed_at.astimezone(UTC), EPOCH) if after else EPOCH
        values = {
            "changed_at": changed_at.replace(tzinfo=None),
            "from_the_start": int(changed_at == EPOCH),
            "id": (row_id(after.key, BIG_INTEGER) or 0) if after else 0,
            "limit": limit,
            "since": since,
            "everybody": int(companies is None),
            "companies": row_ids(companies or (), BIG_INTEGER),
        }
        with self._database.reading() as connection:
            schema = self._known(connection)
            page = schema.statement(_FIND).bindparams(bindparam("companies", expanding=True))
            return self._rows(connection, page, values)

    def load(self, keys: Sequence[str]) -> Documents:
        """Return the rows of these documents; the number of queries is the same for one as for many."""
        ids = row_ids(keys, BIG_INTEGER)
        if not ids:
            return Documents()
        with self._database.reading() as connection:
            return self._documents(connection, self._known(connection), ids)

    def companies(self) -> Mapping[int, Mapping[str, str]]:
        """Return what is set of each company, by entity; what holds for all entities stands with each."""
        with self._database.reading() as connection:
            return self._companies(connection, self._known(connection))

    def schema(self) -> Schema:
        """Look the schema up afresh, whatever it is."""
        with self._database.reading() as connection:
            return detect(self._database, connection, self._options.table_prefix)

    def statement(self, connection: Connection, sql: str) -> TextClause:
        """Return a statement for the tables of this Dolibarr, in a transaction that is open."""
        return self._known(connection).statement(sql)

    def heads(self, connection: Connection) -> str:
        """Return SQL that gives document_key and number of all documents."""
        schema = detect(self._database, connection, self._options.table_prefix)
        return str(schema.statement("SELECT f.rowid AS document_key, f.?ref|facnumber AS number FROM llx_facture f"))

    def lacks_index(self, schema: Schema) -> bool:
        """Whether an index on (tms, rowid) would make discovery much quicker."""
        with self._database.reading() as connection:
            return lacks_index(self._database, connection, schema)

    def _documents(self, connection: Connection, schema: Schema, ids: list[int]) -> Documents:
        def query(sql: str, wanted: list[int]) -> Sequence[Row]:
            return self._rows(connection, schema.statement(sql), {"ids": wanted})

        options = self._options
        headers = query(_headers(schema), ids)
        buyers = sorted({row["buyer_id"] for row in headers if row["buyer_id"] is not None})
        originals = {row["original_id"] for row in headers if row["original_id"] is not None}
        theirs = [options.service_code_column, *options.dir3_columns.values()]
        return Documents(
            headers=headers,
            lines=grouped(query(_LINES, ids), "fk_facture"),
            written=self._written(connection, schema, sorted({*ids, *originals})),
            contacts={row["element_id"]: row["email"] for row in query(_BILLING_CONTACTS, ids)},
            buyer_fields=_by(query(_extra_fields(schema, "societe_extrafields", theirs), buyers), "fk_object"),
            companies=self._companies(connection, schema),
            rate_notes=_notes(self._rows(connection, schema.statement(_SPANISH_RATES), {})),
        )

    def _written(self, connection: Connection, schema: Schema, ids: Sequence[int]) -> Mapping[int, Row]:
        """Return reference and cross-reference of documents that have them, by the names that the options give."""
        options = self._options
        names = (options.reference_column, options.xref_column)
        if self.side_table:
            rows = self.side_table.written(connection, ids)
            return {key: dict(zip(names, (row["reference"], row["xref"]), strict=True)) for key, row in rows.items()}
        ours = () if options.write_back == "none" else names
        fields = schema.statement(_extra_fields(schema, "facture_extrafields", ours))
        return _by(self._rows(connection, fields, {"ids": ids}), "fk_object")

    def _companies(self, connection: Connection, schema: Schema) -> Mapping[int, Mapping[str, str]]:
        statement = schema.statement(_COMPANIES).bindparams(bindparam("names", expanding=True))
        by_entity: dict[int, dict[str, str]] = {}
        for row in self._rows(connection, statement, {"names": list(COMPANY_VALUES)}):
            values = by_entity.setdefault(row["entity"], {})
            values[row["name"]] = row["value"] or ""
            if row["country"]:
                values["country"] = row["country"]
        common = by_entity.pop(0, {})
        named = {entity: {**common, **values} for entity, values in by_entity.items()}
        return named or {1: common}

    def _rows(self, connection: Connection, statement: TextClause, values: Mapping[str, Any]) -> Sequence[Row]:
        try:
            return self._database.rows(connection, statement, values)
        except SchemaChangedError:
            self._schema = None  # look again next time: an upgrade may be under way
            raise

    def _known(self, connection: Connection) -> Schema:
        with self._detecting:
            if self._schema is None:
                found = detect(self._database, connection, self._options.table_prefix)
                require(found, source=self._database.source, action=NO_DOLIBARR)
                if self.side_table:
                    self.side_table.require(connection)
                self._schema = found
            return self._schema


def _headers(schema: Schema) -> str:
    """Return the query without the tables that this Dolibarr lacks, or that were not granted to earlier versions."""
    typent = _TYPENT if schema.has_table("c_typent") else "NULL"
    terms = _TERMS if schema.has("c_payment_term", "libelle_facture") else "NULL"
    modes, mode = (_MODES, _MODE) if schema.has("c_paiement", "libelle") else ("", _NO_MODE)
    headers = _HEADERS.replace("MODES", modes).replace("MODE", mode)
    return headers.replace("TYPENT", typent).replace("TERMS", terms)


def _extra_fields(schema: Schema, table: str, names: Sequence[str]) -> str:
    """Return the query of those extra fields that the site has made. Names passed the settings' pattern."""
    fields = [f"x.`{name}` AS `{name}`" for name in names if schema.has(table, name.lower())]
    return _EXTRA_FIELDS.replace("FIELDS", "".join(f", {name}" for name in fields)).replace("TABLE", f"llx_{table}")


def _by(rows: Sequence[Row], column: str) -> dict[int, Row]:
    """Return the rows by a column; of several, the last one."""
    return {row[column]: row for row in rows}


def _notes(rows: Sequence[Row]) -> RateNotes:
    notes: dict[tuple[str, Decimal], frozenset[str]] = {}
    for row in rows:
        with suppress(ValueError):  # no document has a rate that is none
            place = (str(row["code"] or "").strip().upper(), percentage(row["rate"]))
            notes[place] = notes.get(place, frozenset()) | {row["note"] or ""}
    return notes
