"""Contact links: made once, whatever the concurrency, and never by hands that lost the right to it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from connector.bench.throughput import tallied
from connector.domain.errors import LeaseLostError
from connector.ledger import Ledger
from tests.support.builders import NOON
from tests.support.clock import FakeClock
from tests.support.house import rows
from tests.support.ledgers import ACCOUNT

NORTE = "tax:ESA28015865"


def test_of_sixteen_threads_one_gets_the_right_to_make_a_contact(ledger: Ledger) -> None:
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda _: ledger.contacts.claim(ACCOUNT, NORTE), range(16)))

    assert len([claim for claim in claims if claim is not None]) == 1


def test_who_waits_for_a_contact_in_other_hands_writes_nothing(ledger: Ledger) -> None:
    assert ledger.contacts.claim(ACCOUNT, NORTE) is not None

    with tallied(ledger.database.engine) as tally:
        assert ledger.contacts.claim(ACCOUNT, NORTE) is None

    assert (tally.statements, tally.commits) == (1, 0)


def test_a_stored_contact_is_known_and_free_again(ledger: Ledger) -> None:
    assert ledger.contacts.get(ACCOUNT, NORTE) is None
    link = ledger.contacts.claim(ACCOUNT, NORTE)
    assert link is not None
    assert ledger.contacts.claim(ACCOUNT, NORTE) is None
    link = ledger.contacts.begin(link)
    assert link.open_since == NOON

    ledger.contacts.store(link, contact_id="5001", customer="erp:7", payload=b"f")

    known = ledger.contacts.get(ACCOUNT, NORTE)
    assert known is not None
    assert (known.contact_id, known.payload, known.open_since, known.lease_owner) == (
        "5001",
        b"f",
        None,
        None,
    )
    assert ledger.contacts.claim(ACCOUNT, NORTE) is not None
    assert ledger.contacts.claim(ACCOUNT, "tax:other") is not None
    assert ledger.contacts.claim("other", NORTE) is not None


def test_threads_that_ask_at_once_are_told_each_what_they_asked_for(ledger: Ledger) -> None:
    accounts, numbers = (ACCOUNT, "other"), [f"tax:{number}" for number in range(4)]
    questions = [(account, number) for account in accounts for number in numbers] * 4
    for account, number in questions[:8]:
        link = ledger.contacts.claim(account, number)
        assert link is not None
        ledger.contacts.store(link, contact_id=f"{account} {number}", customer="erp:7", payload=None)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda asked: ledger.contacts.known(asked[0], [asked[1], "tax:none"]), questions))

    told = [{number: link.contact_id for number, link in answer.items()} for answer in answers]
    assert told == [{number: f"{account} {number}"} for account, number in questions]


def test_letting_go_keeps_the_question_open_and_the_looks_counted(ledger: Ledger) -> None:
    link = ledger.contacts.claim(ACCOUNT, NORTE)
    assert link is not None
    ledger.contacts.release(ledger.contacts.look(ledger.contacts.begin(link)))

    again = ledger.contacts.claim(ACCOUNT, NORTE)

    assert again is not None
    assert (again.open_since, again.looks) == (NOON, 1)
    settled = ledger.contacts.not_created(again)
    assert (settled.open_since, settled.looks) == (None, 0)


def test_a_lapsed_right_goes_to_another_and_the_old_holder_changes_nothing(ledger: Ledger, clock: FakeClock) -> None:
    stale = ledger.contacts.claim(ACCOUNT, NORTE)
    assert stale is not None
    clock.advance(76)
    fresh = ledger.contacts.claim(ACCOUNT, NORTE)
    assert fresh is not None

    writes: list[Callable[[], object]] = [
        lambda: ledger.contacts.begin(stale),
        lambda: ledger.contacts.look(stale),
        lambda: ledger.contacts.not_created(stale),
        lambda: ledger.contacts.store(stale, contact_id="1", customer="erp:7", payload=b"f"),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()
    ledger.contacts.release(stale)

    assert ledger.contacts.get(ACCOUNT, NORTE) == fresh
    assert fresh.leased_until == NOON + timedelta(seconds=76 + 75)


def test_the_right_of_a_dead_process_is_free_at_once(ledger: Ledger) -> None:
    from tests.ledger.test_rescue import dead_owner

    assert ledger.contacts.claim(ACCOUNT, NORTE) is not None
    with ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE contact_link SET lease_owner = '{dead_owner()}'")

    assert ledger.contacts.claim(ACCOUNT, NORTE) is not None


def test_to_claim_a_contact_says_nothing_of_when_it_was_told(ledger: Ledger, clock: FakeClock) -> None:
    link = ledger.contacts.claim(ACCOUNT, NORTE)
    assert link is not None
    ledger.contacts.store(link, contact_id="5001", customer="erp:7", payload=b"f")

    clock.advance(100)
    assert ledger.contacts.claim(ACCOUNT, NORTE) is not None

    assert ledger.contacts.told_at(ACCOUNT, "5001") == NOON


def test_a_forgotten_contact_is_looked_for_anew(ledger: Ledger) -> None:
    link = ledger.contacts.claim(ACCOUNT, NORTE)
    assert link is not None
    ledger.contacts.store(link, contact_id="5001", customer="erp:7", payload=b"f")

    ledger.contacts.forget(ACCOUNT, "5001")

    known = ledger.contacts.get(ACCOUNT, NORTE)
    assert known is not None
    assert (known.contact_id, known.payload) == (None, None)
    assert rows(ledger, "SELECT count(*) FROM contact_link") == [(1,)]
