"""Accounts and sources over the API."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from connector.operations.texts import instant
from connector.web.api.caller import Actor, Caller, Key, Reader, once
from connector.web.api.records import AccountRecord, Accounts, SourceRecord, Sources


class Pause(BaseModel):
    """Why an account is to rest, and until when."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")
    until: AwareDatetime | None = Field(None, description="By default until somebody resumes it.")


class Resume(BaseModel):
    """Why it may go on."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=500, pattern=r"^[^\x00]*$")


routes = APIRouter(tags=["accounts and sources"])


@routes.get("/accounts")
def list_accounts(caller: Reader) -> Accounts:
    """List the accounts of the configuration."""
    states = {state.name: state for state in caller.ledger.accounts.all()}
    names = caller.services.settings.accounts
    return Accounts(accounts=[AccountRecord.of(name, states.get(name)) for name in names])


@routes.post("/accounts/{name}/pause", response_model=AccountRecord)
def pause_account(caller: Actor, name: str, wish: Pause, key: Key) -> Response:
    """Let an account's invoices wait."""
    _configured(caller, name)
    if wish.until is not None and wish.until <= caller.services.clock.now():
        raise HTTPException(422, "until: that is over")

    def act() -> AccountRecord:
        caller.ledger.accounts.pause_by_person(name, who=caller.who, note=wish.note.strip(), until=wish.until)
        return AccountRecord.of(name, caller.ledger.accounts.get(name))

    return once(caller, key, wish, act)


@routes.post("/accounts/{name}/resume", response_model=AccountRecord)
def resume_account(caller: Actor, name: str, wish: Resume, key: Key) -> Response:
    """End a pause, whoever began it."""
    _configured(caller, name)

    def act() -> AccountRecord:
        caller.ledger.accounts.resume_by_person(name, who=caller.who, note=wish.note.strip())
        return AccountRecord.of(name, caller.ledger.accounts.get(name))

    return once(caller, key, wish, act)


@routes.get("/sources")
def list_sources(caller: Reader) -> Sources:
    """List the ERP databases of the configuration, with when they were last looked into."""
    records = []
    for name, settings in caller.services.settings.sources.items():
        state = caller.ledger.intake.state(name)
        looked, swept = instant(state.get("discovered_at")), instant(state.get("swept_at"))
        records.append(SourceRecord(name=name, adapter=settings.adapter, discovered_at=looked, swept_at=swept))
    return Sources(sources=records)


def _configured(caller: Caller, name: str) -> None:
    if name not in caller.services.settings.accounts:
        raise HTTPException(404, "There is no such account in the configuration.")
