"""Whether connections to other machines are encrypted, and the other side is verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from connector.domain.errors import UsageError
from connector.transit import believed_by_libpq, is_local, verified


def unprotected(address: str) -> str | None:
    """Return what a URL lacks for its connection to be encrypted and verified; None where it is, or is local."""
    try:
        url = make_url(address)
        ours = verified(url)
    except (ArgumentError, ValueError, UsageError):
        return None  # whoever opens it says so
    if is_local(url):
        return None
    kind = url.get_backend_name()
    if kind == "postgresql" and not believed_by_libpq(url):
        return "?sslmode=verify-full, and &sslrootcert=FILE with the authority, or sslrootcert=system"
    if kind in {"mysql", "mariadb"}:
        return _lacking_of_mysql(url, ours)
    if kind == "redis":
        return "rediss:// in place of redis://"
    if kind == "rediss" and not _verifies(url):
        return "ssl_cert_reqs=required and ssl_check_hostname=true, or neither"
    if kind == "amqp":
        return "amqps:// in place of amqp://"
    return None


def _lacking_of_mysql(url: URL, ours: Mapping[str, Any]) -> str | None:
    if ours:
        return None if ours["ssl"].check_hostname else "ssl_check_hostname=true in place of false"
    believes = not url.query.get("ssl_disabled") and bool({"ssl_ca", "ssl_capath"} & {*url.query})  # another driver's
    return None if believes else "?ssl_ca=FILE with the authority"


def _verifies(url: URL) -> bool:
    """Whether the parameters of a URL of Redis, which win over ours, leave certificate and name to be verified."""
    certificate, name = (str(url.query.get(each, "")).lower() for each in ("ssl_cert_reqs", "ssl_check_hostname"))
    return certificate.removeprefix("cert_") in {"", "required"} and name in {"", "true", "1", "yes"}
