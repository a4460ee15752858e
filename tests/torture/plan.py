"""What a scenario will suffer, drawn from its seed. Nothing here looks at a running system.

The quiet time is the operator's word that B2Brouter does not store or list a request later than that. Where
nothing else guards a document (number guard off, contacts, sends), no fault here breaks that word: what is late
adds up to less than the quiet time. Where the number guard holds, creates also come later than that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from connector.crashpoints import POINTS
from tests.torture.erp import Books, make_books

Mode = Literal["sqlite", "redis", "rabbitmq"]
MODES: tuple[Mode, ...] = ("sqlite", "redis", "rabbitmq")

TIMEOUT, QUIET, LEASE = 2.0, 4.0, 6.0
LONGEST_FIRE = 14.0

_ELSEWHERE = ("attach", "import", "record.between", "withdraw", "send.before_body")
CRASHES = tuple(name for name in POINTS if not name.startswith(_ELSEWHERE))
"""A send has no body; withdrawals need a document that changes after its creation, as tests/test_journey.py has,
attaching one with files, as tests/simulation has, and an import a folder, as tests/e2e/test_e2e_folder.py has."""


@dataclass(frozen=True)
class Moment:
    """When something happens: so many seconds after the start, or when so many writes have arrived."""

    seconds: float
    writes: int | None = None  # whichever comes first


@dataclass(frozen=True)
class Event:
    moment: Moment
    what: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Plan:
    """One scenario."""

    seed: int
    mode: Mode
    guard: bool
    theme: str
    books: Books = field(default_factory=Books)
    first_batch: int = 0  # documents that are there from the start
    postgres_erp: bool = False
    switches: dict[str, Any] = field(default_factory=dict)
    hold_unknown: bool = False
    daemons: Sequence[str] = ()  # roles to start
    faults: list[dict[str, Any]] = field(default_factory=list)
    arms: list[str] = field(default_factory=list)  # crash points, given to the first processes started
    wake_after: float = LEASE + 1.5  # seconds, of those that stop at a point
    kill_on_waking: float | None = None  # seconds after that
    sleep_on: bool = False  # calm wakes nobody before their time
    events: list[Event] = field(default_factory=list)
    stop_before_heal: bool = False  # SIGTERM to all daemons before the last, calm pass
    unaided: bool = False  # the daemons must come to an end by themselves

    @property
    def repeat(self) -> str:
        guard = "on" if self.guard else "off"
        return (
            f"python -m tests.torture --scenarios 1 --seed {self.seed} --mode {self.mode} --guard {guard}"
            f" --theme {self.theme}"
        )


Theme = Callable[[Plan, random.Random], None]


def make(seed: int, *, mode: Mode, guard: bool, theme: str) -> Plan:
    """Draw a scenario. The same arguments give the same plan."""
    chance = random.Random(f"{seed}/{mode}/{guard}/{theme}")
    plan = Plan(seed, mode, guard, theme)
    plan.books = make_books(chance, first=1, count=chance.randint(6, 12))
    plan.first_batch = chance.randint(3, len(plan.books.documents))
    plan.postgres_erp = mode != "sqlite" and chance.random() < 0.6
    plan.switches = {
        "number_guard": guard,
        "latency": round(chance.choice((0.0, 0.02, 0.05, 0.1, 0.15)), 3),
        "second_send": chance.choice(("422", "409", "accepted", "accepted")),
        "list_lag": chance.choice((0.0, 0.0, 0.0, 0.3, 0.5)),
        "send_answer": chance.choice(("body", "empty")),
        "contact_guard": "tin" if guard else chance.choice(("tin", "off")),
        "speed": chance.choice((1.0, 10.0)),
    }
    if not guard:
        plan.hold_unknown = chance.random() < 0.15
    if mode == "sqlite":
        plan.daemons = chance.choice((("sync",), ("run",), ("run",), ("run", "sync"), ("run", "run")))
    else:
        plan.daemons = ("scheduler", "worker", "worker")
    plan.stop_before_heal = chance.random() < 0.5
    THEMES[theme](plan, chance)
    for extra in chance.sample(sorted(THEMES), chance.choice((0, 1, 1, 2))):
        if extra != theme and extra not in _ALONE and theme not in _ALONE:
            THEMES[extra](plan, chance)
    plan.events.append(Event(Moment(chance.uniform(0.2, 2.0)), "confirm"))
    plan.events.sort(key=lambda event: event.moment.seconds)
    return plan


def _moment(chance: random.Random, latest: float = 3.0) -> Moment:
    if chance.random() < 0.6:
        return Moment(latest + 2.0, chance.randint(1, 24))
    return Moment(chance.uniform(0.1, latest))


# ---------------------------------------------------------------- themes


def _crash_point(plan: Plan, chance: random.Random) -> None:
    """A process dies at a named point; its successors may die at others."""
    for position in range(chance.choice((1, 1, 2, 3))):
        point = CRASHES[(plan.seed // 3) % len(CRASHES)] if position == 0 else chance.choice(CRASHES)
        often = 1 if chance.random() < 0.6 else chance.randint(2, 6)
        # Whoever gets the work first; where there are two workers, it may be either.
        plan.arms += [f"{point}:{often}"] * (1 if plan.mode == "sqlite" else 2)
    if any(arm.startswith("settle") for arm in plan.arms):
        plan.faults.append({"kind": "drop_after", "operation": "create_invoice", "times": 3})


def _kills(plan: Plan, chance: random.Random) -> None:
    """kill -9 of anybody, whenever."""
    for _ in range(chance.randint(1, 4)):
        plan.events.append(Event(_moment(chance), "kill", {"which": chance.random()}))


def _simulator_killed(plan: Plan, chance: random.Random) -> None:
    """kill -9 of the other side, for a moment or longer."""
    for _ in range(chance.choice((1, 1, 2))):
        down = chance.choice((0.0, 0.2, 1.0, 2.5))
        plan.events.append(Event(_moment(chance), "kill_simulator", {"down": down}))


def _stopped(plan: Plan, chance: random.Random) -> None:
    """SIGSTOP of a worker: for less than its lease, or for longer; and of the other side."""
    if chance.random() < 0.25:
        seconds = chance.uniform(0.3, 2.2 if plan.guard else 0.8)
        plan.events.append(Event(_moment(chance), "stop_simulator", {"seconds": seconds}))
    else:
        seconds = chance.choice((LEASE + 1.5, LEASE + 2.5, chance.uniform(0.5, LEASE)))
        plan.events.append(Event(_moment(chance), "stop", {"which": chance.random(), "seconds": round(seconds, 2)}))


def _stopped_at_a_point(plan: Plan, chance: random.Random) -> None:
    """A process stops dead at a named point for longer than its lease, and then goes on."""
    # With the number guard off, a stop between the last check and the socket write can double a document,
    # as no protocol can prevent; that point is visited, and counted apart.
    point = CRASHES[(plan.seed // 2) % len(CRASHES)]
    plan.arms.append(f"{point}:{chance.randint(1, 4)}:stop")
    if point.startswith("settle"):
        plan.faults.append({"kind": "drop_after", "operation": "create_invoice", "times": 3})


_OPERATIONS = ("create_invoice", "create_invoice", "create_invoice", "send_invoice", "send_invoice",
               "create_contact", "list_invoices", "read_invoice", "list_contacts", "read_account", None)  # fmt: skip


def _remote_faults(plan: Plan, chance: random.Random) -> None:
    """B2Brouter at its worst."""
    for _ in range(chance.randint(3, 6)):
        plan.faults.append(_fault(plan, chance))


def _fault(plan: Plan, chance: random.Random) -> dict[str, Any]:
    kind = chance.choice((
        "drop_before", "drop_after", "drop_after", "drop_midway", "hang_before", "hang_after", "slow",
        "rate_limit", "unavailable_before", "unavailable_after", "error_before", "error_after", "garbage",
        "html", "truncated", "wrong_number", "list_lag", "late_commit", "late_commit", "unauthorized",
    ))  # fmt: skip
    rule: dict[str, Any] = {"kind": kind, "operation": chance.choice(_OPERATIONS)}
    if chance.random() < 0.5:
        rule |= {"times": chance.choice((1, 2, 3, 4)), "skip": chance.randint(0, 2)}
    else:
        rule |= {"times": None, "probability": chance.choice((0.1, 0.2, 0.4))}
    if kind in {"drop_before", "drop_after", "late_commit"}:
        rule["reset"] = chance.random() < 0.3
    if kind in {"hang_before", "hang_after", "slow"}:
        rule["seconds"] = chance.choice((0.5, 2.3, 2.8))
    elif kind == "list_lag":
        rule["seconds"] = chance.choice((0.5, 2.0, 8.0 if plan.guard else 2.8))
        rule["operation"] = "create_invoice"
    elif kind == "late_commit":
        rule["operation"] = chance.choice(("create_invoice", "create_invoice", "send_invoice", "create_contact"))
        rule["seconds"] = chance.choice((0.7, 1.8, 2.8))
        if plan.guard and rule["operation"] == "create_invoice" and chance.random() < 0.4:
            rule["seconds"] = 7.0
        rule["hang"] = round(chance.uniform(0.0, min(2.5, rule["seconds"])), 2)
    elif kind in {"error_before", "error_after"}:
        rule["status"] = chance.choice((500, 502, 504))
    elif kind == "html":
        rule["status"] = chance.choice((200, 502, 503))
    elif kind == "wrong_number":
        rule["operation"] = "create_invoice"
    elif kind == "rate_limit":
        rule["retry_after"] = chance.choice((None, "1", "0", "soon"))
    elif kind == "unauthorized":
        rule |= {"times": 1, "probability": 1.0}
    return rule


def _ledger_cut(plan: Plan, chance: random.Random) -> None:
    """Connections to the ledger's database break in the midst of the work; SQLite is locked by somebody."""
    for _ in range(chance.randint(1, 3)):
        what = "cut_ledger" if plan.mode != "sqlite" else "lock_ledger"
        plan.events.append(
            Event(_moment(chance), what, {"share": chance.choice((0.3, 1.0)), "seconds": chance.uniform(0.2, 2)})
        )


