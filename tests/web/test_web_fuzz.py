"""Whatever is thrown at the webhook receiver: no server error, and nothing in the ledger changes.

Malformed headers, wrong encodings, large bodies, broken requests, replays of what was stored.
"""

from __future__ import annotations

import socket
from random import Random
from typing import Final

import pytest

from connector.domain.signature import HEADER, sign
from tests.support.house import rows
from tests.web.conftest import SECRET, Office
from tests.web.test_web_webhooks import event

PATHS: Final = (
    "/webhooks/b2brouter/main",
    "/webhooks/b2brouter/nobody",
    "/webhooks/b2brouter/%ff%00",
    "/webhooks/b2brouter/main/more",
    "/webhooks/b2brouter/" + "a" * 3000,
    "//webhooks/b2brouter/main",
    "/webhooks",
)
METHODS: Final = ("POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW")


def header(chance: Random, office: Office, body: bytes) -> bytes:
    """A signature header that does not fit the body."""
    good = sign(SECRET, body, now=office.clock.now()).encode()
    return chance.choice(
        (
            b"",
            good[:-1] + (b"0" if good[-1:] != b"0" else b"1"),
            good.replace(b"t=", b"t=9"),
            good.replace(b",", b";"),
            good.upper(),
            b"t=,s=",
            b"t=99999999999999999999,s=00",
            b"t=\xff\xfe,s=\x80\x81",
            bytes(chance.randrange(0x80, 0x100) for _ in range(chance.randrange(1, 80))),
            b"t=1,s=" + b"a" * chance.randrange(10_000),
            sign("whsec_other", body, now=office.clock.now()).encode(),
        )
    )


def body_of(chance: Random) -> bytes:
    size = chance.choice((0, 1, 50, 200, 200, 200, 2000, 20_000))
    return chance.choice((event(chance.randrange(10**6)), chance.randbytes(size), b"[" * size, b"\xef\xbb\xbf{}"))


def request(chance: Random, office: Office) -> bytes:
    body = body_of(chance)
    length = chance.choice([str(len(body)).encode()] * 12 + [b"-1", b"1e3", b"99999999999999999999", b"x"])
    first = f"{chance.choice(METHODS)} {chance.choice(PATHS)} HTTP/1.1\r\nHost: x\r\n".encode()
    signed = HEADER.encode() + b": " + header(chance, office, body) + b"\r\n"
    more = chance.choice((b"", b"Content-Type: application/json; charset=utf-16\r\n", b"Content-Encoding: gzip\r\n"))
    return first + signed + more + b"Connection: close\r\nContent-Length: " + length + b"\r\n\r\n" + body


def answer(office: Office, sent: bytes) -> bytes:
    """Send raw bytes; return the status line, or nothing where the connection was closed without one."""
    host, port = office.server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        try:
            caller.sendall(sent)
            return caller.recv(64).split(b"\r\n")[0]
        except (ConnectionError, BrokenPipeError):
            return b""


def stored(office: Office) -> list[tuple[object, ...]]:
    return rows(office.ledger, "SELECT * FROM inbox ORDER BY id")


@pytest.mark.parametrize("count", [600, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_no_request_brings_a_server_error_or_a_change(office: Office, count: int) -> None:
    genuine = event(1)
    signed = {HEADER: sign(SECRET, genuine, now=office.clock.now())}
    assert office.http.post("/webhooks/b2brouter/main", content=genuine, headers=signed).status_code == 200
    before = stored(office)
    chance = Random(count)
    statuses: dict[bytes, int] = {}
    for number in range(count):
        if number % 10 == 0:
            replay = office.http.post("/webhooks/b2brouter/main", content=genuine, headers=signed)
            assert replay.status_code == 200
            continue
        sent = request(chance, office)
        status = answer(office, sent)
        assert not status.startswith(b"HTTP/1.1 5"), (status, sent[:300])
        assert not status.startswith(b"HTTP/1.1 2"), (status, sent[:300])
        statuses[status[9:12]] = statuses.get(status[9:12], 0) + 1
    assert {b"400", b"401", b"404", b"405"} <= set(statuses)
    assert stored(office) == before
    assert office.http.get("/health/live").status_code == 200
