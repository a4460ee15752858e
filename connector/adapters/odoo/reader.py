"""Reads Odoo's tables: a page of heads for discovery, whole documents for the rest.

Where things are was learnt from databases that Odoo 17.0 and 19.0 made themselves. `write_date` is a
timestamp without time zone, always UTC, in microseconds. Only `posted` documents are issued; `payment_state`
is another matter, a paid or reversed invoice is still an issued one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from connector.adapters.database import Database, Row
from connector.adapters.odoo.attachments import CONTENTS, HEADS, LAST_STORED, Choice, files
from connector.adapters.odoo.schema import DIR3_ROLES, NO_ODOO, TAX_CHILDREN, detect, lacks_index
from connector.adapters.rows import grouped, row_id, row_ids
from connector.adapters.schema import Schema, require
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import SchemaChangedError
from connector.ports import Company, File, Position

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Rows without write_date (imports by SQL) sort first, as of 1970. They are asked for apart, so that an index
# on (write_date, id), where the administrator has made one, serves the rest.
_FIND: Final = """
    WITH page AS (
        (SELECT TIMESTAMP '1970-01-01' AS changed_at, {columns} FROM account_move m
         WHERE write_date IS NULL AND :changed_at = TIMESTAMP '1970-01-01' AND id > :id AND {wanted}
         ORDER BY id LIMIT :limit)
        UNION ALL
        (SELECT write_date, {columns} FROM account_move m
         WHERE (write_date, id) > (:changed_at, :id) AND {wanted}
         ORDER BY write_date, id LIMIT :limit)
        ORDER BY changed_at, id LIMIT :limit
    )
    SELECT page.id, page.company_id, page.changed_at, page.name AS number, page.move_type, page.invoice_date,
           currency.name AS currency, page.amount_total, entity.name AS customer, page.original_id
    FROM page
    LEFT JOIN res_currency currency ON currency.id = page.currency_id
    LEFT JOIN res_partner entity ON entity.id = page.commercial_partner_id
    ORDER BY page.changed_at, page.id
""".replace(
    "{columns}",
    """m.id, m.company_id, m.name, m.move_type, m.invoice_date, m.currency_id, m.amount_total,
         m.commercial_partner_id, COALESCE(m.reversed_entry_id, m.?debit_origin_id) AS original_id""",
).replace(
    "{wanted}",
    """m.state = 'posted' AND m.move_type IN ('out_invoice', 'out_refund')
         AND (CAST(:since AS date) IS NULL OR m.invoice_date IS NULL OR m.invoice_date >= :since)
         AND (CAST(:companies AS integer[]) IS NULL OR m.company_id = ANY(:companies))""",
)

_HEADERS: Final = """
    SELECT m.id, m.company_id, m.move_type, m.state, m.name AS number, m.ref, m.invoice_date,
           m.invoice_date_due, m.invoice_origin, m.payment_reference, m.narration,
           m.amount_untaxed, m.amount_tax, m.amount_total,
           m.partner_id, m.commercial_partner_id, company.partner_id AS company_partner_id,
           m.?buyer_reference AS buyer_reference, m.?purchase_order_reference AS purchase_order_reference,
           m.?contract_reference AS contract_reference, m.?delivery_date AS delivery_date,
           WRITTEN, TERMS AS payment_terms, currency.name AS currency, account.sanitized_acc_number AS iban, bank.bic,
           original.id AS original_id, original.name AS original_number,
           original.invoice_date AS original_date, original.state AS original_state
    FROM account_move m
    JOIN res_company company ON company.id = m.company_id
    LEFT JOIN res_currency currency ON currency.id = m.currency_id
    LEFT JOIN res_partner_bank account ON account.id = m.partner_bank_id
    LEFT JOIN res_bank bank ON bank.id = account.bank_id
    LEFT JOIN account_move original ON original.id = COALESCE(m.reversed_entry_id, m.?debit_origin_id)
    WHERE m.id = ANY(:ids)
