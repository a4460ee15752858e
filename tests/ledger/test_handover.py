"""Jobs change hands in large numbers: what rests where is not read for each of a thousand sources."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.bench.throughput import tallied
from connector.ledger import Ledger, handover
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, SOURCE, add, add_many, jobs


def all_to(account: str) -> Callable[[str], str | None]:
    return lambda company: account


def test_what_rests_is_read_once_for_all_sources_that_ask_one_after_another(ledger: Ledger, clock: FakeClock) -> None:
    add(ledger, invoice("1"), source="source 0")

    with tallied(ledger.database.engine) as tally:
        for number in range(100):
            assert ledger.handover.assign(f"source {number}", all_to(ACCOUNT)) == 0
            clock.advance(0.1)
    assert tally.statements == 1

    clock.advance(60)
    with tallied(ledger.database.engine) as tally:
        ledger.handover.assign("another", all_to(ACCOUNT))
    assert tally.statements == 1


def test_a_source_that_asks_again_is_told_what_rests_by_now(ledger: Ledger) -> None:
    add(ledger, invoice("1"))
    for account in ("one", "two", ACCOUNT):
        assert ledger.handover.assign(SOURCE, all_to(account)) == 1
        assert [job.account for job in jobs(ledger)] == [account]
        assert ledger.handover.assign("another", all_to(account)) == 0


def test_more_than_fit_into_the_time_are_given_later(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_BATCH", 2)
    add_many(ledger, 5)

    assert [ledger.handover.assign(SOURCE, all_to("other"), seconds=0) for _ in range(4)] == [2, 2, 1, 0]
