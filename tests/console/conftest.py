"""A console on a real port, over the demo's back office after its first sync."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import httpx
import pytest

from config import settings
from connector.bootstrap import Services
from connector.demo.stage import Stage
from connector.domain.people import Role
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.people import add_user
from connector.web.server import WebServer
from tests.cli.shop import Shop
from tests.console.browser import Browser

PASSWORD = "three words in a row"


@dataclass(frozen=True)
class Console:
    """The console's address, and what stands behind it."""

    address: str
    shop: Shop
    services: Services

    @property
    def ledger(self) -> Ledger:
        return self.services.ledger

    def job(self, number: str) -> Job:
        [job] = [job for job in self.ledger.queries.jobs(Filter()) if job.number == number]
        return job

    def browser(self, name: str | None = None, **options: object) -> Browser:
        """Open a browser, signed in as somebody."""
        browser = Browser(self.address, **options)  # type: ignore[arg-type]
        if name is not None:
            assert browser.sign_in(name, PASSWORD).status_code == 303
        return browser

    def address_without_sign_in(self, path: str) -> httpx.Response:
        return httpx.get(self.address + path)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Shared by the tests of a module: a viewer called vera and an operator called ana may sign in."""
    folder = tmp_path_factory.mktemp("console")
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        shop = Shop(stage)
        assert shop.run("sync", "--patience", "8").status == 3
        with served(shop) as console:
            yield console


class served:  # noqa: N801  # reads like a function
    """A console over a back office, for as long as the block lasts."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        path = shop.changed(("[ledger]", "[web]\nport = 0\n\n[ledger]"), name="console.toml")
        self._services = Services(settings.load(Path(path)), stop=Event())
        self._services.open_ledger()

    def __enter__(self) -> Console:
        for name, role in (("ana", Role.OPERATOR), ("vera", Role.VIEWER)):
            add_user(self._services.ledger, name, role, PASSWORD)
        self._server = WebServer(self._services).start()
        return Console(self._server.address, self._shop, self._services)

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._services.close()


@pytest.fixture
def ana(console: Console) -> Iterator[Browser]:
    """An operator's browser."""
    with console.browser("ana") as browser:
        yield browser


@pytest.fixture
def vera(console: Console) -> Iterator[Browser]:
    """A viewer's browser."""
    with console.browser("vera") as browser:
        yield browser
