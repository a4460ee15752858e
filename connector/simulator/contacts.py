"""Contacts: the recipients of an account, their identifiers and their uniqueness."""

import re
from typing import Any, Final

from connector.simulator.calls import Answer, Call, listed, single, truth
from connector.simulator.codes import NOT_FOR_PIN, SCHEMES, TIN_SCHEME_OF_COUNTRY, UNKNOWN_SCHEME
from connector.simulator.documents import Account, Contact
from connector.simulator.identifiers import looks_like_tax_number, normalised, tax_number_checks
from connector.simulator.problems import ApiProblem, blank, conflict, invalid, not_allowed, taken
from connector.simulator.render import CONTACT_FIELDS, contact_view
from connector.simulator.versions import ALLOWANCE_CHARGES, INVOICE_REFERENCES
from connector.simulator.world import World

_FLAGS: Final = ("is_client", "is_provider", "public_sector")
_SCHEMED: Final = ("tin", "cin", "cin1", "cin2", "pin")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def list_contacts(call: Call) -> Answer:
    account = call.account()
    found = [contact for contact in _candidates(call, account) if _listed(call, contact)]
    found.reverse()  # newest first
    offset, limit = call.page()
    rows = [contact_view(call, contact) for contact in found[offset : offset + limit]]
    return listed(call, "contacts", rows, len(found))


def read_contact(call: Call) -> Answer:
    return single(call, "contact", contact_view(call, call.contact()))


def create_contact(call: Call) -> Answer:
    contact = store_contact(call.world, call.account(), call.wrapped("contact"), call.version)
    contact.listed_from = call.listed_from()
    call.world.effect("contact", "created", contact.id, tin=contact.tin_value, name=contact.name)
    return single(call, "contact", contact_view(call, contact), 201 if call.version >= ALLOWANCE_CHARGES else 200)


def update_contact(call: Call) -> Answer:
    contact, world = call.contact(), call.world
    account = world.accounts[contact.account_id]
    merged = contact.fields | _accepted(call.wrapped("contact"), call.version)
    _complete(world, account, merged, call.version)
    _check(world, account, merged, ignore=contact)
    world.change_contact(contact, merged)
    world.effect("contact", "updated", contact.id, tin=contact.tin_value, name=contact.name)
    return single(call, "contact", contact_view(call, contact))


def delete_contact(call: Call) -> Answer:
    contact, world = call.contact(), call.world
    invoices = [inv for inv in world.invoices_of[contact.account_id].values() if inv.contact_id == contact.id]
    if invoices and world.switches.contact_delete == "refuse":
        raise conflict("The contact has invoices")
    for invoice in invoices:
        world.remove_invoice(invoice)
        world.effect("invoice", "deleted", invoice.id, number=invoice.number)
    world.remove_contact(contact)
    world.effect("contact", "deleted", contact.id)
    return single(call, "contact", contact_view(call, contact) | {"deleted": True})


def store_contact(world: World, account: Account, values: dict[str, Any], version: str) -> Contact:
    """Make a contact.

    Raises:
        ApiProblem: 422, for the first rule that it breaks.
    """
    fields = _defaults(account, version) | _accepted(values, version)
    _complete(world, account, fields, version)
    _check(world, account, fields, ignore=None)
    now = world.clock.now()
    contact = Contact(world.next_id("contact"), account.id, now, now, fields)
    world.add_contact(contact)
    return contact


def matched_or_made(world: World, account: Account, values: dict[str, Any], version: str) -> Contact:
    """The contact that inline data means: one with the same tax or company number, else a new one."""
    for field in ("tin_value", "cin_value"):
        value = values.get(field)
        for contact in world.contacts_with(account.id, field, str(value)) if value else ():
            return contact
    contact = store_contact(world, account, values, version)
    world.effect("contact", "created", contact.id, tin=contact.tin_value, name=contact.name)
    return contact


# ------------------------------------------------------------------- writing


def _defaults(account: Account, version: str) -> dict[str, Any]:
    return {
        "country": account.country,
        "language": "en",
        "currency": account.currency,
        "is_client": True,
        "is_provider": version >= ALLOWANCE_CHARGES,
        "public_sector": False,
    }


def _accepted(values: dict[str, Any], version: str) -> dict[str, Any]:
    """Keep the known fields, in the forms that the rest relies on."""
    fields: dict[str, Any] = {name: values[name] for name in CONTACT_FIELDS if name in values}
    for name in _FLAGS:
        if name in fields:
            fields[name] = truth(fields[name])
    for name in _SCHEMED:
        if f"{name}_scheme" in fields:
            fields[f"{name}_scheme"] = _scheme(fields[f"{name}_scheme"], f"{name}_scheme", version)
        if f"{name}_value" in fields:
            fields[f"{name}_value"] = str(fields[f"{name}_value"] or "").strip() or None
    if "country" in fields:
        fields["country"] = str(fields["country"] or "").lower()
    if fields.get("parent_id") is not None:
        fields["parent_id"] = _parent_id(fields["parent_id"])
    return fields


