"""A wire to the broker that can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.support.sockets import hand_on


class CutProxy:
    """Passes bytes between local clients and a server, until it is told not to."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Break all connections; return how many sockets that were."""
        with self._lock:
            sockets, self._open = self._open, set()
        for end in sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(sockets)

    def refuse(self, yes: bool) -> None:
        """Let new connections end at once."""
        self._refusing = yes

    def close(self) -> None:
        self._refusing = True
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        hand_on(source, target)
        with self._lock:
            self._open -= {source, target}
