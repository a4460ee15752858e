"""The control interface under `/_simulator`: faults, switches, clock, evidence. For local use alone.

Everything is JSON. A request that cannot be understood answers 400 with `{"error": "…"}`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.simulator.audit import audit
from connector.simulator.documents import Account, Contact, Invoice
from connector.simulator.faults import BadFaultError, fault_details
from connector.simulator.jsontext import dumps, loads
from connector.simulator.seeds import BadSeedError, plant
from connector.simulator.states import notice
from connector.simulator.switches import UnknownSwitchError
from connector.simulator.webhooks import Postman
from connector.simulator.world import World

_Handler = Callable[["Control", Request], Awaitable[object]]


class _RefusedError(ValueError):
    """A control request that cannot be understood."""


class Control:
    """What the handlers work on."""

    def __init__(self, world: World, postman: Postman, reset: Callable[[], None]) -> None:
        self.world = world
        self.postman = postman
        self.reset = reset


def routes(world: World, postman: Postman, reset: Callable[[], None]) -> list[Route]:
    control = Control(world, postman, reset)
    table: list[tuple[str, str, _Handler]] = [
        ("/journal", "GET", _journal),
        ("/switches", "GET", _switches),
        ("/switches", "PUT", _set_switches),
        ("/faults", "GET", _faults),
        ("/faults", "POST", _add_fault),
        ("/faults", "DELETE", _clear_faults),
        ("/faults/{id:int}", "DELETE", _remove_fault),
        ("/documents", "GET", _documents),
        ("/deliveries", "GET", _deliveries),
        ("/audit", "GET", _audit),
        ("/reset", "POST", _reset),
        ("/seed", "POST", _seed),
        ("/notices", "POST", _notice),
        ("/advance", "POST", _advance),
    ]
    return [Route(path, _endpoint(control, handler), methods=[method]) for path, method, handler in table]


def _endpoint(control: Control, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not _is_local(request):
            return _json({"error": "the control interface answers local clients only"}, 403)
        try:
            return _json(await handler(control, request))
        except (_RefusedError, BadFaultError, BadSeedError, UnknownSwitchError) as error:
            return _json({"error": str(error)}, 400)

    return endpoint


def _is_local(request: Request) -> bool:
    """Loopback, or a private network as between containers."""
    return request.client is not None and ip_address(request.client.host).is_private


def _json(body: object, status: int = 200) -> Response:
    return Response(dumps(body), status, media_type="application/json")


async def _object(request: Request) -> dict[str, Any]:
    content = await request.body()
    try:
        value = loads(content) if content else {}
    except ValueError as error:
        raise _RefusedError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _RefusedError("a JSON object is expected")
    return value


async def _journal(control: Control, request: Request) -> object:
    """`?after=SEQ&limit=N`, oldest first."""
    after = request.query_params.get("after", "0")
    limit = request.query_params.get("limit", "1000")
    if not (after.isdigit() and limit.isdigit()):
        raise _RefusedError("after and limit are whole numbers")
    entries = control.world.journal.after(int(after), int(limit))
    return {"entries": [entry.as_dict() for entry in entries], "total": len(control.world.journal)}


async def _switches(control: Control, _: Request) -> object:
    return {"switches": control.world.switches.as_dict()}


async def _set_switches(control: Control, request: Request) -> object:
    """`{"number_guard": false}`, or the same under `switches`; all are set or none."""
    values = await _object(request)
    control.world.switches.set(values.get("switches", values))
    return {"switches": control.world.switches.as_dict()}


async def _faults(control: Control, _: Request) -> object:
    return {"faults": [rule.as_dict() for rule in control.world.faults.rules]}


async def _add_fault(control: Control, request: Request) -> object:
    """`{"kind": "drop_after", "operation": "create_invoice", "times": 2}`."""
    values = fault_details(await _object(request))
    kind = values.pop("kind", "")
    return {"fault": control.world.faults.add(kind, **values).as_dict()}


async def _clear_faults(control: Control, _: Request) -> object:
    control.world.faults.clear()
    return {"faults": []}


async def _remove_fault(control: Control, request: Request) -> object:
    if not control.world.faults.remove(request.path_params["id"]):
        raise _RefusedError("there is no such fault in force")
    return {"faults": [rule.as_dict() for rule in control.world.faults.rules]}


async def _documents(control: Control, _: Request) -> object:
    world = control.world
    with world.lock:
        return {
            "accounts": [_account(account) for account in world.accounts.values()],
            "contacts": [_contact(contact) for contact in world.contacts.values()],
            "invoices": [_invoice(invoice) for invoice in world.invoices.values()],
            "deleted_invoices": [_invoice(invoice) for invoice in world.deleted_invoices.values()],
            "tax_reports": [asdict(report) for report in world.tax_reports.values()],
        }


async def _deliveries(control: Control, _: Request) -> object:
    """Every attempt to tell somebody of an event."""
    return {"deliveries": [asdict(delivery) for delivery in control.postman.deliveries]}


async def _audit(control: Control, _: Request) -> object:
    return audit(control.world)


async def _reset(control: Control, _: Request) -> object:
    """Back to the world as the simulator started with it, switches included."""
    control.reset()
    return {"reset": True}


async def _seed(control: Control, request: Request) -> object:
    return {"planted": plant(control.world, await _object(request))}


async def _notice(control: Control, request: Request) -> object:
    """`{"invoice_id": 100001, "state": "refused", "note": "…", "code": "…"}`: the network reports a state."""
    values = await _object(request)
    invoice_id, state = values.get("invoice_id"), values.get("state")
    if not isinstance(invoice_id, int) or invoice_id not in control.world.invoices:
        raise _RefusedError("invoice_id names no invoice")
    if not isinstance(state, str):
        raise _RefusedError("state is a text")
    notice(control.world, invoice_id, state, values.get("note"), values.get("code"))
    return {"invoice": _invoice(control.world.invoices[invoice_id])}


async def _advance(control: Control, request: Request) -> object:
    """`{"seconds": 60}`."""
    seconds = (await _object(request)).get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, Decimal)) or seconds < 0:
        raise _RefusedError("seconds is a number")
    control.world.advance(float(seconds))
    return {"now": control.world.clock.now()}


def _account(account: Account) -> dict[str, Any]:
    return asdict(account)


def _contact(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.id,
        "account_id": contact.account_id,
        "created_at": contact.created_at,
        "updated_at": contact.updated_at,
        **contact.fields,
    }


def _invoice(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "account_id": invoice.account_id,
        "type": invoice.type,
        "number": invoice.number,
        "series_code": invoice.series_code,
        "date": invoice.issue_date,
        "due_date": invoice.due_date,
        "currency": invoice.currency,
        "contact_id": invoice.contact_id,
        "buyer": invoice.buyer,
        "state": invoice.state,
        "sent_times": invoice.sent_times,
        "errors": invoice.errors,
        "subtotal": invoice.totals.subtotal,
        "taxes": [
            {"name": row.tax.name, "category": row.tax.category, "percent": row.tax.percent}
            | {"base": row.base, "amount": row.amount}
            for row in invoice.totals.taxes
        ],
        "total": invoice.totals.total,
        "fields": invoice.fields,
        "created_at": invoice.created_at,
        "state_updated_at": invoice.state_updated_at,
        "deleted_at": invoice.deleted_at,
    }
