"""The tryton adapter gives exactly what Tryton's own models say about databases that Tryton made, of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from connector.adapters.testing.sql import statements
from connector.adapters.tryton import TrytonAdapter
from connector.adapters.tryton.reader import EPOCH
from connector.adapters.tryton.schema import TABLES
from connector.domain.errors import DocumentNotUsableError, SchemaChangedError, SourceNotPermittedError, UsageError
from connector.domain.invoice import Invoice
from connector.ports import Found, Position
from connector.validation import problems
from tests.adapters.databases import execute, meanwhile, query
from tests.support.builders import NOON
from tests.support.services import connect_postgres
from tests.support.tryton import TrytonDatabase

MakeAdapter = Callable[..., TrytonAdapter]


@pytest.fixture
def make() -> Iterator[MakeAdapter]:
    made: list[TrytonAdapter] = []

    def make_adapter(database: TrytonDatabase, **options: Any) -> TrytonAdapter:
        made.append(TrytonAdapter.open("erp", database.url, options))
        return made[-1]

    yield make_adapter
    for adapter in made:
        adapter.close()


def everything(adapter: TrytonAdapter, page: int = 1000, **filters: Any) -> list[Found]:
    after: Position | None = None
    found: list[Found] = []
    while True:
        rows = adapter.find(after, page, since=filters.get("since"), companies=filters.get("companies"))
        found += rows
        if len(rows) < page:
            return found
        after = rows[-1].position


def load(adapter: TrytonAdapter, key: object) -> Invoice:
    document = adapter.load([str(key)])[str(key)]
    assert isinstance(document, Invoice)
    return document


def documents(adapter: TrytonAdapter, database: TrytonDatabase) -> Iterator[tuple[dict[str, Any], Invoice, int]]:
    """Each document as Tryton has it, as we have it, and the sign between them."""
    loaded = adapter.load([str(invoice["id"]) for invoice in database.expected["invoices"]])
    assert len(loaded) == len(database.expected["invoices"]) == 41
    for invoice in database.expected["invoices"]:
        document = loaded[str(invoice["id"])]
        assert isinstance(document, Invoice), invoice["key"]
        yield invoice, document, -1 if Decimal(invoice["total"]) < 0 else 1


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


# --- discovery


def test_all_sendable_documents_are_found_and_nothing_else(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    found = everything(make(still_tryton))
    assert {row.key for row in found} == set(still_tryton.sendable)
    assert len(found) == 31


def test_a_head_tells_what_the_list_of_tryton_tells(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    heads = {row.key: row for row in everything(make(still_tryton))}
    for key, invoice in still_tryton.sendable.items():
        head = heads[key]
        assert (head.company, head.number, head.kind.value, head.issue_date, head.currency, head.total) == (
            str(invoice["company_id"]),
            invoice["number"],
            invoice["kind"],
            day(invoice["issue_date"]),
            invoice["currency"],
            abs(Decimal(invoice["total"])),
        )
        assert head.customer == invoice["customer"]["name"]
        assert head.original_key == (str(invoice["original"]["id"]) if invoice["original"] else None)


@pytest.mark.parametrize("page", [1, 2, 7])
def test_paging_with_equal_time_stamps_neither_loses_nor_repeats(
    tryton: TrytonDatabase, make: MakeAdapter, page: int
) -> None:
    execute(tryton.url, "UPDATE account_invoice SET write_date = '2026-11-20 13:00:00' WHERE id % 2 = 0")
    execute(tryton.url, "UPDATE account_invoice SET write_date = '2026-11-20 13:00:00.500000' WHERE id % 6 = 0")
    execute(tryton.url, "UPDATE account_invoice SET write_date = NULL WHERE id % 5 = 0")
    execute(tryton.url, "UPDATE account_invoice SET create_date = NULL WHERE id % 15 = 0")
    adapter = make(tryton)
    paged = everything(adapter, page)
    assert paged == everything(adapter)
    assert len({row.key for row in paged}) == len(paged) == 31
    positions = [(row.changed_at, int(row.key)) for row in paged]
    assert positions[0][0] == EPOCH
    assert all(earlier < later for earlier, later in pairwise(positions))


def test_what_was_never_changed_counts_from_its_creation(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(
        tryton.url, "UPDATE account_invoice SET write_date = NULL, create_date = '2030-01-01 00:00:00' WHERE id = 2"
    )
    last = everything(make(tryton))[-1]
    assert (last.key, last.changed_at.isoformat()) == ("2", "2030-01-01T00:00:00+00:00")


def test_a_late_change_is_found_again_after_the_last_position(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    adapter = make(tryton)
    last = everything(adapter)[-1].position
    assert adapter.find(last, 10, since=None, companies=None) == []
    moved = last.changed_at + timedelta(microseconds=1)
    stamp = moved.replace(tzinfo=None).isoformat(" ")
    execute(tryton.url, f"UPDATE account_invoice SET write_date = '{stamp}' WHERE id = 2")
    again = adapter.find(last, 10, since=None, companies=None)
    assert [(row.key, row.changed_at) for row in again] == [("2", moved)]


def test_a_position_without_key_starts_at_its_time_inclusively(
    still_tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    adapter = make(still_tryton)
    last = everything(adapter)[-1]
    assert last in adapter.find(Position(changed_at=last.changed_at, key=""), 100, since=None, companies=None)


def test_documents_of_before_the_start_date_are_left_out(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    found = everything(make(still_tryton), since=date(2026, 10, 1))
    since = {key for key, invoice in still_tryton.sendable.items() if invoice["issue_date"] >= "2026-10-01"}
    assert {row.key for row in found} == since
    assert 0 < len(found) < 31


def test_companies_never_mix(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(tryton.url, "UPDATE account_invoice SET company = 2 WHERE id IN (2, 3)")
    adapter = make(tryton)
    assert {row.key for row in everything(adapter, companies=["2"])} == {"2", "3"}
    assert len(everything(adapter, companies=["1"])) == 29
    assert len(everything(adapter, companies=["1", "2"])) == 31
    assert everything(adapter, companies=[]) == []


def test_companies_are_listed(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    (company,) = make(still_tryton).companies()
    (expected,) = still_tryton.expected["companies"]
    assert (company.key, company.name, company.tax_number, company.country) == (
        str(expected["id"]),
        expected["name"],
        expected["identifiers"][0]["code"],
        expected["country"],
    )


# --- whole documents


def test_every_document_has_the_numbers_dates_and_totals_of_tryton(
    still_tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    for invoice, document, sign in documents(make(still_tryton), still_tryton):
        assert document.confirmed is invoice["sendable"], invoice["key"]
        assert document.kind == (invoice["kind"] or document.kind)
        assert (document.number, document.issue_date, document.due_date) == (
            invoice["number"],
            day(invoice["issue_date"]),
            day(invoice["due_date"]),
        ), invoice["key"]
        totals = document.totals
        assert (document.currency, totals.net, totals.tax + totals.withholding, totals.payable) == (
            invoice["currency"],
            sign * Decimal(invoice["untaxed"]),
            sign * Decimal(invoice["tax"]),
            sign * Decimal(invoice["total"]),
        ), invoice["key"]
        assert totals.net + totals.tax + totals.withholding == totals.payable


def test_every_document_has_the_taxes_of_tryton(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    for invoice, document, sign in documents(make(still_tryton), still_tryton):
        expected: dict[int, tuple[Decimal, Decimal, Decimal]] = {}
        for tax in invoice["taxes"]:  # two rows of one tax where lines have both signs
            _, base, amount = expected.get(tax["id"], (Decimal(0), Decimal(0), Decimal(0)))
            base, amount = base + sign * Decimal(tax["base"]), amount + sign * Decimal(tax["amount"])
            expected[tax["id"]] = (Decimal(tax["percent"]), base, amount)
        totals = [(total.tax.percent, total.base, total.amount) for total in document.tax_totals]
        assert totals == list(expected.values()), invoice["key"]


def test_every_document_has_the_lines_of_tryton(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    for invoice, document, sign in documents(make(still_tryton), still_tryton):
        assert [
            (
                line.description,
                line.quantity,
                line.net_price,
                line.net_amount,
                {(tax.source_name, tax.percent) for tax in line.taxes},
            )
            for line in document.lines
        ] == [
            (
                line["description"],
                sign * Decimal(line["quantity"]),
                Decimal(line["price_unit"]),
                sign * Decimal(line["subtotal"]),
                {(tax["name"], Decimal(tax["percent"])) for tax in line["taxes"]},
            )
            for line in invoice["lines"]
        ], invoice["key"]


def test_every_document_has_customer_order_note_and_original_of_tryton(
    still_tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    for invoice, document, _ in documents(make(still_tryton), still_tryton):
        customer, original, buyer = invoice["customer"], invoice["original"], document.buyer
        assert (buyer.key, buyer.name, buyer.tax_number, buyer.country, buyer.city, buyer.email) == (
            str(customer["id"]),
            customer["name"],
            customer["vat"],
            customer["country"],
            customer["city"],
            customer["email"],
        )
        siret = [each["code"] for each in customer["identifiers"] if each["type"] == "fr_siret"]
        assert [legal.value for legal in buyer.legal_ids] == siret
        assert (customer["address_party_name"] or "") == buyer.address2
        assert document.purchase_order == invoice["po_reference"]
        texts = [text for text in (invoice["description"], invoice["comment"]) if text]
        assert document.note == ("\n".join(texts) or None)
        found = document.original
        assert (found and (found.key, found.number, found.confirmed)) == (
            original and (str(original["id"]), original["number"] or "", original["state"] in {"posted", "paid"})
        )


def test_a_credit_note_whose_lines_come_from_several_invoices_names_them_all(
    tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    note, other = tryton.named("CN02"), tryton.named("CN06")
    move = f"UPDATE account_invoice_line SET invoice = {note['id']} WHERE invoice = {other['id']}"
    execute(tryton.url, move)
    adapter = make(tryton)
    originals = [str(each["original"]["id"]) for each in (note, other)]
    assert [each.key for each in load(adapter, note["id"]).originals] == originals
    [head] = [row for row in everything(adapter) if row.key == str(note["id"])]
    assert head.original_key == originals[0]


def test_seller_and_bank_account_are_the_companys(still_tryton: TrytonDatabase, make: MakeAdapter) -> None:
    (company,) = still_tryton.expected["companies"]
    document = load(make(still_tryton), 2)
    seller = document.seller
    assert (seller.name, seller.tax_number, seller.address, seller.postal_code, seller.city, seller.country) == (
        company["name"],
        company["identifiers"][0]["code"],
        company["street"],
        company["zip"],
        company["city"],
        company["country"],
    )
    assert (seller.email, document.payment.iban) == (company["email"], company["iban"][0])


@pytest.mark.parametrize("key", ["INV01", "INV25", "INV26", "INV27", "INV28", "INV31", "CN05", "CN07"])
def test_drafts_validated_and_cancelled_documents_are_not_confirmed(
    still_tryton: TrytonDatabase, make: MakeAdapter, key: str
) -> None:
    assert not load(make(still_tryton), still_tryton.named(key)["id"]).confirmed


@pytest.mark.parametrize("key", ["BILL1", "BILLCN1"])
def test_supplier_invoices_are_not_confirmed(still_tryton: TrytonDatabase, make: MakeAdapter, key: str) -> None:
    assert not load(make(still_tryton), still_tryton.named(key)["id"]).confirmed


def test_an_invoice_that_its_credit_note_cancelled_counts_as_issued_where_that_is_wanted(
    still_tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    adapter = make(still_tryton, issue_refunded=True)
    refunded, note = still_tryton.named("INV01"), still_tryton.named("CN01")
    assert {row.key for row in everything(adapter)} == {*still_tryton.sendable, str(refunded["id"])}
    assert load(adapter, refunded["id"]).confirmed
    original = load(adapter, note["id"]).original
    assert original is not None
    assert original.confirmed
    for cancelled in ("INV25", "CN07"):  # by the cancel button
        assert not load(adapter, still_tryton.named(cancelled)["id"]).confirmed


def test_state_and_lines_are_of_one_moment(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    if tryton.backend == "sqlite":
        execute(tryton.url, "PRAGMA journal_mode = WAL")  # else the writer waits for the reader

    def cancel() -> None:
        execute(
            tryton.url,
            "UPDATE account_invoice SET state = 'cancelled' WHERE id = 2",
            "DELETE FROM account_invoice_line WHERE invoice = 2",
        )

    adapter = make(tryton)
    with meanwhile("FROM account_invoice_line l\n    LEFT JOIN product_product", cancel):
        document = load(adapter, 2)
    assert document.confirmed
    assert len(document.lines) == 3
    assert not load(adapter, 2).confirmed


def test_a_deleted_document_and_an_impossible_key_are_left_out(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(tryton.url, "DELETE FROM account_invoice WHERE id = 3")
    assert set(make(tryton).load(["2", "3", "x", "", "-1", "99999999999"])) == {"2"}
    assert make(tryton).load([]) == {}


def test_the_number_of_queries_does_not_grow_with_the_number_of_documents(
    still_tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    adapter = make(still_tryton)
    adapter.load(["2"])
    with statements() as for_one:
        adapter.load(["4"])
    with statements() as for_many:
        adapter.load([str(invoice["id"]) for invoice in still_tryton.expected["invoices"]])
    assert len(for_many) == len(for_one) <= 13


@pytest.mark.parametrize(
    "cure",
    [
        "UPDATE party_identifier SET code = 'ESB76543214'",
        "UPDATE party_address SET street = 'Calle Nueva, 1'",
        "UPDATE bank_account_number SET number_compact = 'ES7921000813610123456789' WHERE account = 1",
    ],
    ids=["the customer's VAT number", "the address", "the bank account"],
)
def test_a_cure_beside_the_document_shows_in_its_fingerprint_though_its_time_stays(
    tryton: TrytonDatabase, make: MakeAdapter, cure: str
) -> None:
    adapter = make(tryton)
    before, heads = load(adapter, 2).fingerprint(), everything(adapter)
    assert load(make(tryton), 2).fingerprint() == before
    execute(tryton.url, cure)
    assert load(adapter, 2).fingerprint() != before
    assert everything(adapter) == heads


@pytest.mark.parametrize(
    ("kind", "code"), [("eu_vat", "ESB12345674"), ("fr_tva", "40303265045"), ("fr_vat", "40303265045")]
)
def test_a_number_that_a_customer_gets_later_is_read_though_the_posted_invoice_names_none(
    tryton: TrytonDatabase, make: MakeAdapter, kind: str, code: str
) -> None:
    invoice = tryton.named("INV09")
    execute(
        tryton.url,
        "UPDATE party_identifier SET code = :code, type = :kind WHERE party = :party",
        party=invoice["customer"]["id"],
        kind=kind,
        code=code,
    )
    assert load(make(tryton), invoice["id"]).buyer.tax_number == code


def test_one_bad_document_is_reported_and_the_others_still_come(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    if tryton.backend == "sqlite":
        execute(tryton.url, "UPDATE account_invoice_line SET unit_price = CAST('many' AS BLOB) WHERE invoice = 2")
    else:
        execute(tryton.url, "UPDATE account_invoice_line SET unit_price = 'NaN' WHERE invoice = 2")
    found = make(tryton).load(["2", "3"])
    assert isinstance(found["2"], DocumentNotUsableError)
    assert found["2"].message.startswith("Document FAC-2026-00002 of the ERP cannot be read: unit_price: ")
    assert isinstance(found["3"], Invoice)


@pytest.mark.parametrize(
    ("column", "value"), [("invoice_date", "infinity"), ("total_amount_cache", "1e30")], ids=["day", "amount"]
)
def test_one_value_beyond_all_measure_stops_no_other_document(
    tryton: TrytonDatabase, make: MakeAdapter, column: str, value: str
) -> None:
    if tryton.backend == "sqlite" and column == "total_amount_cache":
        value = "1" + "0" * 30
    before = everything(make(tryton))
    execute(tryton.url, f"UPDATE account_invoice SET {column} = '{value}' WHERE id = 2")
    assert [head.key for head in everything(make(tryton))] == [head.key for head in before]
    documents = make(tryton).load(["2", "3"])
    assert isinstance(documents["2"], DocumentNotUsableError)
    assert isinstance(documents["3"], Invoice)


def test_a_time_of_change_that_is_none_is_named_with_its_document(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(tryton.url, "UPDATE account_invoice SET write_date = 'infinity' WHERE id = 2")
    with pytest.raises(SchemaChangedError, match="Document 2 of the ERP has the time of change 'infinity'"):
        everything(make(tryton))


@pytest.mark.parametrize("form", ["CAST({} AS TEXT)", "CAST({} AS REAL)"])
def test_decimals_are_exact_in_whatever_form_sqlite_keeps_them(
    tryton: TrytonDatabase, make: MakeAdapter, form: str
) -> None:
    if tryton.backend != "sqlite":
        pytest.skip("PostgreSQL has one form of numeric")
    before = load(make(tryton), 2)
    execute(
        tryton.url,
        f"UPDATE account_invoice_line SET unit_price = {form.format('unit_price')}",
        f"UPDATE account_invoice SET total_amount_cache = {form.format('total_amount_cache')}",
        f"UPDATE account_invoice_tax SET base = {form.format('base')}, amount = {form.format('amount')}",
    )
    assert load(make(tryton), 2) == before


# --- modules, rights, faults


def reasons(document: Invoice) -> set[str]:
    return {problem.reason for problem in problems(document, now=NOON)}


@pytest.mark.parametrize(("key", "rounds"), [("INV02", "0.02"), ("INV13", "-0.01"), ("CN02", "-0.02")])
def test_cash_rounding_is_what_the_total_has_beside_net_and_tax(
    tryton: TrytonDatabase, make: MakeAdapter, key: str, rounds: str
) -> None:
    """The module account_cash_rounding rounds total_amount alone: 42.06 and no tax make 42.10."""
    invoice = tryton.named(key)
    plain = load(make(tryton), invoice["id"])
    total = Decimal(invoice["total"]) + Decimal(rounds)
    execute(
        tryton.url,
        "ALTER TABLE account_invoice ADD COLUMN cash_rounding BOOLEAN",
        f"UPDATE account_invoice SET total_amount_cache = {total} WHERE id = {invoice['id']}",
    )
    adapter = make(tryton)
    assert "totals_do_not_add_up" in reasons(load(adapter, invoice["id"]))
    execute(tryton.url, f"UPDATE account_invoice SET cash_rounding = TRUE WHERE id = {invoice['id']}")
    document = load(adapter, invoice["id"])
    sign = -1 if total < 0 else 1
    assert document.totals == replace(plain.totals, rounding=sign * Decimal(rounds), payable=sign * total)
    assert "totals_do_not_add_up" not in reasons(document)


def test_without_cash_rounding_a_document_keeps_its_fingerprint(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    before = load(make(tryton), 2).fingerprint()
    execute(tryton.url, "ALTER TABLE account_invoice ADD COLUMN cash_rounding BOOLEAN")
    execute(tryton.url, "UPDATE account_invoice SET cash_rounding = TRUE WHERE id = 2")
    assert load(make(tryton), 2).fingerprint() == before


def test_the_terms_of_payment_are_told_by_their_name(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(tryton.url, "UPDATE account_invoice SET payment_term = 2 WHERE id = 2")
    assert load(make(tryton), 2).payment.terms == "30 días"
    execute(tryton.url, "UPDATE account_invoice SET payment_term = NULL WHERE id = 2")
    assert load(make(tryton), 2).payment.terms is None


def test_a_database_without_bank_accounts_gives_documents_without_any(
    tryton: TrytonDatabase, make: MakeAdapter
) -> None:
    execute(tryton.url, 'DROP TABLE "bank_account-party_party"', "DROP TABLE bank_account_number")
    assert load(make(tryton), 2).payment.iban is None


def test_columns_of_modules_may_be_missing(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(
        tryton.url,
        "ALTER TABLE account_tax DROP COLUMN ec_sales_list_code",
        "ALTER TABLE party_contact_mechanism DROP COLUMN invoice",
        "ALTER TABLE party_identifier DROP COLUMN address",
    )
    adapter = make(tryton)
    assert [row.status for row in adapter.check()] == ["ok", "ok", "ok", "warning"]
    assert load(adapter, 2).buyer.email == tryton.named("INV02")["customer"]["email"]


AS_OF_7_2 = ('ALTER TABLE account_invoice_line_account_tax RENAME TO "account_invoice_line-account_tax"',)
AS_OF_7_6 = (
    *AS_OF_7_2,
    "ALTER TABLE party_address RENAME COLUMN street TO street_unstructured",
    "ALTER TABLE party_address RENAME COLUMN name TO building_name",
    "ALTER TABLE party_address ADD COLUMN street_name VARCHAR",
    "ALTER TABLE party_address ADD COLUMN building_number VARCHAR",
)


@pytest.mark.parametrize("upgrade", [AS_OF_7_2, AS_OF_7_6], ids=["7.2", "7.6"])
def test_a_later_version_gives_the_same_documents(
    tryton: TrytonDatabase, make: MakeAdapter, upgrade: tuple[str, ...]
) -> None:
    before = make(tryton)
    heads, expected = everything(before), before.load([*tryton.sendable])
    execute(tryton.url, *upgrade)
    adapter = make(tryton)
    assert everything(adapter) == heads
    assert adapter.load([*tryton.sendable]) == expected
    assert [row.status for row in adapter.check()] == ["ok", "ok", "ok", "warning"]
    if tryton.backend == "postgresql":
        assert any('ON "account_invoice_line-account_tax"' in line for line in adapter.grants("reader"))


def test_the_parts_of_a_street_are_read(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    parts = "UPDATE party_address SET street_name = 'Rue des Arts', building_number = '7', street_unstructured = NULL"
    execute(tryton.url, *AS_OF_7_6, parts)
    assert "Rue des Arts" in load(make(tryton), 2).buyer.address


def test_the_province_comes_from_the_list_of_subdivisions(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    execute(
        tryton.url,
        "CREATE TABLE country_subdivision (id INTEGER, name VARCHAR)",
        "INSERT INTO country_subdivision VALUES (7, 'Madrid')",
        "UPDATE party_address SET subdivision = 7",
    )
    assert load(make(tryton), 2).buyer.province == "Madrid"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE account_invoice_tax RENAME TO other", "table account_invoice_tax"),
        ("ALTER TABLE account_invoice RENAME COLUMN reference TO other", "column account_invoice.reference"),
    ],
)
def test_a_missing_table_or_column_is_named(
    tryton: TrytonDatabase, make: MakeAdapter, change: str, named: str
) -> None:
    execute(tryton.url, change)
    adapter = make(tryton)
    with pytest.raises(SchemaChangedError, match=named):
        adapter.find(None, 10, since=None, companies=None)
    assert [row.status for row in adapter.check()] == ["ok", "failed"]


def test_reading_leaves_everything_as_it_is(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    before = query(tryton.url, "SELECT * FROM account_invoice ORDER BY id")
    adapter = make(tryton)
    everything(adapter)
    adapter.load(["2"])
    adapter.record("2", "4711", "xref")  # write_back = "none"
    assert query(tryton.url, "SELECT * FROM account_invoice ORDER BY id") == before


def test_a_user_needs_no_more_than_the_documented_grants(tryton: TrytonDatabase, make: MakeAdapter) -> None:
    if tryton.backend != "postgresql":
        pytest.skip("SQLite has no users")
    role = "b2b_reader_" + tryton.url.rpartition("_")[2]
    with connect_postgres(tryton.url) as administrator:
        administrator.execute(f"CREATE ROLE {role}".encode())
        try:
            adapter = make(TrytonDatabase(tryton.backend, f"{tryton.url}?options=-crole%3D{role}"))
            with pytest.raises(SourceNotPermittedError):
                adapter.find(None, 1, since=None, companies=None)
            assert "GRANT SELECT ON" in adapter.check()[1].action
            there = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            tables = {row[0] for row in administrator.execute(there.encode()).fetchall()} & TABLES
            for table in sorted(tables):
                administrator.execute(f'GRANT SELECT ON "{table}" TO {role}'.encode())
            assert len(everything(adapter)) == 31
            assert [row.status for row in adapter.check()] == ["ok", "ok", "ok", "warning"]
            adapter.close()
        finally:
            administrator.execute(f"DROP OWNED BY {role}".encode())
            administrator.execute(f"DROP ROLE {role}".encode())


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(UsageError, match="lives in PostgreSQL or SQLite; its url names mysql"):
        TrytonAdapter.open("erp", "mysql://erp:hunter2@host/tryton", {})
