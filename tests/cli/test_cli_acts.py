"""`connector retry`, `hold`, `release` and `skip`."""

from __future__ import annotations

import getpass

import pytest

from connector.cli.acts import user
from tests.cli.shop import Shop


def status_of(shop: Shop, number: str) -> str:
    return str(shop.run("explain", number, "--json").json["status"])


def test_a_cured_invoice_goes_on_after_retry(played: Shop) -> None:
    played.erp("UPDATE project_vat SET amount = '4.21' WHERE project_id = 106")
    played.erp("UPDATE project SET total_vat = '4.21', total_payable = '24.27' WHERE id = 106")
    assert played.run("retry", "B-0106").status == 0
    played.run("sync", "--patience", "8")
    assert status_of(played, "B-0106") == "done"


def test_by_filter_all_that_fit_change_and_the_others_are_named(played: Shop) -> None:
    done = played.run("retry", "--source", "booking", "--note", "all cured", "--json").json
    assert (done["act"], done["count"], len(done["changed"])) == ("retry", 8, 8)
    assert {entry["why"] for entry in done["unfit"]} == {"it is issued already"}
    assert done["sums"] == {"EUR": "1960.08"}


def test_of_an_account_that_left_the_configuration_all_is_listed_and_left_out(played: Shop) -> None:
    all_held = played.run("jobs", "--status", "held", "--json").lines
    theirs = [job["id"] for job in all_held if job["account"] == "spain"]
    renamed = played.changed(("[accounts.spain]", "[accounts.iberia]"), ('"1" = "spain"', '"1" = "iberia"'))
    held = ("--account", "spain", "--status", "held")
    assert [job["id"] for job in played.run("jobs", *held, "--json", config=renamed).lines] == theirs
    assert played.run("jobs", "--account", "iberia", "--json", config=renamed).out == ""

    done = played.run("skip", *held, "--source", "booking", "--note", "sent by hand", "--json", config=renamed)
    assert done.json["changed"] == theirs != []

    nobody = played.run("skip", "--account", "nobody", "--note", "x", config=renamed)
    assert nobody.status == 2
    assert "There is no account nobody in the configuration." in nobody.err


def test_who_and_why_stand_in_the_timeline(played: Shop) -> None:
    played.run("retry", "B-0103", "--note", "IBAN corrected")
    last = played.run("explain", "B-0103", "--json").json["events"][-1]
    assert (last["what"], last["who"], last["note"]) == ("retry", getpass.getuser(), "IBAN corrected")
    played.run("skip", "B-0103", "--note", "sent on paper")
    played.run("release", "B-0103")
    last = played.run("explain", "B-0103", "--json").json["events"][-1]
    assert (last["what"], last["note"]) == ("release", "release from the command line")


def test_skip_leaves_out_for_good_and_release_takes_it_back(played: Shop) -> None:
    assert "1 invoice left out for good." in played.run("skip", "B-0114", "--note", "typed in by hand").out
    assert status_of(played, "B-0114") == "skipped"
    assert played.run("release", "--status", "skipped", "--json").json["changed"]
    assert status_of(played, "B-0114") == "pending"


def test_hold_keeps_back_what_is_not_sent_yet(played: Shop) -> None:
    played.run("retry", "B-0103")
    assert played.run("hold", "B-0103", "--note", "ask Ana").status == 0
    told = played.run("explain", "B-0103", "--json").json
    assert (told["status"], told["reason"]) == ("held", "held_by_person")
    assert "ask Ana" in told["message"]


def test_a_dry_run_stops_after_the_preview(played: Shop) -> None:
    shown = played.run("skip", "--status", "held", "--dry-run", "--note", "x")
    assert "8 invoices would be left out for good: 1,960.08 EUR." in shown.out
    assert "Nothing was changed" in shown.out
    assert played.run("sync", "--json").json["skipped"] == 0
    assert played.run("retry", "--status", "held", "--dry-run", "--json").json["changed"] == []


