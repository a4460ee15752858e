"""The way of a request: noted, perhaps struck by a fault, carried out, kept, answered.

Carrying out is synchronous and under the world's lock, so that no other request sees half of it.
Pauses lie before or after it, never inside.
"""

import asyncio
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from connector.simulator import api, versions
from connector.simulator.calls import Answer, Call, Handler
from connector.simulator.documents import ApiKey
from connector.simulator.faults import BEFORE, Fault, FaultKind
from connector.simulator.imports import number_in
from connector.simulator.invoices import number_seen_free
from connector.simulator.journal import Entry
from connector.simulator.jsontext import dumps, loads
from connector.simulator.problems import ApiProblem, not_found
from connector.simulator.rate import RateLimit, retry_after
from connector.simulator.webhooks import Postman
from connector.simulator.world import World

TRANSPORT: Final = "simulator.transport"  # where the server leaves the connection in the scope
REQUEST_ID_HEADER: Final = "X-B2B-API-Request-Id"
_HTML_PAGE: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_TRICKLE: Final = 20  # pieces of a slow answer
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time at all makes the kernel send RST

_BEFORE_STATUS: Final = {
    FaultKind.RATE_LIMIT: 429,
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.UNAVAILABLE_BEFORE: 503,
}
_AFTER_STATUS: Final = {FaultKind.UNAVAILABLE_AFTER: 503, FaultKind.ERROR_AFTER: 500}


