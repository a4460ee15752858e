"""Brokers are believed only with a certificate that is theirs, from an authority that is trusted."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from config.sections.broker import BrokerSettings
from connector.domain.errors import OutsideError
from workers.app import make_app
from workers.broker import reach


@dataclass
class Behind:
    """A broker behind TLS, whose certificate is for `localhost` and signed by itself."""

    url: str
    certificate: Path

    def at(self, host: str, *, trusting: bool) -> BrokerSettings:
        given = make_url(self.url).set(host=host)
        if trusting:
            given = given.update_query_dict({"ssl_ca_certs": str(self.certificate)})
        return BrokerSettings(url=given.render_as_string(hide_password=False))


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Behind]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made.split(), *files], check=True, capture_output=True, timeout=30)
    plain = make_url(request.getfixturevalue(f"{request.param}_url"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with suppress(OSError):
                    wrapped = context.wrap_socket(caller, server_side=True)
                    there = socket.create_connection((plain.host or "127.0.0.1", plain.port or 5672))
                    for ends in ((wrapped, there), (there, wrapped)):
                        threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    scheme = {"redis": "rediss", "rabbitmq": "amqps"}[request.param]
    url = plain.set(drivername=scheme, host="localhost", port=listening.getsockname()[1])
    yield Behind(url.render_as_string(hide_password=False), certificate)
    listening.close()


def test_a_certificate_of_a_trusted_authority_for_this_host_is_believed_and_no_other(behind: Behind) -> None:
    reach(make_app(behind.at("localhost", trusting=True)))
    for host, trusting in (("localhost", False), ("127.0.0.1", True)):
        with pytest.raises(OutsideError):
            reach(make_app(behind.at(host, trusting=trusting)))
