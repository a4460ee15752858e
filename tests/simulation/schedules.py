"""All schedules of one scenario: without a fault, with each single one, with every pair; triples by lot."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from connector.domain.invoice import Attachment, Invoice, LegalId, Party
from connector.domain.job import Status
from tests.simulation.checker import Verdict, judge
from tests.simulation.faults import ALL, FEW, Fault, Site
from tests.simulation.remote import Conditions
from tests.simulation.world import RealLedger, Trace, World, as_a_file
from tests.support.builders import invoice, line, with_lines

Plan = Mapping[int, Fault]
Faults = Mapping[Site, Sequence[Fault]]

DOCUMENT = invoice("1")
UNIVERSITY = Party(
    key="9",
    name="UNIVERSITE D AIX MARSEILLE",
    country="FR",
    legal_ids=(LegalId(scheme="0009", value="13001533200013"),),
    address="58 BD CHARLES LIVON",
    city="MARSEILLE 7",
    is_public_body=True,
)
FOR_A_UNIT = invoice("1", buyer=UNIVERSITY, buyer_reference="ESR_MISSION", purchase_order="0123456")
FILE = as_a_file(DOCUMENT)
WITH_FILE = invoice("1", attachments=(Attachment(name="F-1.pdf", size=9, digest="1"),))
WITH_FILES = invoice("1", attachments=(*WITH_FILE.attachments, Attachment(name="a.csv", size=3, digest="2")))
EDITED = replace(with_lines(DOCUMENT, line("250.00")), note="edited")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one schedule ended."""

    plan: Plan
    verdict: Verdict
    trace: Trace
    status: tuple[Status, ...]
    held_for: tuple[str, ...]
    error: str = ""

    @property
    def told(self) -> str:
        steps = [f"{self._name(index)} {fault}" for index, fault in sorted(self.plan.items())]
        return " + ".join(steps) or "no fault"

    def _name(self, index: int) -> str:
        place = self.trace[index] if index < len(self.trace) else None
        return f"#{index} {place[0] if place else '-'}:"

    @property
    def gap(self) -> bool:
        """Whether a worker stood still after its last check, which nobody can help."""
        return any(fault.gap for fault in self.plan.values())


def play(
    plan: Plan,
    conditions: Conditions,
    *,
    documents: Sequence[Invoice] = (DOCUMENT,),
    ledger: RealLedger | None = None,
) -> Ending:
    """Play one schedule to its end."""
    edited = as_a_file(EDITED) if any(document.file_digest for document in documents) else EDITED
    world = World(documents, conditions=conditions, plan=plan, ledger=ledger, edited={"1": edited})
    world.finish()
    return Ending(
        plan=plan,
        verdict=judge(world),
        trace=world.trace,
        status=tuple(job.status for job in world.jobs),
        held_for=tuple(job.reason or "?" for job in world.held),
    )


def options(trace: Trace, faults: Faults, after: int = -1, *, every: bool = True) -> Iterator[tuple[int, Fault]]:
    """Everything that can go wrong after an operation of a trace.

    A lost answer is followed by a dozen look-ups, one like the other. Without `every`, of what happens more than
    `ALIKE` times only the first and the last occurrences are struck.
    """
    places = [(index, trace[index]) for index in range(after + 1, len(trace))]
    times = Counter(place[0] for _, place in places if place is not None)
    seen: Counter[str] = Counter()
    for index, place in places:
        if place is None:
            continue
        name, site = place
        seen[name] += 1
        middle = _EDGE < seen[name] <= times[name] - _EDGE
        if every or times[name] <= ALIKE or not middle:
            for fault in faults.get(site, ()):
                yield index, fault


ALIKE = 6
_EDGE = 2


def pairs(
    conditions: Conditions, *, documents: Sequence[Invoice] = (DOCUMENT,), every: bool = False, step: int = 1
) -> Iterator[Ending]:
    """No fault, every single one, every pair; with a step, one of so many pairs."""
    base = play({}, conditions, documents=documents)
    yield base
    count = 0
    for first, fault in options(base.trace, FEW):
        single = play({first: fault}, conditions, documents=documents)
        yield single
        for second, other in options(single.trace, FEW, first, every=every):
            count += 1
            if count % step == 0:
                yield play({first: fault, second: other}, conditions, documents=documents)


def singles(
    conditions: Conditions,
    *,
    documents: Sequence[Invoice] = (DOCUMENT,),
    ledger: RealLedger | None = None,
    step: int = 1,
) -> Iterator[Ending]:
    """No fault, and every single one that we could think of; with a step, one of so many."""
    base = play({}, conditions, documents=documents, ledger=ledger)
    yield base
    for index, fault in islice(options(base.trace, ALL), None, None, step):
        yield play({index: fault}, conditions, documents=documents, ledger=ledger)


