"""A ledger with its tables, on each database, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from connector.ledger import Ledger, schema
from connector.ledger.columns import Base
from connector.ledger.database import Database
from tests.support import services
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def _shared_postgres_ledger(postgres_server: services.PostgresServer) -> Iterator[str]:
    with postgres_server.database() as url:
        database = Database(url)
        schema.upgrade(database)
        database.close()
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def tables_url(request: pytest.FixtureRequest) -> str:
    """A ledger with empty tables; making a PostgreSQL database for each test would take too long."""
    if request.param == "sqlite":
        embedded: str = request.getfixturevalue("embedded_url")
        return embedded
    url: str = request.getfixturevalue("_shared_postgres_ledger")
    database = Database(url)
    with database.write() as connection:
        # TRUNCATE would make a new file for every table and index, and take a second on a busy disk.
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
        connection.execute(text("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"))
    database.close()
    return url


@pytest.fixture
def ledger(tables_url: str, clock: FakeClock) -> Iterator[Ledger]:
    ledger = Ledger(tables_url, clock=clock)
    yield ledger
    ledger.close()
