"""`connector check`: what it says of an account at B2Brouter, against the ERP that issues through it."""

from __future__ import annotations

import pytest

from connector.simulator.documents import Account
from tests.cli.shop import Shop


def row(shop: Shop, name: str) -> tuple[str, str, str]:
    """Status, message and action of one row; of several of that name the worst."""
    found = [one for one in shop.run("check", "--json").json["checks"] if one["name"] == name]
    worst = max(found, key=lambda one: ["ok", "warning", "failed"].index(one["status"]))
    return worst["status"], worst["message"], worst["action"]


def spain(shop: Shop) -> Account:
    return shop.world.accounts[1]


def france(shop: Shop) -> Account:
    return shop.world.accounts[2]


# ---------------------------------------------------------------- calculation


def test_the_setting_that_the_erp_needs_is_found_from_its_own_documents(shop: Shop) -> None:
    status, message, action = row(shop, "account spain: calculation")
    assert status == "warning"
    assert "1 of 12 recent documents" in message
    assert "B-0106" in message
    assert "apply_taxes_per_line is false and should be true" in message
    assert action == (
        'Set apply_taxes_per_line = true in B2Brouter, in the account\'s settings, section "Invoices and quotes": '
        "all agree then."
    )


def test_settings_that_fit_are_confirmed(shop: Shop) -> None:
    spain(shop).apply_taxes_per_line = True
    status, message, _ = row(shop, "account spain: calculation")
    assert status == "ok"
    assert "12 recent documents" in message
    assert "apply_taxes_per_line = true" in message


def test_every_wrong_setting_is_named_with_the_right_value(shop: Shop) -> None:
    spain(shop).rounding_method = "truncate"
    _, message, action = row(shop, "account spain: calculation")
    assert "rounding_method is truncate and should be half_up" in message
    assert "rounding_method = half_up, apply_taxes_per_line = true" in action


def test_several_ways_may_fit_and_any_is_right(shop: Shop) -> None:
    france(shop).rounding_method = "bankers"
    france(shop).round_before_sum = True
    assert row(shop, "account france: calculation")[0] == "ok"


def test_documents_that_no_setting_explains_are_told(shop: Shop) -> None:
    shop.erp("UPDATE project_vat SET amount = amount + 1 WHERE project_id = 106")
    shop.erp("UPDATE project SET total_vat = total_vat + 1, total_payable = total_payable + 1 WHERE id = 106")
    status, message, action = row(shop, "account spain: calculation")
    assert status == "warning"
    assert "No other settings give more of them" in message
    assert "connector explain" in action


# ---------------------------------------------------------------- whose account it is


def test_an_account_given_by_its_identifier_shows_its_number(shop: Shop) -> None:
    done = shop.run("check", "--json", config=shop.changed(('account_id = "1"', 'account_id = "iberica"')))
    [one] = [one for one in done.json["checks"] if one["name"] == "account spain"]
    assert one["status"] == "ok"
    assert "id 1, called iberica here" in one["message"]


def test_an_archived_account_is_of_no_use(shop: Shop) -> None:
    spain(shop).archived = True
    assert row(shop, "account spain")[:2] == ("failed", "The account 1 is archived.")


def test_the_account_of_another_company_is_told_with_both(shop: Shop) -> None:
    spain(shop).tin_value = "ESA58818501"
    status, message, _ = row(shop, "account spain: company")
    assert status == "failed"
    assert "ESB76543214" in message
    assert "ESA58818501" in message
    assert shop.run("check").status == 1


def test_the_country_counts_too(shop: Shop) -> None:
    spain(shop).country = "pt"
    assert row(shop, "account spain: company")[0] == "failed"


def test_the_spelling_of_a_tax_number_does_not_count(shop: Shop) -> None:
    spain(shop).tin_value = "B-76543214"
    assert row(shop, "account spain: company")[0] == "ok"


def test_of_a_source_with_one_account_the_other_companies_are_warned_of(shop: Shop) -> None:
    config = shop.changed(('accounts = { "1" = "spain", "2" = "france" }', 'account = "spain"'))
    checks = shop.run("check", "--json", config=config).json["checks"]
    assert [(one["status"], one["message"].split(" (")[0]) for one in checks if "spain: company" in one["name"]] == [
        ("ok", "Palabras al Vuelo, S.L."),
        ("warning", "Mots Voyageurs SAS"),
    ]
    of_source = [one["message"] for one in checks if one["name"].startswith("booking: company")]
    assert all(told.endswith("issues through account spain, if it is that account's company") for told in of_source)
    assert len(of_source) == 2