def _scheme(value: object, param: str, version: str) -> str | None:
    """A scheme's code: four characters from 2026-03-02 on; whole numbers only before."""
    if value in {None, ""}:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and version < ALLOWANCE_CHARGES:
        value = f"{value:04d}"
    if not isinstance(value, str) or value not in SCHEMES or (param == "pin_scheme" and value in NOT_FOR_PIN):
        raise not_allowed(param)
    return value


def _parent_id(value: object) -> int:
    text = str(value)
    if not text.isdigit():
        raise not_allowed("parent_id")
    return int(text)


def _complete(world: World, account: Account, fields: dict[str, Any], version: str) -> None:
    """Fill in what follows from the rest: the parent's tax number, the country's scheme."""
    parent_id = fields.get("parent_id")
    if parent_id is not None:
        parent = world.contacts_of[account.id].get(parent_id)
        if parent is None:
            raise not_allowed("parent_id", "Parent must exist")
        _inherit(fields, parent, version)
    if fields.get("tin_value") and not fields.get("tin_scheme"):
        fields["tin_scheme"] = TIN_SCHEME_OF_COUNTRY.get(fields.get("country") or "", UNKNOWN_SCHEME)


def _inherit(fields: dict[str, Any], parent: Contact, version: str) -> None:
    """A unit has its parent's numbers; from 2026-04-20 on it may not claim another tax number."""
    own = fields.get("tin_value")
    differs = own and normalised(own) != normalised(parent.tin_value or "")
    if differs and version >= INVOICE_REFERENCES:
        raise not_allowed("tin_value", "Tin value must be the parent's")
    if not own:
        fields["tin_value"], fields["tin_scheme"] = parent.tin_value, parent.fields.get("tin_scheme")
    if not fields.get("cin_value"):
        fields["cin_value"], fields["cin_scheme"] = parent.cin_value, parent.fields.get("cin_scheme")


def _check(world: World, account: Account, fields: dict[str, Any], *, ignore: Contact | None) -> None:
    if not str(fields.get("name") or "").strip():
        raise blank("name")
    if not fields.get("tin_value") and not fields.get("cin_value"):
        # The service names no parameter here, as one client has seen.
        raise ApiProblem(422, "parameter_blank", "Contact tin_value or cin_value can't be blank")
    country = fields.get("country") or ""
    if len(country) != 2 or not country.isalpha():
        raise not_allowed("country")
    _check_tax_number(world, fields)
    if world.switches.ancestor_checks:
        _check_texts(fields)
    if fields.get("parent_id") is None:
        _check_unique(world, account, fields, ignore)


def _check_tax_number(world: World, fields: dict[str, Any]) -> None:
    value, check = fields.get("tin_value"), world.switches.tax_number_check
    if not value or check == "off":
        return
    good = looks_like_tax_number(value)
    if good and check == "checksum":
        good = tax_number_checks(value, fields["country"])
    if not good:
        raise invalid("tin_value", "is not a valid tax number")


def _check_texts(fields: dict[str, Any]) -> None:
    email = fields.get("email")
    if email and not _EMAIL.fullmatch(str(email)):
        raise invalid("email", "is invalid")
    postalcode = fields.get("postalcode")
    if postalcode and fields["country"] == "es" and not re.fullmatch(r"\d{5}", str(postalcode)):
        raise invalid("postalcode", "must have 5 digits")
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > 255:
            raise invalid(name, "is too long (maximum is 255 characters)")


def _check_unique(world: World, account: Account, fields: dict[str, Any], ignore: Contact | None) -> None:
    guarded = {"tin": ["tin_value"], "tin_and_cin": ["tin_value", "cin_value"], "off": []}
    for field in guarded[world.switches.contact_guard]:
        value = fields.get(field)
        if not value:
            continue
        others = world.contacts_with(account.id, field, value)
        # Units of an organisation carry their parent's number.
        if any(other is not ignore and other.parent_id is None for other in others):
            raise taken(field)


# ------------------------------------------------------------------- listing


def _candidates(call: Call, account: Account) -> list[Contact]:
    code = call.query.get("integration_code")
    if code:
        return call.world.contacts_with(account.id, "integration_code", code)
    return list(call.world.contacts_of[account.id].values())


def _listed(call: Call, contact: Contact) -> bool:
    if contact.listed_from is not None and contact.listed_from > call.world.clock.now():
        return False
    if call.query.get("name", "").lower() not in contact.search_text:
        return False
    return all(
        call.flag(flag) is None or bool(contact.fields.get(flag)) == call.flag(flag)
        for flag in ("is_client", "is_provider")
    )
