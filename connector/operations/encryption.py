"""Whether connections to other machines are encrypted, and the other side is verified."""

from __future__ import annotations

import ipaddress
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_VERIFIED: Final = ("verify-full", "verify-ca")


def unprotected(address: str) -> str | None:
    """Return what a URL lacks for its connection to be encrypted and verified; None where it is, or is local."""
    try:
        url = make_url(address)
    except ArgumentError:
        return None  # whoever opens it says so
    if _is_local(url):
        return None
    kind = url.get_backend_name()
    if kind == "postgresql" and url.query.get("sslmode") not in _VERIFIED:
        return "?sslmode=verify-full, and &sslrootcert=FILE with the authority, or sslrootcert=system"
    if kind in {"mysql", "mariadb"} and not {"ssl_ca", "ssl_capath"} & {*url.query}:
        return "?ssl_ca=FILE with the authority"
    if kind == "redis":
        return "rediss:// in place of redis://"
    if kind == "amqp":
        return "amqps:// in place of amqp://"
    return None


def _is_local(url: URL) -> bool:
    host = url.host or url.query.get("host") or "localhost"
    if not isinstance(host, str) or host.startswith("/") or host == "localhost":
        return isinstance(host, str)
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
