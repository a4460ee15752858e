"""Mutants of the protocol: each takes one safeguard out of the running code, and the judge must notice.

A checker that has never failed proves nothing. `make mutants` prints the table; the nightly run requires it. Every
mutant meets every single fault on the product's own ledger, and the pairs of a lost answer and a failing look-up,
until a promise is broken.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest import mock

from sqlalchemy import Dialect

from connector.b2brouter import outcome
from connector.domain.errors import NotSentError
from connector.domain.job import Effect
from connector.ledger import pen
from connector.ledger.contacts import ContactLink, Contacts
from connector.ledger.jobs import Jobs
from connector.ledger.records import Job
from connector.ports import RemoteInvoice
from connector.steps import create, look_up, make_contact, send, verify
from connector.steps.case import Case
from tests.simulation.faults import FEW
from tests.simulation.remote import Conditions
from tests.simulation.schedules import PROMISES, Ending, Promise, Tally, options, play
from tests.simulation.world import RealLedger, staged

Change = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One safeguard that is missing."""

    name: str
    changes: Callable[[], Sequence[Change]]

    @contextmanager
    def applied(self) -> Iterator[None]:
        with ExitStack() as stack:
            for target, name, value in self.changes():
                stack.enter_context(mock.patch.object(target, name, value))
            yield


# ---------------------------------------------------------------- the mutants


def _no_intent() -> Sequence[Change]:
    real = Jobs.begin

    def begin(self: Jobs, job: Job, effect: Effect, **values: Any) -> Job:
        told = real(self, job, effect, **values)
        self.close_intent(told, outcome="forgotten")  # bytes and fingerprint are kept, the question is not
        return told

    def begin_contact(self: Contacts, link: ContactLink) -> ContactLink:
        return replace(link, open_since=self._database.clock.now())

    return [(Jobs, "begin", begin), (Contacts, "begin", begin_contact)]


def _look_up_ignored() -> Sequence[Change]:
    def nothing(case: Case, *, asked_before: bool) -> RemoteInvoice | None:
        return None

    def new(case: Case) -> str:
        return "new"

    return [(create, "find_ours", nothing), (send, "_state", new)]


def _not_found_believed() -> Sequence[Change]:
    def at_once(*, waited: float, looks: int, quiet_time: float) -> float | None:
        return None

    return [(module, "pause_before_next", at_once) for module in (look_up, make_contact)]


def _no_quiet_time() -> Sequence[Change]:
    real = look_up.pause_before_next

    def hasty(*, waited: float, looks: int, quiet_time: float) -> float | None:
        return real(waited=waited, looks=looks, quiet_time=0.0)

    return [(module, "pause_before_next", hasty) for module in (look_up, make_contact)]


def _no_lease_check() -> Sequence[Change]:
    return [(Case, "_has_room", lambda self: None)]


def _no_fence() -> Sequence[Change]:
    real = pen._guarded

    def guarded(dialect: Dialect, columns: tuple[str, ...], rows: str) -> str:
        return re.sub(r" AND job\.fence .* (?=RETURNING)", " ", real(dialect, columns, rows))

    return [(pen, "_guarded", guarded)]


def _no_comparison() -> Sequence[Change]:
    def first(case: Case, *, asked_before: bool) -> RemoteInvoice | None:
        rows = case.remote.find_invoices(case.job.number or "", issued_on=case.job.issue_date)
        return case.remote.read_invoice(rows[0].id) if rows else None

    return [(create, "find_ours", first), (verify, "_problem", lambda case, there: None)]


def _no_sweep() -> Sequence[Change]:
    return [(Jobs, "rescue", lambda self: 0)]


def _repeat_503() -> Sequence[Change]:
    rule = outcome.Rule(statuses={503}, error=NotSentError, reason="remote_unavailable")
    return [(outcome, "RULES", (rule, *outcome.RULES))]


def _time_out_is_no_effect() -> Sequence[Change]:
    everything = frozenset(outcome.Fault)
    return [(outcome, "_BEFORE_THE_REQUEST", everything)]


def _question_forgotten() -> Sequence[Change]:
    real = look_up.find_ours

    def find(case: Case, *, asked_before: bool) -> RemoteInvoice | None:
        try:
            return real(case, asked_before=asked_before)
        except NotSentError:
            if asked_before:
                case.settle_intent("not_sent")
            raise

    return [(create, "find_ours", find)]


