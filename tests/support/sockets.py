"""What proxies of tests have in common."""

from __future__ import annotations

import socket
from contextlib import suppress


def hand_on(source: socket.socket, target: socket.socket) -> None:
    """Hand on bytes until one of the two ends; then end both."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
