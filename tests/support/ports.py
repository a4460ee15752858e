"""Ports for servers that are started, killed and started again."""

from __future__ import annotations

import socket
from typing import Final


class Port:
    """A port of this machine that nobody else is given while it is held, also while no server listens there.

    Its socket is bound and does not listen: the kernel gives such a port to no other socket that wants any, and lets
    a server have it that names it and says SO_REUSEADDR, as all of ours do. A port that is only looked up and let go
    may be another's by the time its server starts, or starts again.
    """

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.number: int = self._held.getsockname()[1]

    def release(self) -> None:
        """Let anybody have it."""
        self._held.close()


_KEPT: Final[list[Port]] = []


def own_port() -> int:
    """A port that is this process's until it ends."""
    _KEPT.append(Port())
    return _KEPT[-1].number
