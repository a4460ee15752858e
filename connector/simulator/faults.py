"""Faults on request: which requests go wrong, and how.

A rule names a kind of fault and the requests that it is for. It strikes the next `times` matching
requests, or each with a probability; the source of chance is seeded, so that a run can be repeated.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from random import Random
from threading import Lock
from typing import Any, Final


class FaultKind(StrEnum):
    """What happens. `before` means: nothing is stored; `after`: the request was carried out."""

    DROP_BEFORE = "drop_before"  # the connection closes without an answer
    DROP_AFTER = "drop_after"
    DROP_MIDWAY = "drop_midway"  # carried out; head and half of the body, then the connection closes
    HANG_BEFORE = "hang_before"  # silence of `seconds`, then the request is carried out and answered
    HANG_AFTER = "hang_after"  # carried out, then silence of `seconds`, then the answer
    SLOW = "slow"  # carried out; the body trickles over `seconds`
    RATE_LIMIT = "rate_limit"  # 429, with `retry_after` as its header where given
    UNAUTHORIZED = "unauthorized"  # 401 although the key is good
    UNAVAILABLE_BEFORE = "unavailable_before"  # 503
    UNAVAILABLE_AFTER = "unavailable_after"
    ERROR_BEFORE = "error_before"  # `status`: 500, 502 or 504
    ERROR_AFTER = "error_after"
    GARBAGE = "garbage"  # carried out; a body of random bytes under the right status
    HTML = "html"  # carried out; a page of a gateway, under `status` or 200
    TRUNCATED = "truncated"  # carried out; valid HTTP, but half the JSON
    WRONG_NUMBER = "wrong_number"  # carried out; the answer is about another invoice
    LIST_LAG = "list_lag"  # what this request creates shows in lists `seconds` later
    LATE_COMMIT = "late_commit"  # cut off after `hang` seconds, carried out `seconds` after arrival

    WEBHOOK_DROP = "webhook_drop"  # never delivered
    WEBHOOK_DUPLICATE = "webhook_duplicate"  # delivered twice
    WEBHOOK_DELAY = "webhook_delay"  # delivered `seconds` later
    WEBHOOK_REORDER = "webhook_reorder"  # delivered after the event that follows it
    WEBHOOK_EARLY = "webhook_early"  # delivered before the request that caused it is answered
    WEBHOOK_BAD_SIGNATURE = "webhook_bad_signature"


_NEEDS_SECONDS: Final = frozenset(
    {
        FaultKind.HANG_BEFORE,
        FaultKind.HANG_AFTER,
        FaultKind.SLOW,
        FaultKind.LIST_LAG,
        FaultKind.LATE_COMMIT,
        FaultKind.WEBHOOK_DELAY,
    }
)


class BadFaultError(ValueError):
    """A rule that cannot be used; the message says why."""


@dataclass(slots=True)
class Fault:
    """One rule.

    It matches by `method`, by `path` (`*` stands for one part of it, `**` for several), by
    `operation` (the name of the route, see `api.py`), and by the invoice `number`; what is left out
    matches all. Silences (`hang_before`, `hang_after`, `slow`, `hang`) last real seconds; `list_lag`,
    `late_commit` and `webhook_delay` count on the simulator's clock.
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    operation: str | None = None
    number: str | None = None
    probability: float = 1.0
    times: int | None = 1  # None: until removed
    skip: int = 0  # so many matching requests pass first
    seconds: float = 0.0
    hang: float = 0.0  # late_commit: how long the client waits before it is cut off
    status: int | None = None
    retry_after: str | None = None  # seconds, an HTTP date, or anything else
    reset: bool = False  # drops: RST instead of FIN
    id: int = 0
    struck: int = 0
    _pattern: re.Pattern[str] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self.kind = _kind(self.kind)
        if self.kind in _NEEDS_SECONDS and self.seconds <= 0:
            raise BadFaultError(f"{self.kind} needs seconds")
        if not 0 <= self.probability <= 1:
            raise BadFaultError("probability lies between 0 and 1")
        if self.path is not None:
            self._pattern = re.compile(_expression(self.path))

    def matches(self, method: str, path: str, operation: str | None, number: str | None) -> bool:
        return (
            (self.method is None or self.method.upper() == method)
            and (self.operation is None or self.operation == operation)
            and (self.number is None or self.number == number)
            and (self._pattern is None or self._pattern.fullmatch(path) is not None)
        )

    def as_dict(self) -> dict[str, Any]:
        values = asdict(self)
        del values["_pattern"]
        return values


class Faults:
    """The rules in force, oldest first; the first that strikes decides."""

    def __init__(self, seed: int | None = None) -> None:
        self.chance = Random(seed)
        self._rules: list[Fault] = []
        self._last_id = 0
        self._lock = Lock()  # tests add rules from their own thread

    def add(self, kind: FaultKind | str, **details: Any) -> Fault:
        """Put a rule in force: `add("drop_after", operation="create_invoice", times=2)`.

        Raises:
            BadFaultError: unknown kind or field, or a value that makes no sense.
        """
        try:
            fault = Fault(_kind(kind), **details)
        except TypeError as error:
            raise BadFaultError(str(error)) from error
        with self._lock:
            self._last_id += 1
            fault.id = self._last_id
            self._rules.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        with self._lock:
            kept = [rule for rule in self._rules if rule.id != fault_id]
            found = len(kept) < len(self._rules)
            self._rules = kept
        return found

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    @property
    def rules(self) -> list[Fault]:
        return list(self._rules)

    def strike(
        self, method: str, path: str, operation: str | None, number: str | None, *, webhook: bool = False
    ) -> Fault | None:
        """Return the rule that this request, or this event, falls to."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.kind.startswith("webhook_") != webhook:
                    continue
                if rule.matches(method, path, operation, number) and self._hits(rule):
                    return rule
        return None

    def _hits(self, rule: Fault) -> bool:
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if rule.probability < 1 and self.chance.random() >= rule.probability:
            return False
        rule.struck += 1
        if rule.times is not None:
            rule.times -= 1
            if rule.times <= 0:
                self._rules = [other for other in self._rules if other is not rule]
        return True


def fault_details(values: Mapping[str, object]) -> dict[str, Any]:
    """Read the fields of a rule from JSON, numbers as the rule wants them.

    Raises:
        BadFaultError: a number is none.
    """
    details: dict[str, Any] = dict(values)
    for name in ("probability", "seconds", "hang"):
        if name in details:
            if isinstance(details[name], bool) or not isinstance(details[name], (int, float, Decimal)):
                raise BadFaultError(f"{name} is a number")
            details[name] = float(details[name])
    if isinstance(details.get("retry_after"), int):
        details["retry_after"] = str(details["retry_after"])
    return details


def _kind(name: str) -> FaultKind:
    try:
        return FaultKind(name)
    except ValueError:
        raise BadFaultError(f"there is no fault {name!r}; known: {', '.join(FaultKind)}") from None


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    return "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
