"""The harness itself: its crash points strike, its plans repeat, its audit finds what is wrong, and what it found."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.crashpoints import POINTS
from connector.domain.job import Effect
from connector.ledger import Ledger
from tests.e2e.installation import until
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import job_of, lease_one
from tests.support.ports import Port
from tests.torture import audit, plan
from tests.torture.erp import Books, Document, Line
from tests.torture.nursery import Nursery
from tests.torture.remote import Remote

PASSES = """
from connector.crashpoints import crashpoint
for number in range(5):
    print(number, flush=True)
    crashpoint("send", "after_request")
"""


def passing(charge: str | None) -> subprocess.CompletedProcess[str]:
    env = {"CONNECTOR_CRASH_AT": charge} if charge else {}
    return subprocess.run(
        [sys.executable, "-c", PASSES], env=env, capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip


def test_a_process_dies_at_its_crash_point_and_only_there() -> None:
    assert passing(None).returncode == 0
    assert passing("send.after_reply").returncode == 0
    dead = passing("send.after_request:3")
    assert (dead.returncode, dead.stdout.split()) == (-signal.SIGKILL, ["0", "1", "2"])


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def test_a_process_that_does_not_end_tells_where_it_is(nursery: Nursery, tmp_path: Path) -> None:
    child = nursery.start("simulator", ["simulator", "--port", "0"], tmp_path / "log", env={})
    until(lambda: child.log.exists() and "http" in child.log.read_text(), within=30)
    assert "Current thread" in child.where()
    assert child.alive


def test_a_process_that_was_born_too_late_is_not_taken_for_the_next_one(nursery: Nursery, tmp_path: Path) -> None:
    nursery.patience = 0.05
    nursery.send(signal.SIGSTOP)
    try:
        with pytest.raises(RuntimeError, match="does not answer"):
            nursery.start("late", ["--help"], tmp_path / "late", env={})
    finally:
        nursery.send(signal.SIGCONT)
        nursery.patience = 30
    child = nursery.start("version", ["--version"], tmp_path / "log", env={})
    assert child.wait(30)
    assert child.log.read_text().startswith("connector, version ")


@pytest.mark.parametrize("charge", ["send", "send.after_request:x", "send.after_request:1:2"])
def test_a_crash_point_that_does_not_exist_is_an_error(charge: str) -> None:
    assert "CONNECTOR_CRASH_AT cannot be" in passing(charge).stderr


def test_every_crash_point_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    parts = {part for name in POINTS for part in name.split(".")}
    assert [part for part in sorted(parts) if part not in text] == []


def test_a_seed_repeats_its_scenario_and_short_runs_have_every_theme() -> None:
    plans = [plan.draw(1, index, modes=plan.MODES, guards=(True, False)) for index in range(100)]
    again = plan.make(plans[17].seed, mode=plans[17].mode, guard=plans[17].guard, theme=plans[17].theme)
    assert again == plans[17]
    assert {one.theme for one in plans} == set(plan.THEMES)


# ---------------------------------------------------------------- the audit

DOCUMENT = Document(1, 1, 100, "T-1", [Line(Decimal(2), Decimal(10), "ES21")])


def evidence(folder: Path, spoil: Callable[[dict[str, Any]], None]) -> audit.Evidence:
    """One good invoice, well issued, and then spoilt."""
    remote = {"id": 7, "account_id": 1, "number": "T-1", "sent_times": 1, "total": "24.20", "type": "IssuedInvoice",
              "taxes": [{"percent": "21", "amount": "4.20"}], "fields": {"is_credit_note": False}}  # fmt: skip
    job = {"company": "1", "key": "1", "status": "done", "stage": "recorded", "reason": None, "details": None,
           "reference": "7", "xref": "b2brouter:simulator:1:7", "lease_owner": None}  # fmt: skip
    facts: dict[str, Any] = {"invoices": [remote], "job": job, "erp": {1: ("7", "b2brouter:simulator:1:7")},
                             "contacts": [{"id": 1, "account_id": 1, "tin_value": "ESX"}], "journal": []}  # fmt: skip
    spoil(facts)
    ledger = folder / "ledger.db"
    with sqlite3.connect(ledger) as connection:
        connection.execute(f"CREATE TABLE job (id INTEGER PRIMARY KEY, {', '.join(facts['job'])})")
        marks = ", ".join("?" * len(facts["job"]))
        connection.execute(f"INSERT INTO job VALUES (1, {marks})", [*facts["job"].values()])
    documents = {"invoices": facts["invoices"], "deleted_invoices": [], "contacts": facts["contacts"]}
    return audit.Evidence(
        documents, facts["journal"], facts["erp"], f"sqlite:///{ledger}", Books([], [DOCUMENT]), True, []
    )


def twice(facts: dict[str, Any]) -> None:
    facts["invoices"].append({**facts["invoices"][0], "id": 8, "sent_times": 0})


def made_twice_by_the_journal(facts: dict[str, Any]) -> None:
    effect = {"kind": "invoice", "action": "created", "number": "T-1", "account": 1}
    facts["journal"] += [{"effects": [{**effect, "id": number}]} for number in (7, 8)]


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (twice, "duplicates"),
        (made_twice_by_the_journal, "duplicates"),
        (lambda facts: facts["invoices"][0].update(sent_times=2), "double sends"),
        (lambda facts: facts["invoices"].clear(), "lost"),
        (lambda facts: facts["invoices"][0].update(sent_times=0), "lost"),
        (lambda facts: facts["erp"].update({1: (None, None)}), "lost"),
        (lambda facts: facts["invoices"][0].update(total="24.21"), "wrong totals"),
        (lambda facts: facts["invoices"][0].update(total="-24.20"), "wrong totals"),
        (lambda facts: facts["erp"].update({1: ("8", "b2brouter:simulator:1:8")}), "wrong reference"),
        (lambda facts: facts["job"].update(status="running"), "stuck"),
        (lambda facts: facts["job"].update(status="held", reason="bug"), "unexplained"),
        (lambda facts: facts["contacts"].append({**facts["contacts"][0], "id": 2}), "contacts twice"),
    ],
)
def test_the_audit_finds(tmp_path: Path, spoil: Callable[[dict[str, Any]], None], kind: str) -> None:
    assert kind in {finding.kind for finding in audit.examine(evidence(tmp_path, spoil))}


def test_the_audit_finds_nothing_where_all_is_well(tmp_path: Path) -> None:
    assert audit.examine(evidence(tmp_path, lambda facts: None)) == []


# ---------------------------------------------------------------- what it found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_quiet_time_of_a_vanished_worker_begins_when_its_lease_is_taken(
    embedded_url: str, clock: FakeClock
) -> None:
    """Its request may have left late within the lease: theme `late`, seed 76, number guard off."""
    ledger = Ledger(embedded_url, clock=clock)
    job = lease_one(ledger)
    ledger.jobs.begin(job, Effect.CREATE, payload=b"{}", invoice=invoice("1"))
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    assert job_of(ledger).open_since == clock.now() != NOON


def test_a_look_up_that_is_cut_short_does_not_begin_the_quiet_time_anew(embedded_url: str, clock: FakeClock) -> None:
    ledger = Ledger(embedded_url, clock=clock)
    job = ledger.jobs.begin(lease_one(ledger), Effect.CREATE, payload=b"{}", invoice=invoice("1"))
    ledger.jobs.look(job)
    clock.advance(ledger.jobs.lease_seconds + 1)
    ledger.jobs.rescue()
    assert job_of(ledger).open_since == job.open_since


def test_a_simulators_port_is_kept_for_it_while_it_is_down(nursery: Nursery, tmp_path: Path) -> None:
    port = Port()
    remote = Remote(port.number)
    for number in range(2):
        simulator = nursery.start(
            "simulator", ["simulator", "--port", str(port.number), "--quiet"], tmp_path / f"log-{number}", env={}
        )
        until(remote.answers, within=30)
        simulator.kill()
        assert simulator.wait(5)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port.number))
    port.release()
