"""The way back to the client, and the ways to fail on it."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from connector.simulator.calls import Answer

TRANSPORT: Final = "simulator.transport"  # where the server leaves the connection in the scope
REQUEST_ID_HEADER: Final = "X-B2B-API-Request-Id"
_TRICKLE: Final = 20  # pieces of a slow answer
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time at all makes the kernel send RST


class Connection:
    """One request's connection; `pause` sleeps, unless the server closes."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._transport: asyncio.Transport | None = scope.get(TRANSPORT)
        self._receive = receive
        self._send = send
        self._pause = pause
        self._request_id = request_id

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
