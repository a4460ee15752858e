"""The fault matrix of the design, every cell by name: {point in time} × {effect} × {fault}.

Each cell is played with the number guard on, lagging lists, and a late commit where a request may still be on its
way; and, on the product's own ledger, with no guard at all. It must end with the invoice issued once and recorded,
without a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pytest

from connector.b2brouter.outcome import Fault as Broken
from connector.domain.invoice import Invoice
from connector.domain.job import Status
from tests.simulation.faults import GONE, GONE_AFTER, KILL, Done, Fault
from tests.simulation.remote import Conditions
from tests.simulation.schedules import DOCUMENT, FILE, FOR_A_UNIT, PROMISES, WITH_FILE, play
from tests.simulation.world import RealLedger, staged
from tests.support import services

POINTS: Final = (
    "before intent",
    "after intent before the call",
    "during the call before the server stores",
    "after the server stores before the answer",
    "after the answer before commit",
    "after commit",
)
EFFECTS: Final = ("resolve_contact", "resolve_unit", "create", "attach", "import", "send", "record")
FAULTS: Final = ("kill -9", "time-out", "reset", "5xx", "garbage", "database gone", "broker flushed")

CALLS: Final = {
    "resolve_contact": "create_contact",
    "resolve_unit": "create_contact",
    "create": "create_invoice",
    "import": "import_invoice",
    "attach": "add_attachment",
    "send": "send_invoice",
    "record": "record",
}
NEXT: Final = {
    "resolve_contact": "create_invoice",
    "resolve_unit": "create_invoice",
    "create": "send_invoice",
    "import": "send_invoice",
    "attach": "send_invoice",
    "send": "record",
}
"""The next call to another system after an effect."""

DOCUMENTS: Final = {"resolve_unit": FOR_A_UNIT, "attach": WITH_FILE, "import": FILE}

NO_HTTP: Final = "An ERP is a database: it answers with no HTTP status and no body that could be garbage."
ONLY_ERP_READ: Final = "Only the ERP is read just before this intent, and it answers with no HTTP status or body."
NO_ANSWER_YET: Final = "An answer presupposes a request; one that did not reach the server is the next point."
ANSWERED: Final = "The answer is complete and no call is under way: nothing is left that the network could break."
THE_END: Final = "Nothing follows: the job is done, and no further call is made for it."
LEDGER_ALONE: Final = "Before this commit only the ledger is asked, and it is lost in the column `database gone`."

FLUSHED: Final = replace(KILL, name="killed before, and the broker flushed", flushed=True)

Plan = dict[int, Fault]
Places = Mapping[str, int]


def impossible(point: str, effect: str, fault: str) -> str | None:
    """Why a cell cannot be."""
    on_the_wire = fault in {"time-out", "reset", "5xx", "garbage"}
    answered = fault in {"5xx", "garbage"}
    reason = None
    if point == "before intent" and effect == "record" and on_the_wire:
        reason = LEDGER_ALONE
    elif point == "before intent" and effect in {"create", "attach", "import", "send"} and answered:
        reason = ONLY_ERP_READ
    elif point == "after commit" and effect == "record" and on_the_wire:
        reason = THE_END
    elif point == "after the answer before commit" and on_the_wire:
        reason = ANSWERED
    elif answered and (effect == "record" or (point == "after commit" and effect == "send")):
        reason = NO_HTTP
    elif point == "after intent before the call" and answered:
        reason = NO_ANSWER_YET
    return reason


def _wire(fault: str, done: Done, *, erp: bool) -> Fault:
    if erp:
        return replace(GONE if done is Done.LOST else GONE_AFTER, name=f"ERP: {fault}")
    name = f"{fault}, {done}"
    match fault:
        case "time-out":
            return Fault(name=name, broken=Broken.READ_TIME_OUT, done=done)
        case "reset":
            return Fault(name=name, broken=Broken.READ, done=done)
        case "5xx":
            return Fault(name=name, status=503 if done is Done.LOST else 500, done=done)
        case _:
            return Fault(name=name, garbage=True, done=done)


def _within(fault: str, done: Done, at: int, *, erp: bool) -> Plan:
    match fault:
        case "kill -9":
            return {at: Fault(name="killed within", kill=True, done=done)}
        case "broker flushed":
            return {at: Fault(name="killed within, and flushed", kill=True, done=done, flushed=True)}
        case "database gone":
            return {at: _wire("reset", done, erp=erp), at + 1: GONE}
        case _:
            return {at: _wire(fault, done, erp=erp)}


def _between(fault: str, at: int) -> Plan | None:
    """Faults between two operations, the same everywhere."""
    return {"kill -9": {at: KILL}, "broker flushed": {at: FLUSHED}, "database gone": {at - 1: GONE_AFTER}}.get(fault)


def plans(point: str, effect: str, fault: str, places: Places) -> Sequence[Plan]:
    """The schedules of one cell."""
    call = places[CALLS[effect]]
    intent, commit = call - 1, call + 1
    erp = effect == "record"
    match point:
        case "before intent":
            if fault == "database gone":
                return [{intent: GONE}]
            read = _wire(fault, Done.LOST, erp=not effect.startswith("resolve"))
            return [_between(fault, intent) or {intent - 1: read}]
        case "after intent before the call":
            cut = Broken.CONNECT_TIME_OUT if fault == "time-out" else Broken.CONNECT
            refused = Fault(name=f"{fault} while connecting", broken=cut, left=False, done=Done.LOST)
            return [_between(fault, call) or {call: replace(GONE, name="ERP: no connection") if erp else refused}]
        case "during the call before the server stores":
            late = [] if erp else [_within(fault, Done.LATE, call, erp=erp)]
            return [_within(fault, Done.LOST, call, erp=erp), *late]
        case "after the server stores before the answer":
            return [_within(fault, Done.STORED, call, erp=erp)]
        case "after the answer before commit":
            return [{commit: GONE} if fault == "database gone" else _between(fault, commit) or {}]
        case _:
            between = _between(fault, commit + 1)
            return [between or {places[NEXT[effect]]: _wire(fault, Done.LOST, erp=effect == "send")}]


# ---------------------------------------------------------------- the table


UNGUARDED: Final = next(promise.conditions for promise in PROMISES if not promise.conditions.send_guard)
CONDITIONS: Final[Sequence[Conditions]] = (
    PROMISES[0].conditions,
    PROMISES[1].conditions,
    UNGUARDED,
    Conditions(name="guard on, death seen at once", death_proven=True),
)
CELLS: Final = [(point, effect, fault) for point in POINTS for effect in EFFECTS for fault in FAULTS]


@pytest.fixture(autouse=True, scope="module")
def _stage() -> Iterator[None]:
    with staged():
        yield


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])]
)
def ledger(request: pytest.FixtureRequest) -> Iterator[RealLedger]:
    if request.param == "sqlite":
        made = RealLedger()
        yield made
        made.close()
        return
    server: services.PostgresServer = request.getfixturevalue("postgres_server")
    with server.database() as url:
        made = RealLedger(url)
        yield made
        made.close()


def _places(document: Invoice) -> Places:
    """Where the calls of an undisturbed way stand; of the two contacts of a unit's document, the unit's."""
    base = play({}, PROMISES[0].conditions, documents=(document,))
    return {place[0]: index for index, place in enumerate(base.trace) if place and place[0] in CALLS.values()}


def _see_that_it_is_issued_once(
    plan: Plan, conditions: Conditions, document: Invoice, ledger: RealLedger | None
) -> None:
    assert plan
    ending = play(plan, conditions, documents=(document,), ledger=ledger)
    told = f"{conditions.name}: {ending.told}"
    assert ending.verdict.kept, (told, ending.verdict)
    assert ending.status == (Status.DONE,), told
    assert not ending.held_for, (told, ending.held_for)


@pytest.mark.parametrize(("point", "effect", "fault"), CELLS)
def test_cell(point: str, effect: str, fault: str) -> None:
    reason = impossible(point, effect, fault)
    if reason is not None:
        pytest.skip(reason)
    document = DOCUMENTS.get(effect, DOCUMENT)
    for plan in plans(point, effect, fault, _places(document)):
        for conditions in CONDITIONS:
            _see_that_it_is_issued_once(plan, conditions, document, None)


@pytest.mark.parametrize(("point", "effect", "fault"), [cell for cell in CELLS if impossible(*cell) is None])
def test_cell_on_the_products_own_ledger(point: str, effect: str, fault: str, ledger: RealLedger) -> None:
    document = DOCUMENTS.get(effect, DOCUMENT)
    for plan in plans(point, effect, fault, _places(document)):
        _see_that_it_is_issued_once(plan, UNGUARDED, document, ledger)


def test_the_table_has_every_cell_of_the_design() -> None:
    assert len(CELLS) == 6 * 7 * 7
    possible = [cell for cell in CELLS if impossible(*cell) is None]
    assert len(possible) >= 170
    assert {(effect, fault) for _, effect, fault in possible} >= {
        (effect, fault)
        for effect in ("resolve_contact", "resolve_unit", "create", "attach", "import", "send")
        for fault in FAULTS
    }
    assert {point for point, _, _ in possible} == set(POINTS)
