"""The bytes of one call, watched: no wait goes past the call's deadline, and we know whether any byte left.

The HTTP library limits single operations only; a server that sends one byte a second would hold a call for
hours. Its lower half, httpcore, lets us stand between it and the socket, where each wait can be limited by
what is left of the whole, and where the last moment before the request leaves can be seen.
"""

from __future__ import annotations

import contextlib
import math
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpcore
from typing_extensions import override

from connector.crashpoints import crashpoint

_PIECE: Final = 16 * 1024
"""Bytes written at once: between two pieces the deadline is looked at."""
_FOR_THE_PROXY: Final = b"CONNECT "
_SLICE: Final = 0.5
"""Seconds that an answer is waited for at a stretch; then we look whether the process shall end."""
_GRACE: Final = 8.0
"""Seconds that calls may still take when the process was told to end: the whole stop takes less than 20."""


class Wire:
    """The state of the call that one thread is making; each thread has its own."""

    def __init__(self, clock: Callable[[], float], stopping: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._stopping = stopping
        self._curfew: float | None = None
        self._deadline = 0.0
        self._before_send: Callable[[], None] | None = None
        self._call: str | None = None
        self._listening = self._head_left = False
        self.left = False
        """Whether a byte of the request may have left this machine."""

    def begin(self, deadline: float, before_send: Callable[[], None] | None, call: str | None = None) -> None:
        """Start a call.

        Args:
            deadline: when it has to be over, on the clock.
            before_send: called at the last moment before the request leaves; what it raises stops the call.
            call: what it is, for crash points.
        """
        self._deadline = deadline
        self._call = call
        self._listening = self._head_left = False
        self._before_send = before_send
        self.left = False

    def remaining(self, timeout: float | None, error: type[Exception]) -> float:
        """Return how long one operation may wait, in seconds; raise `error` if the call's time is over."""
        rest = min(self._deadline, self._end()) - self._clock()
        if rest <= 0:
            raise error("the time for the whole call is over")
        return rest if timeout is None else min(rest, timeout)

    def _end(self) -> float:
        """When the process must have ended its calls, on the clock."""
        if self._curfew is None and self._stopping():
            self._curfew = self._clock() + _GRACE
        return math.inf if self._curfew is None else self._curfew

    @property
    def over(self) -> bool:
        """Whether no further call may begin, because the process ends."""
        return self._end() <= self._clock()

    def leaving(self, data: bytes) -> None:
        """Take note that bytes are about to leave; opening a way through a proxy does not count."""
        if self.left or not data or data.startswith(_FOR_THE_PROXY):
            return
        if self._before_send is not None:
            self._before_send()
        self.remaining(None, httpcore.WriteTimeout)
        self.left = True

    def about_to_write(self) -> None:
        """Stand at the very last instruction before bytes leave: first the head of the request, then its body."""
        crashpoint(self._call, "before_body" if self._head_left else "before_request")
        self._head_left = self.left

    def listening(self) -> None:
        """Take note that an answer is waited for."""
        if not self._listening:
            self._listening = True
            crashpoint(self._call, "after_request")


class WatchedStream(httpcore.NetworkStream):
    """A connection whose waits are limited by the call that uses it."""

    def __init__(self, inner: httpcore.NetworkStream, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._wire.listening()
        rest = self._wire.remaining(timeout, httpcore.ReadTimeout)
        while rest > _SLICE:
            with contextlib.suppress(httpcore.ReadTimeout):
                return self._inner.read(max_bytes, _SLICE)
            rest = self._wire.remaining(rest - _SLICE, httpcore.ReadTimeout)
        return self._inner.read(max_bytes, rest)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wire.leaving(buffer)
        for start in range(0, len(buffer), _PIECE):
            rest = self._wire.remaining(timeout, httpcore.WriteTimeout)
            self._wire.about_to_write()
            self._inner.write(buffer[start : start + _PIECE], rest)

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        rest = self._wire.remaining(timeout, httpcore.ConnectTimeout)
        return WatchedStream(self._inner.start_tls(ssl_context, server_hostname, rest), self._wire)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class WatchedBackend(httpcore.NetworkBackend):
    """Opens connections whose waits are limited by the call that uses them."""

    def __init__(self, wire: Wire) -> None:
        self._inner = httpcore.SyncBackend()
        self._wire = wire

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        rest = self._wire.remaining(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, rest, local_address, socket_options)
        return WatchedStream(stream, self._wire)
