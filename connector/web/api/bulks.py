"""Acts on many invoices over the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from connector.ledger import Ledger
from connector.ledger.actions import ACTS
from connector.ledger.bulks import Bulk
from connector.ledger.queries import Filter
from connector.web.api.caller import Actor, Key, Reader, once
from connector.web.api.jobs import Action, Wanted
from connector.web.api.records import BulkRecord
from connector.web.api.values import Pace

BulkId = Annotated[int, Path(ge=1, lt=2**63)]


class Chosen(Wanted):
    """Which invoices are meant, told in JSON, where true is not written as text."""

    attention: StrictBool = Field(False, description="Only what needs a person.")


class NewBulk(BaseModel):
    """What is to be done to which invoices."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    filter: Chosen
    note: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$", description="Why.")
    pace: Pace | None = Field(None, description="Invoices a minute; by default as fast as it goes.")


routes = APIRouter(tags=["many invoices"])


@routes.post("/bulks", response_model=BulkRecord)
def begin_bulk(caller: Actor, wish: NewBulk, key: Key) -> Response:
    """Do something to all invoices of a filter, at most 20,000; the connector goes on with it by itself.

    To skip an issued invoice closes its case, and it stays issued: that is done only where the filter names its
    status, its reason or its cause. A search that finds more than it can tell is refused with 422: say more, or
    narrow the filter.
    """
    chosen = {
        {"search": "q"}.get(name, name): "1" if value is True else str(value)
        for name, value in wish.filter.model_dump(exclude_none=True, exclude_defaults=True).items()
    }

    def act() -> BulkRecord:
        bulk_id = caller.ledger.bulks.begin(
            ACTS[wish.action],
            _wanted(caller.ledger, wish),
            chosen=chosen,
            who=caller.who,
            note=wish.note.strip(),
            pace=wish.pace,
        )
        return BulkRecord.of(_bulk(caller.ledger, bulk_id))

    return once(caller, key, wish, act)


@routes.get("/bulks/{bulk_id}")
def read_bulk(caller: Reader, bulk_id: BulkId) -> BulkRecord:
    """Tell how far it is."""
    return BulkRecord.of(_bulk(caller.ledger, bulk_id))


@routes.post("/bulks/{bulk_id}/stop")
def stop_bulk(caller: Actor, bulk_id: BulkId) -> BulkRecord:
    """Do no more of it; stopping twice changes nothing."""
    _bulk(caller.ledger, bulk_id)
    caller.ledger.bulks.stop(bulk_id, who=caller.who)
    return BulkRecord.of(_bulk(caller.ledger, bulk_id))


def _wanted(ledger: Ledger, wish: NewBulk) -> Filter:
    wanted = wish.filter.filter(ledger)
    if wanted.cut:
        raise HTTPException(422, "filter.search: it finds more than it can tell; say more, or narrow the filter")
    names_cases = wanted.status or wanted.reason or wanted.cause
    return wanted if wish.action != "skip" or names_cases else replace(wanted, under_way=True)


def _bulk(ledger: Ledger, bulk_id: int) -> Bulk:
    bulk = ledger.bulks.get(bulk_id)
    if bulk is None:
        raise HTTPException(404, "There is no such act on many invoices.")
    return bulk
