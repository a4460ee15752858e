"""Who holds a lease, told so exactly that its death can be proven.

A lease lapses by time. But where the holder was a process of this very machine that does not exist any
more, waiting for that would only keep an invoice late: the next process takes over at once.
"""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@cache
def _machine() -> str | None:
    """Name this running kernel and this process-id namespace; None where that cannot be known."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot.

    Empty for a zombie; None when it is gone, or hidden from us.
    """
    try:
        # The name in brackets may contain spaces and brackets itself: count from its end.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _exists(pid: int) -> bool:
    """Whether there is a process of that number, be it one that is hidden from us (`hidepid`, `ProtectProc=`)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def this_process() -> str:
    """Return the name of this process as a lease holder: `machine/pid/start`."""
    machine = _machine()
    if machine is None:
        return f"unknown/{_fallback()}"
    return f"{machine}/{os.getpid()}/{_started(os.getpid())}"


@cache
def _fallback() -> str:
    return uuid.uuid4().hex


def is_dead(owner: str) -> bool:
    """Whether the holder is certainly gone. False where this machine cannot know."""
    parts = owner.split("/")
    if len(parts) != 3 or parts[0] != _machine() or not parts[1].isdigit():
        return False
    pid = int(parts[1])
    started = _started(pid)
    return not _exists(pid) if started is None else started != parts[2]
