"""One request and its answer over HTTP. The only module that knows the HTTP library.

A write is made once: no repetition, no redirect. A read is repeated a few times. Every call ends within its
time-out, whatever the other side does (see `wire`).
"""

from __future__ import annotations

import contextlib
import logging
import random
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Final, TypeVar

import httpcore
import httpx
from typing_extensions import override

from connector import __version__
from connector.b2brouter import outcome
from connector.b2brouter.budget import Budget
from connector.b2brouter.exactjson import UnreadableError, read
from connector.b2brouter.keys import sendable
from connector.b2brouter.outcome import Fault, Operation, Reply
from connector.b2brouter.wire import WatchedBackend, Wire
from connector.clock import Clock, SystemClock
from connector.crashpoints import crashpoint
from connector.domain.errors import NotSentError, OutOfTimeError, RefusedError, StepError, UsageError
from connector.per_thread import PerThread
from connector.tls import trusted
from connector.tracing import span

T = TypeVar("T")
Watch = Callable[[Operation, StepError | None], None]
Guard = Callable[[], None]
Measure = Callable[[Operation, int | None, float], None]

_KEEP_ALIVE: Final = 4.0
"""Seconds until an idle connection is given up: less than servers wait, for a request on a connection that is
just being closed ends in an unknown outcome."""
_READ_TRIES: Final = 3
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
_LONGEST_WISH: Final = 5.0
"""Longest `Retry-After` that is waited for on the spot, in seconds."""
_LARGE: Final = 64 * 1024
_ONE_LARGE: Final = threading.Lock()
"""Held while an answer larger than that, in bytes, is taken apart: that takes some ten times its memory for a moment,
which a process never gets rid of again if several do it at once. Threads compute one after the other in any case."""
_LONGEST_BODY: Final = 16 * 1024 * 1024
_LONGEST_FILE: Final = 64 * 1024 * 1024
_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CONNECT_TIME_OUT: Final = 10.0
_SHORTEST_SECRET: Final = 8
"""A key shorter than this would occur in texts by chance; none that is issued is."""

