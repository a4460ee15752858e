"""Everything that can go wrong at one operation of a worker, by the kind of the operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connector.b2brouter.outcome import Fault as Broken

SHORT_PAUSE: Final = 100.0
"""Longer than a lease (75 s), shorter than the quiet time (180 s): others are still looking."""

LONG_PAUSE: Final = 400.0
"""Longer than lease and quiet time together: others have finished."""


class Site(StrEnum):
    """Kinds of operations."""

    LEDGER_WRITE = "ledger write"
    LEDGER_READ = "ledger read"
    REMOTE_WRITE = "remote write"
    REMOTE_READ = "remote read"
    ERP_READ = "ERP read"
    ERP_WRITE = "ERP write"


class Done(StrEnum):
    """What became of the effect."""

    LOST = "lost"  # the request never arrived
    STORED = "stored"
    LATE = "late"  # stored long after the caller gave up


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at one operation."""

    name: str
    kill: bool = False  # the worker dies: before the operation, or, where `done` is given, within it
    pause: float = 0.0  # the worker stands still before the operation
    gap: bool = False  # ... but between its last check and the first byte, where nobody can help
    gone: bool = False  # the ledger, or the ERP, cannot be reached
    done: Done | None = None
    broken: Broken | None = None  # no whole answer came
    left: bool = True  # whether a byte of the request may have left
    status: int | None = None  # an answer, but none that the operation deserved
    body: bytes = b""
    retry_after: str | None = None
    garbage: bool = False  # a success that cannot be read
    other_number: bool = False  # stored, under a number that is not ours
    flushed: bool = False  # the broker loses its messages; the sweep's first bells go to nobody either
    edit: bool = False  # nothing fails: somebody changes the document in the ERP

    def __str__(self) -> str:
        return self.name


KILL: Final = Fault(name="killed before", kill=True)
SHORT: Final = Fault(name="paused for 100 s before", pause=SHORT_PAUSE)
LONG: Final = Fault(name="paused for 400 s before", pause=LONG_PAUSE)
EDIT: Final = Fault(name="ERP document edited", edit=True)
GONE: Final = Fault(name="database gone, not applied", gone=True, done=Done.LOST)
GONE_AFTER: Final = Fault(name="database gone, applied", gone=True, done=Done.STORED)

SHORT_GAP: Final = Fault(name="paused for 100 s after the last check", pause=SHORT_PAUSE, gap=True)
LONG_GAP: Final = Fault(name="paused for 400 s after the last check", pause=LONG_PAUSE, gap=True)

_JSON_429: Final = b'{"error":{"message":"Too many requests"}}'
_JSON_422: Final = b'{"error":{"code":"parameter_invalid","message":"is invalid","param":"lines"}}'


def _within(done: Done) -> Sequence[Fault]:
    return (
        Fault(name=f"killed during the call, {done}", kill=True, done=done),
        Fault(name=f"time-out, {done}", broken=Broken.READ_TIME_OUT, done=done),
    )


CUT: Final = (
    Fault(name="time-out while connecting", broken=Broken.CONNECT_TIME_OUT, left=False, done=Done.LOST),
    Fault(name="connection refused", broken=Broken.CONNECT, left=False, done=Done.LOST),
)

_SAME_AS_TIME_OUT: Final = (
    Fault(name="reset, lost", broken=Broken.WRITE, done=Done.LOST),
    Fault(name="reset, stored", broken=Broken.READ, done=Done.STORED),
    Fault(name="disconnected without an answer, stored", broken=Broken.PROTOCOL, done=Done.STORED),
    *(
        Fault(name=f"{status}, {done}", status=status, done=done)
        for status in (408, 409, 425, 500, 502, 504, 522)
        for done in (Done.LOST, Done.STORED)
    ),
    Fault(name="unreadable 200, lost", garbage=True, done=Done.LOST),
    Fault(name="unreadable 200, late", garbage=True, done=Done.LATE),
)
"""They prove as little as a time-out; that they are judged alike is seen in every single schedule."""

WRITE_FAULTS: Final[Sequence[Fault]] = (
    *_within(Done.LOST),
    *_within(Done.STORED),
    *_within(Done.LATE),
    Fault(name="503, lost", status=503, done=Done.LOST),
    Fault(name="503, stored", status=503, done=Done.STORED),
    Fault(name="unreadable 200, stored", garbage=True, done=Done.STORED),
    Fault(name="429", status=429, body=_JSON_429, retry_after="7", done=Done.LOST),
    Fault(name="401", status=401, done=Done.LOST),
    Fault(name="422", status=422, body=_JSON_422, done=Done.LOST),
    SHORT_GAP,
    LONG_GAP,
)
MORE_WRITE_FAULTS: Final[Sequence[Fault]] = (
    *CUT,
    *_SAME_AS_TIME_OUT,
    Fault(name="503, late", status=503, done=Done.LATE),
    Fault(name="429 for ages", status=429, retry_after="1000000000", done=Done.LOST),
    Fault(name="429 until nobody knows", status=429, retry_after="soon", done=Done.LOST),
)
OTHER_NUMBER: Final = Fault(name="stored under another number", other_number=True, done=Done.STORED)

READ_FAULTS: Final[Sequence[Fault]] = (
    Fault(name="unreadable answer", garbage=True),
    Fault(name="401", status=401),
)
MORE_READ_FAULTS: Final[Sequence[Fault]] = (
    Fault(name="time-out", broken=Broken.READ_TIME_OUT),
    Fault(name="503", status=503),
    Fault(name="429", status=429, body=_JSON_429),
)

_ANYWHERE: Final = (KILL, LONG)

FEW: Final[Mapping[Site, Sequence[Fault]]] = {
    Site.LEDGER_WRITE: (*_ANYWHERE, SHORT, EDIT, GONE, GONE_AFTER),
    Site.LEDGER_READ: (GONE,),
    Site.REMOTE_WRITE: (*_ANYWHERE, SHORT, EDIT, *WRITE_FAULTS),
    Site.REMOTE_READ: (*_ANYWHERE, *READ_FAULTS),
    Site.ERP_READ: (*_ANYWHERE, GONE),
    Site.ERP_WRITE: (*_ANYWHERE, EDIT, GONE, GONE_AFTER),
}
"""One of each class that the protocol can tell apart: what pairs are made of."""

ALL: Final[Mapping[Site, Sequence[Fault]]] = {
    **FEW,
    Site.LEDGER_READ: (*_ANYWHERE, GONE),
    Site.REMOTE_WRITE: (*FEW[Site.REMOTE_WRITE], *MORE_WRITE_FAULTS),
    Site.REMOTE_READ: (*FEW[Site.REMOTE_READ], SHORT, EDIT, *MORE_READ_FAULTS),
    Site.ERP_READ: (*FEW[Site.ERP_READ], SHORT, EDIT),
    Site.ERP_WRITE: (*FEW[Site.ERP_WRITE], SHORT),
}
"""Every one that we could think of: what singles are made of."""
