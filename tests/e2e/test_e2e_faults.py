"""Acceptance: lost answers, refusals and `kill -9` leave every valid invoice issued once, and none unexplained."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.checks import explained, reasons, see_that_the_audit_is_clean, valid
from tests.e2e.conftest import Installer
from tests.e2e.documents import HELD, compare, received_by
from tests.e2e.erp import Erp
from tests.e2e.installation import ROUNDS, Installation, Running, until

HASTY = {"timeout": 2, "quiet_time": 3}
ENOUGH = 40.0


def storm(server: SimulatorServer) -> None:
    """A fifth of all answers lost after storing, a tenth each of 503 and 429."""
    server.world.faults.add("drop_after", probability=0.2, times=None)
    server.world.faults.add("unavailable_before", probability=0.1, times=None)
    server.world.faults.add("rate_limit", probability=0.1, times=None)


def see_that_all_is_done(erp: Erp, it: Installation, server: SimulatorServer) -> None:
    jobs = it.jobs()
    assert reasons(erp, jobs) == HELD[erp.version]
    compare(valid(erp), received_by(server.world))
    see_that_the_audit_is_clean(server)
    explained(it, jobs)
    rows = erp.moves()
    for key, job in jobs.items():
        there = (rows[key]["x_b2b_reference"], rows[key]["x_b2b_xref"])
        done = job["status"] == "done"
        assert there == ((job["reference"], job["xref"]) if done else (None, None)), job


@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(True, id="number guard on", marks=pytest.mark.slow),
        pytest.param(False, id="number guard off"),
    ],
)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_two_passes_through_a_storm_issue_every_valid_invoice_once(
    erp19: Erp, install: Installer, guard: bool, seed: int
) -> None:
    with SimulatorServer(seed=100 + seed) as server:
        server.world.switches.set({"number_guard": guard})
        storm(server)
        it = install(server.base_url, erp19.url, **HASTY)

        it.sync(patience=ENOUGH)
        it.sync(patience=ENOUGH)

        see_that_all_is_done(erp19, it, server)


@pytest.mark.skipif(ROUNDS == 1, reason="E2E_ROUNDS=2 or more runs it")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_same_against_other_readings_of_the_api(erp17: Erp, install: Installer, seed: int) -> None:
    """Lists that lag, ids and amounts as text, nothing wrapped, empty answers; and answers cut or garbled."""
    with SimulatorServer(seed=200 + seed) as server:
        server.world.switches.set(
            {
                "number_filter": "prefix",
                "list_lag": 0.5,
                "wrapped": False,
                "ids": "strings",
                "amounts": "strings",
                "send_answer": "empty",
                "delete_answer": "empty",
                "second_send": "accepted",
                "contact_guard": "off",
                "number_guard": False,
            }
        )
        for kind in ("drop_midway", "garbage", "html", "truncated", "unavailable_after"):
            server.world.faults.add(kind, method="POST", probability=0.06, times=None)
        server.world.faults.add("error_after", status=500, probability=0.04, times=None)
        server.world.faults.add("late_commit", method="POST", probability=0.05, seconds=1.5, times=None)
        it = install(server.base_url, erp17.url, **HASTY)

        it.sync(patience=ENOUGH)
        it.sync(patience=ENOUGH)

        see_that_all_is_done(erp17, it, server)


# ---------------------------------------------------------------- kill -9, which `make torture` does a hundred times


def calls(server: SimulatorServer) -> int:
    return sum(1 for entry in server.world.journal if entry.operation)


def kill_in_the_middle(
    process: Running, server: SimulatorServer, chance: random.Random, *, longest: float = 4
) -> None:
    """Kill a process after some of its calls, at any point of one."""
    target = calls(server) + chance.randint(0, 25)
    began = monotonic()
    late = chance.random() * 0.05

    def enough() -> bool:
        return calls(server) >= target or not process.running or monotonic() - began > longest

    until(enough, within=longest + 5, every=0.002)
    began = monotonic()
    until(lambda: monotonic() - began > late, within=5, every=0.001)
    process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sync", "run"])
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_kill_9_of_a_process_at_random_moments_and_a_restart(
    erp19: Erp, install: Installer, command: str, seed: int
) -> None:
    chance = random.Random(f"{command} {seed}")
    with SimulatorServer(seed=300 + seed) as server:
        server.world.switches.set({"latency": 0.02, "number_guard": seed % 2 == 0})
        it = install(server.base_url, erp19.url, threads=4, **HASTY)
        for _ in range(3 + 2 * ROUNDS):
            kill_in_the_middle(it.start(command), server, chance)

        it.sync(patience=ENOUGH)

        see_that_all_is_done(erp19, it, server)
        assert it.leased() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_kill_9_of_workers_and_scheduler_at_random_moments_and_a_restart(
    erp19: Erp, install: Installer, postgres_url: str, redis_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    with SimulatorServer(seed=400 + seed) as server:
        server.world.switches.set({"latency": 0.02, "number_guard": seed % 2 == 0})
        it = install(server.base_url, erp19.url, ledger_url=postgres_url, broker_url=redis_url, threads=4, **HASTY)
        assert it.run("db", "upgrade").status == 0
        starters: list[Callable[[], Running]] = [
            lambda: it.start("scheduler"),
            lambda: it.start("worker", name="worker1"),
            lambda: it.start("worker", name="worker2"),
        ]
        crew = [start() for start in starters]
        until(lambda: calls(server) > 0, within=40, what="no worker begins")
        for _ in range(2 + 3 * ROUNDS):
            place = chance.randrange(len(crew))
            kill_in_the_middle(crew[place], server, chance, longest=3)
            crew[place] = starters[place]()

        until(lambda: it.at_rest(37), within=200, what="never at rest")
        for process in crew:
            process.stop()
        see_that_all_is_done(erp19, it, server)
        assert it.leased() == []