@dataclass(slots=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    entry: Entry
    route: api.Route | None = None
    params: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    number_was_free: bool = False
    parsed: dict[str, Any] | None = None  # the JSON object of its body, where that was needed early


class _ClosingError(Exception):
    """The server is closing; what waits gives up."""


class ApiApp:
    """The API as an ASGI application."""

    def __init__(self, world: World, postman: Postman, log: Callable[[Entry], None] | None = None) -> None:
        self.world = world
        self.rate = RateLimit()
        self._postman = postman
        self._log = log
        self._noise = Random(0)
        self.closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return  # the client left in the middle of its request
        self.world.run_due()
        request = self._noted(scope, body)
        connection = _Connection(scope, receive, send, request, self._pause)
        try:
            await self._serve(request, connection)
        except _ClosingError:
            await connection.cut(reset=False)

    async def _serve(self, request: Request, connection: "_Connection") -> None:
        await self._pause_before(request)
        if request.fault is not None and request.fault.kind is FaultKind.LATE_COMMIT:
            await self._commit_late(request, request.fault, connection)
            return
        answer = self._carried_out(request)
        await self._reply(request, answer, connection)
        self.world.flush_events()

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the server closes meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
            raise _ClosingError

    # ------------------------------------------------------------------ arrival

    def _noted(self, scope: Scope, body: bytes) -> Request:
        world = self.world
        query_text = scope["query_string"].decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with world.lock:
            entry = world.journal.open(world.clock.now(), scope["method"], scope["path"], query=query_text)
            entry.request_id = str(uuid4())
            entry.key = headers.get("x-b2b-api-key", "")[-4:] or None
            entry.body_sha256 = hashlib.sha256(body).hexdigest() if body else None
            request = Request(entry.method, entry.path, dict(parse_qsl(query_text)), headers, body, entry)
            found = api.find(request.method, request.path)
            if found is not None:
                request.route, request.params = found
                entry.operation = request.route.operation
            self._look_ahead(request)
            request.fault = world.faults.strike(request.method, request.path, entry.operation, entry.number)
            entry.fault = request.fault.kind if request.fault is not None else None
        return request

    def _look_ahead(self, request: Request) -> None:
        """Learn which number a request is about, for the rules of faults and for the race of the guard."""
        world, entry = self.world, request.entry
        invoice_id = request.params.get("id", "")
        if request.path.startswith("/invoices/") and invoice_id.isdigit():
            invoice = world.invoices.get(int(invoice_id))
            entry.number = invoice.number if invoice is not None else None
        if entry.operation == "import_invoice":
            entry.number = number_in(request.body)
        if entry.operation != "create_invoice":
            return
        request.parsed = _json_object(request.body)
        values = (request.parsed or {}).get("invoice")
        values = values if isinstance(values, dict) else {}
        entry.number = str(values.get("number") or "") or None
        if world.switches.number_guard_race:
            account = next(
                (
                    item
                    for item in world.accounts.values()
                    if request.params["account"] in {str(item.id), item.identifier}
                ),
                None,
            )
            request.number_was_free = account is not None and number_seen_free(world, account, values)

    async def _pause_before(self, request: Request) -> None:
        seconds = self.world.switches.latency
        if request.fault is not None and request.fault.kind is FaultKind.HANG_BEFORE:
            seconds += request.fault.seconds
        if seconds > 0:
            await self._pause(seconds)

    # ---------------------------------------------------------------- execution

    def _carried_out(self, request: Request) -> Answer:
        """Do what the request asks, unless a fault stops it before, and keep the outcome."""
        world, entry = self.world, request.entry
        with world.lock, world.recorded() as effects:
            entry.carried_out_at = world.clock.now()
            try:
                answer = self._stopped_by_fault(request) or self._handled(request)
            except ApiProblem as problem:
                entry.problem = problem.code or str(problem.status)
                answer = Answer(problem.status, problem.body())
            entry.effects = effects
            if request.fault is not None:
                answer = self._spoilt(answer, request.fault)
            cut = request.fault is not None and request.fault.kind.startswith("drop_")
            entry.status = None if cut else answer.status
            world.journal.written(entry)
            world.commit()  # durable before the answer leaves
        return answer

    def _handled(self, request: Request) -> Answer:
        key = self._key(request)
        version = versions.chosen(request.headers.get("x-b2b-api-version"), key.default_version)
        if (refusal := self._over_limit(key)) is not None:
            return refusal
        if request.route is None:
            raise not_found("Path")
        fault = request.fault
        lag = fault.seconds if fault is not None and fault.kind is FaultKind.LIST_LAG else 0.0
        handler: Handler = request.route.handler
        return handler(
            Call(
                self.world,
                key,
                version,
                request.params,
                request.query,
                request.headers,
                request.body,
                request.entry,
                request.number_was_free,
                lag,
                request.parsed,
            )
        )

    def _key(self, request: Request) -> ApiKey:
        value = request.headers.get("x-b2b-api-key")
        if not value:
            raise ApiProblem(401, "missing_api_key", "No API key provided")
        key = self.world.keys.get(value)
        if key is None:
            raise ApiProblem(
                401,
                "invalid_api_key",
                "Invalid API Key provided, or the API key might not have the necessary permissions"
                " for this action.",
            )
        if key.expired:
            raise ApiProblem(401, "expired_api_key", "The API key has expired")
        if not key.has_group:
            raise ApiProblem(403, "no_account_group", "The API key has no account group")
        return key

    def _over_limit(self, key: ApiKey) -> Answer | None:
        switches, now = self.world.switches, self.world.clock.now()
        if not switches.requests_per_minute:
            return None
        wait = self.rate.wait_for(key.value, switches.requests_per_minute, now)
        return _too_many(retry_after(switches.retry_after, wait, now)) if wait is not None else None

    def _stopped_by_fault(self, request: Request) -> Answer | None:
        fault = request.fault
        if fault is None or fault.kind not in BEFORE:
            return None
        if fault.kind is FaultKind.RATE_LIMIT:
            return _too_many(fault.retry_after)
        if fault.kind is FaultKind.UNAUTHORIZED:
            raise ApiProblem(401, "unauthorized", "Invalid API Key provided")
        status = _BEFORE_STATUS.get(fault.kind, fault.status or 500)
        return _gateway_answer(status, fault.retry_after)

    def _spoilt(self, answer: Answer, fault: Fault) -> Answer:
        """The answer as a fault makes it, after the request was carried out."""
        if fault.kind in _AFTER_STATUS:
            return _gateway_answer(fault.status or _AFTER_STATUS[fault.kind], fault.retry_after)
        if fault.kind is FaultKind.GARBAGE:
            return Answer(answer.status, content=self._noise.randbytes(300), headers=answer.headers)
        if fault.kind is FaultKind.HTML:
            return Answer(fault.status or 200, content=_HTML_PAGE, content_type="text/html")
        if fault.kind is FaultKind.TRUNCATED:
            content = self._content(answer)
            return Answer(answer.status, content=content[: len(content) // 2], headers=answer.headers)
        if fault.kind is FaultKind.WRONG_NUMBER:
            return Answer(answer.status, _with_other_number(answer.body), headers=answer.headers)
        return answer

    async def _commit_late(self, request: Request, fault: Fault, connection: "_Connection") -> None:
        """Cut the client off, and carry the request out later all the same, without anybody to hear of it."""
        self.world.after(fault.seconds, lambda: self._finish_late(request))
        self.world.journal.written(request.entry)
        self.world.commit()
        if fault.hang > 0:
            await self._pause(fault.hang)
        await connection.cut(reset=fault.reset)
        self._report(request.entry)

    def _finish_late(self, request: Request) -> None:
        self._carried_out(request)
        request.entry.status = None
        self.world.journal.written(request.entry)

    # ------------------------------------------------------------------- answer

    async def _reply(self, request: Request, answer: Answer, connection: "_Connection") -> None:
        fault, kind = request.fault, request.fault.kind if request.fault is not None else None
        if self._postman_is_first():
            self.world.flush_events()
            await asyncio.to_thread(self._postman.wait_idle)
        if kind is FaultKind.HANG_AFTER and fault is not None:
            await self._pause(fault.seconds)
        self._report(request.entry)
        content = self._content(answer)
        if fault is not None and kind in {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER}:
            await connection.cut(reset=fault.reset)
        elif fault is not None and kind is FaultKind.DROP_MIDWAY:
            await connection.answer_half(answer, content)
        elif fault is not None and kind is FaultKind.SLOW:
            await connection.answer_slowly(answer, content, fault.seconds)
        else:
            await connection.answer(answer, content)

    def _postman_is_first(self) -> bool:
        """Whether the events of this request are to arrive before its answer does."""
        return any(rule.kind is FaultKind.WEBHOOK_EARLY for rule in self.world.faults.rules)

    def _content(self, answer: Answer) -> bytes:
        if answer.content is not None or answer.status == 204:
            return answer.content or b""
        return dumps(answer.body, amounts_as_text=self.world.switches.amounts == "strings").encode(
            "utf-8", "replace"
        )

    def _report(self, entry: Entry) -> None:
        if self._log is not None:
            self._log(entry)


class _Connection:
    """The way back to the client, and the ways to fail on it."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        request: Request,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._transport: asyncio.Transport | None = scope.get(TRANSPORT)
        self._receive = receive
        self._send = send
        self._pause = pause
        self._request_id = request.entry.request_id or ""

    async def answer(self, answer: Answer, content: bytes) -> None:
        await self._start(answer, len(content))
        await self._send({"type": "http.response.body", "body": content})

    async def answer_slowly(self, answer: Answer, content: bytes, seconds: float) -> None:
        await self._start(answer, len(content))
        size = max(1, -(-len(content) // _TRICKLE))
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._pause(seconds / _TRICKLE)
        await self._send({"type": "http.response.body", "body": b""})

    async def answer_half(self, answer: Answer, content: bytes) -> None:
        await self._start(answer, len(content))
        half = content[: len(content) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        await self.cut(reset=False)

    async def cut(self, *, reset: bool) -> None:
        """Close the connection under the client's hands, without a word of HTTP."""
        if self._transport is None:
            raise RuntimeError("connections can only be cut under SimulatorServer")
        if reset:
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()
        while (await self._receive())["type"] != "http.disconnect":
            pass  # until the server has noticed, or it would try to answer

    async def _start(self, answer: Answer, length: int) -> None:
        headers = [
            (b"content-type", answer.content_type.encode("latin-1")),
            (REQUEST_ID_HEADER.encode(), self._request_id.encode()),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()),
        ]
        if answer.status != 204:
            headers.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _body(receive: Receive) -> bytes | None:
    message = await receive()
    if not message.get("more_body"):
        return message.get("body", b"") if message["type"] == "http.request" else None
    parts = [message.get("body", b"")]
    while message.get("more_body"):
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        payload = loads(body)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _too_many(wait: str | None) -> Answer:
    """429 carries no code. Source: the vendor's page of error codes."""
    body = {"error": {"message": "Too many requests", "type": "invalid_request_error"}}
    return Answer(429, body, headers={"Retry-After": wait} if wait is not None else {})


def _gateway_answer(status: int, wait: str | None) -> Answer:
    headers = {"Retry-After": wait} if wait is not None else {}
    return Answer(status, content=b"upstream failure\n", content_type="text/plain", headers=headers)


def _with_other_number(body: object) -> object:
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("invoice"), dict):
        return body | {"invoice": _with_other_number(body["invoice"])}
    return body | {"number": f"{body['number']}-OTHER"} if "number" in body else body
