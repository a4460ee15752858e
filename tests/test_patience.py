"""An ERP that answers slowly, in its own time: its documents wait for it, and nobody takes them for crashed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from connector.domain.decision import Policy
from connector.domain.errors import LeaseLostError
from connector.domain.job import Stage, Status
from connector.ledger import Ledger, schema
from connector.patience import LONGEST, Patience
from tests.support.builders import invoice
from tests.support.house import House, Opener
from tests.support.ledgers import lease_one

STEP = 20.0


def slowly(house: House, seconds: float) -> Callable[[], None]:
    """What a question lasts, while the scheduler makes its rounds and the worker's other thread goes on."""

    def act() -> None:
        for _ in range(int(seconds / STEP)):
            house.advance(STEP)
            house.journey.patience.show_life()
            house.ledger.jobs.rescue()

    return act


SLOW_QUESTIONS = [
    pytest.param("identity", 1, id="which database it is"),
    pytest.param("load", 1, id="the documents of a batch"),
    pytest.param("companies", 1, id="its companies"),
    pytest.param("load", 2, id="a document once more, before it is sent"),
    pytest.param("record", 1, id="the write-back"),
]


@pytest.mark.parametrize(("method", "call"), SLOW_QUESTIONS)
def test_a_document_whose_erp_takes_longer_than_a_lease_lasts_is_issued_all_the_same(
    open_house: Opener, method: str, call: int
) -> None:
    house = open_house()
    house.take_in(invoice("1"))
    house.erp.calls.clear()
    seen = []
    house.erp.at(method, call, slowly(house, 4 * house.ledger.jobs.lease_seconds))
    house.erp.at(method, call, lambda: seen.append(method))
    house.run()

    assert seen == [method]
    house.assert_issued("1")
    assert "lease_lapsed" not in house.told()


@pytest.mark.parametrize(("method", "call"), [("load", 1), ("load", 2), ("record", 1)])
def test_one_that_takes_for_ever_is_down_and_named_and_its_documents_wait_for_it(
    open_house: Opener, method: str, call: int
) -> None:
    house = open_house()
    house.take_in(invoice("1"))
    for number in range(4):  # more often than a job may lose its holder
        house.erp.at(method, call + number, slowly(house, LONGEST + 2 * STEP))
    house.drain()

    job = house.job()
    assert (job.status, job.reason) == (Status.PENDING, "erp_unavailable")
    assert "source erp has not answered within 10 minutes" in (job.message or "")
    assert job.lapses == 0

    house.run(86400)
    house.assert_issued("1")
    assert "lease_lapsed" not in house.told()


def test_a_process_that_waits_for_an_erp_keeps_its_leases_and_one_that_waits_for_nothing_loses_them(
    tables: Ledger,
) -> None:
    job = lease_one(tables)
    patience = Patience(tables, clock=tables.database.clock, policy=Policy())
    with patience.with_erp("erp", [job]):
        end = time.monotonic() + 3 * tables.jobs.lease_seconds
        while time.monotonic() < end:
            assert tables.jobs.rescue() == 0
            time.sleep(0.05)
    assert tables.jobs.advance(job, Stage.CONTACT_READY).stage is Stage.CONTACT_READY

    time.sleep(tables.jobs.lease_seconds + 0.1)
    assert tables.jobs.rescue() == 1
    with pytest.raises(LeaseLostError):
        tables.jobs.advance(job, Stage.CONTACT_READY)


def test_however_many_wait_one_thread_of_the_process_looks_after_them(tables: Ledger) -> None:
    def watchmen() -> int:
        return sum(thread.name == "patience" for thread in threading.enumerate())

    with ExitStack() as stack:
        for _ in range(20):
            patience = Patience(tables, clock=tables.database.clock, policy=Policy())
            stack.enter_context(patience.with_erp("erp", []))
        assert watchmen() == 1


@pytest.fixture
def tables(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", lease_seconds=1.5)
    schema.upgrade(ledger.database)
    return ledger
