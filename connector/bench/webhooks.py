"""Webhooks, genuine and forged: how many a second a process takes in, and what one costs it.

The measured process answers over HTTP, and stores what is genuine durably. Whoever calls is another one, and calls as
fast as it is answered, over connections that stay open.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import URL

from config.settings import Settings
from connector.bench.discovery import Rooms
from connector.bench.frame import Report, Row, Span, in_a_process, peak_memory, timed
from connector.bootstrap import Services
from connector.domain.signature import HEADER, sign
from connector.ledger import schema

_ACCOUNT: Final = "main"
_SECRET: Final = "whsec_bench"  # noqa: S105 - of nobody's
_CALLERS: Final = 24
_BEGIN: Final = 30.0
"""Seconds that a process has to begin to answer; each request has another one."""

Made = tuple[str, str, bytes]
"""The account in the address, the header of the signature, the body."""


def _event(number: int) -> bytes:
    """Return an event as B2Brouter tells it."""
    data = {"event_id": f"evt_{number}", "invoice_id": 100000 + number, "state": "closed", "notes": None}
    told = {"code": "issued_invoice.state_change", "triggered_at": int(time.time()), "data": data}
    return json.dumps(told).encode()


def _genuine(number: int) -> Made:
    body = _event(number)
    return _ACCOUNT, sign(_SECRET, body, now=datetime.now(UTC)), body


def _forged(number: int) -> Made:
    return _ACCOUNT, f"t={int(time.time())},s={'0' * 64}", _event(number)


def _old(number: int) -> Made:
    body = _event(number)
    return _ACCOUNT, sign(_SECRET, body, now=datetime(2020, 1, 1, tzinfo=UTC)), body


KINDS: Final[Mapping[str, tuple[Callable[[int], Made], int]]] = {
    "genuine and new": (_genuine, 200),
    "genuine, told again": (_genuine, 200),
    "forged signature": (_forged, 401),
    "signature of long ago": (_old, 401),
    "no signature": (lambda number: (_ACCOUNT, "", _event(number)), 401),
    "no such account": (lambda number: ("nobody", "", _event(number)), 404),
}
"""What is sent, in this order: how the nth is made, and the status that answers it."""


def measure(count: int, runs: int, *, postgres: URL | None) -> Iterator[Report]:
    """Send so many of each kind, with a ledger in SQLite and, where there is a server, in PostgreSQL."""
    yield _measured("SQLite", count, runs, None)
    if postgres is not None:
        yield _measured("PostgreSQL", count, runs, postgres)


def _measured(name: str, count: int, runs: int, server: URL | None) -> Report:
    found: list[tuple[Sequence[Span], int]] = []
    for number in range(runs):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
            ledger = stack.enter_context(Rooms(folder, server).room(f"ledger{number}"))
            found.append(in_a_process(run, ledger, count))
    return Report(
        benchmark=f"webhooks on {name}",
        counted="requests",
        runs=runs,
        rows=[Row.of(kind, [spans[place] for spans, _ in found]) for place, kind in enumerate(KINDS)],
        peak_memory=max(peak for _, peak in found),
    )


def run(ledger: str, count: int) -> tuple[list[Span], int]:
    """Answer so many requests of each kind; in a process of its own. Return what each took, and the most memory."""
    from connector.web.server import WebServer

    account = {"account_id": "1", "api_key": "test_key", "webhook_secret": _SECRET}
    options: dict[str, Any] = {"ledger": {"url": ledger}, "web": {"port": 0}, "accounts": {_ACCOUNT: account}}
    services = Services(Settings(**options), stop=Event())
    schema.upgrade(services.ledger.database)
    services.open_ledger()
    web = WebServer(services).start()
    spans = []
    in_a_process(call, web.address, "no such account", 1)  # it is ready by now
    for kind in KINDS:
        with timed(count) as span:
            seconds = in_a_process(call, web.address, kind, count)
        span.seconds = seconds  # without the caller's own start
        spans.append(span)
    web.stop()
    services.close()
    return spans, peak_memory()


def call(address: str, kind: str, count: int) -> float:
    """Send so many requests of a kind; in a process of its own. Return the seconds until all are answered."""
    make, status = KINDS[kind]
    place = urlsplit(address)
    assert place.hostname is not None
    numbers = iter(range(count))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for number in numbers:
            writer.write(_request(*make(number)))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(f"HTTP/1.1 {status} ".encode()):
                raise AssertionError(f"{kind}: answered {head!r}")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(caller() for _ in range(_CALLERS)))

    began = perf_counter()
    asyncio.run(asyncio.wait_for(all_of_them(), _BEGIN + count))
    return perf_counter() - began


def _request(account: str, signature: str, body: bytes) -> bytes:
    head = f"POST /webhooks/b2brouter/{account} HTTP/1.1\r\nHost: x\r\n{HEADER}: {signature}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
