"""What a world starts with, and how more is put into it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from connector.simulator.accounts import apply_account_fields
from connector.simulator.calls import Call
from connector.simulator.contacts import store_contact
from connector.simulator.documents import Account, ApiKey, Contact, WebHook
from connector.simulator.invoices import stored_invoice
from connector.simulator.journal import Entry
from connector.simulator.problems import ApiProblem
from connector.simulator.states import change_state
from connector.simulator.versions import ERROR_FIELDS
from connector.simulator.world import World

DEFAULT_KEY: Final = "test_key"
DEFAULT_ACCOUNTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": 1,
        "identifier": "iberica",
        "name": "Ibérica de Montajes Aplicados, S.L.",
        "country": "es",
        "tin_scheme": "9920",
        "tin_value": "ESB76543214",
        "address": "Calle de Alcalá 45",
        "city": "Madrid",
        "postalcode": "28014",
        "province": "Madrid",
        "email": "facturas@iberica.example",
    },
    {
        "id": 2,
        "identifier": "lumiere",
        "name": "Ateliers Lumière SAS",
        "country": "fr",
        "tin_scheme": "9957",
        "tin_value": "FR44732829320",
        "cin_scheme": "0002",
        "cin_value": "732829320",
        "address": "10 rue Imaginaire",
        "city": "Paris",
        "postalcode": "75001",
        "email": "factures@lumiere.example",
        "transports": {"fr.chorus": {"enabled": True, "reception": False}},
    },
)
DEFAULT_DIRECTORY: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "UNIVERSITE D AIX MARSEILLE",
        "country": "fr",
        "cin_scheme": "0009",
        "cin_value": "13001533200013",
        "Invoice": {
            "transport_type_code": "fr.chorus",
            "document_type_code": "xml.ubl.invoice.chorus",
            "other_document_type_codes": [],
        },
    },
    {
        "name": "Directorio de Ejemplo, S.L.",
        "country": "es",
        "tin_scheme": "9920",
        "tin_value": "ESB63276174",
        "Invoice": {
            "transport_type_code": "b2brouter",
            "document_type_code": "xml.facturae.3.2.2",
            "other_document_type_codes": ["pdf.invoice"],
        },
    },
)
_PLAIN: Final = (
    "identifier",
    "tin_scheme",
    "tin_value",
    "default_transport",
    "transports",
    "tax_report_settings",
    "transactions_count",
    "transactions_limit",
    "archived",
)


class BadSeedError(ValueError):
    """A seed that cannot be planted; the message says why."""


def plant_defaults(world: World, *, api_key: str = DEFAULT_KEY) -> None:
    """A Spanish and a French company under one key, and two entries of the directory."""
    plant(world, {"accounts": DEFAULT_ACCOUNTS, "directory": DEFAULT_DIRECTORY})
    world.add_key(ApiKey(api_key, set(world.accounts)))
    world.commit()


def plant_accounts(world: World, accounts: Sequence[Mapping[str, Any]], *, api_key: str) -> None:
    """Add or replace accounts that a key sees, beside those that it saw before.

    Raises:
        BadSeedError: an account that cannot be planted.
    """
    planted = plant(world, {"accounts": accounts}).get("accounts", [])
    with world.lock:
        key = world.keys.get(api_key) or ApiKey(api_key, set())
        key.accounts.update(planted)
        world.add_key(key)
        world.commit()


def plant(world: World, seed: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Add accounts, keys, contacts, invoices, directory entries and webhooks; an account's id replaces it.

    Returns the ids of what was planted, by kind.

    Raises:
        BadSeedError: unknown kind, or a document that the API would refuse.
    """
    planters = {
        "accounts": _account,
        "keys": _key,
        "contacts": _contact,
        "invoices": _invoice,
        "directory": _directory_entry,
        "web_hooks": _hook,
    }
    if unknown := set(seed) - set(planters):
        raise BadSeedError(f"cannot plant {', '.join(sorted(unknown))}; known: {', '.join(planters)}")
    planted: dict[str, list[Any]] = {}
    with world.lock, world.recorded() as effects:
        for kind, planter in planters.items():
            for values in seed.get(kind, ()):
                try:
                    planted.setdefault(kind, []).append(planter(world, dict(values)))
                except (ApiProblem, KeyError, TypeError, ValueError) as error:
                    raise BadSeedError(f"{kind}: {error!r} in {values!r}") from error
        entry = world.journal.open(world.clock.now(), "SEED", "", effects=effects)
        world.journal.written(entry)
        world.commit()
    return planted


