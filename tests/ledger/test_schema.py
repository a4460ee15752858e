"""The migrations make just the tables that the code works with, on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

from connector.domain.errors import LedgerError, UsageError
from connector.ledger import Ledger, schema
from connector.ledger.columns import Base
from connector.ledger.database import Database
from tests.support import services


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    database = Database(ledger_url)
    yield database
    database.close()


def config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    return config


def tables(database: Database) -> set[str]:
    with database.read() as connection:
        return set(inspect(connection).get_table_names())


def test_the_newest_migration_is_the_one_that_the_software_asks_for() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [schema.HEAD]


def test_an_empty_database_becomes_a_ledger_and_stays_one(database: Database) -> None:
    assert schema.version(database) is None
    with pytest.raises(LedgerError, match="empty database") as caught:
        schema.require(database)
    assert "db upgrade" in caught.value.action

    schema.upgrade(database)
    schema.upgrade(database)  # nothing happens

    assert schema.version(database) == schema.HEAD
    schema.require(database)
    assert set(Base.metadata.tables) <= tables(database)


def test_several_that_upgrade_at_once_make_one_ledger(ledger_url: str) -> None:
    databases = [Database(ledger_url) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as pool:
        for done in [pool.submit(schema.upgrade, database) for database in databases]:
            done.result()

    assert {schema.version(database) for database in databases} == {schema.HEAD}
    for database in databases:
        database.close()


def test_the_migrations_say_what_the_models_say(database: Database) -> None:
    schema.upgrade(database)

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_way_down_leaves_nothing_and_the_way_up_works_again(database: Database) -> None:
    schema.upgrade(database)

    with database.write() as connection:
        down = config()
        down.attributes["connection"] = connection
        command.downgrade(down, "base")
    assert tables(database) == {"alembic_version"}

    schema.upgrade(database)
    assert set(Base.metadata.tables) <= tables(database)


def test_a_ledger_of_a_newer_version_is_left_alone(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(LedgerError, match="newer version"):
        schema.upgrade(database)
    with pytest.raises(LedgerError, match="9999"):
        schema.require(database)


@pytest.mark.parametrize("url", ["", "no url", "mysql+pymysql://root@127.0.0.1/x", "nothing://x"])
def test_what_cannot_be_a_ledger_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(UsageError):
        Ledger(url)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no folder"):
        Ledger(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.db'}")


@pytest.mark.parametrize(
    "words",
    [
        "sorry, too many clients already",
        'too many connections for role "connector"',
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    ],
)
def test_a_server_that_takes_no_further_connection_is_told_with_how_many_each_process_keeps(words: str) -> None:
    ledger = Ledger("postgresql+psycopg://connector@127.0.0.1:1/ledger", pool_size=24)

    @event.listens_for(ledger.database.engine, "do_connect")
    def refuse(*_: object) -> None:
        raise psycopg.OperationalError(f"connection failed: FATAL:  {words}")

    with pytest.raises(LedgerError, match=re.escape(words)) as caught, ledger.database.read():
        pass
    assert "max_connections" in caught.value.action
    assert "up to 24 connections" in caught.value.action


def test_a_server_that_does_not_answer_is_told_without_its_password() -> None:
    ledger = Ledger("postgresql+psycopg://someone:secret-word@127.0.0.1:1/ledger")

    with pytest.raises(LedgerError) as caught:
        schema.version(ledger.database)

    assert "secret-word" not in f"{caught.value.message}{caught.value.action}"


def test_a_postgresql_url_without_a_driver_gets_ours() -> None:
    assert Database("postgresql://127.0.0.1/x").url.drivername == "postgresql+psycopg"


def test_a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "connector.db"
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)

    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM job")
        private = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    database.close()
    file.chmod(0o640)
    assert schema.version(database) == schema.HEAD
    database.close()

    assert private == dict.fromkeys(("connector.db", "connector.db-wal", "connector.db-shm"), 0o600)
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_file_that_was_made_for_it_keeps_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "connector.db"
    file.touch()
    file.chmod(0o660)
    database = Database(f"sqlite:///{file}")
    schema.upgrade(database)
    database.close()

    assert file.stat().st_mode & 0o777 == 0o660


def test_an_embedded_ledger_survives_a_power_cut(embedded_url: str) -> None:
    database = Database(embedded_url)
    with database.read() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        synchronous = connection.execute(text("PRAGMA synchronous")).scalar_one()
        foreign_keys = connection.execute(text("PRAGMA foreign_keys")).scalar_one()
    database.close()

    assert (mode, synchronous, foreign_keys) == ("wal", 2, 1)  # 2: FULL


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("configured", "in_force"), [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
def test_a_commit_survives_a_power_cut_of_the_server_whatever_it_is_configured_for(
    postgres_server: services.PostgresServer, configured: str, in_force: str
) -> None:
    with postgres_server.database() as url:
        configure = Database(url)
        with configure.write() as connection:
            name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = {configured}')
        configure.close()

        database = Database(url)
        with database.read() as connection:
            read = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            silence = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one()
        with database.write() as connection:
            written = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        database.close()

    assert (read, written, silence) == (in_force, in_force, "10s")


def test_whether_a_database_cleans_up_is_asked_of_its_server(database: Database) -> None:
    with database.read() as connection:
        says = "on" if database.is_sqlite else connection.exec_driver_sql("SHOW autovacuum").scalar_one()

    assert database.cleans_up() is (says == "on")
