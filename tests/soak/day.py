"""One day: an office that confirms, an installation of real processes, what happens to them, and what came of it."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy.engine import make_url

from tests.e2e.installation import Installation, Running, until
from tests.soak.memory import Series, resident
from tests.soak.plan import EDITED, HOURS, Arrival, Event, Plan, clock, mistyped_customers
from tests.support.ports import own_port
from tests.support.services import connect_postgres
from tests.torture import audit
from tests.torture.erp import EXAMPLES, Erp, connected, cut
from tests.torture.plan import Mode
from tests.torture.remote import Remote
from tests.torture.rooms import Rooms, Wire

TICK: Final = 0.2
SECRET: Final = "whsec_soak"
POSTS: Final = ("scheduler-1", "scheduler-2", "worker-1", "worker-2", "web")
MENDS: Final = frozenset({"crashed", "erp_write_refused", "outcome_unknown", "remote_differs", "retries_exhausted"})
"""Reasons that such a day holds a document for, and that a person cures by `connector retry`."""

STANDSTILL: Final = 120.0
"""Seconds in which something must come to its end as long as not everything has."""

STATES_LIMIT: Final = 90.0
LONGEST_TIMELINE: Final = 60
"""Entries that even a document has not which met everything that can go wrong on such a day."""

SAMPLES_AN_HOUR: Final = 4


@dataclass
class Result:
    """What the day came to."""

    plan: Plan
    findings: list[audit.Finding] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    memory: dict[str, Series] = field(default_factory=dict)
    backlog: int = 0  # the most that was found and not done, at the quarters of an hour
    backlog_at: float = 0.0
    retried: Counter[str] = field(default_factory=Counter)  # by a person, by reason
    resumed: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    rest_after: float = 0.0  # seconds from the end of the day
    requests: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return not self.findings and all(series.is_flat for series in self.memory.values())


def live(plan: Plan, broker: Mode, folder: Path, say: Callable[[str], None]) -> Result:
    """Live through a day with services that are borrowed for it.

    Raises:
        MissingServiceError: one does not answer.
    """
    rooms = Rooms(folder, {broker}, lanes=1)
    try:
        with rooms.wire(broker) as wire:
            assert wire is not None
            return Day(plan, rooms, wire, folder, say).run()
    finally:
        rooms.close()


class Day:
    """Lives through one plan."""

    def __init__(self, plan: Plan, rooms: Rooms, wire: Wire, folder: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.result = Result(plan)
        self._rooms, self._wire, self._folder, self._say = rooms, wire, folder, say
        self._chance = random.Random(f"live {plan.seed}")
        self._remote, self._web_port = Remote(own_port()), own_port()
        self._erp = Erp(rooms.postgres().create())
        self._erp.install(plan.books)
        ledger = rooms.postgres().create(rooms.ledger_template)
        self._databases = [self._erp.url, ledger]
        self._it = Installation(
            folder, self._remote.url, self._erp.url, ledger_url=ledger, broker_url=wire.url, adapter="sql",
            options=(EXAMPLES / "booking.toml").read_text("utf-8").partition("[sources.booking.options]")[2],
            threads=4, timeout=2, quiet_time=4, lease=6, retry_base=self._shrunk(2, 0.2),
            environment=self._settings(),
        )  # fmt: skip
        self._crew: dict[str, Running] = {}
        self._arrivals: deque[Arrival] = deque(plan.arrivals)
        self._endings: list[tuple[float, Callable[[], object]]] = []
        self._edited: set[str] = set()
        self._killed: set[str] = set()
        self._outage = False
        self._began, self._looks, self._warm_at = 0.0, 0, 0.0

    def run(self) -> Result:
        """Do it all, and leave nothing running."""
        began = time.monotonic()
        try:
            self._begin()
            self._live()
            self._rest()
            self._judge()
        finally:
            self._it.end()
            for url in self._databases:
                with suppress(psycopg.Error):
                    self._rooms.postgres().drop(url)
        self.result.seconds = time.monotonic() - began
        return self.result

    # ------------------------------------------------------------ the installation

    def _shrunk(self, seconds: float, least: float) -> float:
        """A time of the configuration's defaults, on this day's clock."""
        return round(max(least, seconds * self.plan.hour / 3600), 3)

    def _settings(self) -> dict[str, str]:
        looks_every = self._shrunk(60, 0.5)
        looks = self.plan.seconds / looks_every
        every = {
            "RETRY__CAP": self._shrunk(300, 2),
            "WORKER__DRAIN_SECONDS": self._shrunk(60, 20),
            "SCHEDULER__DISCOVER_EVERY": looks_every,
            "SCHEDULER__COMPARE_BATCH": max(1, round(2 * self.plan.invoices / looks)),  # each document twice a day
            "SCHEDULER__OVERLAP": self._shrunk(900, 2),
            "SCHEDULER__SWEEP_EVERY": self._shrunk(4 * 3600, 5),
            "FOLLOW__LOOK_EVERY": self._shrunk(300, 1),
            "FOLLOW__LOOK_AT_MOST": self._shrunk(86400, 5),
            "FOLLOW__LOOK_WITH_WEBHOOKS": self._shrunk(21600, 5),
            "RECONCILE__EVERY_DAYS": self._shrunk(12 * 3600, 20) / 86400,
            "WEB__PORT": self._web_port,
            "ACCOUNTS__MAIN__WEBHOOK_SECRET": SECRET,  # the other account is followed by looks alone
        }
        return {f"CONNECTOR_{name}": str(value) for name, value in every.items()}

    def _begin(self) -> None:
        self._rooms.admin()  # connected while there is room
        port = self._remote.url.rpartition(":")[2]
        self._it.start("simulator", "--port", port, "--quiet", "--latency", "0.02", "--seed", str(self.plan.seed))
        until(self._remote.answers, within=30, what="the simulator does not answer")
        url = f"http://127.0.0.1:{self._web_port}/webhooks/b2brouter/main"
        self._remote.call("POST", "/seed", {"web_hooks": [{"url": url, "secret": SECRET, "accounts": [1]}]})
        for post in POSTS:
            self._man(post)

    def _man(self, post: str) -> None:
        role = post.partition("-")[0]
        self._crew[post] = self._it.start(role, "--log-level", "warning", name=post)

    # ------------------------------------------------------------ the day

    def _live(self) -> None:
        events = deque(self.plan.events)
        self._began = time.monotonic()
        while (now := self._now) < HOURS or self._arrivals:
            self._confirm(now)
            while events and events[0].at <= now:
                self._happen(events.popleft(), now)
            for ending in [one for one in self._endings if one[0] <= now]:
                self._endings.remove(ending)
                ending[1]()
            self._look_around()
            time.sleep(TICK)
        for _, end in self._endings:
            end()

    @property
    def _now(self) -> float:
        """Hours since the beginning; they go on after the day until all is at rest."""
        return (time.monotonic() - self._began) / self.plan.hour

    def _confirm(self, now: float) -> None:
        """Whoever cannot reach the ERP confirms as soon as it is back."""
        due: list[Arrival] = []
        while self._arrivals and self._arrivals[0].at <= now:
            due.append(self._arrivals.popleft())
        try:
            while due:
                age = due[0].age
                together = [arrival.document for arrival in due if arrival.age == age]
                self._erp.confirm(together, age=timedelta(seconds=age * self.plan.hour))
                due = [arrival for arrival in due if arrival.age != age]
        except psycopg.OperationalError:
            self._arrivals.extendleft(reversed(due))

    def _look_around(self) -> None:
        """Every quarter of an hour: who holds how much memory, and how much is left to do."""
        hour = self._now
        if hour * SAMPLES_AN_HOUR < self._looks:
            return
        self._looks = int(hour * SAMPLES_AN_HOUR) + 1
        for post, process in self._crew.items():
            if post not in self._killed and process.running:
                series = self.result.memory.setdefault(post, Series(post))
                series.samples.append((hour, resident(process.pid)))
        counts = self._it.counts()
        left = counts["pending"] + counts["running"]
        if left > self.result.backlog:
            self.result.backlog, self.result.backlog_at = left, hour
        if hour < HOURS / 4 or counts["done"] < self.plan.invoices / 4:
            self._warm_at = hour
        if self._looks % SAMPLES_AN_HOUR == 1:
            self._say(f"{clock(hour)}  {dict(sorted(counts.items()))}")
            self._clean_up()
        if not self._outage:
            self._resume()

    def _clean_up(self) -> None:
        """What PostgreSQL does by itself, unless that is switched off as on some servers for tests."""
        for url in self._databases:
            with suppress(psycopg.Error), closing(connect_postgres(url)) as connection:
                if connection.execute("SHOW autovacuum").fetchone() == ("off",):
                    connection.execute("VACUUM (ANALYZE)")

    def _resume(self) -> None:
        """A person lets accounts go on: the minute until they are probed does not shrink with the day."""
        for name, _ in self._it.paused():
            assert self._it.run("resume", "--account", str(name), "--note", "it is well again").status == 0
            self.result.resumed += 1

    # ------------------------------------------------------------ what happens

    def _happen(self, event: Event, now: float) -> None:
        self._say(f"{clock(event.at)}  {event.what} {dict(event.details) or ''}")
        end = getattr(self, f"_do_{event.what}")(event)
        if end is not None:
            self._endings.append((now + event.hours, end))

    def _do_fault(self, event: Event) -> Callable[[], object]:
        rule = self._remote.call("POST", "/faults", {"times": None, **event.details})["fault"]
        return lambda: self._remote.call("DELETE", f"/faults/{rule['id']}")

    def _do_outage(self, event: Event) -> Callable[[], object]:
        self._outage = True
        self.result.happened["outage of B2Brouter"] += 1
        end = self._do_fault(Event(event.at, "fault", event.hours, {"kind": "unavailable_before"}))

        def over() -> None:
            end()
            self._outage = False

        return over

    def _do_cut_ledger(self, _: Event) -> None:
        name = make_url(self._it.ledger_url).database or ""
        self.result.happened["ledger connections cut"] += cut(
            self._rooms.admin(), name, share=1.0, chance=self._chance
        )

    def _do_erp_gone(self, _: Event) -> Callable[[], object]:
        self._erp.vanish(self._rooms.admin())
        self.result.happened["ERP gone"] += 1
        return lambda: self._erp.come_back(self._rooms.admin())

    def _do_broker_down(self, _: Event) -> Callable[[], object]:
        self._wire.proxy.refuse(True)
        self._wire.proxy.cut()
        self.result.happened["broker down"] += 1
        return lambda: self._wire.proxy.refuse(False)

    def _do_flush_broker(self, _: Event) -> None:
        self._wire.flush()
        self.result.happened["broker flushed"] += 1

    def _do_kill(self, event: Event) -> None:
        post = f"{event.details['role']}-2"
        self._crew[post].kill()
        self._replace(post, f"kill -9 {event.details['role']}")

    def _do_term(self, event: Event) -> None:
        post = f"{event.details['role']}-2"
        took = self._crew[post].stop()
        if took > 20:
            self.result.findings.append(audit.Finding("slow stop", f"{post} took {took:.0f} s"))
        self._replace(post, f"SIGTERM {event.details['role']}")

    def _replace(self, post: str, what: str) -> None:
        """Its successor is another process: what it holds is not compared with what the first one held."""
        self.result.happened[what] += 1
        self._killed.add(post)
        self.result.memory.pop(post, None)
        self._man(post)

    def _do_cure(self, _: Event) -> None:
        with connected(self._erp.url) as connection:
            for key in mistyped_customers(self.plan.books):
                connection.execute("UPDATE customer SET vat_number = 'ESB63276174' WHERE id = %s", [key])
        self.result.happened["tax numbers put right"] += len(mistyped_customers(self.plan.books))

    def _do_edit(self, _: Event) -> None:
        """Somebody moves the date of documents that were issued."""
        with connected(self._erp.url) as connection:
            issued = connection.execute(
                "SELECT id, invoice_number FROM project WHERE reference IS NOT NULL AND document = 'F' ORDER BY id"
            ).fetchall()
            for key, number in self._chance.sample(issued, min(len(issued), max(2, round(EDITED * len(issued))))):
                connection.execute(
                    "UPDATE project SET invoice_date = invoice_date - 1, updated_at = now() AT TIME ZONE 'UTC'"
                    " WHERE id = %s",
                    [key],
                )
                self._edited.add(number)
        self.result.happened["documents edited after issue"] += len(self._edited)

    # ------------------------------------------------------------ the night after

    def _rest(self) -> None:
        """Everything comes to its end by itself, but for what such a day makes a person's affair."""
        began = time.monotonic()
        self._remote.call("DELETE", "/faults")
        counts, moved = self._it.counts(), began
        while not self._it.at_rest(self.plan.invoices) or self._retry():
            time.sleep(1)
            before, counts = counts, self._it.counts()
            if counts != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STANDSTILL:
                self.result.findings.append(audit.Finding("stuck", f"{STANDSTILL:g} s without a change: {counts}"))
                break
            self._look_around()
        for series in self.result.memory.values():
            series.warm_at = self._warm_at
        self.result.rest_after = time.monotonic() - began

    def _retry(self) -> bool:
        """Do what a person would in the morning; tell whether there was anything to do."""
        held = dict(self._it.ledger("SELECT reason, count(*) FROM job WHERE status = 'held' GROUP BY reason"))
        mended = {reason: int(count) for reason, count in held.items() if reason in MENDS}
        for reason, count in mended.items():
            assert self._it.run("retry", "--reason", reason, "--note", "the day is over").status == 0
            self.result.retried[reason] += count
        return bool(mended)

    # ------------------------------------------------------------ what came of it

    def _judge(self) -> None:
        self._say("the states arrive …")
        differences = self._compared()
        limit = time.monotonic() + STATES_LIMIT
        while any(found["reason"] == "state_differs" for found in differences) and time.monotonic() < limit:
            time.sleep(5)
            differences = self._compared()
        for post, process in self._crew.items():
            if process.stop(60) > 20:
                self.result.findings.append(audit.Finding("slow stop", post))
            if "Traceback" in process.said:
                self.result.findings.append(audit.Finding("unexplained", f"{post} tells of an unexpected error"))
        self.result.findings += [audit.Finding("stuck", f"still leased: {leased}") for leased in self._it.leased()]
        self.result.findings += [
            audit.Finding("unexplained", f"job {job} has {count} entries in its timeline: it does not rest")
            for job, count in self._it.ledger(
                f"SELECT job_id, count(*) FROM event GROUP BY job_id HAVING count(*) > {LONGEST_TIMELINE}"
            )
        ]
        self._explain(differences)
        self._say("the audit …")
        self.result.findings += audit.examine(self._evidence())

    def _compared(self) -> list[dict[str, Any]]:
        """Compare; while a worker is at it, whoever asks is told to try again later."""
        limit = time.monotonic() + STATES_LIMIT
        while True:
            ended = self._it.run("reconcile", within=900)
            if ended.status in {0, 3}:
                return ended.records[:-1]
            said = f"{ended.out[-500:]} {ended.err}"
            if "not_compared" not in said or time.monotonic() > limit:
                self.result.findings.append(audit.Finding("unexplained", f"reconcile: {said}"))
                return []
            time.sleep(5)

    def _explain(self, differences: list[dict[str, Any]]) -> None:
        """Only what was edited after its issue may differ, each with its reason and what to do about it."""
        for found in differences:
            self.result.differences[found["reason"]] += 1
            told = found["message"] and found["action"] and found["command"]
            if not told or found["reason"] != "changed_after_issue" or found["number"] not in self._edited:
                self.result.findings.append(audit.Finding("unexplained", f"difference: {found}"))
        for number in self._edited - {found["number"] for found in differences}:
            self.result.findings.append(audit.Finding("unexplained", f"{number} was edited, and nothing tells of it"))

    def _evidence(self) -> audit.Evidence:
        journal = self._remote.call("GET", "/journal?limit=500000", seconds=900)["entries"]
        self.result.requests = len(journal)
        self.result.faults.update(entry["fault"] for entry in journal if entry["fault"])
        deliveries = self._remote.call("GET", "/deliveries", seconds=300)["deliveries"]
        self.result.faults.update(one["fault"] for one in deliveries if one["fault"])
        self.result.happened["webhooks delivered"] = sum(one["answer"] == 200 for one in deliveries)
        return audit.Evidence(
            documents=self._remote.call("GET", "/documents", seconds=900),
            journal=journal,
            erp=self._erp.rows(),
            ledger_url=self._it.ledger_url,
            books=self.plan.books,
            guard=True,
            pauses=[],
        )
