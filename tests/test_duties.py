"""The scheduler's round with many accounts: what it costs does not grow with their number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from connector.bench.throughput import tallied
from connector.bootstrap import Services
from connector.domain.rounding import Way
from connector.duties import Duties
from connector.ledger import Ledger, schema
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import add

EVERYTHING_ONCE = 700  # seconds, after which each duty has come round


class Round:
    """The scheduler of an installation with so many accounts, each of which was used before."""

    def __init__(self, folder: Path, accounts: int) -> None:
        self.clock = FakeClock()
        self.names = [f"tenant{n}" for n in range(accounts)]
        settings = Settings.model_validate(
            {
                "accounts": {name: {"account_id": name, "api_key": "test_key"} for name in self.names},
                "sources": {name: {"adapter": "sql", "url": "sqlite://", "account": name} for name in self.names},
            }
        )
        self.services = Services(settings)
        self.ledger = Ledger(f"sqlite:///{folder / f'{accounts}.db'}", clock=self.clock)
        self.services.__dict__["ledger"] = self.ledger
        schema.upgrade(self.ledger.database)
        for name in self.names:
            self.ledger.accounts.learn(name, Way())
        self.rung: list[str] = []
        nothing = lambda _: None  # noqa: E731
        self.duties = Duties(
            self.services,
            ring=self.rung.append,
            discover=nothing,
            follow=nothing,
            notify=lambda: None,
            archive=nothing,
            reconcile=nothing,
        )

    def statements(self) -> int:
        """What a later round asks of the ledger when each duty is due."""
        self.duties.tick()
        self.clock.advance(EVERYTHING_ONCE)
        with tallied(self.ledger.database.engine) as tally:
            self.duties.tick()
        return tally.statements


def test_a_round_asks_the_ledger_as_often_for_a_hundred_accounts_as_for_one(tmp_path: Path) -> None:
    few, many = Round(tmp_path, 1), Round(tmp_path, 100)
    per_account = (many.statements() - few.statements()) / 99
    assert per_account <= 2  # whether news is expected, and whether there is anything to compare: minutes apart


def test_bells_are_rung_for_whoever_has_waited_longest_first_however_much_others_have(tmp_path: Path) -> None:
    round_ = Round(tmp_path, 3)
    add(round_.ledger, *(invoice(f"a{n}") for n in range(50)), account="tenant1")
    round_.clock.advance(timedelta(minutes=1).total_seconds())
    add(round_.ledger, invoice("b"), account="tenant0")
    round_.duties.tick()
    assert round_.rung == ["tenant1", "tenant0"]
