"""Whether a broker answers."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from config import logging as log
from connector.domain.errors import OutsideError, UsageError

_PATIENCE = 5


def reach(url: str) -> str:
    """Connect once; return the broker's address without user and password.

    Raises:
        UsageError: the URL names no kind of broker that is known.
        OutsideError: it does not answer, or refuses us.
    """
    from kombu import Connection

    shown = display(url)
    options = {"socket_connect_timeout": _PATIENCE, "socket_timeout": _PATIENCE}
    try:
        with Connection(
            url,
            connect_timeout=_PATIENCE,
            transport_options=options if url.startswith("redis") else {"max_retries": 0},
        ) as connection:
            connection.ensure_connection(max_retries=1, timeout=_PATIENCE)
            connection.default_channel.close()
    except (KeyError, ValueError):
        raise UsageError(
            f"broker.url names no broker that is known: {shown}.", action="Give redis://… or amqp://…, or memory://."
        ) from None
    except Exception as error:  # noqa: BLE001  # every transport of kombu raises errors of its own
        raise OutsideError(
            f"The broker {shown} cannot be reached: {_cause(error)}.",
            action="Check that it runs, and the broker's url, user and password.",
        ) from error
    return shown


def display(url: str) -> str:
    """Return a URL without user and password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.partition(":")[0]
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, "", ""))


def _cause(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return log.redaction.clean((lines[0] if lines else type(error).__name__).rstrip("."))