def test_the_preview_tells_each_cause_once_with_count_and_sum_in_the_language_of_the_reader(played: Shop) -> None:
    played.erp(
        "INSERT INTO project SELECT 902, office_id, customer_id, title, status, document, 'B-0902', invoice_date,"
        " due_date, 'USD', customer_order, corrects_project_id, total_net, total_vat, total_payable, pay_to,"
        " NULL, NULL, datetime('now') FROM project WHERE id = 102"
    )
    played.erp("INSERT INTO project_vat SELECT 902, vat_code, base, amount FROM project_vat WHERE project_id = 102")
    played.erp(
        "INSERT INTO task (project_id, position, description, quantity, unit, rate, amount, vat_code)"
        " SELECT 902, position, description, quantity, unit, rate, amount, vat_code FROM task WHERE project_id = 102"
    )
    played.run("sync", "--patience", "0")

    preview = played.run("retry", "--status", "held", "--dry-run", "--json").json
    shown = played.run("retry", "--status", "held", "--dry-run").out
    spanish = played.run("--lang", "es", "retry", "--status", "held", "--dry-run").out

    first = preview["causes"][0]
    assert (first["reason"], first["count"], first["sums"]) == (
        "vat_number_wrong", 2, {"EUR": "72.60", "USD": "72.60"},
    )  # fmt: skip
    assert sum(cause["count"] for cause in preview["causes"]) == preview["count"] == 9
    assert "of Hostal Tres Vientos, S.L. is not valid – 2 invoices, 72.60 EUR, 72.60 USD" in shown
    assert "2 facturas, 72,60 EUR, 72,60 USD" in spanish


def test_what_does_not_fit_is_left_alone_and_said(played: Shop) -> None:
    shown = played.run("hold", "B-0101", "--note", "too late")
    assert shown.status == 0
    assert "0 invoices held back." in shown.out
    assert "it is issued already" in shown.out


def test_an_open_question_cannot_be_skipped(shop: Shop) -> None:
    shop.lose_a_request("B-0101")
    shown = shop.run("skip", "B-0101", "--note", "x")
    assert "it is not known yet whether the create reached B2Brouter" in shown.out


@pytest.mark.parametrize("act", ["retry", "hold", "release", "skip"])
def test_never_all_by_accident(day: Shop, act: str) -> None:
    shown = day.run(act, "--note", "x")
    assert shown.status == 2
    assert f"Say which invoices to {act}" in shown.err


@pytest.mark.parametrize("act", ["hold", "skip"])
def test_hold_and_skip_want_a_note(day: Shop, act: str) -> None:
    assert "Missing option '--note'" in day.run(act, "1").err
    assert "The note is empty." in day.run(act, "1", "--note", " ").err


def test_ids_that_do_not_exist_change_nothing_at_all(day: Shop) -> None:
    shown = day.run("retry", "B-0103", "777", "--json")
    assert shown.status == 2
    assert shown.json["error"]["kind"] == "not_found"
    assert "777" in shown.json["error"]["message"]
    assert status_of(day, "B-0103") == "held"


def test_on_an_empty_ledger_nothing_fits(shop: Shop) -> None:
    assert shop.run("retry", "--status", "held").out == "0 invoices due again.\n"


def test_originals_come_before_their_credit_notes(shop: Shop) -> None:
    shop.erp("UPDATE project SET updated_at = '2020-01-01 00:00:00' WHERE id = 104")  # found first
    shop.run("sync", "--patience", "0")
    ids = shop.ids()
    assert ids["C-0104"] < ids["B-0101"]
    changed = shop.run("retry", "--status", "held", "--json").json["changed"]
    kinds = [shop.run("explain", f"id:{job_id}", "--json").json["kind"] for job_id in changed]
    assert kinds == sorted(kinds, reverse=True)


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user().startswith("user ")
