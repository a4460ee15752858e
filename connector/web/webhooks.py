"""`/webhooks/b2brouter/{account}`: what B2Brouter tells is verified, stored and answered at once; others act on it.

A request that is not signed costs next to nothing: no thread, no look into the ledger, no body where the header
is wrong already, and one line in the log for all of a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from connector.bootstrap import Services
from connector.clock import Clock
from connector.domain.errors import UsageError
from connector.domain.notice import TEST, Notice, notice
from connector.domain.signature import HEADER, Signature, signature_of
from connector.ledger import Ledger

log = logging.getLogger(__name__)

_BODY_SECONDS: Final = 10.0
"""How long the body of a request may take to arrive."""

_WRITERS: Final = 4
"""Requests that are stored at once: webhooks must not take all of the ledger's connections."""

_REMEMBERED: Final = 4096
"""Stored bodies whose repetition is answered without the ledger."""

_COMPLAIN_EVERY: Final = 60.0
"""Seconds between lines in the log about refused requests."""


_NO_SUCH: Final = 404


class RefusedRequestError(Exception):
    """A request that is not B2Brouter's, or not now: the status, and why in a few words."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


def router(services: Services) -> APIRouter:
    """Return the address that B2Brouter calls."""
    for settings in services.settings.accounts.values():
        if settings.webhook_secret_command is None:  # commands are asked when an event comes
            settings.webhook_secrets()
    web = services.settings.web
    receiver = Receiver(
        services.ledger,
        secrets=partial(_secrets_of, services),
        tolerance=web.webhook_tolerance,
        longest=web.webhook_bytes,
        clock=services.clock,
    )

    async def receive(request: Request) -> Response:
        return await receiver.receive(request.path_params["account"], request)

    routes = APIRouter()
    routes.add_route("/webhooks/b2brouter/{account}", receive, methods=["POST"])  # none of the cost of parameters
    return routes


async def _secrets_of(services: Services, account: str) -> Sequence[str]:
    """Return the secrets of an account as the configuration has them now."""
    settings = services.settings.accounts.get(account)
    if settings is None:
        return []
    if settings.webhook_secret_command is None:
        return settings.webhook_secrets()
    return await run_in_threadpool(settings.webhook_secrets)  # a command may take its time


class Receiver:
    """Takes what is signed, and refuses everything else."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        secrets: Callable[[str], Awaitable[Sequence[str]]],
        tolerance: float,
        longest: int,
        clock: Clock,
    ) -> None:
        """Prepare to receive.

        Args:
            ledger: where events are stored.
            secrets: gives those that sign for an account, the present one and perhaps the one before; none where
                there is no such account. May raise `UsageError`: they cannot be read now.
            tolerance: seconds that the time of a signature may differ from ours.
            longest: bytes of a body.
            clock: where the time comes from.
        """
        self._ledger = ledger
        self._secrets = secrets
        self._tolerance = tolerance
        self._longest = longest
        self._clock = clock
        self._writers = asyncio.Semaphore(_WRITERS)
        self._stored: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._refused = 0
        self._complained_at: float | None = None

    async def receive(self, account: str, request: Request) -> Response:
        """Answer one request: 200 once the event is durably stored."""
        try:
            told = await self._verified(account, request)
        except RefusedRequestError as error:
            self._refuse(account, error)
            return PlainTextResponse(error.why, status_code=error.status)
        await self._store(account, told)
        return PlainTextResponse("stored")

    async def _verified(self, account: str, request: Request) -> Notice:
        try:
            secrets = await self._secrets(account)
        except UsageError as error:
            log.error("%s", error.message)
            raise RefusedRequestError(503, "not now") from None
        if not secrets:
            raise RefusedRequestError(_NO_SUCH, "no such webhook")
        signature = self._signature(request)
        body = await self._body(request)
        if not signature.is_genuine(body, secrets):
            raise RefusedRequestError(401, "the signature is wrong")
        return notice(body)

    def _signature(self, request: Request) -> Signature:
        """Read the header before the body is waited for."""
        signature = signature_of(request.headers.get(HEADER))
        if signature is None:
            raise RefusedRequestError(401, "there is no signature")
        if not signature.is_fresh(self._clock.now(), tolerance=self._tolerance):
            raise RefusedRequestError(401, "the signature is too old, or of the future")
        return signature

    async def _body(self, request: Request) -> bytes:
        announced = request.headers.get("content-length", "0")
        if not announced.isdigit() or int(announced[:20]) > self._longest:
            raise RefusedRequestError(413, "the body is too large")
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._longest:
                        raise RefusedRequestError(413, "the body is too large")
        except TimeoutError:
            raise RefusedRequestError(408, "the body did not arrive") from None
        except ClientDisconnect:
            raise RefusedRequestError(400, "the body ended too early") from None
        return bytes(body)

    async def _store(self, account: str, told: Notice) -> None:
        mark = (account, told.code, told.event_id)
        if mark in self._stored:
            return
        async with self._writers:
            new = await run_in_threadpool(self._ledger.inbox.put, account, told)
        self._stored[mark] = None
        if len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)
        if new and not told.is_known and told.code != TEST:
            what = f"an event {told.code}" if told.code else "something that is no event"
            log.warning("webhook of account %s: %s is kept, but nothing is done about it", account, what)

    def _refuse(self, account: str, error: RefusedRequestError) -> None:
        """Count, and say so once in a while: somebody who floods us must not flood the log."""
        self._refused += 1
        now = self._clock.monotonic()
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_EVERY:
            name = account if error.status != _NO_SUCH else "that does not exist"
            log.warning("webhook of account %s: %s; requests refused: %s", name, error.why, self._refused)
            self._complained_at, self._refused = now, 0
