"""`connector preview`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cli.shop import Shop


def test_it_counts_sums_and_judges(shop: Shop) -> None:
    told = shop.run("preview", "--json").json
    assert (told["count"], told["new"], told["ready"], told["with_problems"]) == (14, 14, 8, 6)
    assert told["sums"] == {"EUR": "4957.65", "USD": "1299.00"}
    today = datetime.now(UTC).date()
    assert told["oldest"] == (today - timedelta(days=10)).isoformat()
    assert told["newest"] == (today - timedelta(days=8)).isoformat()
    reasons = {problem["reason"]: problem for problem in told["problems"]}
    assert set(reasons) == {
        "vat_number_wrong",
        "iban_wrong",
        "tax_absolute",
        "tax_missing",
        "original_not_issued",
        "buyer_identifier_missing",
    }
    assert (reasons["iban_wrong"]["count"], reasons["iban_wrong"]["example"]) == (1, "B-0103")
    assert reasons["iban_wrong"]["who"] == "accountant"
    assert [source["source"] for source in told["sources"]] == ["booking"]


BY_NUMBER = tuple(
    (f"{column} AS original_key", "NULL AS original_key") for column in ("corrected.id", "p.corrects_project_id")
)
"""An ERP that knows of an original nothing but its number and date."""


def test_an_original_that_is_known_by_number_only_is_looked_for(shop: Shop) -> None:
    """C-0104 corrects B-0101, which is to be sent too; C-0105 corrects one from before the start date."""
    config = shop.changed(*BY_NUMBER)
    [problem] = [
        one for one in shop.run("preview", "--json", config=config).json["problems"] if "original" in one["reason"]
    ]
    assert (problem["reason"], problem["count"], problem["example"]) == ("original_not_issued", 1, "C-0105")

    shop.erp("UPDATE project SET status = 'quoted' WHERE id = 101")
    [problem] = [
        one for one in shop.run("preview", "--json", config=config).json["problems"] if "original" in one["reason"]
    ]
    assert problem["count"] == 2


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
    assert "In the ledger besides: 8 held." in day.run("preview").out


def test_jobs_under_way_and_write_backs_are_told_apart(shop: Shop) -> None:
    shop.erp("ALTER TABLE project RENAME COLUMN project_xref TO xref_of_project")
    shop.run("sync", "--patience", "8")  # all are sent, none can be written back
    shop.erp("ALTER TABLE project RENAME COLUMN xref_of_project TO project_xref")
    shop.run("retry", "--status", "held")
    told = shop.run("preview", "--json").json
    assert told["write_back_due"] == 6
    assert told["under_way"] == told["count"] == 8
    assert "6 invoices sent already; only the write-back" in shop.run("preview").out


def test_what_waits_for_its_account_is_about_to_be_sent_unless_a_person_paused_it(shop: Shop) -> None:
    wanted = shop.run("preview", "--json").json["count"]
    wrong = shop.changed(('api_key = "test_key"', 'api_key = "wrong_key"'))
    assert shop.run("sync", "--patience", "0", config=wrong).status == 1

    told = shop.run("preview", "--json").json
    assert (told["count"], told["under_way"], told["waiting"]) == (wanted, wanted, wanted)
    assert "waiting" not in shop.run("preview").out

    for account in ("spain", "france"):
        assert shop.run("pause", "--account", account, "--note", "year end").status == 0
    assert shop.run("preview", "--json").json["count"] == 0
    assert f"In the ledger besides: {wanted} waiting." in shop.run("preview").out


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
    assert told.json["count"] == 14
    assert [fault["kind"] for fault in told.json["faults"]] == ["source_unavailable"]
    assert "Failed: " in shop.run("preview", config=config).out


def test_two_sources_have_a_row_each(shop: Shop) -> None:
    whole = shop.config.read_text(encoding="utf-8")
    second = whole[whole.index("[sources.booking]") :].replace("sources.booking", "sources.again")
    shown = shop.run("preview", config=shop.changed(extra="\n" + second))
    assert "booking\t14\t6" in shown.out
    assert "again\t14\t6" in shown.out
    assert "iban_wrong\t2" in shown.out


def test_companies_without_an_account_do_not_count(shop: Shop) -> None:
    config = shop.changed((', "2" = "france"', ""))
    assert shop.run("preview", "--json", config=config).json["count"] == 13
    assert shop.run("preview", "--json", config=config).json["left_out"]["company_unmapped"] == 1
    assert "1 invoice of companies that have no account" in shop.run("preview", config=config).out


def test_amounts_are_told_with_how_many_documents_make_them(shop: Shop) -> None:
    assert shop.run("preview", "--json").json["counts"] == {"EUR": 13, "USD": 1}
    assert "4,957.65 EUR (13 invoices), 1,299.00 USD (1 invoice)" in shop.run("preview").out


def test_what_the_start_date_leaves_out_is_counted(shop: Shop) -> None:
    told = shop.run("preview", "--json").json
    assert told["left_out"] == {"start_date": 1, "company_unmapped": 0}
    assert told["sources"][0]["left_out"]["start_date"] == 1
    assert "Left out: 1 invoice from before the start date." in shop.run("preview").out


def test_documents_that_carry_a_reference_already_are_counted(shop: Shop) -> None:
    shop.erp("UPDATE project SET reference = '100001' WHERE id IN (101, 103)")
    config = shop.changed(("p.due_date, p.currency,", "p.due_date, p.currency, p.reference,"))
    assert shop.run("preview", "--json", config=config).json["with_reference"] == 2


def test_of_a_source_with_one_account_other_companies_are_held(shop: Shop) -> None:
    config = shop.changed(('accounts = { "1" = "spain", "2" = "france" }', 'account = "spain"'))
    shop.run("sync", "--patience", "0", config=config)
    shop.erp("UPDATE project SET status = 'quoted' WHERE office_id = 2")
    shop.erp(
        "UPDATE project SET id = 900, status = 'invoiced', updated_at = '2030-01-01 00:00:00' WHERE office_id = 2"
    )
    problems = {one["reason"]: one for one in shop.run("preview", "--json", config=config).json["problems"]}
    assert problems["company_unmapped"]["count"] == 1
    assert "belongs to ESB76543214" in problems["company_unmapped"]["message"]


def test_what_was_found_under_an_earlier_start_date_is_left_out_under_a_later_one(shop: Shop) -> None:
    wrong = shop.changed(('api_key = "test_key"', 'api_key = "wrong_key"'))
    assert shop.run("sync", "--patience", "0", config=wrong).status == 1
    told = shop.run("preview", "--json").json
    assert told["under_way"] == told["count"]

    later = told_from_its_newest_day_on(shop, told)

    both = [one["count"] + one["left_out"]["start_date"] for one in (told, later)]
    assert both[0] == both[1]


def test_what_stands_at_b2brouter_unsent_is_left_out_under_a_later_start_date(shop: Shop) -> None:
    shop.world.faults.add("rate_limit", operation="send_invoice", times=None)
    shop.run("sync", "--patience", "0")
    assert {job["stage"] for job in shop.run("jobs", "--status", "pending", "--json").lines} == {"verified"}

    told_from_its_newest_day_on(shop, shop.run("preview", "--json").json)


def told_from_its_newest_day_on(shop: Shop, told: Any) -> Any:
    """Return what is told under a later start date: less, and nothing older."""
    text = shop.config.read_text(encoding="utf-8")
    since = next(line for line in text.splitlines() if line.startswith("since = "))
    later = shop.run("preview", "--json", config=shop.changed((since, f"since = {told['newest']}"))).json
    assert 0 < later["count"] < told["count"]
    assert later["oldest"] == told["newest"]
    return later


# ---------------------------------------------------------------- the start date by confirmation

CONFIRMED = ("SELECT p.id AS document_key, p.updated_at AS changed_at,",
             "SELECT p.id AS document_key, p.updated_at AS changed_at, p.updated_at AS confirmed_at,")  # fmt: skip


def by_confirmation(shop: Shop, *more: tuple[str, str]) -> Path:
    return shop.changed(("since = ", 'since_by = "confirmed_at"\nsince = '), *more)


def test_an_old_invoice_that_was_confirmed_late_goes_and_preview_says_so_like_sync(shop: Shop) -> None:
    today = datetime.now(UTC).date()
    shop.erp("UPDATE project SET updated_at = ? WHERE id = 90", f"{today.isoformat()} 08:00:00")
    shop.erp("UPDATE project SET updated_at = '2001-01-01 08:00:00' WHERE id = 101")
    config = by_confirmation(shop, CONFIRMED)
    told = shop.run("preview", "--json", config=config).json
    assert (told["count"], told["left_out"]["start_date"]) == (14, 1)
    assert told["oldest"] == (today - timedelta(days=400)).isoformat()

    assert shop.run("sync", "--patience", "0", "--json", config=config).json["found"] == 14
    numbers = shop.ids()
    assert "B-0090" in numbers
    assert "B-0101" not in numbers


def test_a_mapping_without_the_confirmation_is_refused(shop: Shop) -> None:
    config = by_confirmation(shop)
    done = shop.run("check", "--json", config=config)
    assert done.status == 2
    [row] = [one for one in done.json["checks"] if one["name"] == "source booking"]
    assert row["status"] == "failed"
    assert "since_by is confirmed_at" in row["message"]
    assert "confirmed_at" in row["action"]
    assert shop.run("sync", "--patience", "0", config=config).status == 1
    assert shop.run("jobs", "--json").lines == []


def test_an_erp_that_does_not_remember_it_is_refused_before_anything_begins(shop: Shop) -> None:
    text = (
        f'[b2brouter]\nbase_url = "{shop.stage.simulator.base_url}"\n'
        '[accounts.main]\naccount_id = "1"\napi_key = "test_key"\n'
        '[sources.erp]\nadapter = "odoo"\nurl = "postgresql+psycopg://x@127.0.0.1:1/x"\naccount = "main"\n'
        'since = 2026-01-01\nsince_by = "confirmed_at"\n'
    )
    config = shop.folder / "odoo.toml"
    config.write_text(text, encoding="utf-8")
    for command in (["sync"], ["preview"]):
        done = shop.run(*command, config=config)
        assert done.status == 2
        assert "source erp does not say when a document was confirmed" in done.err


def test_a_rule_without_a_day_is_refused(shop: Shop) -> None:
    text = shop.config.read_text(encoding="utf-8")
    since = next(line for line in text.splitlines() if line.startswith("since = "))
    done = shop.run("preview", config=shop.changed((since, 'since_by = "confirmed_at"')))
    assert done.status == 2
    assert "since is missing" in done.err
