"""Fixtures for all tests: services where they run, and a world without the developer's own settings."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from connector.ledger import schema
from connector.ledger.database import Database
from connector.simulator import SimulatorServer
from tests.support import dolibarr as dolibarr_data
from tests.support import services
from tests.support.dolibarr import DolibarrDatabase
from tests.support.house import House, Opener, opened
from tests.support.odoo import VERSIONS, OdooDatabase
from tests.support.tryton import TrytonDatabase

settings.register_profile("everywhere", deadline=None)  # a busy machine is not a failure
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "everywhere")

MARKED_BY_FIXTURE = {
    "postgres_url": "postgres",
    "postgres_server": "postgres",
    "odoo": "postgres",
    "still_odoo": "postgres",
    "mariadb_url": "mariadb",
    "dolibarr": "mariadb",
    "redis_url": "redis",
    "rabbitmq_url": "rabbitmq",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test by the services that its fixtures need, so that `-m "not postgres"` works by itself."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKED_BY_FIXTURE:
                item.add_marker(MARKED_BY_FIXTURE[fixture])


def pytest_collection_finish() -> None:
    """Take the thousands of tests out of the search for cycles of objects: it took a sixth of their time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CONNECTOR_")]:
        monkeypatch.delenv(name)


# ---------------------------------------------------------------- services


@pytest.fixture(scope="session")
def postgres_server() -> services.PostgresServer:
    return services.postgres_server()


@pytest.fixture
def postgres_url(postgres_server: services.PostgresServer) -> Iterator[str]:
    """An empty database of the test's own, `postgresql+psycopg://…`."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def mariadb_url() -> Iterator[str]:
    """An empty database of the test's own, `mysql+pymysql://…`."""
    with services.mariadb_server().database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_room() -> Iterator[services.RedisRoom]:
    room = services.redis_room()
    yield room
    room.leave()


@pytest.fixture
def redis_url(redis_room: services.RedisRoom) -> str:
    """A database number of this run's own, emptied before each test."""
    redis_room.clear()
    return redis_room.url


@pytest.fixture
def rabbitmq_url() -> Iterator[str]:
    """A virtual host of the test's own; the server's default one where none can be made."""
    with services.rabbitmq_server().virtual_host() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a ledger, still without tables: every test that asks for it runs on both databases."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'ledger.db'}"


# ---------------------------------------------------------------- databases that Odoo made


@pytest.fixture(scope="session")
def _odoo_templates(postgres_server: services.PostgresServer) -> Iterator[dict[str, str]]:
    """URLs of the loaded dumps by version, filled on demand, copied for each test."""
    templates: dict[str, str] = {}
    yield templates
    for url in templates.values():
        postgres_server.drop(url)


def _odoo(version: str, templates: dict[str, str], server: services.PostgresServer) -> Iterator[OdooDatabase]:
    if version not in templates:
        templates[version] = server.create()
        services.load_dump(templates[version], OdooDatabase.dump(version))
    with server.database(templates[version]) as url:
        yield OdooDatabase(version, url)


@pytest.fixture(params=VERSIONS)
def odoo(
    request: pytest.FixtureRequest,
    postgres_server: services.PostgresServer,
    _odoo_templates: dict[str, str],
) -> Iterator[OdooDatabase]:
    """A fresh copy of the database of each Odoo version, with what it holds by Odoo's own models."""
    yield from _odoo(request.param, _odoo_templates, postgres_server)


@pytest.fixture(scope="session", params=VERSIONS)
def still_odoo(
    request: pytest.FixtureRequest,
    postgres_server: services.PostgresServer,
    _odoo_templates: dict[str, str],
) -> Iterator[OdooDatabase]:
    """The same for tests that only look: one copy for all of them."""
    yield from _odoo(request.param, _odoo_templates, postgres_server)


@pytest.fixture
def odoo19(postgres_server: services.PostgresServer, _odoo_templates: dict[str, str]) -> Iterator[OdooDatabase]:
    yield from _odoo("19", _odoo_templates, postgres_server)


