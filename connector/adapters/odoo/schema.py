"""Which tables and columns this Odoo has: versions 14 to 19 are told apart by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from connector.adapters.database import Database
from connector.adapters.schema import Column, Needs, Schema, Wanted, needs

# Table -> columns that every version has, and those that depend on version and installed modules.
_TABLES: Final[Mapping[str, Needs]] = {
    "account_move": needs(
        "id name ref state move_type company_id currency_id partner_id commercial_partner_id partner_bank_id"
        " reversed_entry_id invoice_date invoice_date_due invoice_origin payment_reference narration"
        " amount_untaxed amount_tax amount_total write_date",
        "buyer_reference purchase_order_reference contract_reference delivery_date debit_origin_id"
        " invoice_payment_term_id",
    ),
    "account_move_line": needs(
        "id move_id sequence name display_type quantity price_unit discount price_subtotal tax_line_id"
        " amount_currency product_id product_uom_id",
        "exclude_from_invoice_tab is_rounding_line",
    ),
    "account_move_line_account_tax_rel": needs("account_move_line_id account_tax_id"),
    "account_tax": needs(
        "id name amount amount_type sequence company_id",
        "description tax_group_id country_id l10n_es_type l10n_es_exempt_reason l10n_es_applicability"
        " l10n_es_edi_facturae_tax_type"
        " ubl_cii_tax_category_code ubl_cii_tax_exemption_reason_code",
    ),
    "account_tax_group": needs("", "id name"),
    "account_payment_term": needs("", "id name"),
    "res_partner": needs(
        "id name vat commercial_partner_id type active street street2 zip city state_id country_id email"
        " phone lang is_company",
        "company_registry siret l10n_es_edi_facturae_ac_center_code l10n_it_pa_index l10n_it_pec_email",
    ),
    "res_company": needs("id name partner_id"),
    "res_country": needs("id code"),
    "res_country_state": needs("id name"),
    "res_currency": needs("id name"),
    "res_partner_bank": needs("id sanitized_acc_number bank_id"),
    "res_bank": needs("id bic"),
    "product_product": needs("id default_code"),
    "uom_uom": needs("id name"),
}
# Tables that exist with some modules or uses only; the reader asks whether they are there.
ATTACHMENTS: Final = "ir_attachment"
TAX_CHILDREN: Final = "account_tax_filiation_rel"  # taxes of the type "group"
DIR3_ROLES: Final = (  # by version: 18 and 19, 17 and before
    "l10n_es_edi_facturae_ac_role_type",
    "l10n_es_edi_facturae_adm_centers_ac_role_type",
)

LINKS: Final = (TAX_CHILDREN, *DIR3_ROLES, *(f"{table}_res_partner_rel" for table in DIR3_ROLES))

WANTED: Final = Wanted(
    tables=_TABLES, aliases={"m": "account_move", "l": "account_move_line", "t": "account_tax", "p": "res_partner"}
)
NO_ODOO: Final = (
    "Check that the url leads to an Odoo database, 14 to 19, with the Invoicing app, and our user's grants."
)

_DETECT: Final = text(
    """
    SELECT c.relname AS table_name, a.attname AS column_name, format_type(a.atttypid, NULL) AS type,
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


def detect(database: Database, connection: Connection) -> Schema:
    """Look the schema up. Nothing is required yet."""
    rows = database.rows(connection, _DETECT, {"tables": [*_TABLES, ATTACHMENTS, *LINKS]})
    columns = {
        (row["table_name"], row["column_name"]): Column(
            readable=row["readable"], writable=row["writable"], type=row["type"]
        )
        for row in rows
    }
    return Schema(columns, WANTED)


def lacks_index(database: Database, connection: Connection) -> bool:
    """Whether discovery has to sort so many documents for each page that an index would pay.

    Odoo makes none on write_date. With 1,000,000 documents a page of 1,000 takes about 0.4 s without it.
    """
    rows = database.rows(connection, _INDEX)
    return any(row["documents"] > _MANY_DOCUMENTS and not row["indexed"] for row in rows)
