"""Whatever workers and the scheduler ask again and again is found along an index, on both databases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from connector.bench import ledgers
from connector.bench.ledger import plans
from connector.bench.statements import planned
from connector.domain.job import Status
from connector.domain.notice import INVOICE_CHANGED, Notice, notice
from connector.ledger import Ledger
from connector.ledger.actions import SKIP
from connector.ledger.queries import ATTENTION, Filter
from connector.ledger.tables import ContactLinkRow, InboxRow, JobRow
from tests.support import services
from tests.support.builders import invoice

INDEXES = {
    "a lease": {"ix_job_due", "pk_job", "INTEGER PRIMARY KEY"},
    "a sweep": {"ix_job_leased", "ix_job_status"},
    "accounts with work": {"ix_job_due"},
    "accounts with documents to mark": {"ix_job_mark_due"},
    "sources that have not been told": {"ix_job_unrecorded"},
}


@pytest.fixture(scope="module")
def _full_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("full") / "ledger.db"
    _fill(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="module")
def _full_database(postgres_server: services.PostgresServer) -> Iterator[str]:
    with postgres_server.database() as url:
        _fill(url)
        yield url


def _fill(url: str) -> None:
    with closing(Ledger(url)) as ledger:
        ledgers.fill(ledger, 20_000, told=1000)
        with ledger.database.write() as connection:
            connection.execute(text("UPDATE job SET status = 'pending' WHERE status = 'done'"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """20,000 jobs, as a first look into an ERP leaves them: nearly all of them are due. Made once, and copied."""
    with ExitStack() as stack:
        if request.param == "postgres":
            server: services.PostgresServer = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.database(request.getfixturevalue("_full_database")))
        else:
            url = f"sqlite:///{shutil.copy(request.getfixturevalue('_full_file'), tmp_path / 'ledger.db')}"
        yield stack.enter_context(closing(Ledger(url)))


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


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("sources", [[ledgers.SOURCE], [ledgers.SOURCE, "another"]])
def test_of_what_is_due_of_some_sources_no_more_is_read_than_is_taken(
    filled: Ledger, sources: list[str], known: bool
) -> None:
    """By the sources alone SQLite would read, and sort, a million that are due to take a few."""
    if known:
        with filled.database.write() as connection:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        assert len(filled.jobs.lease(ledgers.ACCOUNTS[0], 16, sources=sources)) == 16
        filled.jobs.due_accounts(sources=sources)
        filled.queries.oldest_due(sources=sources)
    looks = [line for line in lines if "on job" in line or "job USING INDEX" in line]
    looks = [line for line in looks if "Update on" not in line and "pk_job" not in line]
    several = len(sources) > 1
    assert looks
    assert all("ix_job_due" in line or (not several and "ix_job_source_due" in line) for line in looks), lines
    assert not any("(source=?)" in line for line in looks), lines


def test_whether_an_account_has_work_of_its_sources_is_seen_without_a_look_at_the_others(filled: Ledger) -> None:
    account = ledgers.ACCOUNTS[0]
    with planned(filled.database) as lines:
        assert filled.jobs.has_due(account, sources=[ledgers.SOURCE])
        assert not filled.jobs.has_due(account, sources=["another"])
        assert not filled.jobs.has_due(account, sources=[])
        assert not filled.jobs.has_due("another", sources=[ledgers.SOURCE])
    assert any("ix_job_due" in line or "ix_job_source_due" in line for line in lines), lines
    assert looked_into(lines) == []
    assert not any("RECURSIVE" in line.upper() for line in lines), lines


def test_which_paused_accounts_have_jobs_to_be_held_back_is_found_account_by_account(filled: Ledger) -> None:
    filled.accounts.pause(ledgers.ACCOUNTS[0], "outage", {})
    with planned(filled.database) as lines:
        [stopped] = filled.accounts.to_let_wait()
    assert stopped.name == ledgers.ACCOUNTS[0]
    jobs = [line for line in lines if "on job" in line or "job USING" in line or "SCAN job" in line]
    assert jobs
    assert all("ix_job_due" in line for line in jobs), lines


@pytest.mark.parametrize("known", [True, False])
def test_the_job_of_an_event_is_found_by_its_document(filled: Ledger, known: bool) -> None:
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET reference = CAST(id AS VARCHAR(20)), stage = 'recorded'"))
        if known:
            connection.execute(text("ANALYZE"))
    account = ledgers.ACCOUNTS[0]
    for number in range(20):
        filled.inbox.put(account, told(number, "issued_invoice.state_change", {"invoice_id": f"none {number}"}))
        report = {"tax_report_id": f"none {number}", "object": {"invoice_id": f"none {number}"}}
        filled.inbox.put(account, told(number, "tax_report.state_change", report))
    with planned(filled.database) as lines:
        assert filled.inbox.about_invoices(account, 500) == []
        assert filled.inbox.about_reports(account, 500) == []
    jobs = [line for line in lines if "on job" in line or "SEARCH job" in line or "SCAN job" in line]
    assert len(jobs) == 2
    assert all("ix_job_reference" in line for line in jobs), lines


def test_events_about_documents_of_others_are_not_looked_through_again_and_again(filled: Ledger) -> None:
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET reference = CAST(id AS VARCHAR(20)), stage = 'recorded'"))
    account, lately = ledgers.ACCOUNTS[0], filled.database.clock.now() - timedelta(hours=2)
    event = {"account": account, "code": INVOICE_CHANGED, "state": "sent", "received_at": lately, "body": b"{}"}
    events = [{**event, "event_id": f"none {number}", "subject": f"none {number}"} for number in range(3000)]
    with filled.database.write() as connection:
        connection.execute(InboxRow.__table__.insert(), events)
    filled.inbox.sort_out()
    filled.inbox.put(account, told(3000, "issued_invoice.state_change", {"invoice_id": "1"}))
    if not filled.database.is_sqlite:
        with filled.database.write() as connection:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        assert filled.inbox.accounts_with_news() == {account}
        assert len(filled.inbox.about_invoices(account, 500)) == 1
        assert filled.inbox.about_reports(account, 500) == []
    assert looked_into(lines) == []
    looks = [line for line in lines if "on inbox" in line or "on ix_inbox" in line or "inbox USING" in line]
    assert looks
    assert all("ix_inbox_open" in line or "Bitmap Heap" in line for line in looks), lines
    assert not any("SCAN inbox" in line for line in lines), lines
    with planned(filled.database) as lines:
        assert filled.inbox.last_of_each().keys() == {account}
    looks = [line for line in lines if "inbox" in line]
    assert looks
    assert all("ix_inbox_received" in line or "uq_inbox" in line or "autoindex" in line for line in looks), lines


@pytest.mark.parametrize("known", [True, False])
def test_reports_that_wait_for_an_authority_are_found_by_their_account(filled: Ledger, known: bool) -> None:
    now = filled.database.clock.now()
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET reference = CAST(id AS VARCHAR(20)), stage = 'recorded'"))
        connection.execute(JobRow.__table__.update().values(sent_at=now))
    account = ledgers.ACCOUNTS[0]
    filled.tax_reports.expect(account, {f"r{number}": str(number) for number in range(1, 2001)})
    with filled.database.write() as connection:
        connection.execute(text("UPDATE tax_report SET settled = (reference <> '7')"))
        if known:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        due = filled.tax_reports.due(account, sent_since=now, longest=timedelta(days=1), limit=11)
    assert due.keys() == {"r7"}
    assert any("ix_tax_report_open" in line for line in lines), lines
    assert any("ix_job_reference" in line for line in lines), lines
    assert looked_into(lines) == []


@pytest.mark.parametrize("known", [True, False])
def test_of_which_accounts_news_is_expected_is_found_account_by_account(filled: Ledger, known: bool) -> None:
    now = filled.database.clock.now()
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET reference = CAST(id AS VARCHAR(20)), sent_at = created_at"))
        connection.execute(text("UPDATE job SET remote_state = 'sent' WHERE id % 100 = 0"))
        if known:
            connection.execute(text("ANALYZE"))
    filled.tax_reports.expect(ledgers.ACCOUNTS[0], {f"r{number}": str(number) for number in range(1, 201)})
    since = now - timedelta(days=90)
    with planned(filled.database) as lines:
        found = filled.following.sent([*ledgers.ACCOUNTS, "another"], since=since)
    assert found.keys() == {*ledgers.ACCOUNTS}
    looks = [line for line in lines if "on job" in line or "job USING INDEX" in line]
    assert looks
    assert all("ix_job_account_sent" in line or "ix_job_reference" in line for line in looks), lines
    assert looked_into(lines) == []


@pytest.mark.parametrize("known", [True, False])
def test_which_accounts_have_anything_to_compare_is_found_by_jumps(filled: Ledger, known: bool) -> None:
    with filled.database.write() as connection:
        if known:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        assert filled.reconciliations.accounts_to_compare() == {*ledgers.ACCOUNTS}
    looks = [line for line in lines if "on job" in line or "job USING" in line]
    assert looks
    assert all("ix_job_account" in line for line in looks), lines
    assert looked_into(lines) == []


@pytest.mark.parametrize("known", [True, False])
def test_what_a_paused_source_has_due_is_found_by_the_source(filled: Ledger, known: bool) -> None:
    if known:
        with filled.database.write() as connection:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        filled.sources.pause(ledgers.SOURCE, who="ana", note="month end", until=None)
    assert any("ix_job_source_due" in line for line in lines), lines
    assert looked_into(lines) == []


def told(number: int, code: str, about: dict[str, Any]) -> Notice:
    data = {"event_id": number, "state": "sent", **about}
    return notice(json.dumps({"code": code, "triggered_at": 1768478400, "data": data}).encode())


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


def test_what_is_left_lying_is_found_by_jumps_and_what_is_overdue_among_what_is_under_way(filled: Ledger) -> None:
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET status = 'done', stage = 'recorded' WHERE id % 25 <> 0"))
        if not filled.database.is_sqlite:  # which nobody tells what its tables hold
            connection.execute(text("ANALYZE"))
    now = filled.database.clock.now()
    with filled.database.write() as connection:
        connection.execute(text("UPDATE job SET status = 'pending' WHERE status = 'running'"))
    with planned(filled.database) as lines:
        lying = filled.ages.left_lying({name: [ledgers.SOURCE] for name in ledgers.ACCOUNTS})
        late = filled.ages.overdue(found_before=now)
    with filled.database.read() as connection:
        due = select(func.min(JobRow.due_at)).where(JobRow.status == Status.PENDING)
        assert min(lying.values()) == connection.execute(due).scalar_one()
    assert late
    assert any("ix_job_source_due" in line for line in lines), lines
    assert looked_into(lines) == []


@pytest.mark.parametrize("known", [True, False])
def test_whether_a_document_needs_a_contact_is_found_by_the_contact(filled: Ledger, known: bool) -> None:
    now = filled.database.clock.now()
    link = {"taken": False, "looks": 0, "fence": 0, "updated_at": now - timedelta(days=800)}
    links = [
        {"account": ledgers.ACCOUNTS[0], "identity": str(number), "contact_id": str(number), **link}
        for number in range(1000)
    ]
    with filled.database.write() as connection:
        connection.execute(ContactLinkRow.__table__.insert(), links)
        connection.execute(text("UPDATE job SET contact_id = CAST(id % 1000 AS VARCHAR(20))"))
        if known:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        erased = filled.erasure.erase(now, who="ana", note="kept long enough").contacts
    needed = select(JobRow.contact_id).where(JobRow.account == ledgers.ACCOUNTS[0]).distinct()
    with filled.database.read() as connection:
        kept = set(connection.execute(select(ContactLinkRow.contact_id)).scalars())
        assert kept == set(connection.execute(needed).scalars()) & {str(number) for number in range(1000)}
    assert erased == 1000 - len(kept)
    assert any("ix_job_contact" in line for line in lines), lines


@pytest.mark.parametrize("known", [True, False])
def test_what_needs_a_person_is_found_without_a_look_at_the_rest(filled: Ledger, known: bool) -> None:
    if known:
        with filled.database.write() as connection:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        assert sum(cause.count for cause in filled.queries.causes()) == 100
        assert len(filled.queries.page(ATTENTION, after=None, limit=50).jobs) == 50
        assert len(list(filled.outbox.cases(["original_waiting"]))) == 100
    assert any("ix_job_status" in line for line in lines), lines
    assert looked_into(lines) == []


def test_the_cases_that_are_left_out_are_found_without_a_look_at_what_is_done(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    ledgers.fill(ledger, 60_000, told=10_000)
    with planned(ledger.database) as lines:
        assert list(ledger.bulks.fitting(SKIP, Filter(status=Status.DONE))) == []
    ledger.close()
    assert any("ix_job_status_reason" in line or "ix_job_reason" in line for line in lines), lines
    assert looked_into(lines) == []


@pytest.mark.parametrize("known", [True, False])
def test_what_numbers_jobs_claim_is_found_by_the_jobs_among_a_few_thousand(filled: Ledger, known: bool) -> None:
    jobs = filled.jobs.lease(ledgers.ACCOUNTS[0], 1, sources=[ledgers.SOURCE])
    with filled.database.write() as connection:
        connection.execute(
            text("INSERT INTO number_claim (account, number_key, job_id) SELECT account, number, id FROM job")
        )
        if known:
            connection.execute(text("ANALYZE"))
    with planned(filled.database) as lines:
        filled.jobs.claim(jobs[0], invoice(number="another"))
    assert any("ix_number_claim_job_id" in line for line in lines), lines
    assert not [line for line in lines if "Seq Scan on number_claim" in line or "SCAN number_claim" in line], lines
