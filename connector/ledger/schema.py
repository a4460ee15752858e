"""The ledger's schema and its migrations, which travel inside the package."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from connector.domain.errors import LedgerError
from connector.ledger.database import Database

HEAD = "0001"
"""The newest migration; a test keeps it true. They are numbered in their order."""

_UPGRADING = 0x6232_6272
"""Number of the lock that whoever changes the schema holds, within one PostgreSQL database."""

_SCRIPTS = Path(__file__).parent / "migrations"


def version(database: Database) -> str | None:
    """Return the migration that the ledger stands at; None for an empty database.

    Raises:
        LedgerError: the ledger cannot be reached.
    """
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).one_or_none()
        return str(row[0]) if row else None


def upgrade(database: Database) -> None:
    """Bring the ledger to the newest schema; nothing happens where it is there already.

    Several processes may try at once: one does it, and the others find it done.

    Raises:
        LedgerError: the ledger cannot be reached or written, or is newer than this software.
    """
    present = version(database)
    if present == HEAD:
        return
    # Alembic is slow to import and needed only now.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    try:
        with database.write() as connection:
            _one_at_a_time(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise LedgerError(
            f"The ledger {database.display} was written by a newer version ({present}).",
            action="Install that version or a later one.",
        ) from error
    except DBAPIError as error:
        raise LedgerError(f"The ledger {database.display} cannot be upgraded: {error.orig}.") from error


def _one_at_a_time(connection: Connection) -> None:
    """Wait until nobody else changes the schema; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_UPGRADING)))


def require(database: Database) -> None:
    """See that the schema is the one this software knows.

    Raises:
        LedgerError: it is older or newer, or the ledger cannot be reached.
    """
    present = version(database)
    if present != HEAD:
        newer = present is not None and present > HEAD
        raise LedgerError(
            f"The ledger {database.display} has the schema {present or 'of an empty database'}, not {HEAD}.",
            action="Install the version that wrote it, or a later one." if newer else "Run: connector db upgrade.",
        )
