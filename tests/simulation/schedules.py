"""All schedules of one scenario: without a fault, with each single one, with every pair; triples by lot."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from connector.domain.invoice import Invoice
from connector.domain.job import Status
from tests.simulation.checker import Verdict, judge
from tests.simulation.faults import Fault, Site
from tests.simulation.remote import Conditions
from tests.simulation.world import RealLedger, Trace, World
from tests.support.builders import invoice, line, with_lines

Plan = Mapping[int, Fault]
Faults = Mapping[Site, Sequence[Fault]]

DOCUMENT = invoice("1")
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
    world = World(documents, conditions=conditions, plan=plan, ledger=ledger, edited={"1": EDITED})
    world.finish()
    return Ending(
        plan=plan,
        verdict=judge(world),
        trace=world.trace,
        status=tuple(job.status for job in world.jobs),
        held_for=tuple(job.reason or "?" for job in world.held),
    )


def options(trace: Trace, faults: Faults, after: int = -1) -> Iterator[tuple[int, Fault]]:
    """Everything that can go wrong after an operation of a trace."""
    for index in range(after + 1, len(trace)):
        place = trace[index]
        if place is not None:
            for fault in faults.get(place[1], ()):
                yield index, fault


@dataclass(slots=True)
class Tally:
    """What many schedules came to."""

    schedules: int = 0
    held: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)  # with a pause after the last check
    examples: list[str] = field(default_factory=list)

    def add(self, ending: Ending, *, excuse: bool) -> None:
        self.schedules += 1
        self.held.update(ending.held_for)
        broken = ending.verdict.broken
        if not broken:
            return
        if excuse and ending.gap and set(broken) <= {"duplicates", "double_sends", "contacts_twice", "lost"}:
            self.excused.update(broken)
            return
        self.broken.update(broken)
        if len(self.examples) < 20:
            self.examples.append(f"{', '.join(broken)}: {ending.told}")

    def merge(self, other: Tally) -> None:
        self.schedules += other.schedules
        self.held += other.held
        self.broken += other.broken
        self.excused += other.excused
        self.examples = [*self.examples, *other.examples][:20]
