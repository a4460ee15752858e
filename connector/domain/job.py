"""What can happen to the job of one invoice: its stage (achieved, grows) and its status (now).

Console, documents and tests are drawn from the tables here. Whatever they lack is a bug and raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """What has been achieved.

    It grows, but for one case: an unsent document whose ERP original changed is withdrawn from B2Brouter and
    starts over.
    """

    FOUND = "found"
    CONTACT_READY = "contact_ready"
    CREATED = "created"
    VERIFIED = "verified"  # the server's totals equal the ERP's
    SENT = "sent"
    RECORDED = "recorded"  # reference and xref are in the ERP

    @property
    def rank(self) -> int:
        """Position on the way, 0 for found."""
        return _RANK[self]

    def reached(self, other: Stage) -> bool:
        """Whether this stage is `other` or lies beyond it."""
        return self.rank >= other.rank


_RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}


class Status(StrEnum):
    """What is happening to a job now."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    HELD = "held"
    DONE = "done"
    SKIPPED = "skipped"


AT_REST: Final = (Status.DONE, Status.SKIPPED)
"""Statuses in which the work has come to its end."""


def is_case(status: Status, reason: str | None) -> bool:
    """Whether a job needs a person though its work has ended: what was sent has a fate that somebody must know."""
    return status in AT_REST and reason is not None


class Event(StrEnum):
    """What moves a job from one status to another."""

    LEASED = "leased"
    MOVED = "moved"
    ARRIVED = "arrived"
    POSTPONED = "postponed"
    BLOCKED = "blocked"
    STUCK = "stuck"
    RETURNED = "returned"
    LEASE_LAPSED = "lease_lapsed"
    RELEASED = "released"
    HELD = "held"
    SKIPPED = "skipped"


NEXT: Final[Mapping[tuple[Status, Event], Status]] = {
    (Status.PENDING, Event.LEASED): Status.RUNNING,
    (Status.RUNNING, Event.MOVED): Status.RUNNING,  # one stage further, the same worker goes on
    (Status.RUNNING, Event.ARRIVED): Status.DONE,
    (Status.RUNNING, Event.POSTPONED): Status.PENDING,  # with a later due_at
    (Status.RUNNING, Event.BLOCKED): Status.WAITING,
    (Status.RUNNING, Event.STUCK): Status.HELD,
    (Status.RUNNING, Event.RETURNED): Status.PENDING,  # handed back untouched
    (Status.RUNNING, Event.LEASE_LAPSED): Status.PENDING,
    (Status.WAITING, Event.RELEASED): Status.PENDING,
    (Status.HELD, Event.RELEASED): Status.PENDING,
    (Status.PENDING, Event.RELEASED): Status.PENDING,  # try now instead of at due_at
    (Status.PENDING, Event.HELD): Status.HELD,
    (Status.WAITING, Event.HELD): Status.HELD,
    (Status.PENDING, Event.SKIPPED): Status.SKIPPED,
    (Status.WAITING, Event.SKIPPED): Status.SKIPPED,
    (Status.HELD, Event.SKIPPED): Status.SKIPPED,
    (Status.SKIPPED, Event.RELEASED): Status.PENDING,  # a person changed their mind
}


def next_status(status: Status, event: Event) -> Status:
    """Return the status after `event`.

    Raises:
        KeyError: the table has no such transition; the caller has a bug.
    """
    return NEXT[status, event]


def allows(status: Status, event: Event) -> bool:
    """Whether a person may cause `event` in this status."""
    return (status, event) in NEXT


class Effect(StrEnum):
    """An act on another system that cannot be taken back by us alone: each has an intent before it."""

    CONTACT = "contact"
    CREATE = "create"
    IMPORT = "import"  # in place of create, where the document is a file that exists already
    ATTACH = "attach"
    SEND = "send"
    RECORD = "record"
    WITHDRAW = "withdraw"


MAKING: Final = frozenset({Effect.CREATE, Effect.IMPORT})
"""The effects by which the document comes to be at B2Brouter."""