def _erp_gone(plan: Plan, chance: random.Random) -> None:
    """The ERP's database goes away, as often as not during the write-back."""
    for _ in range(chance.choice((1, 1, 2))):
        plan.events.append(Event(_moment(chance), "erp_gone", {"seconds": chance.uniform(0.3, 3.0)}))


def _broker(plan: Plan, chance: random.Random) -> None:
    """The doorbell is flushed, cut or out of order."""
    if plan.mode == "sqlite":
        return _kills(plan, chance)
    for _ in range(chance.randint(1, 3)):
        what = chance.choice(("flush_broker", "cut_broker", "broker_down"))
        plan.events.append(Event(_moment(chance), what, {"seconds": chance.uniform(0.3, 2.5)}))
    return None


def _crowd(plan: Plan, chance: random.Random) -> None:
    """Two schedulers, two daemons on one ledger, a person with `connector sync`: all at once."""
    if plan.mode == "sqlite":
        plan.daemons = chance.choice((("run", "run"), ("run", "run", "sync"), ("sync", "sync")))
    else:
        more = chance.choice((("scheduler",), ("run",), ("run", "scheduler"), ("sync", "run")))
        plan.daemons = ("scheduler", "worker", "worker", *more)
    if chance.random() < 0.5:
        plan.events.append(Event(_moment(chance), "kill", {"which": chance.random()}))


