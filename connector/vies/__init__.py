"""VIES, the European Commission's register of VAT numbers in cross-border trade: is a number in it?

One REST call per number, `GET {base}/ms/{country}/vat/{number}`. The register asks the member states in turn and
is often out of reach: whatever is not a clear yes or no is no answer, and then it is left alone for a while.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from connector.tls import trusted

log = logging.getLogger(__name__)

PAUSE: Final = 60.0
"""Seconds in which a register that gave no answer is not asked again: it must not hold up the work."""

_LONGEST: Final = 64 * 1024
"""Bytes of an answer that are read."""


class Vies:
    """The register. Used from several threads."""

    def __init__(self, base_url: str, *, timeout: float, clock: Callable[[], float] = monotonic) -> None:
        """Prepare; nothing is asked yet.

        Args:
            base_url: of the REST interface, without the final slash.
            timeout: seconds that one question may take.
            clock: in seconds, for pauses and time-outs.
        """
        self._base = base_url.rstrip("/")
        self._timeout = timeout
        self._clock = clock
        self._silent_until: float | None = None

    def ask(self, number: str) -> bool | None:
        """Return whether a number is in the register; None where it gives no clear answer.

        `number` has its prefix and nothing but letters and digits: ESB12345674, EL094019245.
        """
        if self._silent_until is not None and self._clock() < self._silent_until:
            return None
        answer = _verdict(self._get(f"{self._base}/ms/{number[:2]}/vat/{number[2:]}"))
        if answer is None:
            self._silent_until = self._clock() + PAUSE
        return answer

    def _get(self, url: str) -> Any:
        """Return the JSON of a good answer, else None; the whole call ends within the time-out."""
        import httpx  # slow to import

        deadline = self._clock() + self._timeout
        body = b""
        try:
            with httpx.stream(
                "GET", url, verify=trusted(), timeout=self._timeout / 2, follow_redirects=False
            ) as response:
                for piece in response.iter_bytes():
                    body += piece
                    if self._clock() > deadline or len(body) > _LONGEST:
                        return None
            return json.loads(body) if response.status_code == 200 else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            log.info("VIES gives no answer: %s", type(error).__name__)
            return None


def _verdict(answer: Any) -> bool | None:
    """Believe a clear yes or no alone: `MS_UNAVAILABLE`, `TIMEOUT` and the like come with isValid false as well."""
    if not isinstance(answer, dict):
        return None
    says = answer.get("userError")
    match answer.get("isValid"):
        case True if says in {None, "VALID"}:
            return True
        case False if says == "INVALID":
            return False
    return None
