"""Whether a broker answers."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from config.sections.broker import BrokerSettings
from connector.domain.errors import UsageError

_KNOWN: Final = ("redis", "rediss", "amqp", "amqps")

_PARAMETERS: Final = ("login_method",)
"""What the URL of a broker may say besides `ssl_…`."""


def reach(settings: BrokerSettings) -> str:
    """Connect once; return the broker's address without user and password.

    Raises:
        UsageError: the URL names no kind of broker that is known, or one without queues of the chosen kind.
        OutsideError: it does not answer, or refuses us.
    """
    url = settings.address()
    known_kind(url)
    # Celery is slow to import, and most installations have no broker.
    from workers import broker
    from workers.app import make_app

    broker.reach(make_app(settings))
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path


def known_kind(url: str) -> None:
    """See that a URL names a broker that the product works with, and says nothing that its transport stumbles over.

    Raises:
        UsageError: it does not.
    """
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
        complete = parts.port is not None or bool(parts.hostname)
    except ValueError:  # a port that is no number
        complete = False
    if scheme not in _KNOWN or not complete:
        raise UsageError(
            "broker.url names no broker that is known.",
            action="Give redis://HOST/0 or amqp://USER@HOST//, or memory:// for none.",
        )
    for name, _ in parse_qsl(url.partition("?")[2]):
        if not name.startswith("ssl_") and name not in _PARAMETERS:
            raise UsageError(
                f"broker.url has a parameter {name} that no broker can be told.",
                action="Write it as redis://:PASSWORD@HOST:PORT/0 or amqp://USER:PASSWORD@HOST:PORT//.",
            )
