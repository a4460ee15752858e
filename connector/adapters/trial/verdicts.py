"""What a rule came to: the lines of a verdict sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from connector.domain.errors import ConnectorError


class Verdict(StrEnum):
    """How an adapter stood a rule."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    SKIPPED = "skipped"  # always with a reason


class RuleBrokenError(AssertionError):
    """An adapter does not keep a promise of its port; the message tells an author which one, and where."""


class NotTriedError(Exception):
    """A rule cannot be tried here; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a verdict sheet."""

    rule: str
    verdict: Verdict
    message: str = ""  # why it failed, why it was skipped, or what was seen


def judged(rule: str, try_it: Callable[[], str]) -> Finding:
    """Try a rule; what it returns is what was seen."""
    try:
        seen = try_it()
    except NotTriedError as error:
        return Finding(rule=rule, verdict=Verdict.SKIPPED, message=str(error))
    except RuleBrokenError as error:
        return Finding(rule=rule, verdict=Verdict.FAIL, message=str(error))
    except ConnectorError as error:
        return Finding(rule=rule, verdict=Verdict.FAIL, message=f"{error.message} {error.action}".strip())
    return Finding(rule=rule, verdict=Verdict.PASS, message=seen)


def require(kept: bool, otherwise: str) -> None:
    """See that a promise was kept.

    Raises:
        RuleBrokenError: it was not.
    """
    if not kept:
        raise RuleBrokenError(otherwise)