"""

_TERMS: Final = """(SELECT CAST(to_jsonb(term.name) AS text) FROM account_payment_term term
            WHERE term.id = m.invoice_payment_term_id)"""
_OF_TERMS: Final = (
    ("account_move", "invoice_payment_term_id"),
    ("account_payment_term", "id"),
    ("account_payment_term", "name"),
)

# display_type: section and note lines are text; tax, payment_term … are bookkeeping. `rounding` is cash rounding,
# which Odoo counts in amount_untaxed; where it has a tax, it is a part of that and in amount_tax. `epd` is what an
# early payment takes from the base of the taxes at once, and its counterpart without tax.
# Odoo 14 and 15 have a type for text alone, and marks for the rest; a database that was brought up from there may
# have those marks still.
_KIND: Final = """CASE
        WHEN l.tax_line_id IS NOT NULL AND (l.display_type = 'rounding' OR l.?exclude_from_invoice_tab) THEN 'tax'
        WHEN l.display_type IS NOT NULL THEN l.display_type
        WHEN l.?is_rounding_line THEN 'rounding'
        WHEN NOT l.?exclude_from_invoice_tab THEN 'product'
    END"""

_LINES: Final = f"""
    SELECT l.id, l.move_id, {_KIND} AS display_type, l.name AS description, l.quantity, l.price_unit, l.discount,
           l.price_subtotal, l.amount_currency, product.default_code AS article_code,
           CAST(to_jsonb(unit.name) AS text) AS unit
    FROM account_move_line l
    LEFT JOIN product_product product ON product.id = l.product_id
    LEFT JOIN uom_uom unit ON unit.id = l.product_uom_id
    WHERE l.move_id = ANY(:ids) AND {_KIND} IN ('product', 'rounding', 'epd')
    ORDER BY l.move_id, l.sequence, l.id
"""

_LINE_TAXES: Final = f"""
    SELECT r.account_move_line_id AS line_id, r.account_tax_id AS tax_id
    FROM account_move_line_account_tax_rel r
    JOIN account_move_line l ON l.id = r.account_move_line_id
    WHERE l.move_id = ANY(:ids) AND {_KIND} IN ('product', 'epd')
"""

# A tax of the type "group" stands for its children; Odoo does not let groups nest.
_LINE_TAXES_WITH_GROUPS: Final = f"""
    SELECT r.account_move_line_id AS line_id, COALESCE(f.child_tax, r.account_tax_id) AS tax_id
    FROM account_move_line_account_tax_rel r
    JOIN account_move_line l ON l.id = r.account_move_line_id
    LEFT JOIN account_tax_filiation_rel f ON f.parent_tax = r.account_tax_id
    WHERE l.move_id = ANY(:ids) AND {_KIND} IN ('product', 'epd')
"""

# amount_currency is a balance: negative for what an invoice charges, positive on a credit note.
_TAX_AMOUNTS: Final = f"""
    SELECT l.move_id, l.tax_line_id AS tax_id, SUM(l.amount_currency) AS balance
    FROM account_move_line l
    WHERE l.move_id = ANY(:ids) AND {_KIND} = 'tax' AND l.tax_line_id IS NOT NULL
    GROUP BY l.move_id, l.tax_line_id
"""

# COALESCE of one value gives a bare NULL a type.
_TAXES: Final = """
    SELECT t.id, CAST(to_jsonb(t.name) AS text) AS name, t.amount, t.amount_type, t.sequence,
           COALESCE(own.code, home.code) AS country,
           TAX_GROUP AS "group", CAST(to_jsonb(COALESCE(t.??description)) AS text) AS description,
           COALESCE(t.??l10n_es_applicability, t.??l10n_es_edi_facturae_tax_type) AS applicability,
           t.?l10n_es_type AS es_type, t.?l10n_es_exempt_reason AS es_reason,
           t.?ubl_cii_tax_category_code AS category, t.?ubl_cii_tax_exemption_reason_code AS reason
    FROM account_tax t
    JOIN res_company company ON company.id = t.company_id
    JOIN res_partner partner ON partner.id = company.partner_id
    LEFT JOIN res_country home ON home.id = partner.country_id
    LEFT JOIN res_country own ON own.id = t.?country_id
    WHERE t.id = ANY(:ids)
"""

_TAX_GROUP: Final = "(SELECT CAST(to_jsonb(g.name) AS text) FROM account_tax_group g WHERE g.id = t.tax_group_id)"
_OF_TAX_GROUP: Final = (("account_tax", "tax_group_id"), ("account_tax_group", "id"), ("account_tax_group", "name"))

_PARTIES: Final = """
    SELECT p.id, p.name, p.vat, p.?company_registry AS registry, p.?siret AS siret, p.street, p.street2,
           p.zip, p.city, state.name AS province, country.code AS country, p.email, p.phone,
           p.lang, p.is_company, p.?l10n_it_pa_index AS recipient_code, p.?l10n_it_pec_email AS certified_email
    FROM res_partner p
    LEFT JOIN res_country_state state ON state.id = p.state_id
    LEFT JOIN res_country country ON country.id = p.country_id
    WHERE p.id = ANY(:ids)
