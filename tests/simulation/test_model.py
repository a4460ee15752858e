"""The product against a tiny model: issued at most once, never forgotten; whatever order things happen in.

Real ledger, discovery, journey and steps; B2Brouter, ERP and the clock are scripted. After every rule the history
is judged, and so is what the ledger knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from connector.discovery import Discovery, Source
from connector.domain.identity import file_reference
from connector.domain.job import Effect, Stage, Status
from connector.ledger.actions import HOLD, RELEASE, RETRY, SKIP, Act
from connector.ledger.queries import Filter
from tests.simulation.checker import forgotten, judge
from tests.simulation.faults import (
    EDIT,
    GONE,
    GONE_AFTER,
    KILL,
    LONG,
    READ_FAULTS,
    SHORT,
    WRITE_FAULTS,
    Done,
    Fault,
)
from tests.simulation.remote import Conditions
from tests.simulation.world import ACCOUNT, SOURCE, ErpOfProcess, Process, RealLedger, World, staged
from tests.support.builders import invoice, line, with_lines

WRITES = ("create_contact", "create_invoice", "send_invoice", "delete_invoice")
READS = ("find_contacts", "find_invoices", "read_invoice")
LEDGER = ("lease", "claim", "begin", "store", "advance", "look", "close_intent", "settle")

STRIKES = st.one_of(
    st.tuples(st.sampled_from(WRITES), st.sampled_from((KILL, LONG, SHORT, EDIT, *WRITE_FAULTS))),
    st.tuples(st.sampled_from(READS), st.sampled_from((KILL, LONG, *READ_FAULTS))),
    st.tuples(st.sampled_from(LEDGER), st.sampled_from((KILL, LONG, SHORT, GONE, GONE_AFTER))),
    st.tuples(st.sampled_from(("load", "record")), st.sampled_from((KILL, LONG, GONE))),
)
"""What goes wrong, and at the next operation of which name."""


class Issuing(RuleBasedStateMachine):
    """Users, operators, workers and misfortune, in any order."""

    keys = Bundle("keys")

    @initialize(guard=st.booleans())
    def open(self, guard: bool) -> None:
        self.stage = ExitStack()
        self.stage.enter_context(staged())
        self.real = RealLedger()
        # Without a guard of the server's own, a pause after the last check is nobody's fault: left out there.
        self.guard = guard
        conditions = Conditions(name="model", number_guard=guard, send_guard=guard, late=60.0)
        self.world = World([], conditions=conditions, ledger=self.real)
        self.eyes = Process(self.world, "eyes")
        self.discovery = Discovery(self.real.ledger, clock=self.world.clock, overlap=900.0, sweep_every=86400.0)
        self.source = Source(
            name=SOURCE,
            adapter=ErpOfProcess(self.eyes, self.world.erp),
            since=None,
            companies=None,
            account_of=lambda company: ACCOUNT,
        )
        self.ever: set[str] = set()  # all that was ever confirmed: none of it may be forgotten

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.real.close()
            self.stage.close()

    # ------------------------------------------------------------ users of the ERP

    @rule(target=keys)
    def confirm(self) -> str:
        key = str(len(self.world.erp.documents) + 1)
        self._stands(key, invoice(key))
        self._discover()
        self.ever.add(key)
        return key

    @rule(key=keys, price=st.sampled_from(("110.00", "120.00")))
    def edit(self, key: str, price: str) -> None:
        self._stands(key, with_lines(self.world.erp.documents[key], line(price)))

    @rule(key=keys)
    def back_to_draft(self, key: str) -> None:
        self._stands(key, replace(self.world.erp.documents[key], confirmed=False))

    @rule(key=keys)
    def confirm_again(self, key: str) -> None:
        self._stands(key, replace(self.world.erp.documents[key], confirmed=True))

    def _stands(self, key: str, document: Any) -> None:
        self.world.clock.advance(1.0)
        self.world.erp.documents[key] = document
        self.world.erp.changed_at[key] = self.world.clock.now()

    @rule()
    def discover(self) -> None:
        self._discover()

    def _discover(self) -> None:
        self.discovery.discover(self.source)

    # ------------------------------------------------------------ workers and misfortune

    @rule()
    def work(self) -> None:
        self.world.round()

    @rule(strike=STRIKES)
    def work_and_meet(self, strike: tuple[str, Fault]) -> None:
        if strike[1].gap and not self.guard:
            return
        self.world.awaited.append(strike)
        self.world.round()
        self.world.awaited.clear()

    @rule(seconds=st.sampled_from((1.0, 5.0, 40.0, 80.0, 200.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.server.land()

    # ------------------------------------------------------------ people

    @rule(key=keys, act=st.sampled_from((RETRY, HOLD, RELEASE, SKIP)))
    def somebody_acts(self, key: str, act: Act) -> None:
        [job] = [job for job in self.world.jobs if job.key == key]
        actions = self.real.ledger.actions
        fitting = actions.preview(act, Filter(ids=[job.id])).fitting
        actions.perform(act, fitting, who="somebody", note="why not")

    # ------------------------------------------------------------ the model

    @invariant()
    def nothing_is_issued_twice(self) -> None:
        if hasattr(self, "world"):
            verdict = judge(self.world)
            assert (verdict.duplicates, verdict.double_sends) == (0, 0)
            assert verdict.wrong_reference == 0

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if not hasattr(self, "world"):
            return
        jobs = {job.key: job for job in self.world.jobs}
        assert set(jobs) >= self.ever
        for job in jobs.values():
            mark = file_reference(job.source, job.company, job.key)
            documents = [one for one in self.world.server.documents.values() if one.mark == mark]
            assert not forgotten(job, documents), "the ledger neither knows the document nor asks about it"
            if job.status is Status.DONE:
                assert job.key in self.world.erp.written
                assert any(document.sent_at for document in documents)
            if job.status in {Status.HELD, Status.WAITING}:
                assert job.reason
                assert job.reason != "bug"


TestIssuing = Issuing.TestCase
TestIssuing.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture
def world() -> Iterator[World]:
    ledger = RealLedger()
    with staged():
        yield World([invoice("1")], conditions=Conditions(name="no guard", number_guard=False), ledger=ledger)
    ledger.close()


@pytest.mark.parametrize("stored", [Done.STORED, Done.LATE, Done.LOST])
def test_a_question_stays_open_although_the_look_ups_fail_too(world: World, stored: Done) -> None:
    [lost] = [one for one in WRITE_FAULTS if one.name == f"time-out, {stored}"]
    unreadable = READ_FAULTS[0]
    world.awaited = [("create_invoice", lost), ("find_invoices", unreadable), ("find_invoices", unreadable)]
    for _ in range(3):
        world.round()
        [job] = world.jobs
        assert job.open_effect is Effect.CREATE
        assert job.stage is Stage.CONTACT_READY
        world.clock.advance_to(job.due_at)
    assert not world.awaited

    world.run()

    [job] = world.jobs
    assert job.status is Status.DONE
    assert len(world.server.documents) == 1
