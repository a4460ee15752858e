"""Where the ledger is."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from config.addresses import clear, passwords_of
from config.sections.section import Command, Section


class LedgerSettings(Section):
    """Our own database."""

    url: SecretStr = Field(SecretStr("sqlite:///connector.db"), description="sqlite:///… or postgresql+psycopg://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    url_command: Command | None = Field(None, description="Command that prints the URL.")

    def address(self) -> str:
        """Return the SQLAlchemy URL, password included.

        Raises:
            UsageError: it cannot be read, or not be taken apart for certain.
        """
        return clear(self._named("url"), self._secret("url", hide=passwords_of))