"""

_DIR3: Final = """
    SELECT DISTINCT p.commercial_partner_id AS entity_id, role.code AS role,
           p.l10n_es_edi_facturae_ac_center_code AS code
    FROM res_partner p
    JOIN ROLES_res_partner_rel rel ON rel.res_partner_id = p.id
    JOIN ROLES role ON role.id = rel.ROLES_id
    WHERE p.commercial_partner_id = ANY(:ids) AND p.type = 'facturae_ac' AND p.active
      AND p.l10n_es_edi_facturae_ac_center_code <> '' AND role.code IN ('01', '02', '03')
    ORDER BY 1, 2, 3
"""

_COMPANIES: Final = text(
    """
    SELECT company.id, company.name, partner.vat, country.code AS country
    FROM res_company company
    JOIN res_partner partner ON partner.id = company.partner_id
    LEFT JOIN res_country country ON country.id = partner.country_id
    ORDER BY company.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The rows of some documents, all read in one transaction."""

    headers: Sequence[Row] = ()
    lines: dict[int, list[Row]] = field(default_factory=dict)  # by document
    line_taxes: dict[int, list[int]] = field(default_factory=dict)  # line -> taxes
    tax_amounts: dict[int, dict[int, Any]] = field(default_factory=dict)  # document -> tax -> balance
    taxes: dict[int, Row] = field(default_factory=dict)
    parties: dict[int, Row] = field(default_factory=dict)
    dir3: dict[int, list[tuple[str, str]]] = field(default_factory=dict)  # legal entity -> (role, code)
    files: dict[int, list[Row]] = field(default_factory=dict)  # by document, those that go out with it


class Reader:
    """The queries. Used from several threads."""

    def __init__(
        self,
        database: Database,
        *,
        written: tuple[str, str] | None = None,
        side_table: SideTable | None = None,
        choice: Choice | None = None,
    ) -> None:
        """Read a database.

        Args:
            database: of the source.
            written: the columns of reference and cross-reference, if there are any.
            side_table: where they are else.
            choice: which files go out with a document; by default none.
        """
        self._database = database
        self._side_table = side_table
        self._choice = choice or Choice()
        reference, xref = (f"m.?{name}" for name in written) if written else ("NULL", "NULL")
        if side_table:
            reference, xref = side_table.columns("m.id")
        self._headers = _HEADERS.replace("WRITTEN", f"{reference} AS written_reference, {xref} AS written_xref")
        self._schema: Schema | None = None
        self._detecting = threading.Lock()

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Row]:
        """Return the heads of one page, oldest change first."""
        changed_at = max(after.changed_at.astimezone(UTC), EPOCH) if after else EPOCH
        values = {
            "changed_at": changed_at.replace(tzinfo=None),
            "id": (row_id(after.key) or 0) if after else 0,
            "limit": limit,
            "since": since,
            "companies": None if companies is None else row_ids(companies),
        }
        with self._database.reading() as connection:
            schema = self._known(connection)
            return self._rows(connection, schema, _FIND, values)

    def load(self, keys: Sequence[str]) -> Documents:
        """Return the rows of these documents; the number of queries is the same for one as for many."""
        ids = row_ids(keys)
        if not ids:
            return Documents()
        with self._database.reading() as connection:
            return self._documents(connection, self._known(connection), ids)

    def attachments(self, key: str) -> Sequence[File]:
        """Return the chosen files of a document that are there; see the port."""
        ids = row_ids([key])
        if not ids or not self._choice:
            return []
        with self._database.reading() as connection:
            schema = self._known(connection)
            order = [row["id"] for row in self._files(connection, schema, ids).get(ids[0], ())]
            rows = _by_id(self._rows(connection, schema, CONTENTS, {"ids": order}))
        return files(self._choice, rows, order)

    def last_stored(self) -> Sequence[str]:
        """Return where in the filestore the last files of documents are."""
        with self._database.reading() as connection:
            rows = self._rows(connection, self._known(connection), LAST_STORED, {})
        return [row["store_fname"] for row in rows]

    def companies(self) -> Sequence[Company]:
        """Return all companies of the database."""
        with self._database.reading() as connection:
            self._known(connection)
            rows = self._database.rows(connection, _COMPANIES)
        return [
            Company(key=str(row["id"]), name=row["name"], tax_number=row["vat"] or None, country=row["country"])
            for row in rows
        ]

    def schema(self) -> Schema:
        """Look the schema up afresh, whatever it is."""
        with self._database.reading() as connection:
            return detect(self._database, connection)

    def lacks_index(self) -> bool:
        """Whether an index on (write_date, id) would make discovery much quicker."""
        with self._database.reading() as connection:
            return lacks_index(self._database, connection)

    def _documents(self, connection: Connection, schema: Schema, ids: list[int]) -> Documents:
        def query(sql: str, wanted: list[int]) -> Sequence[Row]:
            return self._rows(connection, schema, sql, {"ids": wanted})

        headers = query(self._headers.replace("TERMS", _if_readable(schema, _TERMS, _OF_TERMS)), ids)
        line_taxes = query(_LINE_TAXES_WITH_GROUPS if schema.has_table(TAX_CHILDREN) else _LINE_TAXES, ids)
        amounts = query(_TAX_AMOUNTS, ids)
        entities = _distinct(headers, "commercial_partner_id")
        partners = {*entities, *_distinct(headers, "partner_id"), *_distinct(headers, "company_partner_id")}
        documents = Documents(
            headers=headers,
            lines=grouped(query(_LINES, ids), "move_id"),
            taxes=_by_id(query(_taxes(schema), sorted({row["tax_id"] for row in (*line_taxes, *amounts)}))),
            parties=_by_id(query(_PARTIES, sorted(partners))),
        )
        for row in line_taxes:
            documents.line_taxes.setdefault(row["line_id"], []).append(row["tax_id"])
        for row in amounts:
            documents.tax_amounts.setdefault(row["move_id"], {})[row["tax_id"]] = row["balance"]
        for row in self._dir3(connection, schema, entities):
            documents.dir3.setdefault(row["entity_id"], []).append((row["role"], row["code"]))
        if self._choice:
            documents.files.update(self._files(connection, schema, ids))
        return documents

    def _files(self, connection: Connection, schema: Schema, ids: list[int]) -> Mapping[int, list[Row]]:
        """Return the chosen files by document, without their contents."""
        found = grouped(self._rows(connection, schema, HEADS, {"ids": ids}), "res_id")
        return {id_: self._choice.chosen(rows) for id_, rows in found.items()}

    def _dir3(self, connection: Connection, schema: Schema, entities: list[int]) -> Sequence[Row]:
        """Return the administrative centres of public bodies, where Odoo's Facturae module keeps them."""
        roles = next((table for table in DIR3_ROLES if schema.has_table(table)), None)
        if roles is None or not schema.has("res_partner", "l10n_es_edi_facturae_ac_center_code"):
            return ()
        return self._rows(connection, schema, _DIR3.replace("ROLES", roles), {"ids": entities})

    def _rows(self, connection: Connection, schema: Schema, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
        try:
            return self._database.rows(connection, schema.statement(sql), values)
        except SchemaChangedError:
            self._schema = None  # look again next time: an upgrade may be under way
            raise

    def _known(self, connection: Connection) -> Schema:
        """Return the schema, looked up once per process."""
        with self._detecting:
            if self._schema is None:
                found = require(detect(self._database, connection), source=self._database.source, action=NO_ODOO)
                if self._side_table:
                    self._side_table.require(connection)
                self._schema = found
            return self._schema


def _distinct(rows: Sequence[Row], column: str) -> list[int]:
    return sorted({row[column] for row in rows if row[column] is not None})


def _taxes(schema: Schema) -> str:
    """Return the statement; only Spanish taxes that are no VAT may need the group."""
    return _TAXES.replace("TAX_GROUP", _if_readable(schema, _TAX_GROUP, _OF_TAX_GROUP))


def _if_readable(schema: Schema, sql: str, columns: Iterable[tuple[str, str]]) -> str:
    """Return what gives a value, or NULL where some column is not there or was not granted to earlier versions."""
    return sql if all(schema.may_read(*column) for column in columns) else "NULL"


def _by_id(rows: Sequence[Row]) -> dict[int, Row]:
    return {row["id"]: row for row in rows}
