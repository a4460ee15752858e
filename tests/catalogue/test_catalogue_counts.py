"""What rests is grouped by what has to be cured; what B2Brouter says and the catalogue does not know is counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from connector.domain import catalogue
from connector.domain.invoice import Invoice, Kind
from connector.domain.job import Event, Status
from connector.ledger import Ledger, causes, schema
from connector.ledger.causes import identifying
from connector.ledger.queries import Filter
from connector.ledger.records import Entry, Job
from tests.support.builders import NOON, OTHER_CUSTOMER, invoice, line
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[Ledger]:
    if request.param == "sqlite":
        ledger = Ledger(f"sqlite:///{request.getfixturevalue('tmp_path') / 'ledger.db'}", clock=clock)
        schema.upgrade(ledger.database)
        yield ledger
        ledger.close()
        return
    with request.getfixturevalue("postgres_server").database() as url:
        ledger = Ledger(url, clock=clock)
        schema.upgrade(ledger.database)
        yield ledger
        ledger.close()


def stuck(ledger: Ledger, document: Invoice, reason: str, /, account: str = ACCOUNT, **facts: str) -> Job:
    return let_go(ledger, document, reason, Event.STUCK, account=account, facts=facts)


def let_go(
    ledger: Ledger, document: Invoice, reason: str, event: Event, *, account: str = ACCOUNT, facts: dict[str, str]
) -> Job:
    add(ledger, document, account=account)
    [job] = ledger.jobs.lease(account, 1)
    entry = Entry(what=str(event), reason=reason, details=facts)
    return ledger.jobs.settle(job, event, reason=reason, details=facts, delay=0.0, attempts=0, entry=entry)


def lacks(ledger: Ledger, document: Invoice, *, buyer: str = "4711", fields: str = "country") -> Job:
    return stuck(ledger, document, "buyer_incomplete", party="Ajuntament", fields=fields, buyer=buyer)


def test_one_customer_that_lacks_the_same_is_one_cause(ledger: Ledger) -> None:
    jobs = [
        lacks(ledger, invoice("1", issue_date=date(2026, 1, 3))),
        lacks(ledger, invoice("2", line("1000.00"), issue_date=date(2026, 1, 2))),
        lacks(ledger, invoice("3", line("50.00"), kind=Kind.CREDIT_NOTE)),
    ]

    [cause] = ledger.queries.causes()

    assert cause.message() == "The customer Ajuntament lacks: country – 3 invoices, 1,270.50 EUR"
    assert cause.message("ca") == "Al client Ajuntament li falta: país – 3 factures, 1.270,50 EUR"
    assert cause.advice() == catalogue.reason("buyer_incomplete").cure
    assert (cause.count, cause.ids) == (3, [job.id for job in jobs])
    assert cause.sums == {"EUR": Decimal("1270.50")}
    assert (cause.oldest, cause.newest, cause.since) == (date(2026, 1, 2), date(2026, 1, 10), NOON)


def test_what_is_to_be_cured_apart_is_told_apart(ledger: Ledger) -> None:
    lacks(ledger, invoice("1"))
    lacks(ledger, invoice("2"), fields="country, name")
    lacks(ledger, invoice("3"), buyer="4712")  # another customer of the same name
    lacks(ledger, invoice("4"), buyer="4712")

    assert [cause.count for cause in ledger.queries.causes()] == [2, 1, 1]


def test_facts_that_do_not_make_the_cause_are_left_open(ledger: Ledger) -> None:
    for key, text in (("1", "Consulting"), ("2", "Travel")):
        stuck(ledger, invoice(key), "tax_unmapped", tax="IGIC 7%", line=text)
    stuck(ledger, invoice("3"), "tax_unmapped", tax="IPSI", line="Travel")

    first, second = ledger.queries.causes()

    assert first.message() == (
        "It is not known what the tax IGIC 7% means for e-invoicing, on: … – 2 invoices, 242.00 EUR"
    )
    assert second.message().startswith("It is not known what the tax IPSI means for e-invoicing, on: Travel – 1 inv")


def test_a_fault_of_one_account_is_one_cause(ledger: Ledger) -> None:
    for key, account in (("1", "main"), ("2", "main"), ("3", "other")):
        stuck(ledger, invoice(key), "totals_differ", account=account, differences=f"total {key}")

    assert [(cause.count, dict(cause.facts)) for cause in ledger.queries.causes()] == [
        (2, {"account": "main"}),
        (1, {"account": "other"}),
    ]


ODD = (
    'He said "party": "ACME"',
    "back\\slash",
    "50 % off_it",
    "Ñandú\n\t",
    "acme",
    "ACME",
    "ACME Ltd",
    "",
    'x", "buyer": "1',
    400 * "long ",
)


def test_the_key_of_a_cause_has_just_the_invoices_that_rest_because_of_it(ledger: Ledger) -> None:
    for n, party in enumerate(ODD):
        for key, buyer in ((f"{n}a", "1"), (f"{n}b", "1"), (f"{n}c", "2")):
            lacks_as = {"party": party, "fields": "country", "buyer": buyer}
            stuck(ledger, invoice(key), "buyer_incomplete", **lacks_as)
        stuck(ledger, invoice(f"{n}d"), "tax_unmapped", tax=party, line="Travel")
    stuck(ledger, invoice("e"), "buyer_incomplete", fields="country")  # nobody said which party
    stuck(ledger, invoice("f"), "totals_differ", account="other", differences="total")
    stuck(ledger, invoice("g"), "lines_missing")

    found = ledger.queries.causes()

    assert sum(cause.count for cause in found) == 4 * len(ODD) + 3
    for cause in found:
        assert [job.id for job in ledger.queries.jobs(Filter(cause=cause.key))] == cause.ids, cause.key
        assert causes.told(cause.key) != []


@pytest.mark.parametrize("key", ["", "x", "[]", "{}", "[1]", '["no such reason"]', '["tax_unmapped"]', 9000 * "["])
def test_what_is_no_key_of_a_cause_has_no_invoices(ledger: Ledger, key: str) -> None:
    stuck(ledger, invoice("1"), "tax_unmapped", tax="IPSI", line="Travel")
    assert list(ledger.queries.jobs(Filter(cause=key))) == []


def test_several_currencies_are_not_added(ledger: Ledger) -> None:
    stuck(ledger, invoice("1"), "lines_missing")
    stuck(ledger, invoice("2", currency="USD"), "lines_missing")

    [cause] = ledger.queries.causes()

    assert cause.message() == "The document has no lines – 2 invoices, 121.00 EUR, 121.00 USD"


def test_only_what_is_held_counts_unless_one_asks_for_more(ledger: Ledger) -> None:
    stuck(ledger, invoice("1"), "iban_wrong", end="1332")
    let_go(ledger, invoice("2"), "original_waiting", Event.BLOCKED, facts={"number": "F-1"})
    add(ledger, invoice("3", buyer=OTHER_CUSTOMER))

    assert [cause.reason for cause in ledger.queries.causes()] == ["iban_wrong"]
    assert [cause.reason for cause in ledger.queries.causes(Filter(status=Status.WAITING))] == ["original_waiting"]
    assert {cause.reason for cause in ledger.queries.causes(Filter())} == {"iban_wrong", "original_waiting"}
    assert ledger.queries.causes(Filter(status=Status.HELD, source="shop")) == []


def test_many_jobs_come_in_pages(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.ledger.queries._PAGE", 2)
    for key in "12345":
        stuck(ledger, invoice(key), "lines_missing")

    assert [cause.count for cause in ledger.queries.causes()] == [5]


def test_a_fact_of_the_case_wins_over_that_of_the_job() -> None:
    job = {"company": "1", "source": "erp", "account": "main"}

    assert identifying("company_unmapped", {"company": "Sur (B1)"}, job) == {
        "source": "erp",
        "company": "Sur (B1)",
        "account": "main",
    }


def test_nothing_is_counted_in_an_empty_ledger(ledger: Ledger) -> None:
    assert ledger.queries.causes() == []