def by_lot(conditions: Conditions, *, faults: int, count: int, seed: int) -> Iterator[Ending]:
    """Schedules of several faults, each drawn from all that can go wrong after the one before."""
    lot = random.Random(seed)
    base = play({}, conditions)
    for _ in range(count):
        plan: dict[int, Fault] = {}
        ending, last = base, -1
        for _ in range(faults):
            choice = list(options(ending.trace, ALL, last))
            if not choice:
                break
            last, fault = lot.choice(choice)
            plan[last] = fault
            ending = play(plan, conditions)
        yield ending


MOSTLY_KEPT = frozenset({"duplicates", "double_sends", "contacts_twice"})
"""What a pause after the last check may break, where the server has no guard of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Conditions, and what is promised under them."""

    conditions: Conditions
    beyond_pauses: frozenset[str] = frozenset()  # what a pause after the last check may break
    beyond_help: frozenset[str] = frozenset()  # what theory says nobody can keep here
    step: int = 14  # on every commit, one of so many pairs; nightly all of them


PROMISES: tuple[Promise, ...] = (
    Promise(conditions=Conditions(name="guard on"), step=7),
    Promise(
        conditions=Conditions(
            name="guard on, list lags 60 s, mark not shown, look-alikes in lists",
            list_lag=60.0,
            shows_mark=False,
            strangers=True,
        )
    ),
    Promise(conditions=Conditions(name="guard on, list lags beyond the quiet time", list_lag=400.0)),
    Promise(
        conditions=Conditions(
            name="guard on, late beyond the quiet time, death seen at once", late=400.0, death_proven=True
        )
    ),
    Promise(
        conditions=Conditions(name="guard checked on arrival only, late Q/2", guard_at_arrival=True, late=90.0),
        beyond_pauses=MOSTLY_KEPT,
    ),
    Promise(
        conditions=Conditions(
            name="no guard at all, repeat, late Q/2, list lags 10 s",
            number_guard=False,
            contact_guard=False,
            send_guard=False,
            late=90.0,
            list_lag=10.0,
        ),
        beyond_pauses=MOSTLY_KEPT,
        step=7,
    ),
    Promise(
        conditions=Conditions(
            name="no number guard, hold, late and list lag beyond the quiet time",
            number_guard=False,
            send_guard=False,
            late=400.0,
            list_lag=400.0,
            repeat_unknown=False,
        ),
        beyond_pauses=MOSTLY_KEPT,
    ),
)
BEYOND: tuple[Promise, ...] = (
    Promise(
        conditions=Conditions(
            name="no guard, repeat, late beyond the quiet time",
            number_guard=False,
            send_guard=False,
            late=400.0,
        ),
        beyond_pauses=MOSTLY_KEPT,
        beyond_help=MOSTLY_KEPT,
    ),
    Promise(
        conditions=Conditions(
            name="no guard, repeat, list lags beyond the quiet time",
            number_guard=False,
            send_guard=False,
            list_lag=400.0,
        ),
        beyond_pauses=MOSTLY_KEPT,
        beyond_help=MOSTLY_KEPT,
    ),
)
"""Where the operator chose to repeat although the server proved nothing: here duplicates must appear, or the
judge is blind."""


@dataclass(slots=True)
class Tally:
    """What many schedules came to."""

    schedules: int = 0
    held: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)  # with a pause after the last check
    beyond: Counter[str] = field(default_factory=Counter)  # what theory says nobody can prevent
    examples: list[str] = field(default_factory=list)

    def add(self, ending: Ending, promise: Promise) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.held.update(ending.held_for)
        broken = set(ending.verdict.broken)
        if ending.gap and broken & promise.beyond_pauses:
            self.excused["schedules"] += 1
            self.excused.update(broken & promise.beyond_pauses)
            # Of two documents, ERP and ledger can only name one.
            broken -= promise.beyond_pauses | {"lost"}
        if broken & promise.beyond_help:
            self.beyond["schedules"] += 1
            self.beyond.update(broken & promise.beyond_help)
            broken -= promise.beyond_help | {"lost"}
        if not broken:
            return
        self.broken.update(broken)
        if len(self.examples) < 20:
            self.examples.append(f"{', '.join(sorted(broken))}: {ending.told}")

    def merge(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.held += other.held
        self.broken += other.broken
        self.excused += other.excused
        self.beyond += other.beyond
        self.examples = [*self.examples, *other.examples][:20]
