"""The dolibarr adapter gives exactly what Dolibarr's own classes say about a database that Dolibarr made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import make_url

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.dolibarr.reader import EPOCH
from connector.adapters.testing.sql import statements
from connector.domain.errors import (
    DocumentNotUsableError,
    SchemaChangedError,
    SourceNotPermittedError,
    UsageError,
)
from connector.domain.invoice import Invoice, Kind, TaxKind, money
from connector.ports import Found, Position
from connector.validation import problems
from tests.adapters.databases import execute, meanwhile, query
from tests.support.dolibarr import DolibarrDatabase, expected

MakeAdapter = Callable[..., DolibarrAdapter]
STATES = {"validated", "paid"}
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def make() -> Iterator[MakeAdapter]:
    made: list[DolibarrAdapter] = []

    def make_adapter(database: DolibarrDatabase, **options: Any) -> DolibarrAdapter:
        made.append(DolibarrAdapter.open("erp", database.url, options))
        return made[-1]

    yield make_adapter
    for adapter in made:
        adapter.close()


def everything(adapter: DolibarrAdapter, page: int = 1000, **filters: Any) -> list[Found]:
    after: Position | None = None
    found: list[Found] = []
    while True:
        rows = adapter.find(after, page, since=filters.get("since"), companies=filters.get("companies"))
        found += rows
        if len(rows) < page:
            return found
        after = rows[-1].position


def load(adapter: DolibarrAdapter, key: object) -> Invoice:
    document = adapter.load([str(key)])[str(key)]
    assert isinstance(document, Invoice), document
    return document


def documents_of(database: DolibarrDatabase, adapter: DolibarrAdapter) -> Iterator[tuple[dict[str, Any], Invoice]]:
    loaded = adapter.load([str(invoice["id"]) for invoice in database.invoices])
    assert len(loaded) == len(database.invoices) == 42
    for invoice in database.invoices:
        document = loaded[str(invoice["id"])]
        assert isinstance(document, Invoice), document
        yield invoice, document


def positive(invoice: dict[str, Any], amount: str) -> Decimal:
    """Dolibarr's amounts of a credit note are negative."""
    return Decimal(amount) * (-1 if invoice["kind"] == "credit_note" else 1)


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


# --- discovery


