"""The ledger in memory and the product's own: the same schedule, the same history, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import pytest

from connector.ledger.contacts import Contacts
from connector.ledger.jobs import Jobs
from tests.simulation.faults import FEW
from tests.simulation.remote import Conditions
from tests.simulation.schedules import DOCUMENT, EDITED, PROMISES, Plan, Promise, options, play
from tests.simulation.twin import TwinContacts, TwinJobs
from tests.simulation.world import RealLedger, World, staged
from tests.support.builders import invoice


@pytest.fixture(scope="module", autouse=True)
def _stage() -> Iterator[None]:
    with staged():
        yield


@pytest.fixture(scope="module")
def real() -> Iterator[RealLedger]:
    ledger = RealLedger()
    yield ledger
    ledger.close()


def history(plan: Plan, conditions: Conditions, ledger: RealLedger | None) -> dict[str, Any]:
    """All that one schedule left behind."""
    documents = (DOCUMENT, invoice("2"))
    world = World(documents, conditions=conditions, plan=plan, ledger=ledger, edited={"1": EDITED})
    world.finish()
    return {
        "trace": world.trace,
        # Rows are numbered on from one schedule to the next by the real one.
        "jobs": [{**asdict(job), "id": None} for job in world.jobs],
        "contacts": [asdict(link) for link in world.ledger.links()],
        "stored": [(one.id, one.body, one.state, one.sent_at) for one in world.server.documents.values()],
        "erp": world.erp.written,
        "held": [job.reason for job in world.held],
    }


@pytest.mark.parametrize(
    ("twin", "product", "not_needed"),
    [(TwinJobs, Jobs, {"due_accounts", "has_due", "hasten", "remember_original"}), (TwinContacts, Contacts, set())],
    ids=["jobs", "contacts"],
)
def test_the_twin_has_every_method_of_the_product(twin: type, product: type, not_needed: set[str]) -> None:
    methods = {name for name, value in vars(product).items() if callable(value) and name[0] != "_"}
    assert methods - not_needed == {name for name in methods if callable(getattr(twin, name, None))}


def schedules(conditions: Conditions, *, every: int) -> Iterator[Plan]:
    """Every so many single faults, and a pair that begins with each of them."""
    base = play({}, conditions, documents=(DOCUMENT, invoice("2")))
    yield {}
    for first, fault in list(options(base.trace, FEW))[::every]:
        yield {first: fault}
        single = play({first: fault}, conditions, documents=(DOCUMENT, invoice("2")))
        seconds = list(options(single.trace, FEW, first))
        if seconds:
            second, other = seconds[(first * 31) % len(seconds)]
            yield {first: fault, second: other}


SAME: Final = (PROMISES[0], PROMISES[5])


@pytest.mark.no_cover
@pytest.mark.parametrize("promise", SAME, ids=lambda promise: promise.conditions.name)
def test_both_ledgers_lead_to_the_same_history(promise: Promise, real: RealLedger) -> None:
    for plan in schedules(promise.conditions, every=23):
        assert history(plan, promise.conditions, real) == history(plan, promise.conditions, None), plan


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.conditions.name)
def test_both_ledgers_lead_to_the_same_history_after_every_single_fault(promise: Promise, real: RealLedger) -> None:
    for plan in schedules(promise.conditions, every=1):
        assert history(plan, promise.conditions, real) == history(plan, promise.conditions, None), plan
