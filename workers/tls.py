"""Certificates of brokers: verified, name included, unless the URL says otherwise.

Left alone, the transports verify less: that of Redis nothing, that of RabbitMQ not whose certificate it is.
"""

from __future__ import annotations

import ssl
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_AUTHORITIES: Final = "ssl_ca_certs"
"""Parameter of a URL: a file with the authorities to trust, instead of the system's."""


def broker_tls(url: str) -> tuple[str, dict[str, Any] | None]:
    """Return a broker's URL as its transport wants it, and how it is verified; None without TLS."""
    parts = urlsplit(url)
    if parts.scheme == "rediss":  # parameters ssl_… of its URL are understood, and win
        return url, {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if parts.scheme != "amqps":
        return url, None
    given = dict(parse_qsl(parts.query))
    authorities = {"ca_certs": given.pop(_AUTHORITIES)} if _AUTHORITIES in given else {}
    bare = urlunsplit(parts._replace(query="&".join(f"{name}={value}" for name, value in given.items())))
    return bare, {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname, **authorities}
