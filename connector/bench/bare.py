"""Clients that do nothing but the calls of an invoice: what a worker's throughput is held against.

They know the contact, and there is no ERP, no ledger, no judgement of answers. One uses the connector's HTTP library
in as many threads; the other speaks just enough HTTP on asyncio's streams, which is about the limit of a core.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from connector.b2brouter.payloads import invoice_payload
from connector.bench import erp
from connector.bench.frame import Span, timed
from connector.domain.invoice import Invoice

KEY: Final = "test_key"
_VERSION: Final = "2026-03-02"
_HEADERS: Final = {"X-B2B-API-Key": KEY, "X-B2B-API-Version": _VERSION}
_CONTACT: Final = (
    b'{"contact": {"name": "Customer", "country": "es", "tin_scheme": "9920", "tin_value": "ES10000001S",'
    b' "address": "Calle Mayor 1", "city": "Madrid", "postalcode": "28013", "is_client": true}}'
)


def in_threads(source: str, address: str, invoices: int, in_flight: int) -> Span:
    """Issue with httpx, a client for each thread as the connector has it."""
    import httpx

    mine = threading.local()

    def call(path: str, body: bytes | None = None) -> Any:
        if not hasattr(mine, "client"):
            mine.client = httpx.Client(base_url=address, headers=_HEADERS, timeout=30)
        answer = mine.client.post(path, content=body, headers={"Content-Type": "application/json"})
        if not answer.is_success:
            raise AssertionError(f"{path} was answered {answer.status_code}: {answer.text}")
        return answer.json() if answer.content else None

    def issue(body: bytes) -> None:
        call(f"/invoices/send_invoice/{call('/accounts/1/invoices', body)['invoice']['id']}")

    contact = call("/accounts/1/contacts", _CONTACT)["contact"]["id"]
    bodies = list(_bodies(source, invoices, contact))
    with timed(invoices) as span, ThreadPoolExecutor(in_flight) as pool:
        for _ in pool.map(issue, bodies):
            pass
    return span


def on_streams(source: str, address: str, invoices: int, in_flight: int) -> Span:
    """Issue over raw connections of asyncio."""
    return asyncio.run(_on_streams(source, address, invoices, in_flight))


async def _on_streams(source: str, address: str, invoices: int, in_flight: int) -> Span:
    first = await _Line.open(address)
    contact = (await first.call("/accounts/1/contacts", _CONTACT))["contact"]["id"]
    bodies = iter(list(_bodies(source, invoices, contact)))
    lines = [first, *[await _Line.open(address) for _ in range(in_flight - 1)]]

    async def work(line: _Line) -> None:
        for body in bodies:  # one iterator for all
            made = await line.call("/accounts/1/invoices", body)
            await line.call(f"/invoices/send_invoice/{made['invoice']['id']}", b"")

    with timed(invoices) as span:
        await asyncio.gather(*map(work, lines))
    for line in lines:
        line.close()
    return span


class _Line:
    """One connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        known = {"Host": host, "Content-Type": "application/json", **_HEADERS}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in known.items())

    @classmethod
    async def open(cls, address: str) -> _Line:
        parts = urlsplit(address)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port), host=parts.netloc)

    async def call(self, path: str, body: bytes) -> Any:
        head = f"POST {path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answered = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answered.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        content = await self._reader.readexactly(length)
        if not answered.startswith((b"http/1.1 2", b"http/1.0 2")):
            raise AssertionError(f"{path} was answered {answered!r}: {content!r}")
        return json.loads(content) if content else None

    def close(self) -> None:
        self._writer.close()


def _bodies(source: str, count: int, contact: int) -> Iterator[bytes]:
    """Yield what is posted for each invoice."""
    adapter = erp.adapter(source)
    for key, document in adapter.load([str(number) for number in range(1, count + 1)]).items():
        assert isinstance(document, Invoice)
        yield invoice_payload(
            document, contact_id=str(contact), file_reference=key, api_version=_VERSION, amend_reason=None
        )
    adapter.close()
