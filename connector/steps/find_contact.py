"""Which contact at B2Brouter stands for a recipient: by our code on it, else by its numbers, never by its name.

The list is searched by text, which also matches names and addresses (API reference 5.1): only what is equal counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from connector.domain.countries import state_of
from connector.domain.errors import RefusedError
from connector.domain.identity import (
    SERVICE_CODE,
    SIRET,
    legal_id_key,
    tax_number_key,
    tax_number_spelling,
    telling_tax_number,
    without_prefix,
)
from connector.domain.invoice import Party
from connector.domain.recipient import Recipient, Unit, is_for_chorus, siret_of
from connector.ports import Remote, RemoteContact
from connector.validation.identifiers import foreign_home


def find_contact(remote: Remote, recipient: Recipient, *, parent_id: str | None) -> RemoteContact | None:
    """Return the contact that stands for a recipient; None where there is none.

    Args:
        remote: the account.
        recipient: whom it is to stand for.
        parent_id: of a unit: its body's contact.

    Raises:
        RefusedError: `contacts_ambiguous`.
    """
    ours = [there for there in remote.find_contacts(integration_code=recipient.code) if _is_its_own(there, recipient)]
    fitting = next(filter(None, chain([ours], _found_otherwise(remote, recipient, parent_id))), [])
    distinct = {there.id: there for there in fitting}
    if len(distinct) > 1:
        facts = {"party": recipient.party.name, "contacts": ", ".join(sorted(distinct)), "code": recipient.code}
        raise RefusedError("contacts_ambiguous", facts)
    return next(iter(distinct.values()), None)


def _is_its_own(contact: RemoteContact, recipient: Recipient) -> bool:
    """Whether what carries a recipient's code is no other's; the code of a unit names the number itself."""
    return recipient.unit is not None or not is_anothers(contact, recipient.party)


def _found_otherwise(
    remote: Remote, recipient: Recipient, parent_id: str | None
) -> Iterator[Sequence[RemoteContact]]:
    """Yield by number what fits; nothing but our own code tells the offices of FACe."""
    unit = recipient.unit
    if unit is None:
        yield from found_by_number(remote, recipient.party)
    elif is_for_chorus(recipient.party):
        found = remote.find_contacts(text=siret_of(recipient.party))
        yield [there for there in found if there.parent_id == parent_id and _is_service(there, unit)]


def _is_service(contact: RemoteContact, unit: Unit) -> bool:
    there = {(scheme.zfill(4), legal_id_key(value)) for scheme, value in contact.numbers}
    return (unit.scheme.zfill(4), legal_id_key(unit.code)) in there


def found_by_number(remote: Remote, buyer: Party) -> Iterator[Sequence[RemoteContact]]:
    """Yield the contacts that stand for a customer, by its tax number, then by each registered one; no units."""
    for text in _texts(buyer):
        yield [there for there in remote.find_contacts(text=text) if stands_for(there, buyer)]


def _texts(buyer: Party) -> Iterator[str]:
    """Yield what to search by: a tax number without its country and with it, for the list may know whole words."""
    if is_for_chorus(buyer):
        yield siret_of(buyer)
        return
    tax = telling_tax_number(buyer.tax_number, buyer.country)
    if tax is not None:
        bare = without_prefix(tax, buyer.country)
        yield from dict.fromkeys((bare, tax))
    yield from (value for values in _registered_of(buyer).values() for value in sorted(values))


def stands_for(contact: RemoteContact, buyer: Party) -> bool:
    """Whether a contact shows the numbers that tell a customer from all others.

    A registered number decides where one side has no tax number: people make contacts with the one or the other.
    """
    if contact.parent_id is not None:
        return False  # a unit, which only shows its body's numbers
    siret = siret_of(buyer)
    if buyer.is_public_body and siret:  # the same that tells identities apart
        return siret in _registered_there(contact).get(SIRET, ())
    tax = telling_tax_number(buyer.tax_number, buyer.country)
    if tax is None or tax_number_key(contact.tax_number, buyer.country) is None:
        return _is_registered_alike(contact, buyer)
    return telling_tax_number(contact.tax_number, buyer.country) == tax and _is_of_its_country(contact, buyer)


def lacks_tax_number(contact: RemoteContact, buyer: Party) -> bool:
    """Whether a contact shows none where the customer has one; establishments of a body may share theirs."""
    if buyer.is_public_body and siret_of(buyer):
        return False
    has_one = telling_tax_number(buyer.tax_number, buyer.country) is not None
    return has_one and tax_number_key(contact.tax_number, buyer.country) is None


def is_anothers(contact: RemoteContact, buyer: Party) -> bool:
    """Whether a contact under a customer's code shows another's numbers: what was issued to that one stays there.

    The customer may have got another number; or several are one record of the ERP, and so have one code.
    """
    there = _registered_there(contact)
    siret = siret_of(buyer)
    if buyer.is_public_body and siret and SIRET in there:
        return siret not in there[SIRET]
    ours, theirs = (tax_number_key(number, buyer.country) for number in (buyer.tax_number, contact.tax_number))
    if ours and theirs:
        return ours != theirs
    return bool(theirs or there) and not _is_registered_alike(contact, buyer)


def _is_of_its_country(contact: RemoteContact, buyer: Party) -> bool:
    """A number without a prefix is that of the contact's own country, where it names one."""
    if not contact.country or state_of(contact.country.upper()) == state_of(buyer.country):
        return True
    plain = tax_number_spelling(contact.tax_number, None)
    is_prefixed = plain == tax_number_key(buyer.tax_number, buyer.country)
    return is_prefixed or foreign_home(buyer.tax_number, buyer.country) is not None


def _is_registered_alike(contact: RemoteContact, buyer: Party) -> bool:
    """Whether a registered number is equal, and of no other register they have different ones.

    The establishments of a French company have one SIREN, and each a SIRET. An electronic address may be the equal
    one, but none of the others: people choose it, and one customer may have several.
    """
    ours, there = _registered_of(buyer), _registered_there(contact)
    both = [ours[scheme] & there[scheme] for scheme in ours.keys() & there.keys()]
    has_address = any(values & ours.get(scheme, set()) for scheme, values in _address_there(contact).items())
    return all(both) and (bool(both) or has_address)


def _registered_of(buyer: Party) -> Mapping[str, set[str]]:
    return _by_register((legal.scheme, legal.value) for legal in buyer.legal_ids)


def _registered_there(contact: RemoteContact) -> Mapping[str, set[str]]:
    return _by_register(contact.legal_ids)


def _address_there(contact: RemoteContact) -> Mapping[str, set[str]]:
    return _by_register([contact.address] if contact.address else [])


def _by_register(numbers: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    """Sort registered numbers by scheme; a service is no register: those of many bodies have one code."""
    found: dict[str, set[str]] = defaultdict(set)
    for scheme, value in numbers:
        key = legal_id_key(value)
        if key and scheme.zfill(4) != SERVICE_CODE:
            found[scheme.zfill(4)].add(key)
    return dict(found)
