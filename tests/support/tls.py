"""TLS before a server that has none: a certificate signed by itself, and what hands on the bytes."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.sockets import hand_on


def certificate_for(name: str, folder: Path) -> Path:
    """Make a certificate for a name (`DNS:…` or `IP:…`); its key is beside it, in key.pem."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here")
    file = folder / "certificate.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=server"
    files = ["-addext", f"subjectAltName={name}", "-keyout", str(folder / "key.pem"), "-out", str(file)]
    subprocess.run([*made.split(), *files], check=True, capture_output=True, timeout=30)
    return file


@contextmanager
def before(
    host: str, port: int, certificate: Path, *, greet: Callable[[socket.socket], None] = lambda caller: None
) -> Iterator[int]:
    """Give a port of this machine that leads to a server through TLS; `greet` is what is said before it begins."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with suppress(OSError):
                    greet(caller)
                    wrapped = context.wrap_socket(caller, server_side=True)
                    there = socket.create_connection((host, port))
                    for ends in ((wrapped, there), (there, wrapped)):
                        threading.Thread(target=hand_on, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
