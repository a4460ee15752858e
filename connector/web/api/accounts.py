"""Accounts and sources over the API."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from connector.operations import standing
from connector.web.api.caller import Actor, Caller, Key, Reader, once
from connector.web.api.records import AccountRecord, Accounts, SourceRecord, Sources
from connector.web.api.values import Instant, Name


class Pause(BaseModel):
    """Why an account or a source is to rest, and until when."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")
    until: Instant | None = Field(None, description="By default until somebody resumes it.")


class Resume(BaseModel):
    """Why it may go on."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=500, pattern=r"^[^\x00]*$")


routes = APIRouter(tags=["accounts and sources"])


@routes.get("/accounts")
def list_accounts(caller: Reader) -> Accounts:
    """List the accounts of the configuration."""
    found = [one for one in standing.accounts(caller.services) if one.configured]
    return Accounts(accounts=[AccountRecord.of(one) for one in found])


@routes.post("/accounts/{name}/pause", response_model=AccountRecord)
def pause_account(caller: Actor, name: Name, wish: Pause, key: Key) -> Response:
    """Let an account's invoices wait."""
    _account(caller, name)
    _ahead(caller, wish)

    def act() -> AccountRecord:
        caller.ledger.accounts.pause_by_person(name, who=caller.who, note=wish.note.strip(), until=wish.until)
        return _account(caller, name)

    return once(caller, key, wish, act)


@routes.post("/accounts/{name}/resume", response_model=AccountRecord)
def resume_account(caller: Actor, name: Name, wish: Resume, key: Key) -> Response:
    """End a pause, whoever began it."""
    _account(caller, name)

    def act() -> AccountRecord:
        caller.ledger.accounts.resume_by_person(name, who=caller.who, note=wish.note.strip())
        return _account(caller, name)

    return once(caller, key, wish, act)


@routes.get("/sources")
def list_sources(caller: Reader) -> Sources:
    """List the ERP databases of the configuration, with when they were last looked into."""
    return Sources(sources=[SourceRecord.of(one) for one in standing.sources(caller.services)])


@routes.post("/sources/{name}/pause", response_model=SourceRecord)
def pause_source(caller: Actor, name: Name, wish: Pause, key: Key) -> Response:
    """Leave an ERP alone: it is not looked into, nothing is written into it, and its invoices wait."""
    _source(caller, name)
    _ahead(caller, wish)

    def act() -> SourceRecord:
        caller.ledger.sources.pause(name, who=caller.who, note=wish.note.strip(), until=wish.until)
        return _source(caller, name)

    return once(caller, key, wish, act)


@routes.post("/sources/{name}/resume", response_model=SourceRecord)
def resume_source(caller: Actor, name: Name, wish: Resume, key: Key) -> Response:
    """End the pause of a source."""
    _source(caller, name)

    def act() -> SourceRecord:
        caller.ledger.sources.resume(name, who=caller.who, note=wish.note.strip())
        return _source(caller, name)

    return once(caller, key, wish, act)


def _account(caller: Caller, name: str) -> AccountRecord:
    found = [one for one in standing.accounts(caller.services) if one.name == name and one.configured]
    if not found:
        raise HTTPException(404, "There is no such account in the configuration.")
    return AccountRecord.of(found[0])


def _source(caller: Caller, name: str) -> SourceRecord:
    found = [one for one in standing.sources(caller.services) if one.name == name]
    if not found:
        raise HTTPException(404, "There is no such source in the configuration.")
    return SourceRecord.of(found[0])


def _ahead(caller: Caller, wish: Pause) -> None:
    if wish.until is not None and wish.until <= caller.services.clock.now():
        raise HTTPException(422, "until: that is over")
