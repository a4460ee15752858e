"""A whole installation on a made-up ERP: real ledger, real client, real simulator, and one clock for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from sqlalchemy import text

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.changes import Changes
from connector.discovery import Discovery, Source
from connector.domain.breaker import Breaker
from connector.domain.decision import Policy
from connector.domain.invoice import Invoice
from connector.domain.job import Status
from connector.follow import Follower, Plan
from connector.journey import Desk, Journey
from connector.ledger import Ledger, schema
from connector.ledger.queries import Filter, TimelineEvent
from connector.ledger.records import Job
from connector.ports import Adapter
from connector.simulator import Fault, SimulatorServer, Switches, audit, plant
from connector.simulator.documents import Contact as SimContact
from connector.simulator.documents import Invoice as SimInvoice
from connector.simulator.journal import Entry as SimEntry
from connector.simulator.seeds import plant_defaults
from connector.steps.case import Rules
from tests.support.clock import FakeClock
from tests.support.erp import Erp

ACCOUNT = "main"
SOURCE = "erp"
WRITES = frozenset({"POST", "PUT", "DELETE"})


class House:
    """One company's installation. Nothing in it happens but by `run`, `drain` or `advance`."""

    def __init__(
        self,
        server: SimulatorServer,
        ledger_url: str,
        *,
        clock: FakeClock | None = None,
        account_id: str = "1",
        threads: int = 1,
        timeout: float = 30.0,
        policy: Policy | None = None,
        api_key: str = "test_key",
        compare_batch: int = 200,
        api_version: str = "2026-03-02",
        adapter: Adapter | None = None,
    ) -> None:
        self._api_version = api_version
        self.clock = clock or FakeClock()
        self.server = server
        self.world = server.world
        self.ledger = Ledger(ledger_url, clock=self.clock)
        self.erp = Erp(self.clock)
        self.adapter: Adapter = adapter or self.erp
        self.rules = Rules(
            quiet_time=180.0,
            call_seconds=timeout,
            repeat_unknown=True,
            owner_tax_number=self._owner(account_id),
            own_accounts=frozenset({account_id, "1"}),
            many_companies=False,
        )
        self._account_id = account_id
        self._timeout = timeout
        self._api_version = api_version
        self._transports: list[Transport] = []
        self.breaker = Breaker()
        self.remote = self.connect(api_key)
        self.policy = policy or Policy()
        self._threads = threads
        self.journey = self.another_worker()
        changes = Changes(self.ledger, clock=self.clock, days=400, batch=compare_batch)
        self.discovery = Discovery(
            self.ledger, clock=self.clock, overlap=900, sweep_every=86400, changes=changes, recheck_batch=1000
        )
        self.plan = Plan()
        self.believes: set[str] = set()  # other accounts with the same key
        self.stop = Event()
        self.follower = self.another_follower()
        self.source = Source(
            name=SOURCE, adapter=self.adapter, since=None, companies=None, account_of=lambda company: ACCOUNT
        )

    def _owner(self, account_id: str) -> str | None:
        """The tax number that B2Brouter shows for the account, as the connector learns it at its first use."""
        owners = (
            one.tin_value for one in self.world.accounts.values() if account_id in {str(one.id), one.identifier}
        )
        return next(owners, None)

    def another_worker(self) -> Journey:
        """Return what a further process would work with."""
        return Journey(self.ledger, self.desk, policy=self.policy, clock=self.clock, threads=self._threads)

    def another_follower(self) -> Follower:
        """Return what a further process would follow with."""
        return Follower(
            self.ledger,
            clock=self.clock,
            remote=lambda account: self.remote,
            adapters=lambda account: {SOURCE: self.erp},
            sources_of=lambda account: [SOURCE],
            plan=lambda account: self.plan,
            see_source=lambda source, adapter: self._see_source(source),
            believes=lambda account, address: address in self.believes,
            stopping=self.stop.is_set,
        )

    def connect(
        self, api_key: str = "test_key", *, api_version: str | None = None, amend_reason: str | None = "R1"
    ) -> B2BrouterClient:
        """Return a client of its own; reads are repeated without waiting."""
        version = api_version or self._api_version
        transport = Transport(
            self.server.base_url,
            api_key=api_key,
            api_version=version,
            timeout=self._timeout,
            sleep=lambda seconds: None,
        )
        self._transports.append(transport)
        return B2BrouterClient(
            account_id=self._account_id,
            environment="simulator",
            transport=transport,
            api_version=version,
            amend_reason=amend_reason,
        )

    def desk(self, account: str) -> Desk:
        return Desk(
            remote=self.remote,
            adapters={SOURCE: self.adapter},
            rules=self._rules_of,
            breaker=self.breaker,
            account_of=lambda job: self.source.account_of(job.company),
            see_source=self._see_source,
        )

    def _see_source(self, source: str) -> None:
        self.ledger.stamps.see_source(source, self.adapter.identity())

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self.ledger.close()

    # ---------------------------------------------------------------- what happens

    def issue(self, *documents: Invoice) -> None:
        """Confirm documents in the ERP, find them and work until all of them rest."""
        self.take_in(*documents)
        self.run()

    def take_in(self, *documents: Invoice) -> None:
        """Confirm documents in the ERP and find them."""
        self.erp.add(*documents)
        self.discover()

    def discover(self) -> int:
        return self.discovery.discover(self.source)

    def stamp(self) -> None:
        """Bind the account, as the first use of it does."""
        self.ledger.accounts.stamp(
            ACCOUNT, environment="simulator", host="", account_id="1", remote_id="1", tax_number="ESB76543214"
        )

    def follow(self) -> None:
        """Take in news of what was sent, where there is any or a look is due."""
        if self.follower.due([ACCOUNT]):
            self.follower.follow(ACCOUNT)

    def drain(self, **options: Any) -> int:
        """Work what is due at this very instant."""
        return self.journey.drain(ACCOUNT, **{"seconds": 60, **options})

    def _rules_of(self, source: str) -> Rules:
        self.erp.companies()  # which is asked where one account stands for a whole ERP
        return self.rules

    def run(self, seconds: float = 3600.0) -> None:
        """Work for so long on the clock, jumping to whatever is due next; return when nothing is."""
        end = self.clock.monotonic() + seconds
        self.drain()
        while (due := self.ledger.jobs.next_due()) is not None:
            wait = (due - self.clock.now()).total_seconds()
            if self.clock.monotonic() + wait > end:
                break
            self.advance(max(wait, 0.0))
            self.ledger.jobs.rescue()
            self.ledger.jobs.release_ready()
            self.drain()

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.world.advance(seconds)

    # ---------------------------------------------------------------- what is there

    def jobs(self) -> list[Job]:
        return list(self.ledger.queries.jobs(Filter()))

    def job(self, key: str = "1") -> Job:
        [found] = [job for job in self.jobs() if job.key == key]
        return found

    def timeline(self, key: str = "1") -> list[TimelineEvent]:
        return self.ledger.queries.timeline(self.job(key).id)

    def told(self, key: str = "1") -> list[str]:
        """What the timeline says, in short."""
        return [event.what for event in self.timeline(key)]

    def by_status(self) -> dict[Status, int]:
        return {status: count for status, count in self.ledger.queries.by_status().items() if count}

    def fault(self, kind: str, **details: Any) -> Fault:
        return self.world.faults.add(kind, **details)

    def requests(self, operation: str | None = None) -> list[SimEntry]:
        """What arrived at B2Brouter, in order."""
        return [
            entry
            for entry in self.world.journal
            if entry.method not in {"TIMER", "SEED"} and operation in {None, entry.operation}
        ]

    def operations(self) -> list[str]:
        return [entry.operation or "?" for entry in self.requests()]

    def forget_requests(self) -> None:
        with self.world.lock:
            self.world.journal.clear()

    def remote_invoices(self, number: str | None = None) -> list[SimInvoice]:
        """Documents that stand at B2Brouter."""
        return [i for i in self.world.invoices.values() if i.account_id == 1 and number in {None, i.number}]

    def remote_contacts(self) -> list[SimContact]:
        return [c for c in self.world.contacts.values() if c.account_id == 1]

    def plant(self, **seed: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
        """Put something at B2Brouter that others made."""
        return plant(self.world, seed)

    def audit(self) -> dict[str, Any]:
        return audit(self.world)

    def assert_nothing_twice(self) -> None:
        """No document made twice, none sent twice, no contact made twice."""
        found = self.audit()
        assert {name: found[name] for name in ("duplicates", "double_sends", "duplicate_contacts")} == {
            "duplicates": 0,
            "double_sends": 0,
            "duplicate_contacts": 0,
        }

    def assert_issued(self, *keys: str) -> None:
        """Each document was sent once, and its reference stands in the ERP."""
        for key in keys:
            job = self.job(key)
            assert job.status is Status.DONE, f"{key}: {job.status} at {job.stage}, {job.reason}: {job.message}"
            [there] = self.remote_invoices(job.number)
            assert there.sent_times == 1
            assert self.erp.reference_of(key) == (str(there.id), f"b2brouter:simulator:1:{there.id}")
        self.assert_nothing_twice()

    def assert_nothing_sent(self) -> None:
        assert [i.number for i in self.world.invoices.values() if i.sent_times] == []
        assert [i.number for i in self.world.deleted_invoices.values() if i.sent_times] == []
        assert self.requests("send_invoice") == []

    def know_customer(self, document: Invoice) -> None:
        """Have the contact of a document's customer made, so that it is known."""
        self.issue(replace(document, key="known", number="KNOWN-1"))
        self.forget_requests()


def emptied(server: SimulatorServer, clock: FakeClock) -> SimulatorServer:
    """Give a running simulator a fresh world that follows a clock of ours."""
    world = server.world
    with world.lock:
        world.clear()
        world.clock = clock
        world.switches = Switches()
        plant_defaults(world, api_key=server.api_key)
    return server


@contextmanager
def opened(server: SimulatorServer, ledger_url: str, **options: Any) -> Iterator[House]:
    """A house with its ledger in place."""
    clock = options.pop("clock", None) or FakeClock()
    house = House(emptied(server, clock), ledger_url, clock=clock, **options)
    schema.upgrade(house.ledger.database)
    try:
        yield house
    finally:
        house.close()


def rows(ledger: Ledger, query: str) -> list[tuple[Any, ...]]:
    """Look straight into the tables."""
    with ledger.database.read() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


Opener = Callable[..., House]
