"""Many writers on one ledger: nobody is turned away, nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text

from connector.domain.job import Event, Stage, Status
from connector.ledger import Ledger
from connector.ledger import database as databases
from connector.ledger.database import Database
from connector.ledger.tables import JobRow
from tests.support.builders import invoice
from tests.support.ledgers import ACCOUNT, add_many, settle


def work_off(url: str) -> int:
    """What a worker's process does, without the outside world."""
    ledger = Ledger(url)
    count = 0
    while leased := ledger.jobs.lease(ACCOUNT, 4):
        for job in leased:
            held = ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="5001")
            settle(ledger, held, Event.STUCK, "iban_wrong")
            count += 1
    ledger.close()
    return count


def test_sixteen_threads_write_at_once_and_none_is_turned_away(ledger: Ledger) -> None:
    add_many(ledger, 160)

    def worker(_: int) -> int:
        count = 0
        while leased := ledger.jobs.lease(ACCOUNT, 2):
            for job in leased:
                held = ledger.jobs.advance(job, Stage.CONTACT_READY, contact_id="5001")
                settle(ledger, held, Event.STUCK, "iban_wrong")
                count += 1
        return count

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(worker, range(16))) == 160
    assert ledger.queries.by_status()[Status.HELD] == 160


def test_processes_with_connections_of_their_own_write_at_once(tables_url: str, ledger: Ledger) -> None:
    add_many(ledger, 80)
    ledger.close()
    spawn = multiprocessing.get_context("spawn")

    with spawn.Pool(3) as pool:
        counts = pool.map(work_off, [tables_url] * 3)

    assert sum(counts) == 80


def test_readers_do_not_wait_for_a_writer(ledger: Ledger) -> None:
    add_many(ledger, 1)
    with ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET number = 'changed'")
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(lambda: [job.number for job in ledger.queries.find("0")]).result(timeout=5)

    assert seen == ["F-0"]


def test_whoever_leases_or_sweeps_waits_for_no_job_that_another_is_writing(ledger: Ledger) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("a file has one writer at a time")
    add_many(ledger, 3)
    [taken] = ledger.jobs.lease(ACCOUNT, 1)
    written = select(JobRow.id).where(JobRow.number.in_([taken.number, "F-1"])).with_for_update()
    with ThreadPoolExecutor(1) as pool, ledger.database.write() as connection:
        connection.execute(written)
        leased = pool.submit(lambda: ledger.jobs.lease(ACCOUNT, 3)).result(timeout=5)
        freed = pool.submit(ledger.jobs.rescue).result(timeout=5)

    assert [job.number for job in leased] == ["F-2"]
    assert freed == 0


def test_what_fails_within_a_transaction_leaves_nothing_behind(ledger: Ledger) -> None:
    class StopError(Exception):
        pass

    try:
        with ledger.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM job")
            raise StopError
    except StopError:
        pass

    add_many(ledger, 1)
    assert [job.number for job in ledger.queries.find("F-0")] == [invoice("0").number]


def test_a_connection_that_died_while_it_rested_is_replaced_unnoticed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("nobody can end a connection to a file")
    monkeypatch.setattr(databases, "_RESTED", 0.0)
    other = Database(ledger.database.url.render_as_string(hide_password=False))
    with ledger.database.read() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with other.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
    other.close()

    with ledger.database.read() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != backend


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such time-out, or another name for it")
def test_a_server_that_is_gone_in_the_midst_of_a_question_is_given_up_as_soon_as_one_that_vanished_at_rest(
    ledger: Ledger,
) -> None:
    """While a question is not acknowledged no keep-alives are sent, and the system tries for a quarter of an hour."""
    if ledger.database.is_sqlite:
        pytest.skip("a file does not vanish with a network")
    with ledger.database.read() as connection:
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver.pgconn.socket)) as ours:
            idle, pause, count, mute = (
                ours.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,
                )
            )
            assert mute == 1000 * (idle + pause * count)


def test_a_server_that_takes_long_over_a_statement_is_waited_for(
    tables_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy server still says that it got the question: it is not mute."""
    if tables_url.startswith("sqlite"):
        pytest.skip("a file has no server")
    monkeypatch.setattr(databases, "_MUTE", {**databases._MUTE, "tcp_user_timeout": 500})
    database = Database(tables_url)
    with database.write() as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(2)")).scalar_one() == 1
    database.close()


def test_what_is_written_again_and_again_stays_prepared_though_others_read_meanwhile(ledger: Ledger) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("a file has no server that prepares statements")
    database = Database(ledger.database.url.render_as_string(hide_password=False), pool_size=1)
    for number in range(10):
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM job WHERE number = %s", (str(number),))
        with database.read() as connection:
            connection.exec_driver_sql("SELECT 1")
    with database.read() as connection:
        prepared = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars().all()
    database.close()

    assert "DELETE FROM job WHERE number = $1" in prepared
