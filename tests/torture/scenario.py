"""One scenario: an installation of its own, set on fire for some seconds, then calmed and audited."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.support.ports import Port
from tests.torture import audit
from tests.torture.erp import EXAMPLES, Erp, cut
from tests.torture.nursery import Child, Nursery
from tests.torture.plan import LEASE, LONGEST_FIRE, QUIET, TIMEOUT, Event, Plan
from tests.torture.remote import Remote
from tests.torture.rooms import Rooms, Wire

STOP_LIMIT = 20.0
PATIENCE = 20.0
CALM_LIMIT = 75.0
UNAIDED_LIMIT = 150.0
SLOW_START = 6.0
WAKING = 2.0
SHORTEST_LIFE = 0.7  # seconds between two starts of the same post
PASSES = 5
MENDS = {"crashed", "erp_write_refused", "outcome_unknown", "remote_differs", "retries_exhausted"}
"""Reasons that hold a job after what happens here, and that a person cures by `connector retry`."""


@dataclass
class Result:
    """What a scenario came to."""

    plan: Plan
    findings: list[audit.Finding] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)  # what was done, by kind
    crashes: Counter[str] = field(default_factory=Counter)  # crash points that struck
    faults: Counter[str] = field(default_factory=Counter)  # of the remote side
    seconds: float = 0.0
    healed_in: float = 0.0
    slowest_stop: float = 0.0
    invoices: int = 0
    folder: Path | None = None


class Scenario:
    """Runs one plan."""

    def __init__(self, plan: Plan, nursery: Nursery, rooms: Rooms, wire: Wire | None, folder: Path) -> None:
        self.plan = plan
        self.result = Result(plan, folder=folder)
        self._nursery = nursery
        self._rooms = rooms
        self._wire = wire
        self._folder = folder
        self._chance = random.Random(f"{plan.seed} while it runs")
        self._port = Port()
        self._remote = Remote(self._port.number)
        self._simulator: Child | None = None
        self._starting = threading.Lock()
        self._children: list[Child] = []
        self._arms = list(plan.arms)
        self._unconfirmed = list(plan.books.documents)
        self._burning = True
        self._pauses: list[audit.Pause] = []
        self._paused: dict[int, tuple[Child, float, float]] = {}  # pid -> since, until
        self._busy: list[threading.Timer] = []
        self._databases: list[str] = []
        self._notes = (folder / "events.log").open("a", encoding="utf-8")
        self._began = time.monotonic()
        self._over = threading.Event()
        self._told: set[int] = set()  # to go

    def run(self) -> Result:
        """Do it all, and leave nothing running."""
        try:
            self._set_up()
            threading.Thread(target=self._keep_waking, daemon=True).start()
            self._fire()
            self._calm()
            self._audit()
        except Exception as error:  # noqa: BLE001  # a harness that breaks down has not shown anything
            self.result.findings.append(audit.Finding("harness", f"{type(error).__name__}: {error}"))
            self._note(f"harness: {error!r}")
            import traceback

            traceback.print_exc(file=self._notes)
        finally:
            self._tear_down()
        self.result.seconds = time.monotonic() - self._began
        return self.result

    # ------------------------------------------------------------ the installation

    def _set_up(self) -> None:
        plan = self.plan
        if plan.mode == "sqlite":
            ledger = f"sqlite:///{self._folder / 'ledger.db'}"
            shutil.copy(self._rooms.ledger_file, self._folder / "ledger.db")
        else:
            ledger = self._database(self._rooms.ledger_template)
        erp = self._database(None) if plan.postgres_erp else f"sqlite:///{self._folder / 'erp' / 'erp.db'}"
        if not plan.postgres_erp:
            (self._folder / "erp").mkdir()
            (self._folder / "erp" / "erp.db").touch()
        self.ledger_url = ledger
        self.erp = Erp(erp)
        self.erp.install(plan.books)
        self._confirm(plan.first_batch)
        self._config = self._folder / "connector.toml"
        self._config.write_text(self._settings(ledger, erp), encoding="utf-8")
        if self._wire is not None:
            self._wire.flush()
        self._start_simulator()
        for rule in plan.faults:
            self._remote.call("POST", "/faults", rule)

    def _database(self, template: str | None) -> str:
        url = self._rooms.postgres().create(template)
        self._databases.append(url)
        return url

    def _settings(self, ledger: str, erp: str) -> str:
        options = (EXAMPLES / "booking.toml").read_text(encoding="utf-8").partition("[sources.booking.options]")
        assert tomllib.loads("".join(options[1:]))
        unknown = 'unknown_outcome = "hold"\n' if self.plan.hold_unknown else ""
        broker = "memory://" if self._wire is None else self._wire.url
        accounts = "\n".join(
            f'[accounts.{name}]\naccount_id = "{number}"\napi_key = "test_key"\n{unknown}'
            for name, number in (("spain", 1), ("france", 2))
        )
        return f"""
