"""Fixtures for what answers over HTTP: a real ledger behind a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from config.settings import Settings
from connector.bootstrap import Services
from connector.ledger import Ledger
from connector.web.server import WebServer
from tests.support.clock import FakeClock

SECRET = "whsec_test"


class Office:
    """An installation that answers over HTTP and whose time the test moves."""

    def __init__(self, url: str, *, accounts: dict[str, dict[str, object]] | None = None) -> None:
        self.clock = FakeClock()
        configured = configuration(url)
        for name, changes in (accounts or {}).items():
            configured["accounts"][name] = {**configured["accounts"].get(name, {}), **changes}
        self.services = Services(Settings(**configured))
        self.ledger = self.services.ledger = Ledger(url, clock=self.clock)
        self.services.open_ledger()
        self.server = WebServer(self.services).start()
        self.http = httpx.Client(base_url=self.server.address, timeout=30, trust_env=False)

    def close(self) -> None:
        self.http.close()
        self.server.stop()
        self.services.close()


def configuration(url: str) -> dict[str, Any]:
    return {
        "ledger": {"url": url},
        "web": {"port": 0},
        "accounts": {"main": {"account_id": "1", "api_key": "test_key", "webhook_secret": SECRET}},
        "sources": {
            "erp": {"adapter": "sql", "url": "sqlite:///erp.db", "account": "main", "since": date(2026, 1, 1)}
        },
    }


@pytest.fixture
def office(embedded_url: str) -> Iterator[Office]:
    opened = Office(embedded_url)
    yield opened
    opened.close()
