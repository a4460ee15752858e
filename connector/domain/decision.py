"""What follows from a failure: a pure function of the error, the attempts so far and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connector.domain import catalogue
from connector.domain.errors import (
    AccountError,
    BlockedError,
    LookAgainError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    StepError,
)
from connector.domain.job import Event

FIRST_LOOK = 2.0
"""Seconds after an unknown outcome until the first look-up: found is found, at any time."""

UNNAMED = 16
"""So many times longer are the pauses after a 429 that names no time: requests are counted by the minute, and five
tries shall span several."""

_MOST_DOUBLINGS = 32
"""An ERP may be away for weeks; no pause is that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and how patiently transient faults are repeated. Times in seconds."""

    attempts: int = 5
    base: float = 2.0
    cap: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the job: `event` moves it, `delay` seconds later it is due again."""

    event: Event
    reason: str
    details: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    attempts: int = 0


def backoff(attempt: int, policy: Policy, *, jitter: float) -> float:
    """Return the pause before the next try, in seconds.

    Args:
        attempt: 1 after the first failure.
        policy: base, doubled each time, up to cap.
        jitter: in [0, 1); half of the pause is spread at random, so that a thousand jobs that failed
            together do not come back together.
    """
    doublings = min(max(0, attempt - 1), _MOST_DOUBLINGS)
    pause = min(policy.cap, policy.base * 2**doublings)
    return float(pause * (0.5 + jitter / 2))


def decide(error: StepError, *, attempts: int, policy: Policy, jitter: float) -> Decision:
    """Judge a failed step.

    Args:
        error: what happened.
        attempts: failures of this step before this one.
        policy: how often to repeat.
        jitter: in [0, 1), see `backoff`.

    Raises:
        TypeError: an error class that nobody taught this function about.
    """
    match error:
        case OutcomeUnknownError():
            return Decision(
                event=Event.POSTPONED,
                reason="looking_up",
                details=error.details,
                delay=FIRST_LOOK,
                attempts=attempts,
            )
        case LookAgainError(pause=pause):
            return Decision(
                event=Event.POSTPONED,
                reason=error.reason,
                details=error.details,
                delay=pause,
                attempts=attempts,
            )
        case NotSentError(outage=True):
            return _postponed(error, attempts + 1, policy, 0.0, jitter)
        case NotSentError(retry_after=wish):
            unnamed = error.reason == "rate_limited" and not wish
            patience = replace(policy, base=policy.base * UNNAMED) if unnamed else policy
            return _again(error, attempts + 1, patience, wish or 0.0, jitter)
        case BlockedError():
            return Decision(event=Event.BLOCKED, reason=error.reason, details=error.details)
        case RefusedError():
            return Decision(event=Event.STUCK, reason=error.reason, details=error.details)
        case AccountError():
            # The account stops, not the document: no attempt is used up.
            return Decision(event=Event.RETURNED, reason=error.reason, details=error.details, attempts=attempts)
        case _:
            raise TypeError(f"no decision for {type(error).__name__}")


def _again(error: StepError, failures: int, policy: Policy, wish: float, jitter: float) -> Decision:
    if failures >= policy.attempts:
        details = {"attempts": str(failures), **catalogue.within("last", error.reason, error.details)}
        return Decision(event=Event.STUCK, reason="retries_exhausted", details=details, attempts=failures)
    return _postponed(error, failures, policy, wish, jitter)


def _postponed(error: StepError, failures: int, policy: Policy, wish: float, jitter: float) -> Decision:
    delay = max(backoff(failures, policy, jitter=jitter), wish)
    return Decision(event=Event.POSTPONED, reason=error.reason, details=error.details, delay=delay, attempts=failures)
