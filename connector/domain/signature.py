"""Whether a webhook comes from B2Brouter, and just now.

The header `X-B2Brouter-Signature: t=<unix seconds>,s=<hex>` signs `<t>.<raw body>` with HMAC-SHA256 and the
signing secret as text. Source: API reference 10.3; no tolerance is documented there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

HEADER: Final = "X-B2Brouter-Signature"

_STAMP: Final = re.compile("[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Signature:
    """What the header says; nothing of it is proven yet."""

    stamp: str  # unix seconds, letter by letter as received
    digest: str

    def is_fresh(self, now: datetime, *, tolerance: float) -> bool:
        """Whether it says to have been made within so many seconds before or after now."""
        return abs(now.timestamp() - int(self.stamp)) <= tolerance

    def is_genuine(self, body: bytes, secrets: Iterable[str]) -> bool:
        """Whether one of the secrets made it over these very bytes; a wrong one takes as long as any other."""
        given = self.digest.encode()
        return any(hmac.compare_digest(_digest(secret, self.stamp, body), given) for secret in secrets)


def signature_of(header: str | None) -> Signature | None:
    """Read the header; None where it is missing or of another form."""
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(","))
    stamp, digest = parts.get("t", ""), parts.get("s", "")
    if not _STAMP.fullmatch(stamp) or not digest:
        return None
    return Signature(stamp, digest)


def sign(secret: str, body: bytes, *, now: datetime) -> str:
    """Return the header that B2Brouter would send with a body."""
    stamp = str(int(now.timestamp()))
    return f"t={stamp},s={_digest(secret, stamp, body).decode()}"


def _digest(secret: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