# Its lines would name customers and numbers; outcomes are logged where they are decided.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `path` is quoted already; `facts` go into the details of whatever error comes of it."""

    operation: Operation
    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    body_type: str = "application/json"
    is_download: bool = False  # the answer is a file, not JSON; see `Transport.download`
    status_says_all: bool = False  # whatever comes with a success is not read
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Where an answer says that a file is."""

    address: str


class Transport:
    """The way to one host with one key. Used from several threads; each has its own connection (`PerThread`)."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        api_version: str,
        *,
        timeout: float = 30.0,
        budget: Budget | None = None,
        watch: Watch = lambda operation, error: None,
        measure: Measure = lambda operation, status, seconds: None,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        stop: threading.Event | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: scheme and host. Over https a proxy from the environment (HTTPS_PROXY, NO_PROXY) is
                used, except for this machine; over http, which only a simulator speaks, never.
            api_key: sent with every request, shown nowhere.
            api_version: `YYYY-MM-DD`, always sent: the group's default may change (API reference 1.2).
            timeout: longest whole call in seconds, from the connection to the last byte of the answer.
            budget: waited for before each request; None: no limit.
            watch: told how every request ended; None means well.
            measure: told of every request with which status it was answered, None: with none, and after how long.
            clock: measures the call and reads dates in `Retry-After`.
            sleep: waits so many seconds between repeated reads.
            stop: set when the process shall end: calls under way are cut off after some seconds, and no other
                begins (`stopping`).

        Raises:
            UsageError: address, key or proxy cannot be used.
        """
        self._base = _address(base_url)
        self._api_key = sendable(api_key)
        self._headers = {
            "X-B2B-API-Key": self._api_key,
            "X-B2B-API-Version": api_version,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"b2brouter-connector/{__version__}",
        }
        self._timeout = timeout
        limits = httpx.Timeout(timeout, connect=min(_CONNECT_TIME_OUT, timeout))
        self._extensions = {"timeout": limits.as_dict()}
        self._budget = budget
        self._watch = watch
        self._measure = measure
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._stop = stop or threading.Event()
        self._proxy = _proxy(self._base)
        self._links: PerThread[_Link] = PerThread("b2brouter")
        self._of_thread = threading.local()
        self._closed = False

    @override
    def __repr__(self) -> str:
        return f"<Transport to {self._base}, version {self._headers['X-B2B-API-Version']}>"

    def fetch(self, call: Call, reader: Callable[[Any], T], *, once: bool = False, seconds: float | None = None) -> T:
        """Make a call and return what `reader` makes of the answer's JSON (None for an empty body), or of a file.

        Reads are made up to three times while the time lasts, unless `once`; writes once. `seconds` is for what is
        not worth the whole time-out.

        Raises:
            StepError: as `outcome` judges; whatever the reader cannot read is no success.
        """
        if call.operation.writes or once:
            self._await_budget()
            longest = min(seconds or self._timeout, self._timeout)
            return self._exchange(call, reader, self._clock.monotonic() + longest)
        return self._repeatedly(call, reader)

    def download(self, call: Call) -> bytes:
        """Fetch a file, byte by byte as it is there; a few redirects within this host are followed.

        Raises:
            RefusedError: `download_elsewhere` where a redirect leads to another host.
            StepError: as `outcome` judges.
        """
        call = replace(call, is_download=True)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._repeatedly(call, _as_it_is)
            if isinstance(answer, bytes):
                return answer
            call = replace(call, path=self.path_of(answer.address, call), params={})
        details = {**call.facts, "status": "", "code": "redirects", "message": "one redirect leads to the next"}
        raise NotSentError("remote_unavailable", details, request_id=self.last_request_id())

    def path_of(self, address: str, call: Call) -> str:
        """Return the path of an address that an answer names, relative to `call` or whole.

        Raises:
            RefusedError: `download_elsewhere`: it is not on this host.
        """
        base = httpx.URL(self._base)
        try:
            target = httpx.URL(f"{self._base}{call.path}").join(address)
        except httpx.InvalidURL:
            target = None
        if target is None or target.userinfo or _origin(target) != _origin(base):
            host = target.host if target is not None else address[:100]
            details = {**call.facts, "status": "", "code": "elsewhere", "message": "", "host": host}
            raise RefusedError("download_elsewhere", details, request_id=self.last_request_id())
        return target.raw_path.decode("ascii").removeprefix(base.raw_path.decode("ascii").rstrip("/"))

    def sleep(self, seconds: float) -> None:
        """Wait between two questions."""
        self._sleep(seconds)

    def last_status(self) -> int | None:
        """Return the status of this thread's last answer; None where the last call had no answer."""
        found: int | None = getattr(self._of_thread, "status", None)
        return found

    def last_request_id(self) -> str | None:
        """Return the request id of this thread's last answer; None where the last call had no answer."""
        found: str | None = getattr(self._of_thread, "request_id", None)
        return found

    def last_answer(self) -> bytes | None:
        """Return the body of this thread's last answer as it came; None where there was none, or it was a file."""
        found: bytes | None = getattr(self._of_thread, "answer", None)
        return found

    @contextlib.contextmanager
    def guarded(self, check: Guard) -> Iterator[None]:
        """Have `check` called at the last moment before each request of this thread leaves.

        It runs after the budget was waited for and the connection is open; what it raises (a lost lease, for
        one) stops the call before its first byte and comes out unchanged.
        """
        before = getattr(self._of_thread, "guard", None)
        self._of_thread.guard = check
        try:
            yield
        finally:
            self._of_thread.guard = before

    def close(self) -> None:
        """Close the connections of all threads. Calls made afterwards fail."""
        self._closed = True
        self._links.close()

    # ------------------------------------------------------------ one try after another

    def _repeatedly(self, call: Call, reader: Callable[[Any], T]) -> T:
        self._await_budget()
        deadline = self._clock.monotonic() + self._timeout
        for _ in range(_READ_TRIES - 1):
            try:
                return self._exchange(call, reader, deadline)
            except NotSentError as error:
                self._pause(error, deadline)
            deadline += self._await_budget()
        return self._exchange(call, reader, deadline)

    def _pause(self, error: NotSentError, deadline: float) -> None:
        """Wait before the next try, or raise the error again where the wait would be too long."""
        wish = error.retry_after or 0.0
        pause = max(wish, random.SystemRandom().uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE))
        if wish > _LONGEST_WISH or self._clock.monotonic() + pause >= deadline:
            raise error
        self._sleep(pause)

    def _await_budget(self) -> float:
        """Wait for our own pacing; return how long, in seconds: that time is not the server's."""
        if self._budget is None:
            return 0.0
        began = self._clock.monotonic()
        self._budget.acquire()
        return self._clock.monotonic() - began

    # ------------------------------------------------------------ one try

    def _exchange(self, call: Call, reader: Callable[[Any], T], deadline: float) -> T:
        try:
            with span(f"b2brouter {call.operation}") as told:
                try:
                    result = self._once(call, reader, deadline)
                finally:
                    told.set_attribute("http.response.status_code", self.last_status() or 0)
                    told.set_attribute("connector.request_id", self.last_request_id() or "")
        except StepError as error:
            if not self._stop.is_set():  # what we cut off ourselves says nothing of the other side
                self._watch(call.operation, error)
            raise
        self._watch(call.operation, None)
        return result

    def _once(self, call: Call, reader: Callable[[Any], T], deadline: float) -> T:
        said = self._of_thread
        said.request_id = said.status = said.answer = None
        reply = self._send(call, deadline)
        said.request_id, said.status = reply.request_id, reply.status
        said.answer = None if call.is_download else reply.content
        if call.is_download and reply.status in _REDIRECTS:
            return reader(_Elsewhere(reply.headers.get("location", "")))
        error = outcome.judge_reply(call.operation, reply, now=self._clock.now(), facts=call.facts)
        if error is not None:
            if reply.status == 429 and self._budget is not None:
                self._budget.slow_down(getattr(error, "retry_after", None))
            raise error
        try:
            if call.is_download or call.status_says_all:
                return reader(reply.content)
            with _ONE_LARGE if len(reply.content) > _LARGE else contextlib.nullcontext():
                return reader(read(reply.content))
        except UnreadableError as error:
            raise outcome.judge_unreadable(call.operation, reply, str(error), facts=call.facts) from error

    def _send(self, call: Call, deadline: float) -> Reply:
        link = self._link()
        if link.wire.over:
            raise OutOfTimeError("stopping", pause=0.0)
        began = self._clock.monotonic()
        link.wire.begin(deadline, getattr(self._of_thread, "guard", None), call.operation)
        try:
            with contextlib.closing(link.transport.handle_request(self._request(call))) as response:
                content = _body(response, _LONGEST_FILE if call.is_download else _LONGEST_BODY)
        except httpx.HTTPError as error:
            self._measure(call.operation, None, self._clock.monotonic() - began)
            fault = next(fault for kind, fault in _FAULTS if isinstance(error, kind))
            raise outcome.judge_fault(
                call.operation, fault, self._without_key(str(error)), left=link.wire.left, facts=call.facts
            ) from error
        self._measure(call.operation, response.status_code, self._clock.monotonic() - began)
        crashpoint(call.operation, "after_reply")
        if not response.is_success:
            content = self._without_key(content.decode("utf-8", "replace")).encode()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(status=response.status_code, headers=headers, content=content)

    def _request(self, call: Call) -> httpx.Request:
        headers = self._headers
        if call.body is not None:
            headers = {**headers, "Content-Type": call.body_type}
        if call.is_download:
            headers = {**headers, "Accept": "*/*"}
        return httpx.Request(
            call.method,
            f"{self._base}{call.path}",
            params=call.params or None,
            headers=headers,
            content=call.body,
            extensions=self._extensions,
        )

    def _without_key(self, text: str) -> str:
        """Strike out the key, should the other side repeat it in a message."""
        if len(self._api_key) < _SHORTEST_SECRET:
            return text
        return text.replace(self._api_key, "[key]")

    # ------------------------------------------------------------ one connection per thread

    def _link(self) -> _Link:
        if self._closed:
            raise RuntimeError("the transport is closed")
        return self._links.mine(self._open)

    def _open(self) -> _Link:
        wire = Wire(self._clock.monotonic, self._stop.is_set)
        return _Link(_WatchedTransport(wire, trusted(), self._proxy), wire)


