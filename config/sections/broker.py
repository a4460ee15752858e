"""Where the broker is, and which queues it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from config.addresses import clear, passwords_of
from config.sections.section import Command, Section

QueueKind = Literal["classic", "quorum"]


class BrokerSettings(Section):
    """The doorbell between scheduler and workers."""

    url: SecretStr = Field(SecretStr("memory://"), description="memory://, redis://… or amqp://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    url_command: Command | None = Field(None, description="Command that prints the URL.")
    queue: QueueKind = Field(
        "classic",
        description="Kind of queue on RabbitMQ: classic, or quorum, which is kept on several nodes of a cluster.",
    )

    def address(self) -> str:
        """Return the broker URL, password included.

        Raises:
            UsageError: it cannot be read, or not be taken apart for certain.
        """
        return clear(self._named("url"), self._secret("url", hide=passwords_of), separators=";")

    @property
    def embedded(self) -> bool:
        """Whether there is no broker at all and the work is done in the process that finds it."""
        return self.address().startswith("memory://")
