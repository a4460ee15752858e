"""Connections: callers that keep one for nothing lose it, and keep nobody else out."""

from __future__ import annotations

import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from connector.web import connections, health
from connector.web.connections import SeldomRefused
from tests.e2e.installation import until
from tests.web.conftest import Office

PATIENCE = 0.5


@pytest.fixture
def office(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(connections, "_PATIENCE", PATIENCE)
    office = Office(embedded_url)
    until(lambda: alive(office), within=30, what="the web does not answer")
    yield office
    office.close()


def called(office: Office) -> socket.socket:
    host, port = office.server.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def is_open(caller: socket.socket) -> bool:
    caller.setblocking(False)
    try:
        return caller.recv(4096) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def alive(office: Office) -> bool:
    return office.http.get("/health/live", headers={"Connection": "close"}).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /health/live HTT",
        b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nname=",
        b"POST /webhooks/b2brouter/main HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "no body"],
)
def test_a_caller_that_does_not_finish_its_request_is_let_go(office: Office, said: bytes) -> None:
    with called(office) as caller:
        caller.sendall(said)
        time.sleep(PATIENCE / 5)
        assert is_open(caller)
        until(lambda: not is_open(caller), within=10, what="it is kept")


def test_a_caller_that_says_a_byte_now_and_then_is_let_go(office: Office) -> None:
    with called(office) as caller:
        until(lambda: not _sent(caller, b"G"), within=10, what="it is kept")


def test_a_caller_that_takes_no_answer_is_let_go(office: Office) -> None:
    with called(office) as caller:
        caller.setblocking(False)
        asked = b"GET /static/console.css HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        until(lambda: not _sent(caller, asked), within=20, what="it is kept")


def _sent(caller: socket.socket, said: bytes) -> bool:
    try:
        caller.send(said)
    except BlockingIOError:  # nobody reads it any more: they wait for us
        return True
    except ConnectionError:
        return False
    return True


def test_an_answer_may_take_its_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def findings(*_: object, **__: object) -> list[health.Finding]:
        time.sleep(4 * PATIENCE)
        return []

    monkeypatch.setattr(health, "findings", findings)
    assert office.http.get("/health/ready").status_code == 200


def test_an_answer_that_is_taken_slowly_comes_whole(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 20_000_000  # more than the buffers of the system hold

    def findings(*_: object, **__: object) -> list[health.Finding]:
        time.sleep(1.5 * PATIENCE)  # a look falls between the request and its answer
        return [health.Finding(name="x", ok=True, message="x" * size)]

    monkeypatch.setattr(health, "findings", findings)
    with called(office) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        caller.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        taken = 0
        while taken < size:
            data = caller.recv(65536)
            assert data, f"it was cut after {taken} bytes"
            taken += len(data)
            time.sleep(0.005)


def test_silent_callers_leave_room_for_others(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 4)
    office = Office(embedded_url)
    with ExitStack() as stack:
        stack.callback(office.close)
        until(lambda: alive(office), within=30, what="the web does not answer")
        silent = [stack.enter_context(called(office)) for _ in range(40)]
        assert alive(office)
        until(lambda: sum(map(is_open, silent)) <= 4, within=10, what="they are kept")
        assert is_open(silent[-1])


def test_connections_take_a_share_of_the_files_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1024, 256), (16384, 512), (resource.RLIM_INFINITY, 512)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert connections.most_connections() == most


def test_connections_that_cannot_be_taken_are_told_once_a_minute() -> None:
    seldom = SeldomRefused()
    refused = logging.makeLogRecord({"msg": "socket.accept() out of system resource\nsocket: 7"})
    assert [seldom.filter(refused) for _ in range(3)] == [True, False, False]
    assert seldom.filter(logging.makeLogRecord({"msg": "something else"}))