def _terminated(plan: Plan, chance: random.Random) -> None:
    """SIGTERM in the midst of the work: everybody is gone within 20 seconds and leaves nothing leased."""
    for _ in range(chance.choice((1, 1, 2))):
        plan.events.append(Event(_moment(chance), "term", {"which": chance.random()}))
    if chance.random() < 0.5:
        plan.faults.append({"kind": "hang_after", "operation": "create_invoice", "times": 2, "seconds": 1.5})


def _late(plan: Plan, chance: random.Random) -> None:
    """A request leaves late within its lease, its sender dies, and B2Brouter stores it later still: the quiet time
    has to be counted from when the request can have left.
    """
    plan.arms = [f"{chance.choice(('create', 'create', 'contact'))}.after_intent:1:stop"]
    plan.wake_after = LEASE - TIMEOUT - chance.uniform(0.3, 0.8)
    plan.kill_on_waking = chance.uniform(0.15, 0.4)
    plan.faults.append(
        {
            "kind": "late_commit",
            "operation": "create_invoice",
            "number": None,
            "times": 1,
            "skip": 0,
            "seconds": 2.8,
            "hang": 2.5,
        }
    )
    plan.faults[-1] |= {"operation": "create_contact"} if plan.arms[0].startswith("contact") else {}
    plan.switches |= {"latency": 0.0}
    if plan.mode == "sqlite":
        plan.daemons = ("run", "run")