@dataclass(frozen=True, slots=True)
class _Link:
    """What one thread needs to talk: its single connection, and the watch over it.

    It is the library's transport without its client: we want none of what that adds, which is cookies, redirects,
    credentials and settings of the environment.
    """

    transport: httpx.HTTPTransport
    wire: Wire

    def close(self) -> None:
        """Give the connection back."""
        self.transport.close()


class _WatchedTransport(httpx.HTTPTransport):
    """The library's own transport over a pool of one connection that `wire` watches."""

    def __init__(self, wire: Wire, ssl_context: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(verify=ssl_context)
        backend = WatchedBackend(wire)
        if proxy is None:
            self._pool = httpcore.ConnectionPool(
                ssl_context=ssl_context,
                max_connections=1,
                keepalive_expiry=_KEEP_ALIVE,
                retries=0,
                network_backend=backend,
            )
        else:
            self._pool = httpcore.HTTPProxy(
                proxy_url=str(proxy.url),
                proxy_auth=proxy.raw_auth,
                ssl_context=ssl_context,
                max_connections=1,
                keepalive_expiry=_KEEP_ALIVE,
                retries=0,
                network_backend=backend,
            )


_FAULTS: Final[tuple[tuple[type[httpx.HTTPError], Fault], ...]] = (
    (httpx.ConnectTimeout, Fault.CONNECT_TIME_OUT),
    (httpx.ConnectError, Fault.CONNECT),
    (httpx.PoolTimeout, Fault.POOL),
    (httpx.ProxyError, Fault.PROXY),
    (httpx.WriteTimeout, Fault.WRITE_TIME_OUT),
    (httpx.WriteError, Fault.WRITE),
    (httpx.ReadTimeout, Fault.READ_TIME_OUT),
    (httpx.ReadError, Fault.READ),
    (httpx.ProtocolError, Fault.PROTOCOL),
    (httpx.DecodingError, Fault.PROTOCOL),
    (httpx.HTTPError, Fault.OTHER),
)
"""The library's exceptions as faults; the first kind that fits."""


def _as_it_is(answer: Any) -> bytes | _Elsewhere:
    """Read nothing into a file, nor into where one is said to be."""
    found: bytes | _Elsewhere = answer
    return found


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _body(response: httpx.Response, longest: int) -> bytes:
    """Return the whole body; one beyond all measure counts as a lost connection."""
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > longest:
            raise httpx.ReadError(f"the answer is longer than {longest} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _address(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise _no_address(base_url) from None
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise _no_address(base_url)
    return str(url).rstrip("/")


def _no_address(base_url: str) -> UsageError:
    """Show what stands there, unless part of it may be a secret."""
    shown = base_url if base_url and not set("@?#") & set(base_url) else "b2brouter.base_url"
    return UsageError(
        f"{shown} is not the address of an API",
        action="Correct b2brouter.base_url: it is an address such as http://127.0.0.1:8790.",
    )


def _proxy(base: str) -> httpx.Proxy | None:
    """Return the company's proxy for an https address outside this machine, if the environment names one."""
    url = httpx.URL(base)
    if url.scheme != "https" or _is_loopback(url.host) or urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get("https") or proxies.get("all")
    if not address:
        return None
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in {"http", "https"}:
        raise UsageError(
            "The proxy of the environment cannot be used.", action="Set HTTPS_PROXY to http://host:port."
        )
    return proxy


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