[b2brouter]
base_url = "{self._remote.url}"
timeout = {TIMEOUT}
quiet_time = {QUIET}
requests_per_minute = 60000

{accounts}
[ledger]
url = "{ledger}"

[broker]
url = "{broker}"

[web]
port = 0

[retry]
base = 0.2
cap = 3.0

[worker]
threads = 4
lease_seconds = {LEASE}
drain_seconds = 20

[scheduler]
discover_every = 0.7

[sources.booking]
adapter = "sql"
url = "{erp}"
accounts = {{ "1" = "spain", "2" = "france" }}
since = 2020-01-01

{options[1]}{options[2]}"""

    def _start_simulator(self) -> None:
        with self._starting:  # two events may have ended it once
            if self._simulator is not None and self._simulator.alive:
                return
            switches = {
                name: value for name, value in self.plan.switches.items() if self._burning or name != "latency"
            }
            settings = [f"--set={name}={json.dumps(value)}" for name, value in switches.items()]
            self._simulator = child = self._nursery.start(
                "simulator",
                ["simulator", "--port", str(self._port.number), "--state", str(self._folder / "simulator.db"),
                 "--quiet", "--seed", str(self.plan.seed), *settings],
                self._folder / "simulator.log",
                env={},
            )  # fmt: skip
            limit = time.monotonic() + 15
            while child.alive and not self._remote.answers():
                if time.monotonic() > limit:
                    raise RuntimeError("the simulator does not answer")
                time.sleep(0.02)
            if child.code is not None:
                raise RuntimeError(f"the simulator ended with {child.code}")

    def _start(self, role: str, *, armed: str | None = None) -> Child:
        argv = ["--config", str(self._config), "--log-level", "info", role]
        if role == "sync":
            argv += ["--patience", f"{PATIENCE:g}"]
        number = sum(1 for child in self._children if child.name.partition("-")[0] == role)
        child = self._nursery.start(
            f"{role}-{number + 1}",
            argv,
            self._folder / f"{role}-{number + 1}.log",
            env={"CONNECTOR_CONFIG": str(self._config)},
            armed=armed,
        )
        self._children.append(child)
        self._note(f"{child.name} starts as {child.pid}" + (f", to stop at {armed}" if armed else ""))
        return child

    def _note(self, text: str) -> None:
        if not self._notes.closed:
            self._notes.write(f"{time.monotonic() - self._began:7.3f} {time.time():.3f} {text}\n")
            self._notes.flush()

    def _count(self, what: str, number: int = 1) -> None:
        self.result.struck[what] += number

    # ------------------------------------------------------------ fire

    def _fire(self) -> None:
        """Keep the roles staffed, and let the plan's events happen to them."""
        posts: list[Child | None] = [None for _ in self.plan.daemons]
        events = list(self.plan.events)
        began = time.monotonic()
        ignited: float | None = None  # when the first write arrived
        seen, looked = 0, 0.0
        while True:
            self._staff(posts)
            now = time.monotonic() - began
            if now - looked > (0.04 if events else 0.3):
                seen, looked = self._remote.writes_seen(), now
            if ignited is None and (seen or now > SLOW_START):
                ignited = now
            for event in [*events]:
                by_writes = event.moment.writes is not None and seen >= event.moment.writes
                by_time = ignited is not None and now - ignited >= event.moment.seconds
                if by_writes or by_time:
                    events.remove(event)
                    self._note(f"event {event.what} {dict(event.details)}")
                    getattr(self, f"_do_{event.what}")(event)
            quiet = not events and not self._paused and ignited is not None and now - ignited > 1.0
            if (quiet and looked == now and self._rested()) or now > LONGEST_FIRE:
                break
            time.sleep(0.02)

    def _rested(self) -> bool:
        """Whether nothing is under way; then more fire would burn nothing."""
        with suppress(sqlite3.Error, psycopg.Error):
            return audit.under_way(self.ledger_url, due_within=1.0) == 0 and not self._unconfirmed
        return False

    def _staff(self, posts: list[Child | None]) -> None:
        for place, role in enumerate(self.plan.daemons):
            child = posts[place]
            if child is not None and child.alive:
                continue
            if child is not None:
                if time.monotonic() - child.started < SHORTEST_LIFE:
                    continue
                self._obituary(child)
            # Crash points go to those that do the work; with several workers, to any of them.
            works = role not in {"scheduler"}
            armed = self._arms.pop(0) if works and self._arms else None
            posts[place] = self._start(role, armed=armed)

    def _obituary(self, child: Child) -> None:
        how = f"signal {child.signal}" if child.signal else f"status {child.code}"
        self._note(f"{child.name} has ended with {how}")
        if child.signal == signal.SIGKILL and child.armed:
            self.result.crashes[child.armed.split(":")[0]] += 1
            self._count("crash points")
            child.armed = None

    def _workers(self) -> list[Child]:
        return [child for child in self._children if child.alive and child.pid not in self._paused]

    def _chosen(self, event: Event) -> Child | None:
        living = self._workers()
        return living[int(event.details["which"] * len(living))] if living else None

    def _do_confirm(self, event: Event) -> None:
        self._later(0.0, lambda: self._confirm(len(self._unconfirmed)))

    def _confirm(self, count: int) -> None:
        batch, self._unconfirmed = self._unconfirmed[:count], self._unconfirmed[count:]
        for attempt in range(100):
            try:
                self.erp.confirm(batch)
                return
            except (sqlite3.Error, psycopg.Error):
                if attempt == 99:
                    raise
                time.sleep(0.1)

    def _do_kill(self, event: Event) -> None:
        child = self._chosen(event)
        if child is not None:
            self._murder(child)

    def _murder(self, child: Child) -> None:
        if child.kill():
            child.armed = None
            self._count(f"kill -9 {child.name.partition('-')[0]}")
            self._note(f"kill -9 {child.name}")

    def _do_term(self, event: Event) -> None:
        child = self._chosen(event)
        if child is not None:
            self._later(0.0, lambda: self._terminate([child]))

    def _do_kill_simulator(self, event: Event) -> None:
        assert self._simulator is not None
        if self._simulator.kill():
            self._count("kill -9 simulator")
        self._simulator.wait(5)
        if event.details["down"]:
            self._later(event.details["down"], self._start_simulator)
        else:
            self._start_simulator()

    def _do_stop_simulator(self, event: Event) -> None:
        simulator = self._simulator
        assert simulator is not None
        if simulator.send(signal.SIGSTOP):
            self._count("SIGSTOP simulator")
            self._later(event.details["seconds"], lambda: simulator.send(signal.SIGCONT))

    def _do_stop(self, event: Event) -> None:
        child = self._chosen(event)
        if child is not None and child.send(signal.SIGSTOP):
            self._count("SIGSTOP beyond the lease" if event.details["seconds"] > LEASE else "SIGSTOP")
            now = time.monotonic()
            self._paused[child.pid] = (child, now, now + event.details["seconds"])
            self._note(f"SIGSTOP {child.name}")

    def _keep_waking(self) -> None:
        """From the first moment to the last: one that sleeps for ever is another test than this."""
        while not self._over.wait(0.05):
            self._wake_the_paused()

    def _wake_the_paused(self) -> None:
        for child in list(self._children):  # stopped at a point by itself
            stops = child.armed is not None and child.armed.endswith(":stop")
            if stops and child.alive and child.pid not in self._paused and _is_stopped(child.pid):
                assert child.armed is not None
                now = time.monotonic()
                self._paused[child.pid] = (child, now, now + self.plan.wake_after)
                self._count("SIGSTOP at a point")
                self.result.crashes[child.armed.split(":")[0]] += 1
                self._note(f"{child.name} has stopped at {child.armed}")
                child.armed = None
        for pid, (child, since, until) in list(self._paused.items()):
            if time.monotonic() >= until or not child.alive:
                self._go_on(pid, child, since)

    def _go_on(self, pid: int, child: Child, since: float) -> None:
        if self._paused.pop(pid, None) is None:
            return  # another thread was quicker
        now, wall = time.monotonic(), time.time()
        self._pauses.append(audit.Pause(wall - (now - since), wall))
        child.send(signal.SIGCONT)
        self._note(f"SIGCONT {child.name}")
        if self.plan.kill_on_waking is not None and self._burning:
            self._later(self.plan.kill_on_waking, lambda: self._murder(child))

    def _do_cut_ledger(self, event: Event) -> None:
        name = make_url(self.ledger_url).database or ""
        number = cut(self._postgres(), name, share=event.details["share"], chance=self._chance)
        self._count("ledger connections cut", number)

    def _do_lock_ledger(self, event: Event) -> None:
        self._count("ledger locked")
        self._later(0.0, lambda: self._lock(event.details["seconds"]))

    def _lock(self, seconds: float) -> None:
        with closing(sqlite3.connect(self._folder / "ledger.db", timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    def _do_erp_gone(self, event: Event) -> None:
        try:
            self.erp.vanish(self._postgres() if self.plan.postgres_erp else None)
        except (OSError, sqlite3.OperationalError):  # still gone from the last time
            return
        self._count("ERP gone")
        self._later(
            event.details["seconds"],
            lambda: self.erp.come_back(self._postgres() if self.plan.postgres_erp else None),
        )

    def _do_flush_broker(self, event: Event) -> None:
        assert self._wire is not None
        self._wire.flush()
        self._count("broker flushed")

    def _do_cut_broker(self, event: Event) -> None:
        assert self._wire is not None
        self._wire.proxy.cut()
        self._count("broker connections cut")

    def _do_broker_down(self, event: Event) -> None:
        assert self._wire is not None
        wire = self._wire
        wire.proxy.refuse(True)
        wire.proxy.cut()
        self._count("broker down")
        self._later(event.details["seconds"], lambda: wire.proxy.refuse(False))

    def _later(self, seconds: float, act: Any) -> None:
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()
        self._busy.append(timer)

    def _postgres(self) -> psycopg.Connection[Any]:
        return self._rooms.admin()

    # ------------------------------------------------------------ calm

    def _calm(self) -> None:
        """No more faults; what is alive may go on, and a pass in the foreground must come to an end."""
        self._burning = False
        for pid, (child, since, _) in list(self._paused.items()):
            if not self.plan.sleep_on:
                self._go_on(pid, child, since)
        for timer in self._busy:
            timer.join(30)
        if self._unconfirmed:
            self._confirm(len(self._unconfirmed))
        assert self._simulator is not None
        self._count_faults()
        if not self._simulator.alive:
            self._start_simulator()
        self._remote.call("DELETE", "/faults")
        self._remote.call("PUT", "/switches", {"latency": 0.0})
        self._note("calm")
        began = time.monotonic()
        if self.plan.unaided:
            self._wait_for_the_daemons()
        for child in self._children:
            if not child.alive and child.status is not None:
                self._obituary(child)
        if self.plan.stop_before_heal:
            self._terminate([child for child in self._children if child.alive])
            for child in self._children:
                child.wait(STOP_LIMIT)
        self._pass("")
        for reason in sorted(audit.resting(self.ledger_url) & MENDS):
            if not self._explained(reason):
                self.result.findings.append(audit.Finding("unexplained", f"held as {reason}, without a cause"))
            self._run(["retry", "--reason", reason, "--note", "mended"], 30)
            self._count(f"cured by retry: {reason}")
            self._pass(f" after the cure of {reason}")
        self._wait_for_sleepers()
        self.result.healed_in = time.monotonic() - began

    def _wait_for_sleepers(self) -> None:
        """Whoever sleeps still wakes up now, and may do what it was about to do."""
        sleepers = bool(self._paused)
        while self._paused:
            time.sleep(0.1)
        if sleepers:
            time.sleep(WAKING)
            self._pass(" after the last awakening")

    def _explained(self, reason: str) -> bool:
        kills = sum(n for what, n in self.result.struck.items() if what.startswith(("kill", "crash", "SIGSTOP")))
        return {
            "crashed": kills >= 3,
            "erp_write_refused": "ERP gone" in self.result.struck and self.plan.postgres_erp,
            "outcome_unknown": self.plan.hold_unknown,
            "remote_differs": bool(self.result.faults["wrong_number"]),
            "retries_exhausted": False,  # every pass in the foreground tries these again
        }[reason]

    def _wait_for_the_daemons(self) -> None:
        posts: list[Child | None] = [
            next((c for c in self._children if c.alive and c.name.startswith(role)), None)
            for role in self.plan.daemons
        ]
        self._arms = []
        limit = time.monotonic() + UNAIDED_LIMIT
        while audit.under_way(self.ledger_url, due_within=UNAIDED_LIMIT) or self._undiscovered():
            self._staff(posts)
            if time.monotonic() > limit:
                self.result.findings.append(
                    audit.Finding("stuck", f"the daemons did not come to the end in {UNAIDED_LIMIT:g} s")
                )
                return
            time.sleep(0.3)
        self._count("brought to the end by the daemons")

    def _undiscovered(self) -> bool:
        return audit.job_count(self.ledger_url) < len(self.plan.books.documents)

    def _pass(self, when: str) -> None:
        for _ in range(PASSES):
            child = self._run(["sync", "--patience", f"{PATIENCE:g}"], CALM_LIMIT)
            if child is None:
                self.result.findings.append(audit.Finding("stuck", f"a calm pass{when} did not end"))
                return
            if child.code in {0, 3} and not audit.under_way(self.ledger_url, due_within=None):
                return
            self._note(f"a calm pass{when} ended with {child.code}, signal {child.signal}")
            self._count("further calm passes")
            time.sleep(1.0)

    def _run(self, argv: Sequence[str], seconds: float) -> Child | None:
        child = self._nursery.start(
            argv[0],
            ["--config", str(self._config), "--log-level", "info", *argv],
            self._folder / f"calm-{argv[0]}.log",
            env={},
        )
        self._note(f"calm {argv[0]} starts as {child.pid}")
        if child.wait(seconds):
            return child
        child.kill()
        return None

    def _terminate(self, children: Sequence[Child]) -> None:
        """SIGTERM: gone within 20 seconds, and nothing is left leased."""
        began = time.monotonic()
        # A second signal would end it at once, by its own rule.
        told = [c for c in children if c.pid not in self._told and c.send(signal.SIGTERM)]
        self._told |= {child.pid for child in told}
        for child in told:
            self._count("SIGTERM")
            self._note(f"SIGTERM {child.name}")
        for child in told:
            if not child.wait(max(0.0, STOP_LIMIT - (time.monotonic() - began))):
                still = f"{child.name} is still there {STOP_LIMIT:g} s after SIGTERM:\n{child.where()}"
                self.result.findings.append(audit.Finding("slow stop", still))
                child.kill()
                continue
            if child.signal is not None:
                continue  # it was killed meanwhile
            with suppress(sqlite3.Error, psycopg.Error):
                left = audit.leased_by(self.ledger_url, child.pid)
                if left and not self._ledger_was_cut():
                    self.result.findings.append(
                        audit.Finding("slow stop", f"{child.name} left {left} leased after SIGTERM")
                    )
        self.result.slowest_stop = max(self.result.slowest_stop, time.monotonic() - began)

    def _ledger_was_cut(self) -> bool:
        return any(event.what in {"cut_ledger", "lock_ledger"} for event in self.plan.events)

    def _count_faults(self) -> None:
        if self._simulator is not None and self._simulator.alive:
            entries = self._remote.call("GET", "/journal?limit=500000", seconds=20)["entries"]
            self.result.faults.update(entry["fault"] for entry in entries if entry["fault"])

    # ------------------------------------------------------------ the end

    def _audit(self) -> None:
        evidence = audit.Evidence(
            documents=self._remote.call("GET", "/documents", seconds=30),
            journal=self._remote.call("GET", "/journal?limit=500000", seconds=30)["entries"],
            erp=self.erp.rows(),
            ledger_url=self.ledger_url,
            books=self.plan.books,
            guard=self.plan.guard,
            pauses=self._pauses,
        )
        (self._folder / "documents.json").write_text(json.dumps(evidence.documents, default=str, indent=1))
        (self._folder / "journal.json").write_text(json.dumps(evidence.journal, default=str, indent=0))
        self.result.findings += audit.examine(evidence)
        self.result.invoices = len(self.plan.books.documents)

    def _tear_down(self) -> None:
        self._over.set()
        for timer in self._busy:
            timer.cancel()
        for child in [*self._children, *([self._simulator] if self._simulator else [])]:
            child.send(signal.SIGCONT)
            child.kill()
        for child in self._children:
            child.wait(5)
        if self.result.findings and self._databases:
            audit.keep_ledger(self.ledger_url, self._folder / "ledger.json")
        for url in self._databases:
            with suppress(psycopg.Error):
                self._rooms.postgres().drop(url)
        self._port.release()
        if self._wire is not None:
            self._wire.proxy.refuse(False)
        for finding in self.result.findings:
            self._note(f"FINDING {finding.kind}: {finding.text}")
        self._notes.close()
        if not [f for f in self.result.findings if f.kind != "unpreventable"]:
            shutil.rmtree(self._folder, ignore_errors=True)
            self.result.folder = None


def _is_stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False
