"""Whom we trust over TLS: read once for a process, for the certificates of all authorities take long to load."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted() -> ssl.SSLContext:
    """Return the context that verifies certificates and hosts, shared by all clients; `SSL_CERT_FILE` is heeded."""
    import httpx  # slow to import

    return httpx.create_ssl_context()
