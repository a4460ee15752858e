"""Once a week the three sides are compared without anybody asking, and people are told what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from connector.ledger.alarms import COMPLETENESS_GAP
from connector.ledger.queries import Filter
from connector.simulator import SimulatorServer
from tests.support.builders import invoice
from tests.support.office import Office

WEEK = 7 * 86400


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with SimulatorServer() as server:
        made = Office(server, tmp_path)
        made.erp.add(invoice("1"), invoice("2"))
        made.work(120)
        yield made
        made.services.close()


def gaps(office: Office) -> list[str]:
    """The accounts for which the alarm lasts."""
    return [alarm.subject for alarm in office.ledger.alarms.lasting() if alarm.code == COMPLETENESS_GAP]


@pytest.mark.slow
def test_it_is_made_soon_after_the_first_invoice_and_then_each_week(office: Office) -> None:
    office.work(2 * WEEK + 86400, every=4 * 3600)

    begun = sorted(run.started_at for run in office.ledger.reconciliations.recent())
    assert len(begun) == 3
    assert all(later - earlier >= timedelta(days=7) for earlier, later in pairwise(begun))
    assert gaps(office) == []


def test_what_is_missing_raises_an_alarm_that_ends_with_its_cause(office: Office) -> None:
    [reference, *_] = [job.reference for job in office.ledger.queries.jobs(Filter())]
    lost = office.server.world.invoices[int(reference or 0)]
    office.server.world.remove_invoice(lost)

    office.work(WEEK + 86400, every=4 * 3600)
    assert gaps(office) == ["main"]

    lost.deleted_at = None
    office.server.world.add_invoice(lost)
    office.work(WEEK + 86400, every=4 * 3600)
    assert gaps(office) == []
