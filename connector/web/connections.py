"""The connections of the web: few enough to leave the work its share, none kept for a caller who does nothing.

In the daemon, sockets come out of the same files that ERP and ledger are opened with.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import time
from typing import Any, Final

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_PATIENCE: Final = 30.0
"""Seconds between looks at a connection; the one whose caller did nothing from one look to the next is closed.

So long a keep-alive lasts, and a megabyte, the largest body, takes less on any line that is worth the name."""

_MOST: Final = 512
"""Connections at once: a hundred times what callers that keep theirs need, and little memory still."""

_SHARE: Final = 4
"""At most one in so many of the files that the process may open is a connection: the rest is for the work."""

_COMPLAIN_EVERY: Final = 60.0
"""Seconds between lines in the log about connections that cannot be taken."""


def most_connections() -> int:
    """Return how many connections there may be at once."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // _SHARE)


class Connection(H11Protocol):
    """A connection that makes room for others when its caller keeps it for nothing.

    A request has to arrive, and an answer to be taken, from one look to the next but one. Where there are too many
    connections, the oldest that waits for its caller is closed, so that whoever has something to say is heard also
    while somebody opens connections in silence.
    """

    began: float
    """When, on the loop's clock."""

    _next_look: asyncio.TimerHandle

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began = self.loop.time()
        self._seen: Any = self.cycle
        self._left = math.inf
        self._next_look = self.loop.call_later(_PATIENCE, self._look)
        self._make_room()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._left = math.inf  # the caller does take the answer, though more may have been written behind it

    @property
    def waits(self) -> bool:
        """Whether we wait for its caller: who has taken all that was said, and not sent the whole of a request."""
        has_taken_all = not self.transport.get_write_buffer_size()
        return has_taken_all and self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _make_room(self) -> None:
        if len(self.connections) <= most_connections():
            return
        waiting = [one for one in self.connections if isinstance(one, Connection) and one.waits]
        min(waiting, key=lambda one: one.began).give_up()  # this one waits too: nothing was said to it yet

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        says_nothing = self.waits and self.cycle is self._seen
        takes_nothing = 0 < self._left <= left
        if says_nothing or takes_nothing:
            self.give_up()
            return
        self._seen, self._left = self.cycle, left
        self._next_look = self.loop.call_later(_PATIENCE, self._look)

    def give_up(self) -> None:
        """Close it, whatever was still to be said."""
        self.connections.discard(self)  # at once: others may begin before the loop tells that it is lost
        self.transport.abort()


class SeldomRefused(logging.Filter):
    """Lets one line a minute pass about connections that the system has no file for; the loop would say thousands."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is said."""
        if "out of system resource" not in record.getMessage():
            return True
        now = time.monotonic()
        if now - self._told_at < _COMPLAIN_EVERY:
            return False
        self._told_at = now
        return True


seldom_refused: Final = SeldomRefused()
"""The one of this process, for the logger of asyncio."""
