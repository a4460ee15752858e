"""A scheduler that does at once what it rings for, on a clock of the test's."""

from __future__ import annotations

from pathlib import Path

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.job import Status
from connector.duties import Duties
from connector.errands import archive, discover, drain, notify, reconcile
from connector.ledger import Ledger, schema
from connector.ledger.queries import Filter
from connector.simulator import SimulatorServer
from tests.support.clock import FakeClock
from tests.support.erp import Erp
from tests.support.house import emptied


class Office:
    """A scheduler that answers its own bell, on a clock of the test's."""

    def __init__(self, server: SimulatorServer, folder: Path, *, api_key: str = "test_key") -> None:
        self.clock = FakeClock()
        self.server = emptied(server, self.clock)
        self.erp = Erp(self.clock)
        settings = Settings.model_validate(
            {
                "b2brouter": {"base_url": server.base_url, "timeout": 30, "requests_per_minute": 1_000_000},
                "accounts": {"main": {"account_id": "1", "api_key": api_key}},
                "sources": {"erp": {"adapter": "sql", "url": "sqlite://", "account": "main"}},
            }
        )
        self.services = Services(settings)
        self.services.__dict__["ledger"] = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=self.clock)
        self.services.erps.use("erp", self.erp)
        schema.upgrade(self.ledger.database)
        self.duties = Duties(
            self.services,
            ring=lambda account: drain(self.services, account, stopping=lambda: False),
            discover=lambda source: discover(self.services, source),
            follow=lambda account: None,
            notify=lambda: notify(self.services),
            reconcile=lambda account: reconcile(self.services, account, stopping=lambda: False),
            archive=lambda account: archive(self.services, account, stopping=lambda: False),
        )

    @property
    def ledger(self) -> Ledger:
        return self.services.ledger

    def work(self, seconds: float, *, every: float = 10.0) -> None:
        """Make the scheduler's rounds for so long on the clock."""
        for _ in range(int(seconds / every)):
            self.duties.tick()
            self.clock.advance(every)

    def use_key(self, api_key: str) -> None:
        settings = self.services.settings.model_dump(exclude_unset=True)
        settings["accounts"]["main"]["api_key"] = api_key
        self.services.settings = Settings.model_validate(settings)

    def waiting_for(self) -> set[str | None]:
        return {job.reason for job in self.ledger.queries.jobs(Filter(status=Status.WAITING))}