def _window(plan: Plan, chance: random.Random) -> None:
    """A process sleeps between its last look at its lease and the socket write, until others have done its work.
    The number guard stops it; without one nobody can, and what comes of it is counted apart.
    """
    plan.arms = [f"create.before_body:{chance.randint(1, 2)}:stop"]
    plan.wake_after = LONGEST_FIRE + 2 * LEASE + QUIET
    plan.sleep_on, plan.stop_before_heal = True, False
    if plan.mode == "sqlite":
        plan.daemons = ("run", "run")


def _unaided(plan: Plan, chance: random.Random) -> None:
    """No pass in the foreground rescues anybody: the daemons themselves come to the end."""
    plan.unaided, plan.stop_before_heal = True, True
    if plan.mode == "sqlite":
        plan.daemons = ("run",)
    chance.choice((_kills, _crash_point, _broker, _ledger_cut))(plan, chance)
    plan.faults.append({"kind": chance.choice(("drop_after", "unavailable_after")), "times": 2})


THEMES: Mapping[str, Theme] = {
    "crash": _crash_point,
    "kill": _kills,
    "simulator": _simulator_killed,
    "stop": _stopped,
    "stop-at": _stopped_at_a_point,
    "remote": _remote_faults,
    "ledger": _ledger_cut,
    "erp": _erp_gone,
    "broker": _broker,
    "crowd": _crowd,
    "term": _terminated,
    "late": _late,
    "window": _window,
    "unaided": _unaided,
}
_ALONE = frozenset({"unaided", "late", "window"})

ROUND: Sequence[str] = (
    "crash", "remote", "stop-at", "kill", "crash", "erp", "stop", "remote", "broker", "crash", "ledger",
    "simulator", "stop-at", "crowd", "remote", "crash", "term", "kill", "late", "stop-at", "crash", "window",
    "unaided",
)  # fmt: skip
"""The order in which scenarios take their themes."""


def draw(seed: int, index: int, *, modes: Sequence[Mode], guards: Sequence[bool]) -> Plan:
    """Draw scenario `index` of a run: modes and guards alternate, crash points take their turns."""
    mode = modes[index % len(modes)]
    guard = guards[(index // len(modes)) % len(guards)]
    turn = index // (len(modes) * len(guards))
    # Each mode and guard goes through the round, but from another place, so that a short run has all themes.
    theme = ROUND[(turn + 5 * (index % (len(modes) * len(guards)))) % len(ROUND)]
    return make(seed + index, mode=mode, guard=guard, theme=theme)
