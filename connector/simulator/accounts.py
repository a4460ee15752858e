"""Accounts: the companies that a key can see, with the settings that decide over totals."""

from typing import Any, Final

from connector.simulator.calls import Answer, Call, conditions, document_id, listed, single, truth
from connector.simulator.codes import TRANSPORTS
from connector.simulator.currencies import MINOR_UNITS
from connector.simulator.documents import Account
from connector.simulator.problems import bad_request, blank, fixed, forbidden, not_allowed, not_found
from connector.simulator.render import scheme
from connector.simulator.totals import ROUNDING_METHODS

_TEXTS: Final = (
    "email", "phone", "address", "address2", "city", "postalcode", "province", "contact_person",
    "routing_codes",
)  # fmt: skip
_SEARCHED: Final = ("tin_value", "tin_scheme", "cin_value", "cin_scheme", "country", "name", "identifier")
_REPORT_CODES: Final = frozenset({"verifactu", "tbai", "dgfip", "sdi", "ksef", "zatca"})


def list_accounts(call: Call) -> Answer:
    accounts = [
        call.world.accounts[account_id] for account_id in sorted(call.key.accounts & set(call.world.accounts))
    ]
    if query := call.query.get("query"):
        wanted = conditions(query)
        if unknown := set(wanted) - set(_SEARCHED):
            raise bad_request(f"cannot search accounts by {', '.join(sorted(unknown))}")
        accounts = [account for account in accounts if _fits(account, wanted)]
    offset, limit = call.page()
    rows = [account_view(call, account) for account in accounts[offset : offset + limit]]
    return listed(call, "accounts", rows, len(accounts), flat=call.world.switches.accounts_envelope == "flat")


def read_account(call: Call) -> Answer:
    return single(call, "account", account_view(call, call.account()))


def update_account(call: Call) -> Answer:
    """Partial update; the tax number cannot change."""
    account, values = call.account(), call.wrapped("account")
    if "tin_value" in values and values["tin_value"] != account.tin_value:
        raise fixed("tin_value")
    apply_account_fields(account, values)
    account.updated_at = call.world.clock.now()
    call.world.save(account)
    call.world.effect("account", "updated", account.id)
    return single(call, "account", account_view(call, account))


def apply_account_fields(account: Account, values: dict[str, Any]) -> None:
    """Set what may be written; unknown names are ignored, as everywhere in this API."""
    if "name" in values:
        if not values["name"]:
            raise blank("name")
        account.name = str(values["name"])
    if values.get("rounding_method", "half_up") not in ROUNDING_METHODS:
        raise not_allowed("rounding_method")
    if values.get("currency", "EUR") not in MINOR_UNITS:
        raise not_allowed("currency")
    for name in ("country", "currency", "rounding_method", "cin_scheme", "cin_value"):
        if name in values:
            setattr(account, name, values[name])
    for name in ("round_before_sum", "apply_taxes_per_line"):
        if name in values:
            setattr(account, name, truth(values[name]))
    account.fields.update({name: values[name] for name in _TEXTS if name in values})


def account_view(call: Call, account: Account) -> dict[str, Any]:
    world = call.world
    return {
        "id": document_id(world, account.id),
        "identifier": account.identifier,
        "name": account.name,
        "country": account.country,
        "currency": account.currency,
        "tin_scheme": scheme(account.tin_scheme, call.version),
        "tin_value": account.tin_value,
        "cin_scheme": scheme(account.cin_scheme, call.version),
        "cin_value": account.cin_value,
        "rounding_method": account.rounding_method,
        "round_before_sum": account.round_before_sum,
        "apply_taxes_per_line": account.apply_taxes_per_line,
        **{name: account.fields.get(name) for name in _TEXTS},
        "archived": account.archived,
        "has_logo": False,
        "status": "archived" if account.archived else "active",
        "transactions_count": account.transactions_count,
        "transactions_limit": account.transactions_limit,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    }


def _fits(account: Account, wanted: dict[str, str]) -> bool:
    return all(str(getattr(account, name) or "").lower() == value.lower() for name, value in wanted.items())


# ---------------------------------------------------------------- transports


def list_transports(call: Call) -> Answer:
    account = _account_with_extras(call)
    codes = [
        account.default_transport,
        *(code for code in account.transports if code != account.default_transport),
    ]
    rows = [_transport_view(account, code) for code in codes]
    return listed(call, "transports", rows, len(rows))


def enable_transport(call: Call) -> Answer:
    account, values = call.account(), call.wrapped("transport")
    code = values.get("code")
    if not code:
        raise blank("code")
    if code not in TRANSPORTS:
        raise not_allowed("code")
    account.transports[str(code)] = {
        "enabled": truth(values.get("enabled", True)),
        "reception": truth(values.get("reception", False)),
    }
    call.world.save(account)
    return single(call, "transport", _transport_view(account, str(code)), 201)


def _account_with_extras(call: Call) -> Account:
    """The account, where what hangs on it may be asked for at all."""
    account = call.account()
    match call.world.switches.account_extras:
        case "missing":
            raise not_found("Account")
        case "forbidden":
            raise forbidden("Your plan does not include this feature")
        case _:
            return account


def _transport_view(account: Account, code: str) -> dict[str, Any]:
    return {"code": code, "enabled": True, "reception": False} | account.transports.get(code, {})


# ------------------------------------------------------- settings of tax reports


def list_report_settings(call: Call) -> Answer:
    settings = list(_account_with_extras(call).tax_report_settings.values())
    return listed(call, "tax_report_settings", settings, len(settings), flat=True)


def create_report_settings(call: Call) -> Answer:
    account, values = call.account(), call.wrapped("tax_report_setting")
    code = str(values.get("code") or "").lower()
    if not code:
        raise blank("code")
    if code not in _REPORT_CODES:
        raise not_allowed("code")
    account.tax_report_settings[code] = values | {"code": code}
    call.world.save(account)
    return single(call, "tax_report_setting", account.tax_report_settings[code], 201)


def read_report_settings(call: Call) -> Answer:
    return single(call, "tax_report_setting", _report_settings(call))


def update_report_settings(call: Call) -> Answer:
    settings = _report_settings(call)
    settings.update(call.wrapped("tax_report_setting") | {"code": settings["code"]})
    call.world.save(call.account())
    return single(call, "tax_report_setting", settings)


def delete_report_settings(call: Call) -> Answer:
    settings = _report_settings(call)
    account = call.account()
    del account.tax_report_settings[settings["code"]]
    call.world.save(account)
    return single(call, "tax_report_setting", settings)


def _report_settings(call: Call) -> dict[str, Any]:
    settings = call.account().tax_report_settings.get(call.params["code"].lower())
    if settings is None:
        raise not_found("Tax report setting")
    return settings
