"""Totals that differ: what is said of them, what is learnt of the account, and what an operator may allow."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connector.domain import catalogue
from connector.domain.invoice import Invoice
from connector.domain.job import Status
from tests.support.builders import invoice, line, with_lines
from tests.support.house import House

CENT = Decimal("0.01")


def taxed_per_line(number: str = "1") -> Invoice:
    """Three times 0.0126 of tax: 0.01 each by line, 0.04 together."""
    document = with_lines(invoice(number), line("0.05", quantity="1.1"), line("0.06"), line("0.06"))
    [tax] = document.tax_totals
    amount = Decimal("0.03")
    totals = replace(document.totals, tax=amount, payable=document.totals.net + amount)
    return replace(document, tax_totals=(replace(tax, amount=amount),), totals=totals)


def off_by(cents: int, *, net: bool = False) -> Invoice:
    document = invoice("1")
    amount = cents * CENT
    if net:
        return replace(document, totals=replace(document.totals, net=100 + amount, payable=121 + amount))
    totals = replace(document.totals, tax=21 + amount, payable=121 + amount)
    return replace(document, totals=totals, tax_totals=(replace(document.tax_totals[0], amount=21 + amount),))


def test_the_setting_that_would_remove_the_difference_is_named(house: House) -> None:
    house.issue(taxed_per_line())

    job = house.job()
    assert (job.status, job.reason) == (Status.HELD, "totals_differ")
    assert job.details["change"] == "apply_taxes_per_line = true"
    assert job.details["used"] == "rounding_method = half_up, round_before_sum = false, apply_taxes_per_line = false"
    assert "apply_taxes_per_line = true" in (job.cure or "")
    assert job.details["line"] == "1 (Consulting)"
    assert "?" not in f"{job.message}{job.cure}"


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
def test_where_no_setting_helps_that_is_said_and_how_a_cent_may_be_allowed(house: House, language: str) -> None:
    house.issue(off_by(1))

    job = house.job()
    assert (job.details["change"], job.details["ways"]) == ("allow_difference = 0.01", "–")
    cure = catalogue.reason("totals_differ").advice(job.details, language)
    assert "(allow_difference = 0.01)" in cure
    assert "invoices" not in cure  # nobody is sent to settings that do not help


@pytest.mark.parametrize("document", [off_by(1, net=True), off_by(2)], ids=["a net amount", "more than rounding"])
def test_where_only_the_erp_can_help_that_is_said(house: House, document: Invoice) -> None:
    house.issue(document)

    job = house.job()
    assert job.details["change"] == "no setting gives the ERP's figures"
    assert job.cure == (
        "Make the two agree: no setting of the account at B2Brouter does that, so correct the document in the ERP. "
        "It then goes by itself."
    )


def test_the_account_is_asked_anew_and_what_it_says_is_kept(house: House) -> None:
    house.plant(accounts=[{"id": 1, "rounding_method": "truncate"}])

    house.issue(off_by(1))

    assert house.job().details["used"].startswith("rounding_method = truncate")
    state = house.ledger.accounts.get("main")
    assert state is not None
    assert state.rounding_method == "truncate"


def test_an_account_that_cannot_be_read_keeps_nobody_from_being_told(house: House) -> None:
    house.fault("error_before", operation="read_account", status=503, times=None)

    house.issue(taxed_per_line())

    job = house.job()
    assert (job.reason, job.details["used"]) == ("totals_differ", "–")
    assert job.details["change"].endswith("apply_taxes_per_line = true")


@pytest.mark.parametrize(("allowed", "cents"), [("0.01", 1), ("0.02", 2), ("0.02", -1)])
def test_an_allowed_difference_is_sent_and_said(house: House, allowed: str, cents: int) -> None:
    house.rules = replace(house.rules, allow_difference=Decimal(allowed))

    house.issue(off_by(cents))

    house.assert_issued("1")
    [warned] = [event for event in house.ledger.queries.timeline(house.job().id) if event.what == "warned"]
    assert warned.reason == "totals_differ"
    assert "total" in warned.details["differences"]


@pytest.mark.parametrize("document", [off_by(2), off_by(1, net=True)], ids=["too much", "the net"])
def test_nothing_else_is_allowed(house: House, document: Invoice) -> None:
    house.rules = replace(house.rules, allow_difference=CENT)

    house.issue(document)

    assert (house.job().status, house.job().reason) == (Status.HELD, "totals_differ")
    house.assert_nothing_sent()