def _account(world: World, values: dict[str, Any]) -> int:
    now = world.clock.now()
    account_id = int(values["id"]) if "id" in values else world.next_id("account")
    account = world.accounts.get(account_id) or Account(account_id, now, now, str(values.get("name", "")))
    apply_account_fields(account, values)
    for name in _PLAIN:
        if name in values:
            setattr(account, name, values[name])
    world.add_account(account)
    return account_id


def _key(world: World, values: dict[str, Any]) -> str:
    accounts = {int(account) for account in values.get("accounts", ())}
    key = ApiKey(str(values["value"]), accounts)
    for name in ("has_group", "expired", "default_version"):
        if name in values:
            setattr(key, name, values[name])
    world.add_key(key)
    return key.value


def _contact(world: World, values: dict[str, Any]) -> int:
    account = world.accounts[int(values.pop("account", 1))]
    return store_contact(world, account, values, ERROR_FIELDS).id


def _invoice(world: World, values: dict[str, Any]) -> int:
    """An invoice by whatever is given of it: `{"account": 1, "number": "F-1"}` is enough."""
    account = world.accounts[int(values.pop("account", 1))]
    state = values.pop("state", "new")
    values.setdefault("date", date.isoformat(world.clock.now().date()))
    values.setdefault(
        "invoice_lines_attributes",
        [{"description": "Planted", "quantity": 1, "price": 100, "taxes_attributes": [_usual_tax(account)]}],
    )
    if "contact_id" not in values and "contact" not in values:
        values["contact_id"] = _any_contact(world, account).id
    invoice = stored_invoice(_planting(world), account, values)
    invoice.listed_from = None
    if state != "new":
        invoice.sent_times = 1
        change_state(world, invoice, state)
    return invoice.id


def _planting(world: World) -> Call:
    """A call of nobody, past the guard of numbers: seeds may hold what the API would refuse."""
    key = ApiKey("", set(world.accounts))
    entry = Entry(0, world.clock.now(), "SEED", "")
    return Call(world, key, ERROR_FIELDS, {}, {}, {}, b"", entry, number_was_free=True)


def _usual_tax(account: Account) -> dict[str, Any]:
    name, percent = ("TVA", 20) if account.country == "fr" else ("IVA", 21)
    return {"name": name, "category": "S", "percent": percent}


def _any_contact(world: World, account: Account) -> Contact:
    for contact in world.contacts_of[account.id].values():
        return contact
    values = {"name": "Planted Customer", "country": account.country, "cin_value": "000000000"}
    return store_contact(world, account, values, ERROR_FIELDS)


def _directory_entry(world: World, values: dict[str, Any]) -> str:
    found = [str(values[name]) for name in ("tin_value", "cin_value") if values.get(name)]
    for value in found:
        world.add_directory_entry(value, values)
    return found[0]


def _hook(world: World, values: dict[str, Any]) -> int:
    hook = WebHook(
        world.next_id("web_hook"),
        str(values["url"]),
        str(values["secret"]),
        {int(account) for account in values.get("accounts", world.accounts)},
    )
    hook.events = list(values.get("events", ["issued_invoice.state_change", "tax_report.state_change"]))
    world.add_hook(hook)
    return hook.id