def test_a_production_key_is_for_production(shop: Shop) -> None:
    config = shop.changed(('api_key = "test_key"', 'api_key = "prod_key"'))
    done = shop.run("check", config=config)
    assert done.status == 2
    assert "production key" in done.err


# ---------------------------------------------------------------- transports, reports, transactions


def test_a_transport_that_recent_invoices_need_is_missed(shop: Shop) -> None:
    france(shop).transports = {}
    assert row(shop, "account france: transports") == (
        "warning",
        "Of the last 90 days, 1 document is addressed to public bodies in France, and fr.chorus is not enabled.",
        "Enable fr.chorus in B2Brouter, in the account's settings, Transports.",
    )
    france(shop).transports = {"fr.chorus": {"enabled": False}}
    assert row(shop, "account france: transports")[0] == "warning"


@pytest.mark.parametrize(
    ("country", "public", "code"),
    [("ES", 1, "es.face"), ("IT", 0, "it.sdi"), ("BE", 0, "peppol"), ("FR", 1, "fr.chorus")],
)
def test_each_country_has_its_transport(shop: Shop, country: str, public: int, code: str) -> None:
    spain(shop).default_transport = "email"
    shop.erp("UPDATE customer SET country = ?, is_public = ? WHERE id = 12", country, public)
    status, message, _ = row(shop, "account spain: transports")
    assert status == "warning"
    assert code in message
    spain(shop).transports = {code: {"enabled": True}}
    assert row(shop, "account spain: transports")[0] == "ok"


def test_documents_older_than_ninety_days_need_no_transport(shop: Shop) -> None:
    france(shop).transports = {}
    shop.erp("UPDATE project SET invoice_date = date(invoice_date, '-100 days') WHERE id = 112")
    assert row(shop, "account france: transports")[0] == "ok"
    assert "1 recent document" in row(shop, "account france: calculation")[1]


def test_reports_that_begin_later_are_warned_of(shop: Shop) -> None:
    france(shop).tax_report_settings = {"dgfip": {"code": "dgfip", "start_date": "2099-01-01"}}
    spain(shop).tax_report_settings = {"verifactu": {"code": "VeriFactu", "start_date": "2099-01-01"}}
    assert row(shop, "account france: tax reports")[:2] == (
        "warning",
        "dgfip begins on 2099-01-01: until then nothing can be sent.",
    )
    assert "nothing is reported" in row(shop, "account spain: tax reports")[1]


def test_reports_that_are_not_set_up_are_a_hint_only(shop: Shop) -> None:
    assert row(shop, "account spain: tax reports")[:2] == (
        "ok",
        "verifactu or tbai is not set up: nothing is reported to the tax authority by it",
    )
    spain(shop).tax_report_settings = {"tbai": {"code": "tbai", "start_date": "2020-01-01"}}
    assert row(shop, "account spain: tax reports")[:2] == ("ok", "tbai is set up since 2020-01-01")


@pytest.mark.parametrize(
    ("used", "status"), [(79, "ok"), (80, "warning"), (99, "warning"), (100, "failed"), (120, "failed")]
)
def test_the_plan_may_be_nearly_used_up(shop: Shop, used: int, status: str) -> None:
    spain(shop).transactions_count, spain(shop).transactions_limit = used, 100
    assert row(shop, "account spain: transactions")[0] == status


@pytest.mark.parametrize("answer", ["missing", "forbidden"])
def test_what_a_plan_does_not_offer_is_no_fault(shop: Shop, answer: str) -> None:
    shop.world.switches.set({"account_extras": answer})
    for part in ("transports", "tax reports"):
        assert row(shop, f"account spain: {part}")[:2] == ("ok", "not available for this account")


def test_a_source_that_cannot_be_read_is_told_once_and_the_rest_goes_on(shop: Shop) -> None:
    shop.stage.erp.rename(shop.folder / "gone.db")
    assert row(shop, "account spain: ERP")[0] == "warning"
    assert row(shop, "account spain: transactions")[0] == "ok"


def test_a_list_that_cannot_be_read_is_a_warning(shop: Shop) -> None:
    shop.world.faults.add("error_before", operation="list_transports", status=500, times=None)
    assert row(shop, "account spain: transports")[0] == "warning"
    assert row(shop, "account spain: tax reports")[0] == "ok"


def test_the_sample_is_bounded_in_documents_and_in_lines(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.operations.recent.MOST", 3)
    assert "recent document" in row(shop, "account spain: calculation")[1]
    assert "3 documents" in row(shop, "account spain: transports")[1]
    monkeypatch.setattr("connector.operations.recent.MOST", 500)
    monkeypatch.setattr("connector.operations.account_rows._MOST_LINES", 1)
    assert "1 recent document" in row(shop, "account spain: calculation")[1]
