"""The dead-man's switch: a call to the outside while all is well. Who gets none for a while raises the alarm."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Literal

from connector.ledger import Ledger
from connector.tls import trusted

log = logging.getLogger(__name__)

SIGN: Final = "heartbeat"
"""Under this name the ledger keeps when the last call arrived."""

_TIMEOUT: Final = 10.0


class Heartbeat:
    """Calls a URL, which is a secret, from one of all processes at a time."""

    def __init__(
        self, ledger: Ledger, url: Callable[[], str], *, method: Literal["GET", "POST"], seconds: float
    ) -> None:
        """Prepare it.

        Args:
            ledger: keeps when the last call was made.
            url: returns what to call; may raise `UsageError`.
            method: of the call.
            seconds: between calls.
        """
        self._ledger = ledger
        self._url = url
        self._method = method
        self._seconds = seconds

    def beat(self) -> None:
        """Call, if it is time to.

        Raises:
            LedgerError: the ledger failed.
            UsageError: the URL cannot be read.
        """
        if not self._ledger.outbox.sign("heartbeat tried", every=self._seconds):
            return
        if self._arrives():
            self._ledger.outbox.sign(SIGN)

    def _arrives(self) -> bool:
        import httpx  # slow to import

        try:
            answer = httpx.request(
                self._method, self._url(), verify=trusted(), timeout=_TIMEOUT, follow_redirects=True
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("the heartbeat did not arrive: %s", type(error).__name__)  # its text may show the URL
            return False
        if answer.is_success:
            return True
        log.warning("the heartbeat was answered with status %s", answer.status_code)
        return False
