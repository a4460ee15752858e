"""One call of the command line: what it was told in general, and what it opens for its work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config import logging as log

if TYPE_CHECKING:
    from config.settings import Settings
    from connector.bootstrap import Services
    from connector.cli.output import Output
    from connector.ledger import Ledger


LANGUAGES: Final = ("en", "es", "fr", "ca")
"""Those of the catalogue, which is not imported for a line of help."""


class Session:
    """What the general options said, and the parts that a command asks for, each made once."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.json = False
        self.log_level: str | None = None
        self.lang: str | None = None
        self._services: Services | None = None

    @property
    def config_path(self) -> Path:
        """The configuration file that is meant, whether or not it exists."""
        return self.config or Path(os.environ.get("CONNECTOR_CONFIG") or "connector.toml")

    @cached_property
    def output(self) -> Output:
        """Where results go."""
        from connector.cli.output import Output

        return Output(json=self.json)

    @cached_property
    def settings(self) -> Settings:
        """The configuration; its secrets are struck out of all logs and messages from here on.

        Raises:
            UsageError: it is missing or wrong.
        """
        from config import settings
        from connector.cli.secrets import secrets_of

        loaded = settings.load(self.config)
        log.redaction.register(secrets_of(loaded))
        self.speak(loaded.console.language)
        return loaded

    def speak(self, language: str | None = None) -> None:
        """Tell reasons in the language that was asked for, else in this one."""
        from connector.domain import catalogue

        catalogue.speak(self.lang or language or catalogue.ENGLISH)

    @property
    def services(self) -> Services:
        """The parts of the product, not opened yet.

        Raises:
            UsageError: the configuration is missing or wrong.
        """
        from connector.bootstrap import Services

        if self._services is None:
            self._services = Services(self.settings)
        return self._services

    def ledger_if_any(self) -> Ledger | None:
        """Return the ledger for reading; None where there is none yet. Nothing is created or upgraded.

        Raises:
            LedgerError: it cannot be reached, or needs an upgrade first.
        """
        from connector.operations.ledgers import ledger_if_any

        return ledger_if_any(self.services)

    def sources(self, chosen: str | None = None) -> Sequence[str]:
        """Return the sources to work on: the chosen one, or all of the configuration.

        Raises:
            UsageError: there is no such source, or none at all.
        """
        from connector.domain.errors import UsageError

        if chosen is not None:
            self.services.source_settings(chosen)
            return [chosen]
        names = list(self.settings.sources)
        if not names:
            raise UsageError(
                f"There is no source in {self.config_path}.", action="Add a table [sources.NAME] for your ERP."
            )
        return names

    def log_as_daemon(self) -> None:
        """Log what happens: in plain lines on a terminal, else as JSON."""
        log.for_a_daemon(self.log_level or "info")

    def log_quietly(self) -> None:
        """Log nothing that the command does not say itself, unless it was asked for."""
        log.for_a_person(self.log_level)

    def close(self) -> None:
        """Give back all connections."""
        if self._services is not None:
            self._services.close()
