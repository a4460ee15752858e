"""The way of a request: noted, perhaps struck by a fault, carried out, kept, answered.

Carrying out is synchronous and under the world's lock, so that no other request sees half of it.
Pauses lie before or after it, never inside.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from connector.simulator import api, versions
from connector.simulator.calls import Answer, Call, Handler
from connector.simulator.connection import Connection
from connector.simulator.documents import ApiKey
from connector.simulator.fault_answers import instead, spoilt, too_many
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.imports import number_in
from connector.simulator.invoices import number_seen_free
from connector.simulator.journal import Entry
from connector.simulator.jsontext import dumps, loads
from connector.simulator.problems import ApiProblem, not_found
from connector.simulator.rate import RateLimit, retry_after
from connector.simulator.webhooks import Postman
from connector.simulator.world import World


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
        connection = Connection(scope, receive, send, request.entry.request_id or "", self._pause)
        try:
            await self._serve(request, connection)
        except _ClosingError:
            await connection.cut(reset=False)

    async def _serve(self, request: Request, connection: Connection) -> None:
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
            entry.body = _json_object(body) if body and world.switches.journal_bodies else None
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
            account = world.account_named(request.params["account"])
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
                answer = instead(request.fault) or self._handled(request)
            except ApiProblem as problem:
                entry.problem = problem.code or str(problem.status)
                answer = Answer(problem.status, problem.body())
            entry.effects = effects
            if request.fault is not None:
                answer = spoilt(answer, self._content(answer), request.fault, self._noise)
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
                "Invalid API Key provided, or the API key might not have the necessary permissions for this action.",
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
        return too_many(retry_after(switches.retry_after, wait, now)) if wait is not None else None

    async def _commit_late(self, request: Request, fault: Fault, connection: Connection) -> None:
        """Cut the client off, and carry the request out later all the same, without anybody to hear of it."""
        with self.world.lock:
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

    async def _reply(self, request: Request, answer: Answer, connection: Connection) -> None:
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
        return dumps(answer.body, amounts_as_text=self.world.switches.amounts == "strings").encode("utf-8", "replace")

    def _report(self, entry: Entry) -> None:
        if self._log is not None:
            self._log(entry)


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
