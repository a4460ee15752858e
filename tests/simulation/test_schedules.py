"""The protocol on a virtual clock: every effect × every fault, all singles and all pairs, under every condition
of the server that `reliability.md` names. A failure names the schedule; `play` repeats it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from connector.domain.job import Status
from tests.simulation.checker import judge
from tests.simulation.faults import OTHER_NUMBER
from tests.simulation.schedules import (
    BEYOND,
    DOCUMENT,
    FILE,
    FOR_A_UNIT,
    PROMISES,
    UNIVERSITY,
    WITH_FILES,
    Ending,
    Promise,
    Tally,
    by_lot,
    pairs,
    play,
    singles,
)
from tests.simulation.world import QUIET, RealLedger, World, staged
from tests.support.builders import invoice

pytestmark = pytest.mark.no_cover  # measuring would take longer than the schedules


@pytest.fixture(autouse=True, scope="module")
def _stage() -> Iterator[None]:
    with staged():
        yield


@pytest.fixture(scope="module")
def real_ledger() -> Iterator[RealLedger]:
    ledger = RealLedger()
    yield ledger
    ledger.close()


def counted(endings: Iterable[Ending], promise: Promise) -> Tally:
    tally = Tally()
    for ending in endings:
        tally.add(ending, promise)
    return tally


def named(promise: Promise) -> str:
    return promise.conditions.name


GUARD_ON = PROMISES[0]


@pytest.mark.parametrize("promise", PROMISES, ids=named)
def test_every_single_fault_and_every_pair_leaves_one_document_sent_once(promise: Promise) -> None:
    tally = counted(pairs(promise.conditions, step=promise.step), promise)
    assert tally.schedules > 14_000 / promise.step
    assert not tally.broken, tally.examples


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_faults_on_the_products_own_ledger(real_ledger: RealLedger, step: int) -> None:
    tally = counted(singles(GUARD_ON.conditions, ledger=real_ledger, step=step), GUARD_ON)
    assert tally.schedules > 200 / step
    assert not tally.broken, tally.examples


def test_a_single_transient_fault_costs_nobody_any_work() -> None:
    for ending in singles(GUARD_ON.conditions):
        refused = any(fault.status in {409, 422} for fault in ending.plan.values())
        assert refused or not ending.held_for, ending.told
        assert ending.status == (Status.DONE,), ending.told


@pytest.mark.parametrize("promise", PROMISES, ids=named)
def test_two_documents_of_one_new_customer_share_a_contact_whatever_fails(promise: Promise) -> None:
    tally = Tally()
    for ending in singles(promise.conditions, documents=(DOCUMENT, invoice("2"))):
        tally.add(ending, promise)
    assert not tally.broken, tally.examples


@pytest.mark.parametrize("promise", PROMISES, ids=named)
def test_every_file_is_attached_once_before_its_document_is_sent_whatever_fails(promise: Promise) -> None:
    tally = Tally()
    for ending in singles(promise.conditions, documents=(WITH_FILES,)):
        tally.add(ending, promise)
    assert tally.schedules > 300
    assert not tally.broken, tally.examples


WITHOUT_THE_FILE = replace(GUARD_ON, conditions=replace(GUARD_ON.conditions, name="no file back", keeps_files=False))
"""B2Brouter does not give an imported file back: then all that can be compared decides."""


@pytest.mark.parametrize("promise", [*PROMISES, WITHOUT_THE_FILE], ids=named)
def test_a_document_that_is_imported_leaves_once_whatever_fails(promise: Promise) -> None:
    tally = Tally()
    for ending in singles(promise.conditions, documents=(FILE,)):
        tally.add(ending, promise)
    assert tally.schedules > 150
    assert not tally.broken, tally.examples


def test_a_judge_who_counts_files_sees_one_that_came_twice_or_never() -> None:
    world = World([WITH_FILES], conditions=GUARD_ON.conditions)
    world.finish()
    [document] = world.server.documents.values()
    assert judge(world).kept
    document.files = ["F-1.pdf", "F-1.pdf"]
    assert judge(world).broken == ("files_twice", "files_lost")


FILES = frozenset({"files_twice"})
"""Nothing at B2Brouter guards a file: one that is stored beyond the quiet time may stand beside its repetition."""


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("promise", PROMISES, ids=named)
def test_every_file_is_attached_once_whatever_pair_of_faults(promise: Promise) -> None:
    late = promise.conditions.late > QUIET
    allowed = replace(
        promise,
        beyond_pauses=promise.beyond_pauses | FILES,
        beyond_help=promise.beyond_help | (FILES if late else frozenset()),
    )
    tally = counted(pairs(promise.conditions, documents=(WITH_FILES,), step=5), allowed)
    assert not tally.broken, tally.examples


UNGUARDED = [
    replace(promise, beyond_pauses=promise.beyond_pauses | {"contacts_twice"})
    for promise in PROMISES
    if max(promise.conditions.list_lag, promise.conditions.late) < QUIET
]
"""No number of its own guards a unit, whatever the server guards: only the look-up within the quiet time does."""


@pytest.mark.parametrize("promise", UNGUARDED, ids=named)
def test_body_and_unit_are_one_contact_each_for_all_documents_whatever_fails(promise: Promise) -> None:
    second = replace(FOR_A_UNIT, key="2", number="F-2", buyer=replace(UNIVERSITY, key="10", city="AIX"))
    tally = Tally()
    for ending in singles(promise.conditions, documents=(FOR_A_UNIT, second)):
        tally.add(ending, promise)
    assert not tally.broken, tally.examples


@pytest.mark.parametrize("promise", BEYOND, ids=named)
def test_where_theory_says_nobody_can_help_the_judge_sees_it(promise: Promise) -> None:
    tally = counted(singles(promise.conditions), promise)
    assert tally.beyond["duplicates"] > 0
    assert not tally.broken, tally.examples


def test_without_a_guard_only_a_pause_after_the_last_check_makes_a_duplicate() -> None:
    [promise] = [one for one in PROMISES if one.conditions.name.startswith("no guard at all")]
    tally = counted(singles(promise.conditions), promise)
    assert tally.excused["duplicates"] == 1
    assert tally.excused["double_sends"] == 1
    assert not tally.broken, tally.examples


def test_a_document_stored_under_another_number_is_held_and_its_question_stays_open() -> None:
    base = play({}, GUARD_ON.conditions)
    [at] = [index for index, place in enumerate(base.trace) if place and place[0] == "create_invoice"]
    world = World([DOCUMENT], conditions=GUARD_ON.conditions, plan={at: OTHER_NUMBER})
    world.run()
    [job] = world.jobs
    assert (job.status, job.reason, str(job.open_effect)) == (Status.HELD, "remote_differs", "create")


# ---------------------------------------------------------------- nightly


@pytest.mark.nightly
@pytest.mark.parametrize("promise", PROMISES[1:], ids=named)
def test_every_fault_on_the_products_own_ledger_under_all_conditions(
    promise: Promise, real_ledger: RealLedger
) -> None:
    tally = counted(singles(promise.conditions, ledger=real_ledger), promise)
    assert tally.schedules > 200
    assert not tally.broken, tally.examples


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("promise", [*PROMISES, *BEYOND], ids=named)
def test_every_pair_without_exception(promise: Promise) -> None:
    tally = counted(pairs(promise.conditions, every=True), promise)
    assert not tally.broken, tally.examples


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("promise", PROMISES, ids=named)
@pytest.mark.parametrize("faults", [3, 5, 8])
def test_many_faults_by_lot(promise: Promise, faults: int) -> None:
    seed = int(os.environ.get("SEED", "1"))
    endings = by_lot(promise.conditions, faults=faults, count=5_000, seed=seed)
    tally = counted(endings, promise)
    assert not tally.broken, (f"SEED={seed}", tally.examples)
