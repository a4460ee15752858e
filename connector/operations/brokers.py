"""Whether a broker answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from config.sections.broker import BrokerSettings
from connector.domain.errors import UsageError

_OF_REDIS_TLS: Final = (
    "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_ciphers",
    "ssl_cert_reqs", "ssl_check_hostname",
)  # fmt: skip

_PARAMETERS: Final[Mapping[str, Sequence[str]]] = {
    "redis": (),
    "rediss": _OF_REDIS_TLS,
    "amqp": ("login_method",),
    "amqps": ("login_method", "ssl_ca_certs"),
}
"""The kinds of brokers, and what their URLs may say: all that their transports read from a text."""

_LEVELS: Final = ("required", "optional", "none")
"""Of `ssl_cert_reqs`, as they stand there or as CERT_REQUIRED."""


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
    if scheme not in _PARAMETERS or not complete:
        raise UsageError(
            "broker.url names no broker that is known.",
            action="Give redis://HOST/0 or amqp://USER@HOST//, or memory:// for none.",
        )
    for name, value in parse_qsl(url.partition("?")[2]):
        if name not in _PARAMETERS[scheme]:
            others = [other for other in _PARAMETERS if name in _PARAMETERS[other]]
            readers = f"; those of {' and '.join(f'{other}://' for other in others)} can" if others else ""
            allowed = ", ".join(_PARAMETERS[scheme]) or "none"
            raise UsageError(
                f"broker.url has a parameter {name} that a broker of {scheme}:// cannot be told{readers}.",
                action=f"Correct it; parameters of {scheme}:// are: {allowed}.",
            )
        if name == "ssl_cert_reqs" and value.lower().removeprefix("cert_") not in _LEVELS:
            raise UsageError(
                "broker.url has an ssl_cert_reqs that is not known.", action=f"Say one of {', '.join(_LEVELS)}."
            )
