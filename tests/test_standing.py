"""How accounts and sources fare, where there are many: the ledger is asked for all of them at once."""

from __future__ import annotations

import json
from pathlib import Path

from config.settings import Settings
from connector.bench.throughput import tallied
from connector.bootstrap import Services
from connector.domain.notice import Notice, notice
from connector.ledger import Ledger, schema
from connector.ledger.archive import Backlog
from connector.operations import standing
from tests.support.builders import NOON, invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import add, send


class Tenants:
    """An installation with so many accounts in their first run, each with an ERP, a webhook and a comparison."""

    def __init__(self, folder: Path, accounts: int) -> None:
        names = [f"tenant{n}" for n in range(accounts)]
        settings = Settings.model_validate(
            {
                "archive": {"url": str(folder)},
                "accounts": {name: {"account_id": name, "api_key": "test_key", "ramp": [1, 5]} for name in names},
                "sources": {name: {"adapter": "sql", "url": "sqlite://", "account": name} for name in names},
            }
        )
        self.services = Services(settings)
        self.ledger = Ledger(f"sqlite:///{folder / f'{accounts}.db'}", clock=FakeClock())
        self.services.__dict__["ledger"] = self.ledger
        schema.upgrade(self.ledger.database)
        for name in names:
            self._use(name)

    def _use(self, name: str) -> None:
        ledger = self.ledger
        ledger.intake.remember(name, discovered_at=NOON)
        ledger.inbox.put(name, event(name))
        add(ledger, invoice("1"), invoice("2"), account=name, source=name)
        for job in ledger.jobs.lease(name, 1):
            ledger.ramp.admit(job, (1, 5))
            send(ledger, job)
        for differences in (7, 1):
            run = ledger.reconciliations.begin(name, None, None)
            assert run is not None
            ledger.reconciliations.finish(run, by_reason={"total_differs": differences}, for_person=0, sides={})
        ledger.reconciliations.begin(name, None, None)  # has not ended

    def statements(self) -> tuple[int, int]:
        """What it takes to learn how the accounts fare, and how the sources."""
        with tallied(self.ledger.database.engine) as accounts:
            assert len(standing.accounts(self.services)) == len(self.services.settings.accounts)
        with tallied(self.ledger.database.engine) as sources:
            assert len(standing.sources(self.services)) == len(self.services.settings.sources)
        return accounts.statements, sources.statements


def event(about: str) -> Notice:
    return notice(json.dumps({"code": "issued_invoice.state_change", "data": {"event_id": about}}).encode())


def test_a_hundred_accounts_and_sources_cost_as_many_statements_as_one(tmp_path: Path) -> None:
    few, many = Tenants(tmp_path, 1).statements(), Tenants(tmp_path, 100).statements()
    assert many == few
    assert few <= (9, 2)


def test_each_account_has_its_own_figures(tmp_path: Path) -> None:
    tenants = Tenants(tmp_path, 3)
    tenants.ledger.inbox.put("left", event("of one that nobody uses"))
    found = standing.accounts(tenants.services)
    assert [one.name for one in found] == list(tenants.services.settings.accounts)
    for one in found:
        ledger = tenants.ledger
        assert one.webhook_at == ledger.inbox.last_received(one.name) == NOON
        assert one.compared == ledger.reconciliations.last(one.name)
        assert one.compared is not None
        assert one.compared.differences == 1
        assert one.ramp == ledger.ramp.standing(one.name, (1, 5))
        assert one.ramp is not None
        assert (one.ramp.taken, one.ramp.issued, one.ramp.under_way, one.ramp.waiting) == (1, 1, 0, 0)
        assert one.backlog == Backlog()