def test_all_sendable_documents_are_found_and_nothing_else(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    found = everything(make(dolibarr))
    assert {row.key for row in found} == set(dolibarr.sendable)
    assert len(found) == 34


def test_a_head_tells_what_the_list_of_dolibarr_tells(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    heads = {row.key: row for row in everything(make(dolibarr))}
    for key, invoice in dolibarr.sendable.items():
        head = heads[key]
        assert (head.company, head.number, head.kind.value) == ("1", invoice["number"], invoice["kind"])
        assert (head.issue_date, head.currency, head.total) == (
            day(invoice["issue_date"]),
            invoice["currency"],
            positive(invoice, invoice["total"]),
        )
        assert head.customer == invoice["customer"]["name"]
        assert head.confirmed_on == date(2026, 11, 20)
        if invoice["kind"] == "credit_note":
            assert head.original_key == (str(invoice["original"]["id"]) if invoice["original"] else None)


@pytest.mark.parametrize("page", [1, 7])
def test_paging_with_equal_time_stamps_neither_loses_nor_repeats(
    dolibarr: DolibarrDatabase, make: MakeAdapter, page: int
) -> None:
    zeros = "UPDATE llx_facture SET tms = '0000-00-00 00:00:00' WHERE rowid % 7 = 0"
    execute(dolibarr.url, "UPDATE llx_facture SET tms = '2026-11-20 13:00:00' WHERE rowid % 2 = 0")
    execute(dolibarr.url, "UPDATE llx_facture SET tms = NULL WHERE rowid % 5 = 0")
    execute(dolibarr.url, "SET SESSION sql_mode = ''", zeros)
    adapter = make(dolibarr)
    paged = everything(adapter, page)
    assert paged == everything(adapter)
    assert len({row.key for row in paged}) == len(paged) == 34
    assert paged[0].changed_at == EPOCH
    positions = [(row.changed_at, int(row.key)) for row in paged]
    assert all(earlier < later for earlier, later in pairwise(positions))


def test_the_time_of_change_is_utc_whatever_zone_the_server_has(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(dolibarr.url, "SET time_zone = '+00:00'", "UPDATE llx_facture SET tms = '2026-10-25 00:30:00'")
    execute(
        dolibarr.url, "SET time_zone = '+02:00'", "UPDATE llx_facture SET tms = '2026-10-25 02:30:00' WHERE rowid > 9"
    )
    assert {row.changed_at for row in everything(make(dolibarr))} == {datetime(2026, 10, 25, 0, 30, tzinfo=UTC)}


def test_a_late_change_is_found_again_after_the_last_position(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    adapter = make(dolibarr)
    last = everything(adapter)[-1].position
    assert adapter.find(last, 10, since=None, companies=None) == []
    moved = last.changed_at + timedelta(seconds=1)
    at = f"{moved:%Y-%m-%d %H:%M:%S}"
    execute(dolibarr.url, "SET time_zone = '+00:00'", f"UPDATE llx_facture SET tms = '{at}' WHERE rowid = 1")
    again = adapter.find(last, 10, since=None, companies=None)
    assert [(row.key, row.changed_at) for row in again] == [("1", moved)]


def test_a_position_without_key_starts_at_its_time_inclusively(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    adapter = make(dolibarr)
    last = everything(adapter)[-1]
    overlap = Position(changed_at=last.changed_at, key="")
    assert last in adapter.find(overlap, 100, since=None, companies=None)


def test_documents_of_before_the_start_date_are_left_out(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    found = everything(make(dolibarr), since=date(2026, 10, 1))
    assert 0 < len(found) < 34
    assert min(row.issue_date or date.min for row in found) >= date(2026, 10, 1)


def test_companies_are_entities_and_never_mix(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(
        dolibarr.url,
        "UPDATE llx_facture SET entity = 2, ref = 'IN2609-0001' WHERE rowid = 2",
        "INSERT INTO llx_const (name, entity, value) VALUES ('MAIN_INFO_SOCIETE_NOM', 2, 'Deuxième SARL'),"
        " ('MAIN_INFO_SOCIETE_COUNTRY', 2, '1'), ('MAIN_INFO_TVAINTRA', 2, 'FR84130015332'),"
        " ('MAIN_MONNAIE', 2, 'EUR')",
    )
    adapter = make(dolibarr)
    assert [(row.key, row.number) for row in everything(adapter, companies=["2"])] == [("2", "IN2609-0001")]
    assert len(everything(adapter, companies=["1"])) == 33
    assert everything(adapter, companies=[]) == []
    assert [(each.key, each.name, each.tax_number, each.country) for each in adapter.companies()] == [
        ("1", "Ibérica de Montajes Aplicados, S.L.", "ESB76543214", "ES"),
        ("2", "Deuxième SARL", "FR84130015332", "FR"),
    ]
    document = load(adapter, 2)
    assert (document.company, document.seller.name, document.seller.country) == ("2", "Deuxième SARL", "FR")


# --- whole documents


def test_every_document_has_the_numbers_dates_and_totals_of_dolibarr(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    for invoice, document in documents_of(dolibarr, make(dolibarr)):
        assert document.confirmed is invoice["sendable"], invoice["key"]
        assert document.kind.value == invoice["kind"]
        assert document.number == (None if invoice["number"].startswith("(") else invoice["number"])
        assert (document.issue_date, document.due_date) == (day(invoice["issue_date"]), day(invoice["due_date"]))
        totals = document.totals
        assert (document.currency, totals.net, totals.tax, totals.withholding, totals.payable) == (
            invoice["currency"],
            positive(invoice, invoice["untaxed"]),
            positive(invoice, invoice["vat"]) + positive(invoice, invoice["localtax1"]),
            positive(invoice, invoice["localtax2"]),
            positive(invoice, invoice["total"]),
        ), invoice["key"]
        assert totals.net + totals.tax + totals.withholding == totals.payable


def test_every_document_has_the_lines_and_taxes_of_dolibarr(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    families = {"vat": TaxKind.VAT, "localtax1": TaxKind.SURCHARGE, "localtax2": TaxKind.WITHHOLDING}
    for invoice, document in documents_of(dolibarr, make(dolibarr)):
        assert [
            (
                line.description,
                line.quantity,
                line.net_price,
                line.net_amount,
                {(t.kind, t.percent) for t in line.taxes},
            )
            for line in document.lines
        ] == [
            (
                line["description"],
                Decimal(line["quantity"]),
                positive(invoice, line["price_unit"]),
                positive(invoice, line["subtotal"]),
                {(families[tax["kind"]], Decimal(tax["percent"])) for tax in line["taxes"]},
            )
            for line in invoice["lines"]
        ], invoice["key"]
        sums: dict[tuple[TaxKind, Decimal], tuple[Decimal, Decimal]] = {}
        for line in invoice["lines"]:
            for tax in line["taxes"]:
                name = families[tax["kind"]], Decimal(tax["percent"])
                base, amount = sums.get(name, (Decimal(0), Decimal(0)))
                sums[name] = base + positive(invoice, line["subtotal"]), amount + positive(invoice, tax["amount"])
        assert {
            (total.tax.kind, total.tax.percent): (total.base, total.amount) for total in document.tax_totals
        } == sums, invoice["key"]


def test_every_line_adds_up_to_the_net_amount_of_dolibarr(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    for _, document in documents_of(dolibarr, make(dolibarr)):
        for line in document.lines:
            less = sum((-part.amount if part.is_charge else part.amount for part in line.allowances), Decimal(0))
            computed = line.quantity * line.net_price / line.base_quantity - less
            assert abs(computed - line.net_amount) <= money(document.currency or "").unit / 2, line


def test_every_document_has_customer_order_account_note_and_original_of_dolibarr(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    for invoice, document in documents_of(dolibarr, make(dolibarr, write_back="none")):
        customer, original, buyer = invoice["customer"], invoice["original"], document.buyer
        assert (buyer.key, buyer.name, buyer.tax_number, buyer.country) == (
            str(customer["id"]),
            customer["name"],
            customer["vat"],
            customer["country"],
        )
        assert buyer.legal_id("0009") == customer["siret"]
        assert (document.buyer_email or buyer.email) == customer["email"]
        assert (document.payment.iban, document.purchase_order) == (invoice["iban"], invoice["po_reference"])
        found = document.original
        assert (found and (found.key, found.number, found.confirmed)) == (
            original and (str(original["id"]), original["number"], original["state"] in STATES)
        )
    addresses = {str(customer["id"]): customer for customer in expected()["customers"]}
    for _, document in documents_of(dolibarr, make(dolibarr)):
        customer = addresses[document.buyer.key]
        assert (document.buyer.address, document.buyer.postal_code, document.buyer.city) == (
            customer["street"],
            customer["zip"],
            customer["city"],
        )
        assert document.buyer_reference == customer["service_code"]
    assert load(make(dolibarr), 1).note == "Gracias por su confianza & paciencia."
    assert load(make(dolibarr), 4).buyer.is_public_body
    assert load(make(dolibarr), 5).buyer.is_public_body


def test_a_public_body_of_france_is_one_overseas_too(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    def bodies() -> dict[str, str | None]:
        documents = [document for _, document in documents_of(dolibarr, make(dolibarr))]
        return {
            d.buyer.key: d.buyer.legal_id("0009") for d in documents if d.buyer.legal_ids and d.buyer.is_public_body
        }

    at_home = bodies()
    execute(dolibarr.url, "UPDATE llx_c_country SET code = 'RE' WHERE code = 'FR'")

    assert at_home
    assert bodies() == at_home


def test_a_bad_debt_was_issued_and_a_pro_forma_never_is(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    adapter = make(dolibarr)
    execute(dolibarr.url, "UPDATE llx_facture SET fk_statut = 3, close_code = 'badcustomer' WHERE rowid = 1")
    execute(dolibarr.url, "UPDATE llx_facture SET type = 4 WHERE rowid = 2")
    execute(dolibarr.url, "UPDATE llx_facture SET type = 5 WHERE rowid = 3")
    found = {row.key for row in everything(adapter)}
    assert {key: key in found for key in ("1", "2", "3")} == {"1": True, "2": False, "3": True}
    assert [load(adapter, key).confirmed for key in (1, 2, 3)] == [True, False, True]


def test_an_invoice_set_back_to_draft_is_seen_as_such_at_once(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    adapter = make(dolibarr)
    assert load(adapter, 1).confirmed
    execute(dolibarr.url, "UPDATE llx_facture SET fk_statut = 0 WHERE rowid = 1")
    assert not load(adapter, 1).confirmed


def test_state_and_lines_are_of_one_moment(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    adapter = make(dolibarr)
    load(adapter, 1)

    def reset() -> None:
        execute(dolibarr.url, "UPDATE llx_facture SET fk_statut = 0 WHERE rowid = 1", "DELETE FROM llx_facturedet")

    with meanwhile("`llx_facturedet` d", reset):
        document = load(adapter, 1)
    assert (document.confirmed, len(document.lines)) == (True, 1)
    assert load(adapter, 1).lines == ()


def test_a_deleted_document_and_an_impossible_key_are_left_out(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(dolibarr.url, "DELETE FROM llx_facture WHERE rowid = 2")
    assert set(make(dolibarr).load(["1", "2", "x", "", "-1", "99999999999"])) == {"1"}
    assert make(dolibarr).load([]) == {}


def test_the_number_of_queries_does_not_grow_with_the_number_of_documents(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    adapter = make(dolibarr)
    adapter.load(["1"])
    with statements() as for_one:
        adapter.load(["4"])
    with statements() as for_many:
        adapter.load([str(invoice["id"]) for invoice in dolibarr.invoices])
    assert len(for_many) == len(for_one) <= 12


def test_one_bad_document_is_reported_and_the_others_still_come(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(dolibarr.url, "UPDATE llx_facture SET localtax2 = -100 WHERE rowid = 11")
    documents = make(dolibarr).load(["1", "11"])
    bad = documents["11"]
    assert isinstance(bad, DocumentNotUsableError)
    assert bad.message == (
        "Document IN2609-0011 of the ERP cannot be read: its local taxes are in another currency than its total"
        " in USD."
    )
    assert isinstance(documents["1"], Invoice)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("datef", "0000-00-00"),
        ("date_lim_reglement", "0000-00-00"),
        ("total_ttc", "1e30"),
        ("date_valid", "0000-00-00"),
    ],
)
def test_one_value_beyond_all_measure_stops_no_other_document(
    dolibarr: DolibarrDatabase, make: MakeAdapter, column: str, value: str
) -> None:
    before = everything(make(dolibarr))
    kind = "DOUBLE" if column == "total_ttc" else "DATE"
    execute(
        dolibarr.url,
        "SET SESSION sql_mode = ''",
        f"ALTER TABLE llx_facture MODIFY {column} {kind}",
        f"UPDATE llx_facture SET {column} = '{value}', tms = tms WHERE rowid = 1",
    )
    found = everything(make(dolibarr))
    assert [head.key for head in found] == [head.key for head in before]
    [head] = [head for head in found if head.key == "1"]
    documents = make(dolibarr).load(["1", "2"])
    assert isinstance(documents["2"], Invoice)
    if column == "date_valid":  # of which only discovery knows
        assert head.confirmed_on is None
        assert isinstance(documents["1"], Invoice)
    else:
        assert isinstance(documents["1"], DocumentNotUsableError)


# --- meanings


@pytest.mark.parametrize(
    ("key", "category", "reason"),
    [
        ("INV06", "K", "E5"),
        ("INV11", "G", "E2"),
        ("INV16", "AE", None),
        ("INV29", None, None),  # 0 % without a code: nobody knows why
    ],
)
def test_a_rate_of_zero_is_what_its_code_says(
    dolibarr: DolibarrDatabase, make: MakeAdapter, key: str, category: str | None, reason: str | None
) -> None:
    tax = load(make(dolibarr), dolibarr.named(key)["id"]).lines[0].taxes[0]
    assert (tax.percent, tax.category, tax.reason) == (Decimal(0), category, reason)


def test_an_exemption_has_the_reason_that_the_dictionary_names(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    def exempt() -> tuple[str | None, str | None]:
        tax = load(make(dolibarr), dolibarr.named("INV14")["id"]).lines[1].taxes[0]
        return tax.category, tax.reason

    assert exempt() == ("E", "E1")  # "Exento art. 20"
    execute(dolibarr.url, "UPDATE llx_c_tva SET note = 'Exento' WHERE code = 'EXEMPT'")
    assert exempt() == ("E", None)


@pytest.mark.parametrize(
    ("code", "note", "name"),
    [
        ("IGIC", "Tipo general", "IGIC"),
        ("igic7", "", "IGIC"),
        ("IPSI4", "", "IPSI"),
        ("", "IGIC, tipo general", "IGIC"),
        ("IGIC", "IVA de Canarias", "IGIC"),
        ("G7", "Impuesto General Indirecto Canario (IGIC)", "IGIC"),
        ("", "VAT rate - standard", None),
        ("", "IVA; en Canarias IGIC", None),
        ("", "IGIC o IPSI", None),
    ],
)
def test_a_rate_of_the_canary_islands_or_of_ceuta_and_melilla_has_its_name(
    dolibarr: DolibarrDatabase, make: MakeAdapter, code: str, note: str, name: str | None
) -> None:
    execute(
        dolibarr.url,
        "INSERT INTO llx_c_tva (fk_pays, code, taux, note) VALUES (4, :code, 7, :note)",
        "UPDATE llx_facturedet SET tva_tx = 7, vat_src_code = :code WHERE fk_facture = 1",
        code=code,
        note=note,
    )
    tax = load(make(dolibarr), 1).lines[0].taxes[0]
    assert (tax.percent, tax.category, tax.name) == (Decimal(7), "S", name)
    other = load(make(dolibarr), dolibarr.named("INV02")["id"])
    assert {each.name for line in other.lines for each in line.taxes} == {None}


def test_an_exemption_of_another_act_is_not_numbered_as_those_of_the_vat_act(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(dolibarr.url, "UPDATE llx_c_tva SET note = 'IGIC exento, art. 25 Ley 19/1994' WHERE code = 'EXEMPT'")
    tax = load(make(dolibarr), dolibarr.named("INV14")["id"]).lines[1].taxes[0]
    assert (tax.name, tax.category, tax.reason) == ("IGIC", "E", None)


def test_a_tax_can_be_mapped_by_code_name_or_column(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    taxes = {
        "INTRA": {"category": "NS", "reason": "N2"},
        "0 %": {"category": "O"},
        "localtax2": {"name": "IRPF 2"},
    }
    adapter = make(dolibarr, taxes=taxes)

    def tax(key: str, which: int = 0) -> tuple[str | None, str | None, str | None]:
        found = load(adapter, dolibarr.named(key)["id"]).lines[0].taxes[which]
        return found.category, found.reason, found.name

    assert tax("INV08") == ("NS", "N2", None)
    assert tax("INV29") == ("O", None, None)
    assert tax("INV13", 1) == ("S", None, "IRPF 2")


def test_vat_that_is_not_collected_is_no_ordinary_one(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(dolibarr.url, "UPDATE llx_facturedet SET info_bits = 1 WHERE fk_facture = 1")
    assert load(make(dolibarr), 1).lines[0].taxes[0].category is None


def test_the_surcharge_of_goods_is_no_tax_of_a_service_that_only_bears_its_rate(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(dolibarr.url, "UPDATE llx_facturedet SET localtax1_tx = 5.2 WHERE fk_facture = 1")
    assert [tax.kind for tax in load(make(dolibarr), 1).lines[0].taxes] == [TaxKind.VAT]


def test_a_total_that_was_rounded_once_is_the_total_of_its_only_rate(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(dolibarr.url, "UPDATE llx_facture SET total_tva = 210.01, total_ttc = 1210.01 WHERE rowid = 1")
    document = load(make(dolibarr), 1)
    assert [total.amount for total in document.tax_totals] == [Decimal("210.01")]
    assert document.totals.payable == Decimal("1210.01")


def test_doubles_become_exact_cents(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(dolibarr.url, "UPDATE llx_facture SET total_ht = 999.99999999, total_ttc = 1209.99999999 WHERE rowid = 1")
    totals = load(make(dolibarr), 1).totals
    assert (totals.net, totals.payable) == (Decimal("1000.00"), Decimal("1210.00"))


# Net and VAT of two lines at 30, 60 and 100 per cent of 1000.00 and 500.00, and of what each situation bills.
WHOLE = ((300, 63, 150, 15), (600, 126, 300, 30), (1000, 210, 500, 50))
PARTS = ((300, 63, 150, 15), (300, 63, 150, 15), (400, 84, 200, 20))


def bill_situations(url: str, lines: Sequence[tuple[int, int, int, int]]) -> None:
    """Make the documents 1 to 3 a cycle whose headers have what each bills and whose lines have these amounts."""
    execute(url, "DELETE FROM llx_facturedet WHERE fk_facture IN (1, 2, 3)")
    for number, (amounts, (net, vat, more, more_vat)) in enumerate(zip(lines, PARTS, strict=True), 1):
        execute(
            url,
            "UPDATE llx_facture SET type = 5, situation_cycle_ref = 1, situation_counter = :number, total_ht = :net,"
            " total_tva = :vat, localtax1 = 0, localtax2 = 0, total_ttc = :net + :vat WHERE rowid = :number",
            number=number,
            net=net + more,
            vat=vat + more_vat,
        )
        for line, (price, rate) in enumerate([(1000, 21), (500, 10)]):
            execute(
                url,
                "INSERT INTO llx_facturedet (rowid, fk_facture, fk_prev_id, rang, description, qty, subprice, tva_tx,"
                " total_ht, total_tva) VALUES (:id, :number, :prev, :rang, 'Works', 1, :price, :rate, :net, :vat)",
                id=9000 + 10 * number + line,
                number=number,
                prev=9000 + 10 * (number - 1) + line if number > 1 else None,
                rang=line,
                price=price,
                rate=rate,
                net=amounts[2 * line],
                vat=amounts[2 * line + 1],
            )


@pytest.mark.parametrize("lines", [WHOLE, PARTS], ids=["lines of all so far", "lines of each"])
def test_each_situation_bills_what_came_after_the_one_before(
    dolibarr: DolibarrDatabase, make: MakeAdapter, lines: Sequence[tuple[int, int, int, int]]
) -> None:
    bill_situations(dolibarr.url, lines)
    adapter = make(dolibarr)
    for number, (net, vat, more, more_vat) in enumerate(PARTS, 1):
        document = load(adapter, number)
        assert [line.net_amount for line in document.lines] == [net, more]
        assert [line.quantity * line.net_price for line in document.lines] == [net, more]
        taxed = [(int(total.base), int(total.amount)) for total in document.tax_totals]
        assert taxed == [(net, vat), (more, more_vat)]
        assert document.totals.payable == net + vat + more + more_vat
        assert not [found for found in problems(document, now=NOW) if found.reason == "totals_do_not_add_up"]


def test_a_situation_that_went_back_takes_a_line_back(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    back = (*WHOLE[:2], (1150, 241, 250, 25))
    bill_situations(dolibarr.url, back)
    execute(dolibarr.url, "UPDATE llx_facture SET total_ht = 500, total_tva = 110, total_ttc = 610 WHERE rowid = 3")
    taken = load(make(dolibarr), 3).lines[1]
    assert [taken.quantity, taken.net_price, taken.net_amount] == [-1, 50, -50]


def test_a_situation_whose_lines_tell_nothing_of_its_total_is_named(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    bill_situations(dolibarr.url, WHOLE)
    execute(dolibarr.url, "UPDATE llx_facture SET total_ht = 7, total_tva = 1, total_ttc = 8 WHERE rowid = 2")
    document = make(dolibarr).load(["2"])["2"]
    assert isinstance(document, DocumentNotUsableError)
    assert "add up to 900.00 and, without the situation before, to 450.00, not 7.00" in document.message


@pytest.mark.parametrize("write_back", ["columns", "side_table", "api"])
def test_a_replacement_corrects_what_was_issued_and_nothing_that_never_left(
    dolibarr: DolibarrDatabase, make: MakeAdapter, write_back: str
) -> None:
    replaced, replacement = dolibarr.named("REPLD")["id"], dolibarr.named("REPL")["id"]
    api = {"api_url": "http://127.0.0.1:9", "api_key": "key"} if write_back == "api" else {}
    adapter = make(dolibarr, write_back=write_back, **api)
    if adapter.side_table:
        adapter.side_table.create()
    assert load(adapter, replacement).original is None
    # What Dolibarr's API writes are the very columns.
    writer = make(dolibarr) if write_back == "api" else adapter
    writer.record(str(replaced), "4711", "b2brouter:sandbox:1:4711")
    original = load(adapter, replacement).original
    assert original is not None
    assert (original.key, original.number, original.confirmed) == (str(replaced), "IN2611-0031", False)


def test_without_a_write_back_a_replacement_names_what_only_the_ledger_knows_of(
    dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    original = load(make(dolibarr, write_back="none"), dolibarr.named("REPL")["id"]).original
    assert original is not None
    assert (original.number, original.confirmed) == ("IN2611-0031", False)


def test_typed_texts_keep_their_lines_and_html_loses_its_marks(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(
        dolibarr.url,
        "UPDATE llx_facture SET note_public = 'a < b\\nand \"c\"' WHERE rowid = 1",
        "UPDATE llx_facture SET note_public = '<p>one&nbsp;two</p><p>three</p>' WHERE rowid = 2",
    )
    adapter = make(dolibarr)
    assert [load(adapter, key).note for key in (1, 2)] == ['a < b\nand "c"', "one two\nthree"]


def test_a_deposit_that_is_deducted_names_its_invoice(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    deposit = dolibarr.named("DEP1")["id"]
    execute(
        dolibarr.url,
        "INSERT INTO llx_societe_remise_except (rowid, fk_soc, amount_ht, fk_user, description, fk_facture_source)"
        f" VALUES (1, 1, 300, 1, '(DEPOSIT)', {deposit})",
        "UPDATE llx_facturedet SET description = '(DEPOSIT)', fk_remise_except = 1, subprice = -300, total_ht = -300"
        " WHERE fk_facture = 1",
    )
    line = load(make(dolibarr), 1).lines[0]
    assert (line.description, line.quantity, line.net_price, line.net_amount) == (
        "(DEPOSIT) ID2611-0001",
        Decimal(-1),
        Decimal(300),
        Decimal(-300),
    )


def test_an_account_that_dolibarr_keeps_encrypted_is_not_sent(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(dolibarr.url, "UPDATE llx_bank_account SET iban_prefix = 'dolcrypt:AES-256-CTR:0123'")
    assert load(make(dolibarr), 1).payment.iban is None


def test_dir3_codes_come_from_the_extra_fields_that_the_settings_name(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    execute(
        own_dolibarr.url,
        "ALTER TABLE llx_societe_extrafields ADD oc varchar(16), ADD og varchar(16)",
        "INSERT INTO llx_societe_extrafields (fk_object, oc, og) VALUES (2, 'L01281719', 'L01281720')",
    )
    buyer = load(make(own_dolibarr, dir3_columns={"01": "oc", "02": "og", "03": "missing"}), 4).buyer
    assert buyer.dir3_codes == (("01", "L01281719"), ("02", "L01281720"))


# --- what a site may have otherwise


def rename_tables(url: str, prefix: str) -> None:
    tables = [row["n"] for row in query(url, "SELECT table_name AS n FROM information_schema.tables"
                                        " WHERE table_schema = DATABASE()")]  # fmt: skip
    execute(url, *(f"RENAME TABLE `{name}` TO `{prefix}{name.removeprefix('llx_')}`" for name in tables))


def test_a_unit_that_is_not_everyday_keeps_its_label(own_dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(
        own_dolibarr.url,
        "INSERT INTO llx_c_units (rowid, code, label, short_label) VALUES (90, 'PAL', 'Palette', 'pal.')",
    )
    adapter = make(own_dolibarr)
    for unit, told in ((90, (None, "pal.")), (7, ("MTR", "m")), (2, ("KGM", None)), ("NULL", (None, None))):
        execute(own_dolibarr.url, f"UPDATE llx_facturedet SET fk_unit = {unit} WHERE fk_facture = 1")
        line = load(adapter, 1).lines[0]
        assert (line.unit, line.unit_name) == told


@pytest.mark.parametrize(("code", "told"), [("MI", "minute"), ("W", "week"), ("MO", "month"), ("Y", "year")])
def test_a_unit_of_time_is_told_by_its_name_as_m_is_no_month(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter, code: str, told: str
) -> None:
    chosen = f"(SELECT rowid FROM llx_c_units WHERE code = '{code}')"
    execute(own_dolibarr.url, f"UPDATE llx_facturedet SET fk_unit = {chosen} WHERE fk_facture = 1")
    assert load(make(own_dolibarr), 1).lines[0].unit_name == told
    execute(own_dolibarr.url, "ALTER TABLE llx_c_units DROP label")
    assert load(make(own_dolibarr), 1).lines[0].unit_name in {"i", "w", "m", "y"}


MODES = (
    "CREATE TABLE llx_c_paiement (id int PRIMARY KEY, code varchar(6), libelle varchar(128))",
    "INSERT INTO llx_c_paiement VALUES (2, 'VIR', 'Transfer'), (3, 'PRE', 'Debit order'), (4, 'LIQ', 'Cash')",
    "INSERT INTO llx_c_paiement VALUES (6, 'CB', 'Card'), (7, 'CHQ', 'Cheque'), (52, 'LCR', 'Lettre de change')",
)


def test_how_a_document_is_paid_is_told_in_the_terms_of_the_european_norm(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    assert load(make(own_dolibarr), 1).payment.method is None
    execute(own_dolibarr.url, *MODES)
    adapter = make(own_dolibarr)
    for mode, method in ((2, "30"), (3, "49"), (4, "10"), (6, "48"), (7, "20"), ("NULL", None)):
        execute(own_dolibarr.url, f"UPDATE llx_facture SET fk_mode_reglement = {mode} WHERE rowid = 1")
        assert (load(adapter, 1).payment.method, load(adapter, 1).payment.method_text) == (method, None)
    execute(own_dolibarr.url, "UPDATE llx_facture SET fk_mode_reglement = 52 WHERE rowid = 1")
    payment = load(adapter, 1).payment
    assert (payment.method, payment.method_text) == ("ZZZ", "Lettre de change")


PAYMENT_TERMS = (
    "CREATE TABLE llx_c_payment_term (rowid int PRIMARY KEY, code varchar(16), libelle_facture text)",
    "INSERT INTO llx_c_payment_term VALUES (2, '30D', 'Due in 30 days'), (20, 'OURS', '45 jours<br>fin de mois')",
    "INSERT INTO llx_c_payment_term VALUES (6, 'PT_ORDER', 'Due on order'), (7, 'PT_DELIVERY', 'Due on delivery')",
    "INSERT INTO llx_c_payment_term VALUES (8, 'PT_5050', '50% on order, 50% on delivery')",
    "INSERT INTO llx_c_payment_term VALUES (13, 'DEP30PCTDEL', '__DEPOSIT_PERCENT__% deposit, rest on delivery')",
    "INSERT INTO llx_c_payment_term VALUES (15, '45DENDMONTH', 'Due in 45 days, end of month')",
)


def test_terms_of_payment_of_the_sites_own_are_told_as_its_documents_print_them(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    assert load(make(own_dolibarr), 1).payment.terms is None
    execute(own_dolibarr.url, *PAYMENT_TERMS, "UPDATE llx_facture SET fk_cond_reglement = 20 WHERE rowid = 1")
    adapter = make(own_dolibarr)
    assert load(adapter, 1).payment.terms == "45 jours\nfin de mois"


@pytest.mark.parametrize(
    ("term", "told"),
    [
        (2, None),  # the due date says the same, and its label is English in the database, whatever the site speaks
        (15, None),
        (6, "Due on order"),
        (7, "Due on delivery"),
        (8, "50% on order, 50% on delivery"),
        (13, None),  # an invoice has no percentage to fill in
    ],
)
def test_terms_of_payment_that_dolibarr_brings_are_told_where_the_due_date_says_less(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter, term: int, told: str | None
) -> None:
    execute(own_dolibarr.url, *PAYMENT_TERMS, f"UPDATE llx_facture SET fk_cond_reglement = {term} WHERE rowid = 1")
    assert load(make(own_dolibarr), 1).payment.terms == told


def test_a_deposit_that_the_site_has_written_into_the_terms_is_told(
    own_dolibarr: DolibarrDatabase, make: MakeAdapter
) -> None:
    written = "UPDATE llx_c_payment_term SET libelle_facture = 'Acompte de 30 %' WHERE rowid = 13"
    execute(
        own_dolibarr.url, *PAYMENT_TERMS, written, "UPDATE llx_facture SET fk_cond_reglement = 13 WHERE rowid = 1"
    )
    assert load(make(own_dolibarr), 1).payment.terms == "Acompte de 30 %"


def test_another_table_prefix_is_found(own_dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    rename_tables(own_dolibarr.url, "erp-1_")
    adapter = make(own_dolibarr)
    assert len(everything(adapter)) == 34
    adapter.record("1", "4711", "x")
    assert load(adapter, 1).reference == "4711"


def test_of_several_dolibarrs_the_settings_name_one(own_dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(own_dolibarr.url, "CREATE TABLE old_facturedet (rowid int)")
    with pytest.raises(UsageError, match=r"several Dolibarrs: llx_, old_") as refused:
        everything(make(own_dolibarr))
    assert "table_prefix" in refused.value.action
    assert len(everything(make(own_dolibarr, table_prefix="llx_"))) == 34
    with pytest.raises(SchemaChangedError, match="no table old_facture,"):
        everything(make(own_dolibarr, table_prefix="old_"))


def test_columns_of_other_versions_are_found(own_dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    before = load(make(own_dolibarr), 1)
    execute(
        own_dolibarr.url,
        "ALTER TABLE llx_facture CHANGE ref facnumber varchar(30) NOT NULL, CHANGE total_tva tva double(24,8),"
        " CHANGE total_ht total double(24,8), DROP revenuestamp, ADD payment_reference varchar(25)",
        "UPDATE llx_facture SET payment_reference = 'RF18' WHERE rowid = 1",
    )
    after = load(make(own_dolibarr), 1)
    assert (after.number, after.totals, after.payment.reference) == (before.number, before.totals, "RF18")
    assert len(everything(make(own_dolibarr))) == 34


def test_a_missing_column_is_named(own_dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    execute(own_dolibarr.url, "ALTER TABLE llx_facturedet DROP subprice")
    with pytest.raises(SchemaChangedError, match=r"no column llx_facturedet\.subprice"):
        everything(make(own_dolibarr))


def test_a_wrong_password_is_not_permitted_and_never_printed(dolibarr: DolibarrDatabase) -> None:
    url = make_url(dolibarr.url).set(username="nobody", password="hunter2")
    adapter = DolibarrAdapter.open("erp", url.render_as_string(hide_password=False), {})
    with pytest.raises(SourceNotPermittedError) as refused:
        adapter.find(None, 1, since=None, companies=None)
    assert "hunter2" not in refused.value.message + refused.value.action
    assert [row.status for row in adapter.check()] == ["failed"]
    adapter.close()


def test_a_credit_note_is_positive(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    document = load(make(dolibarr), dolibarr.named("CN02")["id"])
    line = document.lines[0]
    assert document.kind is Kind.CREDIT_NOTE
    assert (line.quantity, line.net_price, line.net_amount) == (Decimal("2.5"), Decimal("33.33"), Decimal("83.33"))
    assert [total.amount for total in document.tax_totals] == [Decimal("17.49")]


def test_check_says_that_all_is_well(dolibarr: DolibarrDatabase, make: MakeAdapter) -> None:
    assert {row.name: row.status for row in make(dolibarr).check()} == {
        "connection": "ok",
        "tables": "ok",
        "companies": "ok",
        "write-back": "ok",
    }


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"xref_column": "B2B_reference"}, "b2b_reference is named twice"),
        ({"reference_column": "fk_object"}, "fk_object belongs to Dolibarr itself"),
        ({"reference_column": "a` = 1"}, "String should match pattern"),
        ({"table_prefx": "a_"}, "did you mean table_prefix"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        DolibarrAdapter.open("erp", "mysql://root@localhost/x", options)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(UsageError, match=r"lives in MariaDB or MySQL; its url names postgresql"):
        DolibarrAdapter.open("erp", "postgresql://root@localhost/x", {})