@pytest.fixture
def odoo17(postgres_server: services.PostgresServer, _odoo_templates: dict[str, str]) -> Iterator[OdooDatabase]:
    yield from _odoo("17", _odoo_templates, postgres_server)


# ---------------------------------------------------------------- a database that Dolibarr made


@pytest.fixture(scope="session")
def _dolibarr_url() -> Iterator[str]:
    with services.mariadb_server().database() as url:
        dolibarr_data.load(url)
        yield url


@pytest.fixture
def dolibarr(_dolibarr_url: str) -> DolibarrDatabase:
    """The database with its rows as Dolibarr left them, and what it holds by Dolibarr's own classes."""
    return dolibarr_data.restore(_dolibarr_url)


@pytest.fixture
def own_dolibarr(mariadb_url: str) -> DolibarrDatabase:
    """A copy of the test's own, whose tables it may alter."""
    return dolibarr_data.load(mariadb_url)


# ---------------------------------------------------------------- databases that Tryton made


@pytest.fixture(scope="session")
def _tryton_templates() -> Iterator[dict[str, TrytonDatabase]]:
    """The loaded dumps by kind of database, filled on demand, copied for each test."""
    templates: dict[str, TrytonDatabase] = {}
    yield templates
    if "postgresql" in templates:
        services.postgres_server().drop(templates["postgresql"].url)


def _tryton(backend: str, templates: dict[str, TrytonDatabase], folder: Path) -> Iterator[TrytonDatabase]:
    server = services.postgres_server() if backend == "postgresql" else None
    if backend not in templates:
        url = server.create() if server else f"sqlite:///{folder / 'template.sqlite'}"
        templates[backend] = TrytonDatabase(backend, url)
        templates[backend].fill()
    if server:
        with server.database(templates[backend].url) as url:
            yield TrytonDatabase(backend, url)
    else:
        template = templates[backend].url.removeprefix("sqlite:///")
        yield TrytonDatabase(backend, f"sqlite:///{shutil.copy(template, folder / 'tryton.sqlite')}")


_TRYTON_PARAMS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=_TRYTON_PARAMS)
def tryton(
    request: pytest.FixtureRequest, _tryton_templates: dict[str, TrytonDatabase], tmp_path: Path
) -> Iterator[TrytonDatabase]:
    """A fresh copy of Tryton's database of each kind, with what it holds by Tryton's own models."""
    yield from _tryton(request.param, _tryton_templates, tmp_path)


@pytest.fixture(scope="session", params=_TRYTON_PARAMS)
def still_tryton(
    request: pytest.FixtureRequest,
    _tryton_templates: dict[str, TrytonDatabase],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TrytonDatabase]:
    """The same for tests that only look: one copy for all of them."""
    yield from _tryton(request.param, _tryton_templates, tmp_path_factory.mktemp("tryton"))


# ---------------------------------------------------------------- a whole installation


@pytest.fixture(scope="session")
def simulator() -> Iterator[SimulatorServer]:
    """A running simulator that the tests of a run share; `house` empties it."""
    with SimulatorServer() as server:
        yield server


@pytest.fixture(scope="session")
def _embedded_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded ledger with its tables, to be copied."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return path


@pytest.fixture
def embedded_url(_embedded_ledger: Path, tmp_path: Path) -> str:
    """An embedded ledger of the test's own, with its tables."""
    return f"sqlite:///{shutil.copy(_embedded_ledger, tmp_path / 'embedded.db')}"


@pytest.fixture
def open_house(simulator: SimulatorServer, embedded_url: str) -> Iterator[Opener]:
    """Opens an installation on an embedded ledger, with options of the test's own."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(opened(simulator, embedded_url, **options))


@pytest.fixture
def house(open_house: Opener) -> House:
    """An installation on an embedded ledger: ERP in memory, real ledger, client and simulator, one clock."""
    return open_house()
