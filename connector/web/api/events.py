"""What happens to invoices, told as it happens: server-sent events, read on from any place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import count
from time import monotonic
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from connector.domain.errors import LedgerError
from connector.ledger.events import JobEvent
from connector.operations.records import event_record
from connector.web.api.caller import Caller, Reader
from connector.web.api.records import EventRecord

log = logging.getLogger(__name__)

STREAMS: Final = 16
"""So many may listen to one process at once."""

PAGE: Final = 200
"""Entries that are read at once; the next ones are read when these have gone to the listener."""

LOOK_EVERY: Final = 1.0
"""Seconds between looks for something new."""

_SURE_EVERY: Final = 15
"""Looks after which the token is tried again, and a comment says that nobody is dead."""

_NEVER: Final = 2**63

Place = Annotated[int, Field(ge=0, lt=_NEVER)] | SkipJsonSchema[None]


class StreamedEvent(EventRecord):
    """One entry of a timeline, and whose it is."""

    id: int = Field(description="To go on from here: `Last-Event-ID`, or `after`.")
    job_id: int
    source: str
    account: str
    number: str | None = Field(description="Of the invoice.")

    @classmethod
    def of(cls, told: JobEvent) -> StreamedEvent:
        """Return an entry."""
        whose = {"source": told.source, "account": told.account, "number": told.number}
        return cls(id=told.id, job_id=told.job_id, **whose, **event_record(told.event))


class Seats:
    """How many listen. Used from one thread."""

    def __init__(self, number: int) -> None:
        """Begin with all of them free."""
        self._free = number

    def take(self) -> None:
        """Take one.

        Raises:
            HTTPException: 503, none is free.
        """
        if not self._free:
            raise HTTPException(503, "Too many programs listen already.", {"Retry-After": "60"})
        self._free -= 1

    def leave(self) -> None:
        """Give one back."""
        self._free += 1


_DESCRIBED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events: `id` is the entry's number, `event` is what happened, `data` is all of "
        "it as JSON. A line that begins with a colon says that the stream is alive.",
        "content": {
            "text/event-stream": {
                "itemSchema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "event": {"type": "string"},
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": StreamedEvent.model_json_schema(),
                        },
                    },
                    "required": ["id", "event", "data"],
                },
                "example": 'id: 4711\nevent: reached\ndata: {"id": 4711, "job_id": 12, "stage": "sent", …}\n\n',
            }
        },
    }
}

routes = APIRouter(tags=["events"])


@routes.get("/events", response_class=StreamingResponse, responses=_DESCRIBED)
async def stream_events(
    caller: Reader,
    after: Annotated[
        Place,
        Query(description="Number of the last entry that is known; 0: from the beginning. By default from now on."),
    ] = None,
    last_event_id: Annotated[
        Place, Header(description="The same, as browsers send it; it counts before `after`.")
    ] = None,
    wait: Annotated[
        int, Query(ge=0, le=3600, description="Seconds for which to go on; 0: only what there is already.")
    ] = 300,
) -> StreamingResponse:
    """Tell what happens to invoices, in order, each entry at least once to whoever goes on from the last one."""
    start = after if last_event_id is None else last_event_id
    if start is None:
        start = await run_in_threadpool(caller.ledger.events.newest)
    seats: Seats = caller.request.app.state.seats
    seats.take()
    return _Stream(_told(caller, start, wait), seats)


class _Stream(StreamingResponse):
    """The answer to one listener, who has a seat until it has left."""

    def __init__(self, pieces: AsyncIterator[str], seats: Seats) -> None:
        # A proxy must not collect what is told as it happens.
        super().__init__(pieces, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._seats = seats

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seats.leave()


async def _told(caller: Caller, place: int, wait: int) -> AsyncIterator[str]:
    """Yield the entries after a place, for a while; a listener that is slow is waited for before more is read."""
    yield "retry: 3000\n\n"
    end = monotonic() + wait
    try:
        for look in count(1):
            events = await run_in_threadpool(caller.ledger.events.after, place, PAGE)
            if events:
                yield "".join(map(_written, events))
                place = events[-1].id
            if look % _SURE_EVERY == 0:
                if not await run_in_threadpool(caller.ledger.tokens.is_valid, caller.token):
                    return
                yield ": still here\n\n"
            if len(events) == PAGE:
                continue
            if monotonic() >= end or caller.services.stop.is_set():
                return
            await asyncio.sleep(LOOK_EVERY)
    except LedgerError as error:
        log.error("the events are not told further: %s", error.message)  # who listens comes again and goes on


def _written(told: JobEvent) -> str:
    return f"id: {told.id}\nevent: {told.event.what}\ndata: {StreamedEvent.of(told).model_dump_json()}\n\n"
