"""One request and its answer, against servers that misbehave: real sockets on this machine."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest

from connector import __version__
from connector.b2brouter.outcome import Operation
from connector.b2brouter.transport import Call, Transport
from connector.domain.errors import (
    LeaseLostError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    StepError,
    UsageError,
)
from tests.b2brouter.raw_server import RawServer, answer, hang_up, raw, reset

KEY = "prod_canary_0123456789"
READ = Call(operation=Operation.READ_INVOICE, method="GET", path="/invoices/7", facts={"reference": "7"})
WRITE = Call(operation=Operation.CREATE_INVOICE, method="POST", path="/accounts/1/invoices", body=b'{"a":1}')
OK = answer(200, b'{"id":1}', X_B2B_API_Request_Id="req-1")


class Recorder:
    """A budget and a guard that write down when they were asked."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def acquire(self) -> None:
        self.events.append("budget")

    def slow_down(self, retry_after: float | None) -> None:
        self.events.append(("slow down", retry_after))

    def check(self) -> None:
        self.events.append("guard")


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(pauses: list[float]) -> Iterator[Callable[..., Transport]]:
    """Makes transports whose pauses between reads are only written down."""
    made: list[Transport] = []

    def make(server: RawServer | str, **options: Any) -> Transport:
        address = server if isinstance(server, str) else server.base_url
        options = {"timeout": 5.0, "sleep": pauses.append, **options}
        made.append(Transport(address, KEY, "2026-03-02", **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def failure(way: Transport, call: Call) -> StepError:
    with pytest.raises(StepError) as caught:
        way.fetch(call, lambda body: body)
    return caught.value


# ---------------------------------------------------------------- what goes out


def test_a_request_as_it_leaves(transport: Callable[..., Transport]) -> None:
    with RawServer(OK) as server:
        assert transport(server).fetch(WRITE, lambda body: body) == {"id": 1}
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /accounts/1/invoices http/1.1"
    assert body == b'{"a":1}'
    assert {
        f"x-b2b-api-key: {KEY}",
        "x-b2b-api-version: 2026-03-02",
        "accept: application/json",
        "content-type: application/json",
        "content-length: 7",
        f"user-agent: b2brouter-connector/{__version__}",
    } <= set(lines)


def test_a_read_has_its_parameters_quoted_and_no_body(transport: Callable[..., Transport]) -> None:
    call = Call(
        operation=Operation.FIND_INVOICES,
        method="GET",
        path="/accounts/a%2Fb/invoices",
        params={"number": "F&1 é"},
    )
    with RawServer(OK) as server:
        transport(server).fetch(call, lambda body: body)
    first = server.requests[0].split(b"\r\n")[0]
    assert first in {
        b"GET /accounts/a%2Fb/invoices?number=F%261%20%C3%A9 HTTP/1.1",
        b"GET /accounts/a%2Fb/invoices?number=F%261+%C3%A9 HTTP/1.1",
    }
    assert b"content-length" not in server.requests[0].lower()


def test_each_request_is_measured_with_its_status_or_with_none(transport: Callable[..., Transport]) -> None:
    measured: list[tuple[str, int | None]] = []
    with RawServer(OK, answer(503, b""), OK, hang_up) as server:
        way = transport(server, measure=lambda operation, status, seconds: measured.append((operation, status)))
        for call in (WRITE, READ):  # a read is repeated
            way.fetch(call, lambda body: body)
        failure(way, WRITE)
    assert measured == [
        ("create_invoice", 200),
        ("read_invoice", 503),
        ("read_invoice", 200),
        ("create_invoice", None),
    ]


def test_calls_of_one_thread_share_a_connection(transport: Callable[..., Transport]) -> None:
    with RawServer(OK, OK, OK) as server:
        way = transport(server)
        for _ in range(3):
            way.fetch(READ, lambda body: body)
        assert server.connections == 1


def test_each_thread_has_a_connection_of_its_own_and_leaves_none_behind(
    transport: Callable[..., Transport],
) -> None:
    with RawServer(*[OK] * 6) as server:
        way = transport(server)
        for _ in range(3):
            thread = threading.Thread(target=way.fetch, args=(READ, lambda body: body))
            thread.start()
            thread.join()
        assert server.connections == 3
        assert len(way._links) == 0


def test_a_thread_that_works_for_one_account_after_the_other_leaves_no_connection_behind(
    transport: Callable[..., Transport],
) -> None:
    with RawServer(*[OK] * 8) as server:
        ways = [transport(server) for _ in range(3)]
        for way in (*ways, ways[-1], ways[0]):
            way.fetch(READ, lambda body: body)
        assert server.connections == 4  # the third was kept for the next call
        assert [len(way._links) for way in ways] == [1, 0, 0]


def test_threads_that_worked_side_by_side_take_their_connections_with_them(
    transport: Callable[..., Transport],
) -> None:
    meeting = threading.Barrier(5)

    def ask(way: Transport) -> None:
        meeting.wait(10)
        way.fetch(READ, lambda body: body)

    with RawServer(*[OK] * 5) as server:
        way = transport(server)
        with ThreadPoolExecutor(5) as pool:
            for done in [pool.submit(ask, way) for _ in range(5)]:
                done.result(10)
        assert server.connections == 5
        assert len(way._links) == 0


def test_of_large_answers_one_is_taken_apart_at_a_time(transport: Callable[..., Transport]) -> None:
    large = answer(200, b'{"names": "' + b"x" * 100_000 + b'"}')
    under_way, most = 0, 0

    def reader(_body: object) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        threading.Event().wait(0.05)
        under_way -= 1

    with RawServer(*[large] * 4) as server, ThreadPoolExecutor(4) as pool:
        way = transport(server)
        for done in [pool.submit(way.fetch, READ, reader) for _ in range(4)]:
            done.result(10)
    assert most == 1


def test_a_cookie_is_not_sent_back(transport: Callable[..., Transport]) -> None:
    with RawServer(answer(200, Set_Cookie="session=1"), OK) as server:
        way = transport(server)
        way.fetch(READ, lambda body: body)
        way.fetch(READ, lambda body: body)
    assert b"cookie" not in server.requests[1].lower()


def test_a_closed_transport_makes_no_calls(transport: Callable[..., Transport]) -> None:
    with RawServer(OK) as server:
        way = transport(server)
        way.fetch(READ, lambda body: body)
        way.close()
        with pytest.raises(RuntimeError, match="closed"):
            way.fetch(READ, lambda body: body)


# ---------------------------------------------------------------- writes are made once


@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up,
        reset,
        raw(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id"'),
        raw(b'HTTP/1.1 201 Created\r\nContent-Length: 7\r\nContent-Encoding: gzip\r\n\r\n{"id":1'),
        raw(b"garbage\r\n\r\n"),
        answer(201, b"<html>"),
        answer(201, b'{"id":'),
        answer(500),
        answer(503, Retry_After="1"),
        answer(409),
        answer(408),
    ],
)
def test_a_write_without_a_clear_answer_is_of_unknown_outcome_and_not_repeated(
    transport: Callable[..., Transport], behaviour: Callable[[socket.socket], None], pauses: list[float]
) -> None:
    with RawServer(behaviour, OK) as server:
        error = failure(transport(server), WRITE)
    assert isinstance(error, OutcomeUnknownError)
    assert len(server.requests) == 1
    assert pauses == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_write_is_not_redirected(transport: Callable[..., Transport], status: int) -> None:
    with RawServer(answer(status, Location="/elsewhere"), OK) as server:
        error = failure(transport(server), WRITE)
    assert isinstance(error, MisconfiguredError)
    assert (error.reason, len(server.requests)) == ("misdirected", 1)


def test_a_refused_connection_had_no_effect(transport: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error = failure(transport(f"http://127.0.0.1:{port}"), WRITE)
    assert (type(error), error.reason) == (NotSentError, "remote_unavailable")
    assert error.details["code"] == "connect_failed"


def test_a_name_that_nobody_knows_had_no_effect(transport: Callable[..., Transport]) -> None:
    error = failure(transport("http://b2brouter.invalid"), WRITE)
    assert isinstance(error, NotSentError)


def test_a_failed_handshake_had_no_effect(transport: Callable[..., Transport]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=lambda: listening.accept()[0].sendall(b"220 no TLS here\r\n"), daemon=True).start()
        error = failure(transport(f"https://127.0.0.1:{listening.getsockname()[1]}"), WRITE)
    assert (type(error), error.details["code"]) == (NotSentError, "connect_failed")


def test_a_429_had_no_effect_and_slows_everybody_down(transport: Callable[..., Transport]) -> None:
    recorder = Recorder()
    with RawServer(answer(429, b"", Retry_After="7"), OK) as server:
        error = failure(transport(server, budget=recorder), WRITE)
    assert isinstance(error, NotSentError)
    assert error.retry_after == 7.0
    assert recorder.events == ["budget", ("slow down", 7.0)]


def test_a_retry_after_may_be_a_date(transport: Callable[..., Transport]) -> None:
    class Noon:
        def now(self) -> datetime:
            return datetime(2026, 1, 21, 12, 0, tzinfo=UTC)

        def monotonic(self) -> float:
            return monotonic()

    with RawServer(answer(429, b"", Retry_After="Wed, 21 Jan 2026 12:00:30 GMT")) as server:
        error = failure(transport(server, clock=Noon()), WRITE)
    assert isinstance(error, NotSentError)
    assert error.retry_after == 30.0


# ---------------------------------------------------------------- reads are repeated


@pytest.mark.parametrize("behaviour", [hang_up, reset, answer(500), answer(503), answer(200, b"<html>"), answer(429)])
def test_a_read_is_repeated_until_it_works(
    transport: Callable[..., Transport], behaviour: Callable[[socket.socket], None], pauses: list[float]
) -> None:
    with RawServer(behaviour, behaviour, OK) as server:
        assert transport(server).fetch(READ, lambda body: body) == {"id": 1}
    assert len(pauses) == 2
    assert all(0.2 <= pause <= 1 for pause in pauses)


def test_a_read_is_given_up_after_three_tries(transport: Callable[..., Transport]) -> None:
    with RawServer(*[answer(502)] * 3, OK) as server:
        error = failure(transport(server), READ)
    assert (type(error), error.reason, len(server.requests)) == (NotSentError, "remote_unavailable", 3)
    assert error.details["reference"] == "7"


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_read_that_was_refused_is_not_repeated(transport: Callable[..., Transport], status: int) -> None:
    with RawServer(answer(status), OK) as server:
        failure(transport(server), READ)
    assert len(server.requests) == 1


def test_a_short_wish_to_wait_is_granted_on_the_spot(
    transport: Callable[..., Transport], pauses: list[float]
) -> None:
    with RawServer(answer(429, Retry_After="3"), OK) as server:
        transport(server).fetch(READ, lambda body: body)
    assert pauses == [3.0]


@pytest.mark.parametrize(("wish", "timeout"), [("4.9", 4.5), ("60", 4.5), ("60", 300)])
def test_a_wish_beyond_patience_or_the_time_of_the_call_is_handed_on(
    transport: Callable[..., Transport], wish: str, timeout: float, pauses: list[float]
) -> None:
    with RawServer(answer(429, Retry_After=wish), OK) as server:
        error = failure(transport(server, timeout=timeout), READ)
    assert isinstance(error, NotSentError)
    assert error.retry_after == float(wish)
    assert pauses == []


def test_each_try_of_a_read_asks_the_budget(transport: Callable[..., Transport]) -> None:
    recorder = Recorder()
    with RawServer(answer(503), OK) as server:
        transport(server, budget=recorder).fetch(READ, lambda body: body)
    assert recorder.events == ["budget", "budget"]


# ---------------------------------------------------------------- the whole call has a time-out


def seconds(way: Transport, call: Call) -> tuple[StepError, float]:
    start = monotonic()
    error = failure(way, call)
    return error, monotonic() - start


def test_a_server_that_never_answers_is_not_waited_for_beyond_the_time_out(
    transport: Callable[..., Transport],
) -> None:
    with RawServer() as server:
        server._behaviours = [server.never]
        error, took = seconds(transport(server, timeout=0.3), WRITE)
    assert isinstance(error, OutcomeUnknownError)
    assert error.details["code"] == "read_time_out"
    assert took < 1.0


@pytest.mark.parametrize("where", ["status line", "headers", "body"])
@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
def test_a_server_that_answers_byte_by_byte_is_not_waited_for_either(
    transport: Callable[..., Transport], where: str, call: Call
) -> None:
    first = {
        "status line": b"",
        "headers": b"HTTP/1.1 200 OK\r\nX-A: ",
        "body": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n",
    }
    with RawServer() as server:
        trickle = server.trickle(b"HTTP/1.1 200 OK\r\n" + b"x" * 900 if where == "status line" else b"x" * 900)

        def behave(connection: socket.socket) -> None:
            connection.sendall(first[where])
            trickle(connection)

        server._behaviours = [behave]
        error, took = seconds(transport(server, timeout=0.4), call)
    assert isinstance(error, NotSentError if call is READ else OutcomeUnknownError)
    assert took < 1.2


def test_a_server_that_takes_the_request_drop_by_drop_is_not_served_for_ever(
    transport: Callable[..., Transport],
) -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        large = Call(operation=WRITE.operation, method="POST", path="/x", body=b"x" * 8_000_000)
        error, took = seconds(transport(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.4), large)
    assert isinstance(error, OutcomeUnknownError)
    assert took < 1.2


def test_an_answer_beyond_all_measure_is_not_read_to_its_end(
    transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.b2brouter.transport._LONGEST_BODY", 1000)
    with RawServer(answer(201, b" " * 1001)) as server:
        error = failure(transport(server), WRITE)
    assert isinstance(error, OutcomeUnknownError)
    assert "longer than" in error.details["message"]


# ---------------------------------------------------------------- the guard


def test_the_guard_is_asked_after_the_budget_and_with_each_try(transport: Callable[..., Transport]) -> None:
    recorder = Recorder()
    with RawServer(answer(503), OK) as server:
        way = transport(server, budget=recorder)
        with way.guarded(recorder.check):
            way.fetch(READ, lambda body: body)
    assert recorder.events == ["budget", "guard", "budget", "guard"]


def test_the_guard_is_asked_once_for_a_request_with_a_body(transport: Callable[..., Transport]) -> None:
    recorder = Recorder()
    with RawServer(OK) as server:
        way = transport(server)
        with way.guarded(recorder.check):
            way.fetch(WRITE, lambda body: body)
    assert recorder.events == ["guard"]


def lost() -> None:
    raise LeaseLostError


@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
def test_a_lost_lease_stops_the_call_before_its_first_byte(transport: Callable[..., Transport], call: Call) -> None:
    with RawServer(OK, OK) as server:
        way = transport(server)
        with way.guarded(lost), pytest.raises(LeaseLostError):
            way.fetch(call, lambda body: body)
        assert server.requests == []
        way.fetch(call, lambda body: body)
        assert len(server.requests) == 1


def test_a_guard_that_takes_too_long_lets_nothing_out(transport: Callable[..., Transport]) -> None:
    waiting = threading.Event()
    with RawServer(OK) as server:
        way = transport(server, timeout=0.2)

        def dawdle() -> None:
            waiting.wait(0.3)

        way.fetch(READ, lambda body: body)  # what left with an earlier call does not count
        with way.guarded(dawdle):
            error = failure(way, WRITE)
    assert isinstance(error, NotSentError)
    assert len(server.requests) == 1


def test_the_guard_of_one_thread_is_none_of_the_others(transport: Callable[..., Transport]) -> None:
    with RawServer(OK) as server, ThreadPoolExecutor(1) as other:
        way = transport(server)
        with way.guarded(lost):
            assert other.submit(way.fetch, WRITE, lambda body: body).result() == {"id": 1}


def test_guards_nest(transport: Callable[..., Transport]) -> None:
    recorder = Recorder()
    with RawServer(OK) as server:
        way = transport(server)
        with way.guarded(recorder.check):
            with way.guarded(lost), pytest.raises(LeaseLostError):
                way.fetch(READ, lambda body: body)
            way.fetch(READ, lambda body: body)
    assert recorder.events == ["guard"]


# ---------------------------------------------------------------- the request id


def test_the_last_request_id_is_that_of_this_threads_last_answer(transport: Callable[..., Transport]) -> None:
    old = answer(200, X_Request_Id="old-style")
    with RawServer(OK, answer(422, X_B2B_API_Request_Id="req-2"), old, hang_up) as server:
        way = transport(server)
        assert way.last_request_id() is None
        way.fetch(READ, lambda body: body)
        assert way.last_request_id() == "req-1"
        assert failure(way, WRITE).request_id == "req-2"
        assert way.last_request_id() == "req-2"
        way.fetch(READ, lambda body: body)
        assert way.last_request_id() == "old-style"
        failure(way, WRITE)
        assert way.last_request_id() is None
        with ThreadPoolExecutor(1) as other:
            assert other.submit(way.last_request_id).result() is None


# ---------------------------------------------------------------- the key stays secret


def test_the_key_is_in_no_message_even_if_the_other_side_repeats_it(
    transport: Callable[..., Transport], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = answer(401, b'{"error":{"code":"invalid_api_key","message":"no such key: ' + KEY.encode() + b'"}}')
    with RawServer(echo, OK, hang_up) as server:
        way = transport(server)
        error = failure(way, READ)
        way.fetch(READ, lambda body: body)
        told = [repr(error), str(error.details), repr(way), str(failure(way, WRITE).__cause__), caplog.text]
    assert error.details["message"] == "no such key: [key]"
    assert KEY not in " ".join(told)


@pytest.mark.parametrize("key", ["", "with blank", "line\n", "ключ", "é"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        Transport("http://127.0.0.1:1", key, "2026-03-02")
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1", "127.0.0.1 is"),
        ("localhost:8790", "localhost:8790 is"),
        ("ftp://x", "ftp://x is"),
        ("http://", "http:// is"),
        ("http://[::1", "http://[::1 is"),
        ("", "b2brouter.base_url is"),
        ("http://user:secret@x", "b2brouter.base_url is"),
        ("http://user:secret@x:y", "b2brouter.base_url is"),
        ("user:secret@x", "b2brouter.base_url is"),
        ("http://x?y=secret", "b2brouter.base_url is"),
    ],
)
def test_what_is_no_address_of_an_api_is_refused_and_shown_where_it_holds_no_secret(address: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Transport(address, KEY, "2026-03-02")
    assert caught.value.message == f"{told} not the address of an API"
    assert "such as http://127.0.0.1:8790" in caught.value.action


# ---------------------------------------------------------------- proxies


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)

    def set_proxy(address: str) -> None:
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setenv("http_proxy", address)

    return set_proxy


def test_the_companys_proxy_is_used_for_b2brouter(
    transport: Callable[..., Transport], proxied: Callable[[str], None]
) -> None:
    recorder = Recorder()
    with RawServer(answer(407)) as proxy:
        proxied(f"http://me:pass@127.0.0.1:{proxy.port}")
        way = transport("https://api.b2brouter.net")
        with way.guarded(recorder.check):
            error = failure(way, WRITE)
    assert (type(error), error.details["code"]) == (NotSentError, "proxy_refused")
    assert proxy.requests[0].startswith(b"CONNECT api.b2brouter.net:443 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic" in proxy.requests[0].lower()
    assert KEY.encode() not in proxy.requests[0]
    assert recorder.events == []


@pytest.mark.parametrize("behaviour", [hang_up, raw(b"HTTP/1.1 200 OK\r\n\r\nno TLS")])
def test_a_proxy_that_fails_had_no_effect(
    transport: Callable[..., Transport],
    proxied: Callable[[str], None],
    behaviour: Callable[[socket.socket], None],
) -> None:
    with RawServer(behaviour) as proxy:
        proxied(f"127.0.0.1:{proxy.port}")
        assert isinstance(failure(transport("https://api.b2brouter.net"), WRITE), NotSentError)
        assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8790", "http://simulator:8790", "https://localhost", "https://[::1]:1"]
)
def test_no_proxy_stands_between_us_and_a_simulator(
    address: str, transport: Callable[..., Transport], proxied: Callable[[str], None]
) -> None:
    proxied("http://proxy.invalid:3128")
    assert transport(address)._proxy is None


def test_no_proxy_is_used_where_the_environment_says_so(
    transport: Callable[..., Transport], proxied: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied("http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "b2brouter.net")
    assert transport("https://api.b2brouter.net")._proxy is None


def test_a_short_word_for_a_key_does_not_garble_answers() -> None:
    with RawServer(answer(422, b'{"error":{"code":"parameter_taken"}}')) as server:
        way = Transport(server.base_url, "code", "2026-03-02")
        assert failure(way, WRITE).details["code"] == "parameter_taken"
        way.close()


@pytest.mark.parametrize("address", ["socks5://proxy:1080", "http://[::1", "ftp://proxy"])
def test_a_proxy_that_we_cannot_use_is_told_at_once(address: str, proxied: Callable[[str], None]) -> None:
    proxied(address)
    with pytest.raises(UsageError, match="proxy"):
        Transport("https://api.b2brouter.net", KEY, "2026-03-02")
