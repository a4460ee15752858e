"""Whatever workers and the scheduler ask again and again is found along an index, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from connector.bench import ledgers
from connector.bench.ledger import plans
from connector.bench.statements import planned
from connector.domain.job import Status
from connector.ledger import Ledger
from connector.ledger.tables import JobRow

INDEXES = {
    "a lease": {"ix_job_due", "pk_job", "INTEGER PRIMARY KEY"},
    "a sweep": {"ix_job_leased", "ix_job_status"},
    "accounts with work": {"ix_job_due"},
    "accounts with documents to mark": {"ix_job_mark_due"},
    "sources that have not been told": {"ix_job_unrecorded"},
}


@pytest.fixture
def filled(ledger_url: str) -> Iterator[Ledger]:
    """20,000 jobs, as a first look into an ERP leaves them: nearly all of them are due."""
    ledger = Ledger(ledger_url)
    ledgers.fill(ledger, 20_000, told=1000)
    with ledger.database.write() as connection:
        connection.execute(text("UPDATE job SET status = 'pending' WHERE status = 'done'"))
    yield ledger
    ledger.close()


def see_that_indexes_are_used(ledger: Ledger) -> None:
    found = plans(ledger)
    assert found.keys() == INDEXES.keys()
    for what, lines in found.items():
        looks = [line for line in lines if "on job" in line or "job USING" in line or "SCAN job" in line]
        looks = [line for line in looks if "Update on" not in line and "Bitmap Heap" not in line]
        assert looks, (what, lines)
        for look in looks:
            assert "Seq Scan" not in look, (what, lines)
            assert any(index in look for index in INDEXES[what]), (what, look)


def test_lease_sweep_and_round_go_by_an_index_over_20_000_jobs(filled: Ledger) -> None:
    see_that_indexes_are_used(filled)
    assert filled.queries.by_status()[Status.RUNNING] == 16


def test_they_still_do_when_the_database_knows_what_the_jobs_are_like(filled: Ledger) -> None:
    with filled.database.write() as connection:
        connection.execute(text("ANALYZE"))
    see_that_indexes_are_used(filled)


def test_the_oldest_that_is_due_is_found_account_by_account(filled: Ledger) -> None:
    with filled.database.read() as connection:
        due = connection.execute(
            JobRow.__table__.select().where(JobRow.status == Status.PENDING).order_by(JobRow.due_at).limit(1)
        ).one()
    assert filled.queries.oldest_due() == due.due_at
    assert filled.queries.oldest_due(sources=[ledgers.SOURCE, "another"]) == due.due_at
    assert filled.queries.oldest_due(sources=["another"]) is None
    with planned(filled.database) as lines:
        filled.queries.oldest_due(sources=[ledgers.SOURCE])
    assert sum("ix_job_due" in line for line in lines) == sum(
        "on job" in line or "job USING" in line for line in lines
    )


def looked_into(lines: list[str]) -> list[str]:
    return [line for line in lines if "SCAN job" in line or "Seq Scan on job" in line]


def test_that_nothing_is_astray_is_seen_by_jumps(filled: Ledger) -> None:
    with planned(filled.database) as lines:
        assert filled.ages.astray({ledgers.SOURCE: ledgers.ACCOUNTS}) == {}
    assert any("ix_job_account" in line for line in lines)
    assert any("uq_job_source_company_key" in line or "sqlite_autoindex_job_1" in line for line in lines)
    assert looked_into(lines) == []
    assert not any("status" in line for line in lines)


def test_what_is_astray_is_looked_for_among_what_is_under_way(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    ledgers.fill(ledger, 100_000, told=1000)
    with planned(ledger.database) as lines:
        [(account, found)] = ledger.ages.astray({ledgers.SOURCE: ledgers.ACCOUNTS[:1]}).items()
    ledger.close()
    assert (account, found.sources) == (ledgers.ACCOUNTS[1], {ledgers.SOURCE})
    assert any("ix_job_status" in line for line in lines), lines
    assert looked_into(lines) == []
