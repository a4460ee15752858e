"""Old documents lose what is personal or heavy, in many batches; their rows and the steps of their timelines stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from connector.bench import ledgers
from connector.ledger import Ledger, erasure
from connector.ledger.erasure import Meant
from connector.ledger.tables import ContactLinkRow, DirectoryRow, JobRow

COUNT = 1500
"""More than two batches."""


@pytest.fixture
def old(ledger_url: str) -> Ledger:
    """Documents that were issued in the course of a year, each with its timeline."""
    ledger = Ledger(ledger_url)
    ledgers.fill(ledger, COUNT, told=1)
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE job SET status = 'done', reason = NULL, sent_at = created_at"))
    return ledger


def number(ledger: Ledger, question: str) -> int:
    with ledger.database.read() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {question}")).scalar_one())


def test_all_batches_are_erased_and_every_row_stays(old: Ledger) -> None:
    tomorrow = old.database.clock.now() + timedelta(days=1)
    assert old.erasure.count(tomorrow) == COUNT

    assert old.erasure.erase(tomorrow, who="ana", note="kept long enough").jobs == COUNT

    assert old.erasure.count(tomorrow) == 0
    assert number(old, "job") == COUNT
    assert number(old, "job WHERE payload IS NOT NULL OR content IS NOT NULL OR customer IS NOT NULL") == 0
    assert number(old, "job WHERE reference IS NULL AND key IS NULL") == 0
    assert number(old, "event WHERE what <> ''") == 8 * COUNT
    assert number(old, "event WHERE answer IS NOT NULL OR note IS NOT NULL") == 0
    old.close()


def test_what_was_sent_later_is_left_alone(old: Ledger) -> None:
    half_a_year_ago = old.database.clock.now() - timedelta(days=182)

    erased = old.erasure.erase(half_a_year_ago, who="ana", note="kept long enough").jobs

    assert abs(erased - COUNT / 2) < 10
    assert number(old, "job WHERE payload IS NOT NULL") == COUNT - erased
    old.close()


def test_the_contacts_that_no_document_needs_go_in_batches_too(old: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_AT_ONCE", 100)
    now = old.database.clock.now()
    link = {"taken": False, "looks": 0, "fence": 0, "updated_at": now - timedelta(days=800)}
    links = [
        {"account": account, "identity": f"customer {number}", "contact_id": str(number), **link}
        for account in ledgers.ACCOUNTS[:2]
        for number in range(150)
    ]
    with old.database.write() as connection:
        connection.execute(ContactLinkRow.__table__.insert(), links)
        connection.execute(text("UPDATE job SET contact_id = CAST(id % 100 AS VARCHAR(20))"))
        later = JobRow.__table__.update().where(JobRow.contact_id == "7")
        connection.execute(later.values(sent_at=now + timedelta(days=2)))

    erased = old.erasure.erase(now + timedelta(days=1), who="ana", note="kept long enough")

    kept = number(old, "contact_link")
    assert erased.contacts + kept == 300
    assert kept == number(old, "(SELECT DISTINCT account FROM job WHERE contact_id = '7') AS needing")
    old.close()


def test_with_a_tax_number_the_contacts_of_others_stay(old: Ledger) -> None:
    now = old.database.clock.now()
    link = {"account": ledgers.ACCOUNTS[0], "taken": False, "looks": 0, "fence": 0}
    link |= {"updated_at": now - timedelta(days=800)}
    whose = {"tax:ESA58818501": "1", "0009:21840543500013": "2", "tax:FR23334175221": "3"}
    with old.database.write() as connection:
        connection.execute(
            ContactLinkRow.__table__.insert(),
            [{**link, "identity": identity, "contact_id": contact} for identity, contact in whose.items()],
        )
        connection.execute(text("UPDATE job SET tax_number = 'FR23334175221', contact_id = NULL"))
        connection.execute(
            JobRow.__table__.update().where(JobRow.id == 1).values(
                tax_number="ESA58818501", contact_id="2", account=ledgers.ACCOUNTS[0]
            )
        )  # fmt: skip
        connection.execute(
            DirectoryRow.__table__.insert(), {"account": "main", "identifier": "ES 9920 x", "valid_until": now}
        )

    erased = old.erasure.erase(now + timedelta(days=1), who="ana", note="asked", tax_number="ESA58818501")

    assert (erased.jobs, erased.contacts) == (1, 2)
    assert number(old, "contact_link WHERE identity = 'tax:FR23334175221'") == 1
    assert number(old, DirectoryRow.__tablename__) == 1
    old.close()


def test_a_tax_number_is_known_in_any_spelling_from_documents_and_contacts(old: Ledger) -> None:
    link = {"contact_id": "1", "taken": False, "looks": 0, "fence": 0, "updated_at": old.database.clock.now()}
    with old.database.write() as connection:
        connection.execute(text("UPDATE job SET tax_number = 'ESA58818501' WHERE id % 2 = 0"))
        connection.execute(ContactLinkRow.__table__.insert(), [{"account": "a", "identity": "tax:PT501", **link}])

    assert old.erasure.tax_number("a-58.818.501") == Meant(number="ESA58818501")
    assert old.erasure.tax_number("58818501") == Meant()
    assert old.erasure.tax_number("501") == Meant(number="PT501")
    assert old.erasure.tax_number("") == Meant()
    old.close()


def test_a_greek_number_is_known_by_the_country_as_the_erp_has_it(old: Ledger) -> None:
    with old.database.write() as connection:
        connection.execute(text("UPDATE job SET tax_number = 'EL094259216' WHERE id % 2 = 0"))

    spellings = ("GR094259216", "gr 094 259 216", "EL094259216", "094259216")
    assert {old.erasure.tax_number(spelling) for spelling in spellings} == {Meant(number="EL094259216")}
    old.close()


def test_all_that_a_number_may_mean_are_told(old: Ledger) -> None:
    """A customer without a country has a bare number; whether it is another's, a person knows."""
    with old.database.write() as connection:
        connection.execute(text("UPDATE job SET tax_number = 'A58818501' WHERE id % 3 = 0"))
        connection.execute(text("UPDATE job SET tax_number = 'ESA58818501' WHERE id % 3 = 1"))

    assert old.erasure.tax_number("A58818501") == Meant(number="A58818501", others=("ESA58818501",))
    assert old.erasure.tax_number("ESA58818501") == Meant(number="ESA58818501")
    with old.database.write() as connection:
        connection.execute(text("UPDATE job SET tax_number = 'FRA58818501' WHERE id % 3 = 0"))
    assert old.erasure.tax_number("A58818501") == Meant(others=("ESA58818501", "FRA58818501"))
    old.close()
