"""A copy of the ledger, or of an ERP, sends nothing until a person says that it is the original from now on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from connector.adapters.database import Database as ErpDatabase
from connector.domain.errors import EnvironmentLockedError
from connector.domain.identity import same_database
from connector.ledger import Ledger, schema
from tests.support.builders import NOON
from tests.support.services import PostgresServer


def opened(url: str) -> Ledger:
    ledger = Ledger(url)
    schema.upgrade(ledger.database)
    return ledger


def test_a_ledger_stays_the_database_that_it_was(ledger: Ledger) -> None:
    ledger.stamps.check_ledger()
    ledger.stamps.check_ledger()


def test_a_ledger_copied_to_another_file_is_a_copy(tmp_path: Path) -> None:
    original = opened(f"sqlite:///{tmp_path / 'connector.db'}")
    original.stamps.check_ledger()
    original.close()
    shutil.copy(tmp_path / "connector.db", tmp_path / "copy.db")
    copy = opened(f"sqlite:///{tmp_path / 'copy.db'}")

    with pytest.raises(EnvironmentLockedError, match="is a copy") as error:
        copy.stamps.check_ledger()
    assert "connector.db" in error.value.message
    assert "connector db rebind" in error.value.action

    assert copy.stamps.rebind(who="ana", note="moved").endswith("connector.db")
    copy.stamps.check_ledger()
    copy.close()


def test_a_ledger_restored_under_its_own_name_is_a_copy(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        original = opened(url)
        original.stamps.check_ledger()
        original.close()
        postgres_server.restore(url)
        restored = Ledger(url)

        with pytest.raises(EnvironmentLockedError, match="is a copy"):
            restored.stamps.check_ledger()

        restored.stamps.rebind(who="ana", note="restored after a crash")
        restored.stamps.check_ledger()
        restored.close()


def test_a_source_stays_the_database_that_it_was(ledger: Ledger) -> None:
    ledger.intake.remember("erp", discovered_at=NOON)  # known before it was stamped
    ledger.stamps.check_source("erp", "postgresql://erp/live")
    ledger.stamps.check_source("erp", "postgresql://erp/live")

    with pytest.raises(EnvironmentLockedError, match="postgresql://erp/copy"):
        ledger.stamps.check_source("erp", "postgresql://erp/copy")

    ledger.stamps.rebind(who="ana", note="the ERP has a new server")
    ledger.stamps.check_source("erp", "postgresql://erp/copy")


@pytest.mark.parametrize(
    ("known", "present", "same"),
    [
        ("postgresql://erp:5432/live", "postgresql://erp:5432/live", True),
        ("postgresql://erp:5432/live", "postgresql://erp:5432/copy", False),
        ("postgresql://erp:5432/live [7/5]", "postgresql://10.0.0.7:5432/renamed [7/5]", True),
        ("postgresql://erp:5432/live [7/5]", "postgresql://erp:5432/live [7/6]", False),
        ("postgresql://erp:5432/live [7/5]", "postgresql://erp:5432/live", True),
        ("sqlite:/var/erp.db", "sqlite:/tmp/erp.db", False),
        ("sqlite:/var/lib/private/connector/connector.db", "sqlite:/var/lib/connector/connector.db", True),
        ("sqlite:/var/lib/private/connector/connector.db", "sqlite:/var/lib/other/connector.db", False),
    ],
)
def test_an_address_may_change_and_a_birthmark_may_not(known: str, present: str, same: bool) -> None:
    assert same_database(known, present) is same


def identity(url: str) -> str:
    database = ErpDatabase("erp", url)
    try:
        return database.identity()
    finally:
        database.close()


def test_an_erp_restored_under_its_own_name_is_another_one(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        before = identity(url)
        postgres_server.restore(url)
        after = identity(url)

    assert not same_database(before, after)
    assert before.partition(" [")[0] == after.partition(" [")[0]


@pytest.mark.mariadb
def test_mariadb_tells_its_server(mariadb_url: str) -> None:
    assert identity(mariadb_url).endswith(f"/{make_url(mariadb_url).database}]")


def test_an_identity_shows_no_password(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        known = make_url(url).set(password="s3cret-w0rd")
        assert "s3cret-w0rd" not in identity(known.render_as_string(hide_password=False))
