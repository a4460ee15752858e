"""The statements of the reader, for PostgreSQL and SQLite alike. `alias.?column` may be missing; see `schema`."""

from __future__ import annotations

from typing import Final

# Rows that an import left without any time come first, as of 1970.
CHANGED_AT: Final = "COALESCE(i.write_date, i.create_date, {epoch})"

# `validated` is checked and has no number; `cancelled` was withdrawn, whether or not it had one.
ISSUED: Final = "i.type = 'out' AND (i.state IN ('posted', 'paid') OR {refunded})"

# "Credit with refund" cancels the invoice: its cancelling move is the one of the credit note.
REFUNDED: Final = """(i.state = 'cancelled' AND i.number IS NOT NULL AND EXISTS (
    SELECT 1 FROM account_invoice note
    WHERE note.move = i.cancel_move AND note.type = 'out' AND note.state IN ('posted', 'paid')))"""

# The first condition says nothing that the second does not; SQLite finds its place in an index by it alone.
FIND: Final = """
    SELECT i.id, i.company, {changed_at} AS changed_at, i.number, i.invoice_date, currency.code AS currency,
           i.total_amount_cache, party.name AS customer
    FROM account_invoice i
    LEFT JOIN currency_currency currency ON currency.id = i.currency
    LEFT JOIN party_party party ON party.id = i.party
    WHERE {changed_at} >= :changed_at AND ({changed_at}, i.id) > (:changed_at, :id) AND {issued}{wanted}
    ORDER BY {changed_at}, i.id
    LIMIT :limit
"""

HEADERS: Final = """
    SELECT i.id, i.company, CASE WHEN {issued} THEN 1 ELSE 0 END AS issued, i.number, i.invoice_date,
           i.reference, i.description, i.comment, {terms} AS payment_terms,
           i.untaxed_amount_cache, i.tax_amount_cache, i.total_amount_cache, i.??cash_rounding AS cash_rounding,
           (SELECT MAX(l.maturity_date) FROM account_move_line l
            WHERE l.move = i.move AND l.account = i.account AND (i.state <> 'cancelled' OR {refunded})) AS due_date,
           currency.code AS currency, currency.digits, currency.rounding, currency.id AS currency_id,
           i.party, party.name AS party_name, i.invoice_address, i.?party_tax_identifier AS party_tax_identifier,
           company.party AS seller, seller.name AS seller_name, i.?tax_identifier AS tax_identifier,
           {reference} AS written_reference, {xref} AS written_xref
    FROM account_invoice i
    LEFT JOIN company_company company ON company.id = i.company
    LEFT JOIN party_party seller ON seller.id = company.party
    LEFT JOIN party_party party ON party.id = i.party
    LEFT JOIN currency_currency currency ON currency.id = i.currency
    WHERE i.id IN :ids
"""

TERMS: Final = "(SELECT term.name FROM account_invoice_payment_term term WHERE term.id = i.payment_term)"

# Titles, subtotals and comments are no lines of the document.
LINES: Final = """
    SELECT l.id, l.invoice, l.description, l.quantity, l.unit_price,
           product.code AS article_code, unit.symbol AS unit
    FROM account_invoice_line l
    LEFT JOIN product_product product ON product.id = l.product
    LEFT JOIN product_uom unit ON unit.id = l.unit
    WHERE l.invoice IN :ids AND l.type = 'line'
    ORDER BY l.invoice, l.sequence IS NULL DESC, l.sequence, l.id
"""

LINE_TAXES: Final = """
    SELECT r.line, r.tax
    FROM {line_taxes} r
    JOIN account_invoice_line l ON l.id = r.line
    WHERE l.invoice IN :ids AND l.type = 'line'
    ORDER BY r.line, r.tax
"""

TAX_ROWS: Final = """
    SELECT x.invoice, x.tax, x.description, x.base, x.amount
    FROM account_invoice_tax x
    WHERE x.invoice IN :ids
    ORDER BY x.invoice, x.sequence IS NULL DESC, x.sequence, x.id
"""

# A tax may have children, which are charged with it.
TAXES: Final = """
    WITH RECURSIVE used (id) AS (
        SELECT id FROM account_tax WHERE id IN :ids
        UNION
        SELECT child.id FROM account_tax child JOIN used ON child.parent = used.id
    )
    SELECT t.id, t.name, t.description, t.company, t.type, t.rate, t.parent, t.legal_notice,
           t.?ec_sales_list_code AS ec_sales_list_code, t.?es_reported_with AS es_reported_with
    FROM account_tax t JOIN used ON used.id = t.id
    ORDER BY t.sequence IS NULL DESC, t.sequence, t.id
"""

# The credit wizard notes the credited line on each line of the credit note.
ORIGINALS: Final = """
    SELECT l.invoice, i.id, i.number, i.invoice_date, CASE WHEN {issued} THEN 1 ELSE 0 END AS issued
    FROM account_invoice_line l
    JOIN account_invoice_line credited
      ON credited.id = CASE WHEN l.origin LIKE 'account.invoice.line,%'
                       THEN CAST(NULLIF(SUBSTR(l.origin, 22), '') AS INTEGER) END
    JOIN account_invoice i ON i.id = credited.invoice
    WHERE l.invoice IN :ids AND l.origin LIKE 'account.invoice.line,%' AND i.id <> l.invoice
    ORDER BY l.invoice, l.id
"""

COMPANIES: Final = """
    SELECT company.id, company.party, party.name
    FROM company_company company
    JOIN party_party party ON party.id = company.party
    ORDER BY company.id
"""

# Records that users deactivate stay, for documents that refer to them. As of 7.6 `street` and `name` have new names.
ADDRESSES: Final = """
    SELECT a.id, a.party, COALESCE(a.active, TRUE) AS active, a.postal_code, a.city, country.code AS country,
           COALESCE(a.?street, a.?street_unstructured) AS street, {parts},
           a.?party_name AS party_name, a.?attn AS attn, COALESCE(a.?name, a.?building_name) AS building,
           {province} AS province
    FROM party_address a
    LEFT JOIN country_country country ON country.id = a.country
    {subdivision}
    WHERE a.party IN :ids
    ORDER BY a.party, a.sequence IS NULL DESC, a.sequence, a.id
"""

IDENTIFIERS: Final = """
    SELECT n.id, n.party, COALESCE(n.active, TRUE) AS active, n.type, n.code, n.?address AS address
    FROM party_identifier n
    WHERE n.party IN :ids
    ORDER BY n.party, n.sequence IS NULL DESC, n.sequence, n.id
"""

# Those that are marked for invoices first.
MECHANISMS: Final = """
    SELECT m.party, m.type, m.value
    FROM party_contact_mechanism m
    WHERE m.party IN :ids AND COALESCE(m.active, TRUE) AND m.type IN ('email', 'phone', 'mobile')
    ORDER BY m.party, COALESCE(m.?invoice, FALSE) DESC, m.sequence IS NULL, m.sequence, m.id
"""

# An invoice of Tryton's names no bank account: these are the company's.
BANK: Final = """
    SELECT owned.owner, number.number_compact AS iban, bank.bic, account.currency
    FROM "bank_account-party_party" owned
    JOIN bank_account account ON account.id = owned.account
    JOIN bank_account_number number ON number.account = account.id AND number.type = 'iban'
    LEFT JOIN bank ON bank.id = account.bank
    WHERE owned.owner IN :ids AND COALESCE(account.active, TRUE) AND COALESCE(number.active, TRUE)
    ORDER BY owned.owner, number.sequence IS NULL, number.sequence, number.id
"""
