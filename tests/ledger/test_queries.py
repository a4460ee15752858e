"""What people and machines ask, and how quickly the database can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Select, event, func, select, text

from connector.domain import catalogue
from connector.domain.job import Stage, Status
from connector.ledger import Ledger
from connector.ledger.jobs import _LEASED, _due
from connector.ledger.originals import FOLLOWERS, of_document
from connector.ledger.queries import Filter
from connector.ledger.tables import JobRow
from tests.support.builders import NOON, OTHER_CUSTOMER, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, add_many, advance_to, hold, jobs, lease_one, send


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (Filter(), ["1", "2", "3"]),
        (Filter(status=Status.HELD), ["2"]),
        (Filter(stage=Stage.RECORDED), ["3"]),
        (Filter(reason="iban_wrong"), ["2"]),
        (Filter(source="shop"), []),
        (Filter(remote_state="sending"), ["3"]),
        (Filter(search="dupont"), ["1"]),
        (Filter(search="f-2"), ["2"]),
        (Filter(search="100001"), ["3"]),
        (Filter(search="b2brouter:simulator:1:100001"), ["3"]),
        (Filter(search="100%"), []),
        (Filter(search="_"), []),
        (Filter(status=Status.HELD, reason="vat_number_wrong"), []),
    ],
)
def test_filters_narrow(ledger: Ledger, wanted: Filter, keys: list[str]) -> None:
    add(ledger, invoice("2"), invoice("3"))
    for job in ledger.jobs.lease(ACCOUNT, 2):
        if job.key == "2":
            hold(ledger, job, "iban_wrong")
        else:
            send(ledger, job)
    add(ledger, invoice("1", buyer=OTHER_CUSTOMER))

    assert sorted(job.key for job in ledger.queries.jobs(wanted)) == keys


def test_lists_come_by_id_in_pages_whatever_their_length(ledger: Ledger) -> None:
    add_many(ledger, 1100)
    add_many(ledger, 1100, source="shop")

    ids = [job.id for job in jobs(ledger)]

    assert len(ids) == 2200
    assert all(one < two for one, two in pairwise(ids))


def test_counts_name_every_status(ledger: Ledger) -> None:
    assert dict(ledger.queries.by_status()) == dict.fromkeys(Status, 0)
    add_many(ledger, 2)
    ledger.jobs.lease(ACCOUNT, 1)
    counts = ledger.queries.by_status()
    assert (counts[Status.PENDING], counts[Status.RUNNING]) == (1, 1)


@pytest.mark.parametrize("text_", ["F-7", "100001", "b2brouter:simulator:1:100001", "7"])
def test_a_document_is_found_by_whatever_names_it(ledger: Ledger, text_: str) -> None:
    send(ledger, lease_one(ledger, invoice("7")))
    add(ledger, invoice("8"))

    assert [job.key for job in ledger.queries.find(text_)] == ["7"]


def test_a_number_wins_over_an_id(ledger: Ledger) -> None:
    add(ledger, invoice("1", number="2"), invoice("2", number="x"))

    assert [job.key for job in ledger.queries.find("2")] == ["1"]


def test_a_search_is_narrowed_before_it_is_cut(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.ledger.queries.NAMED", 3)
    add_many(ledger, 10)
    oldest = hold(ledger, ledger.jobs.lease(ACCOUNT, 1)[0])
    held = Filter(status=Status.HELD)

    found = ledger.queries.named(oldest.customer or "", held)
    assert (found.ids, found.more) == ([oldest.id], False)
    assert ledger.queries.named(oldest.customer or "").more
    page = ledger.queries.page(replace(held, among=found), after=None, limit=50)
    assert [job.id for job in page.jobs] == [oldest.id]


def test_a_search_for_what_very_many_are_called_says_that_there_is_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.ledger.queries.LOOKED_AT", 5)
    add_many(ledger, 10)
    assert ledger.queries.named("F-", Filter(status=Status.HELD)).more
    assert not ledger.queries.named("F-9", Filter(status=Status.PENDING)).more


@pytest.mark.parametrize("odd", ["", "²", "9" * 40, "٣", "nothing", "-1", "1e3", "\x00", "\ud800"])
def test_odd_names_find_nothing_and_fail_nowhere(ledger: Ledger, odd: str) -> None:
    add(ledger, invoice("1"))

    assert ledger.queries.find(odd) == []
    assert set(ledger.queries.named(odd).ids) <= {1}


@pytest.mark.parametrize("odd", ["\x00", "\ud800"], ids=["NUL", "half a character"])
def test_a_cause_with_a_text_that_no_database_takes_means_no_job(ledger: Ledger, odd: str) -> None:
    hold(ledger, lease_one(ledger))
    parts = ["vat_number_wrong", *(odd for _ in catalogue.reason("vat_number_wrong").cause)]
    assert list(ledger.queries.jobs(Filter(cause=json.dumps(parts)))) == []


def test_what_was_sent_since_is_counted(ledger: Ledger, clock: FakeClock) -> None:
    send(ledger, lease_one(ledger, invoice("1")))
    clock.advance(60)
    send(ledger, lease_one(ledger, invoice("2")))

    assert ledger.queries.sent_since(NOON) == 2
    assert ledger.queries.sent_since(NOON + timedelta(seconds=1)) == 1


def test_what_was_sent_already_when_it_was_found_is_told_apart_from_what_we_sent(
    ledger: Ledger, clock: FakeClock
) -> None:
    def take_over(key: str) -> None:
        way = [Stage.CONTACT_READY, Stage.CREATED, Stage.VERIFIED, Stage.SENT, Stage.RECORDED]
        advance_to(ledger, lease_one(ledger, invoice(key)), way)

    take_over("1")
    clock.advance(1)
    take_over("2")
    send(ledger, lease_one(ledger, invoice("3")))

    later = NOON + timedelta(seconds=1)
    assert (ledger.queries.sent_since(later), ledger.queries.sent_already_since(later)) == (2, 1)
    assert ledger.queries.sent_already_since(NOON) == 2


def test_the_longest_waiting_due_job_tells_the_health(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.queries.oldest_due() is None
    add(ledger, invoice("1"))
    clock.advance(60)
    add(ledger, invoice("2"))

    assert ledger.queries.oldest_due() == NOON


def test_known_keys_are_told_by_company_too(ledger: Ledger) -> None:
    add(ledger, invoice("1"), invoice("2", company="2"))

    known = ledger.queries.known_keys("erp", [("1", "1"), ("1", "2"), ("2", "2"), ("9", "9")])

    assert known == {("1", "1"), ("2", "2")}


# ---------------------------------------------------------------- with 50,000 jobs


def fill(ledger: Ledger, count: int) -> None:
    """Copy one job many times within the database: most are done, every fiftieth is due."""
    add(ledger, invoice("0"))
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT i FROM n"
        if ledger.database.is_sqlite
        else "SELECT i FROM generate_series(1, :count) AS s(i)"
    )
    columns = [c.name for c in JobRow.__table__.columns if c.name not in {"id", "key", "status", "stage"}]
    names = ", ".join(columns)
    due = "CASE WHEN i % 50 = 0 THEN 'pending' ELSE 'done' END"
    stage = "CASE WHEN i % 50 = 0 THEN 'found' ELSE 'recorded' END"
    chosen = ", ".join(f"job.{name}" for name in columns)
    spread = (
        "datetime(due_at, '-' || i || ' seconds')" if ledger.database.is_sqlite else "due_at - i * interval '1 s'"
    )
    chosen = chosen.replace("job.due_at", spread)
    with ledger.database.write() as connection:
        connection.execute(
            text(
                f"INSERT INTO job (key, status, stage, {names}) "
                f"SELECT 'k' || i, {due}, {stage}, {chosen} FROM job, ({numbers}) AS many WHERE job.key = '0'"
            ),
            {"count": count},
        )
    with ledger.database.write() as connection:
        connection.execute(text("ANALYZE"))


def plan(ledger: Ledger, statement: Select[Any]) -> str:
    """How the database would go about it, with values bound as they are when it is run."""
    explain = "EXPLAIN QUERY PLAN" if ledger.database.is_sqlite else "EXPLAIN"
    seen: list[str] = []

    def explained(
        connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, executemany: bool
    ) -> tuple[str, Any]:
        return (sql if sql.startswith("BEGIN") else f"{explain} {sql}"), parameters

    engine = ledger.database.engine
    event.listen(engine, "before_cursor_execute", explained, retval=True)
    try:
        with engine.connect() as connection:
            seen = [str(tuple(row)) for row in connection.execute(statement).cursor.fetchall()]
    finally:
        event.remove(engine, "before_cursor_execute", explained)
    return "\n".join(seen)


def test_with_50_000_jobs_the_work_is_found_by_index(ledger: Ledger, clock: FakeClock) -> None:
    fill(ledger, 50_000)
    now = clock.now()
    lease = _due(suspects=False, of_sources=False).params(of_account=ACCOUNT, most=16, due_before=now, now=now)
    resting = select(JobRow.id).where(JobRow.status == Status.HELD, JobRow.reason.in_(["iban_wrong"]))
    followers = select(JobRow.id).where(FOLLOWERS).params(of_document("erp", "1", "7   "))
    number = select(JobRow.id).where(JobRow.number == "F-7")

    assert "ix_job_due" in plan(ledger, lease)
    assert "ix_job_due" in plan(
        ledger, select(func.min(JobRow.due_at)).where(JobRow.status == Status.PENDING, JobRow.account == ACCOUNT)
    )
    assert "ix_job" in plan(ledger, _LEASED)
    assert "ix_job_status_reason" in plan(ledger, resting)
    assert "ix_job_original" in plan(ledger, followers)
    assert "ix_job_number" in plan(ledger, number)
    assert len(ledger.jobs.lease(ACCOUNT, 16)) == 16
    assert ledger.queries.by_status()[Status.DONE] == 49_000
