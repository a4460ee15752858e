"""An installation that tells people: ledger, mail server, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from config.settings import Settings
from connector.bootstrap import Services
from connector.ledger import Ledger
from connector.ledger.outbox import SENDING_SECONDS
from tests.support.clock import FakeClock
from tests.support.mail import MailServer


class Desk:
    """Recipients, what they got, and the ledger that it is about."""

    def __init__(self, url: str, mail: MailServer, clock: FakeClock, **settings: Any) -> None:
        self.url = url
        self.mail = mail
        self.clock = clock
        recipients = settings.pop("recipients", {"ops": {"for": "both"}})
        for name, values in recipients.items():
            values.setdefault("address", mail.address(f"{name}@example.com"))
        self.settings = Settings.model_validate(
            {
                "b2brouter": {"environment": settings.pop("environment", "simulator")},
                "accounts": settings.pop("accounts", {"main": {"account_id": "1", "api_key": "key"}}),
                "sources": settings.pop("sources", {"erp": {"adapter": "sql", "account": "main"}}),
                "notifications": {"recipients": recipients, **settings.pop("notifications", {})},
                **settings,
            }
        )
        self.services = self.another_process()

    def another_process(self) -> Services:
        services = Services(self.settings)
        services.__dict__["ledger"] = Ledger(self.url, clock=self.clock)
        return services

    @property
    def ledger(self) -> Ledger:
        return self.services.ledger

    def tell(self) -> None:
        self.services.notifier.tell()

    def wait_and_tell(self, seconds: float = SENDING_SECONDS + 1) -> None:
        self.clock.advance(seconds)
        self.tell()

    def pause(self, account: str = "main") -> None:
        self.ledger.accounts.pause(account, "access_refused", {"status": "401", "message": "Unauthorized"})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer().start()
    yield server
    server.stop()


@pytest.fixture
def open_desk(embedded_url: str, mail: MailServer, clock: FakeClock) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_one(**settings: Any) -> Desk:
        desk = Desk(embedded_url, mail, clock, **settings)
        opened.append(desk)
        return desk

    yield open_one
    for desk in opened:
        desk.services.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()
