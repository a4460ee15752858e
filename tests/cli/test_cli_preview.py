"""`connector preview`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cli.shop import Shop


def test_it_counts_sums_and_judges(shop: Shop) -> None:
    told = shop.run("preview", "--json").json
    assert (told["count"], told["new"], told["ready"], told["with_problems"]) == (13, 13, 8, 5)
    assert told["sums"] == {"EUR": "4836.65", "USD": "1299.00"}
    today = datetime.now(UTC).date()
    assert told["oldest"] == (today - timedelta(days=10)).isoformat()
    assert told["newest"] == (today - timedelta(days=8)).isoformat()
    reasons = {problem["reason"]: problem for problem in told["problems"]}
    assert set(reasons) == {"vat_number_wrong", "iban_wrong", "tax_absolute", "tax_missing", "original_not_issued"}
    assert (reasons["iban_wrong"]["count"], reasons["iban_wrong"]["example"]) == (1, "B-0103")
    assert reasons["iban_wrong"]["who"] == "accountant"
    assert [source["source"] for source in told["sources"]] == ["booking"]


def test_it_touches_nothing(shop: Shop) -> None:
    before, seen = shop.erp_hash(), len(shop.world.journal)
    assert shop.run("preview").status == 0
    assert not shop.ledger_file.exists()
    assert shop.erp_hash() == before
    assert len(shop.world.journal) == seen


def test_what_was_issued_is_not_counted_again(day: Shop) -> None:
    told = day.run("preview", "--json").json
    assert (told["count"], told["sums"]) == (0, {})
    assert "0 invoices to send" in day.run("preview").out
    assert "In the ledger besides: 7 held." in day.run("preview").out


def test_jobs_under_way_and_write_backs_are_told_apart(shop: Shop) -> None:
    shop.erp("ALTER TABLE project RENAME COLUMN project_xref TO xref_of_project")
    shop.run("sync", "--patience", "8")  # all are sent, none can be written back
    shop.erp("ALTER TABLE project RENAME COLUMN xref_of_project TO project_xref")
    shop.run("retry", "--status", "held")
    told = shop.run("preview", "--json").json
    assert told["write_back_due"] == 6
    assert told["under_way"] == told["count"] == 7
    assert "6 invoices sent already; only the write-back" in shop.run("preview").out


def test_a_document_that_cannot_be_read_is_a_problem(shop: Shop) -> None:
    shop.erp("UPDATE project SET total_net = 'a lot' WHERE id = 113")
    problems = {one["reason"]: one for one in shop.run("preview", "--json").json["problems"]}
    assert problems["document_not_usable"]["example"] == "key 113"


def test_credit_notes_are_judged_by_their_originals(shop: Shop) -> None:
    shop.erp("UPDATE project SET status = 'quoted' WHERE id = 101")
    shop.erp("UPDATE project SET corrects_project_id = NULL WHERE id = 105")
    problems = {one["reason"]: one["example"] for one in shop.run("preview", "--json").json["problems"]}
    assert problems["original_not_issued"] == "C-0104"
    assert problems["original_missing"] == "C-0105"


def test_a_source_that_fails_does_not_hide_the_others(shop: Shop) -> None:
    whole = shop.config.read_text(encoding="utf-8")
    start = whole.index("[sources.booking]")
    second = whole[start:].replace("sources.booking", "sources.archive").replace("erp.db", "gone.db")
    config = shop.changed(extra="\n" + second)
    told = shop.run("preview", "--json", config=config)
    assert told.status == 1
    assert told.json["count"] == 13
    assert [fault["kind"] for fault in told.json["faults"]] == ["source_unavailable"]
    assert "Failed: " in shop.run("preview", config=config).out


def test_two_sources_have_a_row_each(shop: Shop) -> None:
    whole = shop.config.read_text(encoding="utf-8")
    second = whole[whole.index("[sources.booking]") :].replace("sources.booking", "sources.again")
    shown = shop.run("preview", config=shop.changed(extra="\n" + second))
    assert "booking\t13\t5" in shown.out
    assert "again\t13\t5" in shown.out
    assert "iban_wrong\t2" in shown.out


def test_companies_without_an_account_do_not_count(shop: Shop) -> None:
    config = shop.changed((', "2" = "france"', ""))
    assert shop.run("preview", "--json", config=config).json["count"] == 12
