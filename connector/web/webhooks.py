"""`/webhooks/b2brouter/{account}`: what B2Brouter tells is verified, stored and answered at once; others act on it.

A request that is not signed costs next to nothing: no thread, no look into the ledger, no secret asked for and no
body where the header is wrong already, and one line in the log for all of a minute that get one answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

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

_ASKING: Final = 4
"""Accounts whose command is asked for a secret at once: a vault that hangs must not take all threads of the web."""

_REMEMBERED: Final = 4096
"""Stored bodies whose repetition is answered without the ledger."""

_COMPLAIN_EVERY: Final = 60.0
"""Seconds between lines in the log about refused requests."""


_NO_SUCH: Final = 404


class RefusedRequestError(Exception):
    """A request that is not B2Brouter's, or not now: the status, why in a few words, and what operators are told."""

    def __init__(self, status: int, why: str, told: str | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.told = told or why


def router(services: Services) -> APIRouter:
    """Return the address that B2Brouter calls."""
    for settings in services.settings.accounts.values():
        if settings.webhook_secret_command is None:  # commands are asked when an event comes
            settings.webhook_secrets()
    web = services.settings.web
    receiver = Receiver(
        services.ledger,
        secrets=_Secrets(services),
        tolerance=web.webhook_tolerance,
        longest=web.webhook_bytes,
        clock=services.clock,
    )

    async def receive(request: Request) -> Response:
        return await receiver.receive(request.path_params["account"], request)

    routes = APIRouter()
    routes.add_route("/webhooks/b2brouter/{account}", receive, methods=["POST"])  # none of the cost of parameters
    return routes


class Secrets(Protocol):
    """The secrets that sign for accounts."""

    def signs_for(self, account: str) -> bool:
        """Whether any does; asks no command."""

    async def of(self, account: str) -> Sequence[str]:
        """Return those of an account that has any, the present one and perhaps the one before.

        Raises:
            UsageError: they cannot be read now.
        """


class _Secrets:
    """The secrets of accounts as the configuration has them now."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._asking = asyncio.Semaphore(_ASKING)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def signs_for(self, account: str) -> bool:
        settings = self._services.settings.accounts.get(account)
        return settings is not None and settings.signs_webhooks

    async def of(self, account: str) -> Sequence[str]:
        settings = self._services.settings.accounts[account]
        if settings.webhook_secret_command is None:
            return settings.webhook_secrets()
        async with self._turns[account], self._asking:
            return await run_in_threadpool(settings.webhook_secrets)  # the command may take its time


class Receiver:
    """Takes what is signed, and refuses everything else."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        secrets: Secrets,
        tolerance: float,
        longest: int,
        clock: Clock,
    ) -> None:
        """Prepare to receive.

        Args:
            ledger: where events are stored.
            secrets: that sign for accounts.
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
        self._refused: Counter[int] = Counter()  # by status
        self._complained_at: dict[int, float] = {}

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
        if not self._secrets.signs_for(account):
            raise RefusedRequestError(_NO_SUCH, "no such webhook")
        signature = self._signature(request)
        try:
            secrets = await self._secrets.of(account)
        except UsageError as error:
            raise RefusedRequestError(503, "not now", error.message) from None
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
        self._refused[error.status] += 1
        now = self._clock.monotonic()
        last = self._complained_at.get(error.status)
        if last is None or now - last >= _COMPLAIN_EVERY:
            name = account if error.status != _NO_SUCH else "that does not exist"
            number = self._refused.pop(error.status)
            log.warning("webhook of account %s: %s; requests refused: %s", name, error.told, number)
            self._complained_at[error.status] = now
