"""When an account is not worth another try for now: a pure count of how its calls end.

One document that is refused says nothing about the others. Many calls in a row that fail, or many documents in a
row that are refused for one and the same reason, say that something is wrong with the account, the network or
the configuration, and that going on would only use up attempts and patience.
"""

from __future__ import annotations

import threading
from typing import Final

from connector.domain import catalogue
from connector.domain.errors import (
    AccountDownError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    StepError,
)

FAILURES: Final = 12
"""Calls in a row without a usable answer that open the breaker: more than bad luck with a bad line brings."""

REFUSALS: Final = 25
"""Documents in a row, refused with the same code, that open it."""


def as_outage(error: NotSentError) -> AccountDownError:
    """Return what it means for an account that it cannot even be read."""
    return AccountDownError(
        "outage", catalogue.within("message", error.reason, error.details), request_id=error.request_id
    )


class Breaker:
    """Counts how the calls of one account end. Used from several threads."""

    def __init__(self) -> None:
        """Start closed."""
        self._lock = threading.Lock()
        self._failures = 0
        self._refusals = 0
        self._refusal: tuple[str, ...] = ()
        self._open: AccountDownError | None = None

    @property
    def opened(self) -> AccountDownError | None:
        """Why the account should be left alone; None while it may be worked for."""
        return self._open

    def close(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._failures = self._refusals = 0
            self._open = None

    def note(self, operation: str, error: StepError | None) -> None:
        """Take note of how a call ended; None means well. The directory's silence says nothing about the account."""
        if operation == "look_up_directory":
            return
        with self._lock:
            match error:
                case None:
                    self._failures = 0
                    if operation == "create_invoice":
                        self._refusals = 0
                case RefusedError(reason="number_taken"):
                    self._failures = 0  # by what we issued ourselves, as it is where a ledger begins anew
                case RefusedError():
                    self._failures = 0
                    if operation == "create_invoice":
                        self._refused(error)
                case NotSentError(reason="rate_limited") | MisconfiguredError():
                    pass  # the budget slows down; a misconfigured account is paused at once
                case NotSentError() | OutcomeUnknownError():
                    self._failed(error)
                case _:
                    pass

    def _failed(self, error: StepError) -> None:
        self._failures += 1
        if self._failures >= FAILURES and self._open is None:
            message = f"{self._failures} x {error.details.get('message', '')}"
            self._open = AccountDownError("outage", {"message": message}, request_id=error.request_id)

    def _refused(self, error: RefusedError) -> None:
        kind = (error.reason, error.details.get("code", ""), error.details.get("param", ""))
        self._refusals = self._refusals + 1 if kind == self._refusal else 1
        self._refusal = kind
        if self._refusals >= REFUSALS and self._open is None:
            facts = {"count": str(self._refusals), "message": error.details.get("message", "")}
            self._open = AccountDownError("refusals_rise", facts, request_id=error.request_id)
