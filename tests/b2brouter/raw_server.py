"""A server that answers with prepared bytes, or misbehaves below HTTP."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket], None]


def answer(status: int, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answer well-formed, and keep the connection open."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda connection: connection.sendall(data)


def raw(data: bytes) -> Behaviour:
    """Send these bytes and hang up."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        hang_up(connection)

    return behave


def hang_up(connection: socket.socket) -> None:
    """Close without an answer."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def reset(connection: socket.socket) -> None:
    """Break the connection off, as a crashed machine does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class RawServer:
    """Takes one behaviour from the list for each request, whichever connection it comes by."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self._behaviours = list(behaviours)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def never(self, _: socket.socket) -> None:
        """Answer nothing until the test is over."""
        self.stopped.wait(30)

    def trickle(self, data: bytes, pause: float = 0.05) -> Behaviour:
        """Send byte by byte, for ever slower than anybody wants to wait."""

        def behave(connection: socket.socket) -> None:
            with contextlib.suppress(OSError):
                for byte in data:
                    connection.sendall(bytes([byte]))
                    if self.stopped.wait(pause):
                        return

        return behave

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._listening.close()
        for connection in self._open:
            hang_up(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._open.append(connection)
            for request in _requests(connection):
                self.requests.append(request)
                if not self._behaviours:
                    hang_up(connection)
                    return
                self._behaviours.pop(0)(connection)


def _requests(connection: socket.socket) -> Iterator[bytes]:
    """Yield each request with its body, as it arrives."""
    waiting = b""
    while True:
        while b"\r\n\r\n" not in waiting:
            waiting = _more(connection, waiting)
        head, _, rest = waiting.partition(b"\r\n\r\n")
        length = _length(head)
        while len(rest) < length:
            rest = _more(connection, rest)
        yield head + b"\r\n\r\n" + rest[:length]
        waiting = rest[length:]


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def _more(connection: socket.socket, so_far: bytes) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError
    return so_far + data
