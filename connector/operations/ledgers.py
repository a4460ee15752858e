"""The ledger, for commands that only look: nothing is created, nothing is upgraded."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connector.bootstrap import Services
from connector.ledger import Ledger, schema


def ledger_if_any(services: Services) -> Ledger | None:
    """Return the ledger for reading; None where there is none yet.

    Raises:
        LedgerError: it cannot be reached, or needs an upgrade first.
        UsageError: its URL is not one.
    """
    if missing_file(services.settings.ledger.address()) is not None:
        return None
    ledger = services.ledger
    if schema.version(ledger.database) is None:
        return None
    schema.require(ledger.database)
    return ledger


def missing_file(url: str) -> Path | None:
    """Return the file of an embedded ledger that does not exist yet; None for all other ledgers."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None  # opening the ledger will say so
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    file = Path(parsed.database)
    return None if file.exists() else file
