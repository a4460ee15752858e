"""What can be said of an API key by itself; apart from the transport, for HTTP is slow to import."""

from __future__ import annotations

from connector.domain.errors import UsageError


def sendable(api_key: str) -> str:
    """Return a key that a header can carry.

    Raises:
        UsageError: it cannot; the message does not show it.
    """
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise UsageError(
            "The API key is empty or has characters that no key has: blanks, line ends, accents.",
            action="Copy the key again from B2Brouter, Developers, API Keys.",
        )
    return api_key