def _send_repeated_blindly() -> Sequence[Change]:
    return [(send, "_settle", send._post)]


MUTANTS: Final[Sequence[Mutant]] = (
    Mutant(name="no intent is committed", changes=_no_intent),
    Mutant(name="the look-up's finding is ignored", changes=_look_up_ignored),
    Mutant(name="not found is believed at the first look", changes=_not_found_believed),
    Mutant(name="no quiet time", changes=_no_quiet_time),
    Mutant(name="no lease check before the call", changes=_no_lease_check),
    Mutant(name="no fence at the ledger's writes", changes=_no_fence),
    Mutant(name="nothing is compared before it is adopted or sent", changes=_no_comparison),
    Mutant(name="no sweep for lapsed leases", changes=_no_sweep),
    Mutant(name="503 counts as not carried out", changes=_repeat_503),
    Mutant(name="a time-out counts as not carried out", changes=_time_out_is_no_effect),
    Mutant(name="a failed look-up closes the question", changes=_question_forgotten),
    Mutant(name="a lost send is repeated without a look", changes=_send_repeated_blindly),
)


# ---------------------------------------------------------------- the trial

FOREIGN: Final = Promise(
    conditions=Conditions(name="somebody else's document has the number", foreign=True, send_guard=False)
)
NO_GUARD: Final = next(one for one in PROMISES if one.conditions.name.startswith("no guard at all"))
TRIALS: Final[Sequence[Promise]] = (NO_GUARD, FOREIGN)


def trial(promise: Promise, ledger: RealLedger) -> Iterator[Ending]:
    """Every single fault of its class, and what follows when the look-up after a lost answer fails."""
    conditions = promise.conditions
    base = play({}, conditions, ledger=ledger)
    yield base
    lost: list[Ending] = []
    for index, fault in options(base.trace, FEW):
        ending = play({index: fault}, conditions, ledger=ledger)
        if fault.name in {"time-out, stored", "killed during the call, stored"}:
            lost.append(ending)
        yield ending
    for ending in lost:
        [(first, fault)] = ending.plan.items()
        reads = [
            index
            for index, place in enumerate(ending.trace)
            if index > first and place is not None and place[0] in {"find_invoices", "read_invoice"}
        ]
        for second in reads[:2]:
            [unreadable] = [other for other in FEW[_READ] if other.garbage]
            yield play({first: fault, second: unreadable}, conditions, ledger=ledger)


_READ: Final = next(site for site, faults in FEW.items() if any(one.name == "unreadable answer" for one in faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one mutant."""

    name: str
    schedules: int
    caught: str  # the promise that was broken, and the schedule; empty: nobody noticed


MINOR: Final = {"contacts_twice"}
"""What does not suffice to convict a mutant: a second contact is untidy, a second invoice is the harm."""


def hunt(ledger: RealLedger, mutant: Mutant | None) -> Finding:
    """Let the judge look for a mutant; None is the product as it is, of which nothing may be found."""
    schedules = 0
    applied: AbstractContextManager[object] = mutant.applied() if mutant else nullcontext()
    with applied:
        for promise in TRIALS:
            for ending in trial(promise, ledger):
                schedules += 1
                tally = Tally()
                tally.add(ending, promise)
                broken = set(tally.broken) - (MINOR if mutant else set())
                if broken:
                    caught = f"{tally.examples[0]} ({promise.conditions.name})"
                    return Finding(name=mutant.name if mutant else "-", schedules=schedules, caught=caught)
    return Finding(name=mutant.name if mutant else "the product as it is", schedules=schedules, caught="")


def findings(mutants: Iterable[Mutant | None] = (None, *MUTANTS)) -> Iterator[Finding]:
    """Hunt the product as it is, then every mutant."""
    ledger = RealLedger()
    try:
        with staged():
            for mutant in mutants:
                yield hunt(ledger, mutant)
    finally:
        ledger.close()


def main() -> int:
    """Print the table; 0 if every mutant was caught and the product was not."""
    right = True
    for finding in findings():
        good = bool(finding.caught) != (finding.name == "the product as it is")
        right &= good
        verdict = finding.caught or "nothing broken"
        sys.stdout.write(f"{'ok  ' if good else 'BAD '} {finding.name:50} {finding.schedules:5}  {verdict}\n")
        sys.stdout.flush()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
