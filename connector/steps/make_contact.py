"""Find, update or create one contact under the lease of its link.

The ladder: stored link, own integration code, tax or registration number (compared, never by name alone), create.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from connector.domain import identity
from connector.domain.channels import NONE_CHOSEN, is_of_one_country, ways_beside
from connector.domain.errors import (
    LookAgainError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    OutOfTimeError,
    RedirectedError,
    RefusedError,
)
from connector.domain.recipient import DIR3, Delivery, Recipient, is_for_chorus, siret_of, unit_of
from connector.ledger.contacts import ContactLink
from connector.ports import RemoteContact
from connector.steps import directory
from connector.steps.case import Case
from connector.steps.look_up import pause_before_next

KNOWN: Final = "known"
_FIRST_LOOK: Final = 2.0
"""Seconds until a contact that a list does not show yet is looked for again."""

Made = tuple[ContactLink, str, str]
"""The link as stored, the contact's id, and how it was come by."""


def is_settled(case: Case, link: ContactLink, recipient: Recipient, payload: bytes) -> bool:
    """Whether nothing is to be told or asked: the data are the same, or another customer's, which stay.

    Two customers of the ERP may have one tax number, which is one contact at B2Brouter. It has the data of the one
    that came first: else each would overwrite the other's with every invoice (docs/decisions/0010).
    """
    if case.rules.directory and link.ask_at is not None and link.ask_at <= case.clock.now():
        return False
    return link.customer != recipient.customer or link.payload == payload


class Maker:
    """Makes one contact."""

    def __init__(self, case: Case, recipient: Recipient, *, parent_id: str | None, is_addressed: bool) -> None:
        """Prepare it.

        Args:
            case: the job that needs the contact.
            recipient: whom the contact is to stand for.
            parent_id: of a unit: its body's contact.
            is_addressed: whether the invoice is addressed to it; a mere parent needs no way of delivery.
        """
        self._case = case
        self._recipient = recipient
        self._buyer = recipient.party
        self._parent_id = parent_id
        self._is_addressed = is_addressed
        self._contacts = case.ledger.contacts
        self.payload = case.remote.contact_payload(
            recipient.party, recipient.code, unit=recipient.unit, parent_id=parent_id
        )

    def make(self, link: ContactLink) -> Made:
        """Return the contact.

        Raises:
            LeaseLostError: somebody else has the link by now.
            StepError: as `resolve_contact`.
        """
        self._link = link
        if link.contact_id:
            return self._keep(link.contact_id)
        made = self._first_time()
        self._say_what_is_left_to_do(made[1])
        return made

    def _first_time(self) -> Made:
        found = self._find()
        if found is not None:
            return self._adopt(found)
        if self._link.open_since is not None:
            self._wait_or_conclude()
        return self._create()

    def _store(
        self,
        contact_id: str,
        how: str,
        *,
        customer: str | None = None,
        own_email: str | None = None,
        ask_at: datetime | None = None,
    ) -> Made:
        """Keep the contact; of another customer's data we know nothing that could be compared."""
        customer = customer or self._recipient.customer
        payload = self.payload if customer == self._recipient.customer else self._link.payload
        link = self._contacts.store(
            self._link,
            contact_id=contact_id,
            customer=customer,
            payload=payload,
            own_email=own_email,
            ask_at=ask_at,
        )
        return link, contact_id, how

    # ------------------------------------------------------------ it is known

    def _keep(self, contact_id: str) -> Made:
        link, how = self._link, KNOWN
        if link.customer == self._recipient.customer and link.payload is not None:
            changes = self._case.remote.contact_changes(link.payload, self.payload)
            if changes:
                self._tell_way_of_body(contact_id)
                self._tell(contact_id, changes)
                how = "updated"
        again = self._asked_again(contact_id)
        return self._store(contact_id, how, customer=link.customer, own_email=link.own_email, ask_at=again)

    def _tell_way_of_body(self, contact_id: str) -> None:
        """A customer that turns out to be a public body is reached by the way of such bodies from then on.

        It is told first: once the contact is known as a body's, its way is people's affair.
        """
        if self._recipient.unit is not None or self._usual_delivery() is None:
            return
        there = self._case.remote.read_contact(contact_id)
        if there is not None and not there.is_public_body and (way := self._missing_way(there)):
            self._tell(contact_id, self._case.remote.delivery_payload(way))

    def _tell(self, contact_id: str, changes: bytes) -> None:
        """The customer changed in the ERP: the contact follows. Repeating this is harmless."""
        try:
            self._case.remote.update_contact(contact_id, changes)
        except OutcomeUnknownError as error:
            raise NotSentError("remote_unavailable", error.details, request_id=error.request_id) from error
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            self._contacts.forget(self._case.job.account, contact_id)
            raise LookAgainError("contact_busy", pause=0.0) from error

    def _asked_again(self, contact_id: str) -> datetime | None:
        """Ask the directory what it left open when the contact was made; return when to ask once more.

        What people, or B2Brouter, chose meanwhile stays. Nothing of this holds an invoice.
        """
        now, due = self._case.clock.now(), self._link.ask_at
        if due is None or due > now or self._case.rules.directory is None:
            return due
        delivery, again = directory.ask(self._case, self._buyer)
        if delivery is None:
            return again
        try:
            there = self._case.remote.read_contact(contact_id)
            if there is not None and there.transport is None:
                self._case.remote.update_contact(contact_id, self._case.remote.delivery_payload(delivery))
        except (NotSentError, OutcomeUnknownError, RefusedError):
            return now + directory.ASK_AGAIN
        return None

    # ------------------------------------------------------------ it is there

    def _find(self) -> RemoteContact | None:
        code = self._recipient.code
        own = self._case.remote.find_contacts(integration_code=code)
        ours = [one for one in own if one.integration_code == code and not self._has_another_number(one)]
        if ours:
            return self._one(ours)
        for text in self._numbers():
            fitting = [c for c in self._case.remote.find_contacts(text=text) if self._fits(c)]
            if fitting:
                return self._one(fitting)
        return None

    def _numbers(self) -> Sequence[str]:
        """What to search by: the tax number as B2Brouter stores it, and registered identifiers."""
        if is_for_chorus(self._buyer):
            return [siret_of(self._buyer)]
        if self._recipient.unit is not None:
            return []  # nothing but our own code tells the offices of FACe
        tax = identity.telling_tax_number(self._buyer.tax_number, self._buyer.country)
        return [
            *([tax] if tax else []),
            *(identity.legal_id_key(entry.value) for entry in self._buyer.legal_ids),
        ]

    def _fits(self, contact: RemoteContact) -> bool:
        """The text search also matches names and addresses (API 5.1): only equal numbers count."""
        there = {_legal_key(scheme, value) for scheme, value in contact.legal_ids}
        unit = self._recipient.unit
        if unit is not None:
            return contact.parent_id == self._parent_id and _legal_key(unit.scheme, unit.code) in there
        if contact.parent_id is not None:
            return False  # a unit, which only shows its body's numbers
        siret = siret_of(self._buyer)
        if self._buyer.is_public_body and siret:  # the same that tells identities apart
            return _legal_key(identity.SIRET, siret) in there
        tax = identity.telling_tax_number(self._buyer.tax_number, self._buyer.country)
        if tax is not None:
            return identity.telling_tax_number(contact.tax_number, self._buyer.country) == tax
        legal = {_legal_key(entry.scheme, entry.value) for entry in self._buyer.legal_ids}
        return bool(legal & there)

    def _has_another_number(self, contact: RemoteContact) -> bool:
        """A customer that has got another number is another recipient: what went to this one stays there."""
        if self._recipient.unit is not None:
            return False  # its code names the number
        siret = siret_of(self._buyer)
        if self._buyer.is_public_body and siret:
            there = [value for scheme, value in contact.legal_ids if scheme.zfill(4) == identity.SIRET]
            return bool(there) and siret not in map(identity.legal_id_key, there)
        keys = {
            identity.tax_number_key(number, self._buyer.country)
            for number in (contact.tax_number, self._buyer.tax_number)
        }
        return len(keys - {None}) > 1

    def _one(self, contacts: Sequence[RemoteContact]) -> RemoteContact:
        distinct = {contact.id: contact for contact in contacts}
        if len(distinct) > 1:
            facts = {"party": self._buyer.name, "contacts": ", ".join(sorted(distinct)), "code": self._recipient.code}
            raise RefusedError("contacts_ambiguous", facts)
        return next(iter(distinct.values()))

    def _adopt(self, found: RemoteContact) -> Made:
        """Keep a contact as people set it up at B2Brouter; but one of ours must carry the number.

        Documents for it name the ERP's e-mail where it has another one. A contact that names no way is told the only
        one that leads to it.
        """
        way = self._missing_way(found)
        if self._recipient.unit is None and not self._fits(found):
            self._tell(found.id, self._case.remote.new_contact_payload(self.payload, way))
            return self._store(found.id, "updated")
        if way is not None:
            self._tell(found.id, self._case.remote.delivery_payload(way))
        how = "found" if way is None else "updated"
        own_email = self._buyer.email if _mails_differ(self._buyer.email, found.email) else None
        return self._store(found.id, how, customer=self._customer_of(found), own_email=own_email)

    def _missing_way(self, there: RemoteContact) -> Delivery | None:
        """Return the only way that leads to a contact which names none; of one that names another, complain.

        A service of Chorus Pro goes its body's way and names none of its own; an import names the way itself. What
        we do not know among the ways of the body's country may lead there: it is told, and holds nothing.

        Raises:
            RefusedError: `contact_way_differs`, where the account does not want it in the timeline alone.
        """
        usual = self._usual_delivery()
        known = usual or self._case.remote.usual_delivery(self._buyer)
        if known is None or there.transport is None or there.transport == NONE_CHOSEN:
            return usual
        ways = ways_beside(known.transport)
        if there.transport not in ways and self._case.invoice.file_digest is None:
            facts = {"party": self._buyer.name, "contact": there.id, "transport": there.transport}
            complain = (
                self._case.warn if is_of_one_country(there.transport, known.transport) else self._case.object_to
            )
            complain("contact_way_differs", {**facts, "ways": ", ".join(ways)})
        return None

    def _customer_of(self, found: RemoteContact) -> str:
        """A code of our source on it names the customer whose data it has."""
        code = found.integration_code or ""
        is_another = self._recipient.unit is None and code.startswith(f"{self._case.job.source}:")
        return code if is_another else self._recipient.customer

    # ------------------------------------------------------------ it is to be made

    def _wait_or_conclude(self) -> None:
        """As for invoices: a lost create may still be running, so "not there" needs the quiet time.

        The same holds where the number is taken and its contact shows in no list: that may be late. After as long
        again the create is tried anew, for people may have deleted the contact meanwhile.

        Raises:
            LookAgainError: too early to tell.
            NotSentError: nothing was created; it may be tried again.
            RefusedError: `contact_taken`, and nothing to be found.
        """
        quiet = self._case.rules.quiet_time
        link = self._link = self._contacts.look(self._link)
        waited = (self._case.clock.now() - link.open_since).total_seconds() if link.open_since else 0.0
        pause = pause_before_next(waited=waited, looks=link.looks, quiet_time=quiet)
        if pause is not None:
            raise LookAgainError("looking_up", {"effect": "contact"}, pause=pause)
        if link.taken and waited < 2 * quiet:
            raise RefusedError("contact_taken", {"party": self._buyer.name, "code": self._recipient.code})
        was_taken = link.taken
        self._link = self._contacts.not_created(link)
        if not was_taken:
            raise NotSentError("not_arrived", {"effect": "contact"})

    def _create(self) -> Made:
        delivery, ask_at = self._delivery()
        return self._create_as(self._case.remote.new_contact_payload(self.payload, delivery), ask_at)

    def _create_as(self, body: bytes, ask_at: datetime | None) -> Made:
        self._case.show_life()  # the intent of a contact is written to its link, and looking for it took its time
        self._link = self._contacts.begin(self._link)
        try:
            with self._case.guarded():
                made = self._case.remote.create_contact(body)
        except RedirectedError:
            self._link = self._contacts.unanswered(self._link)
            raise
        except (NotSentError, MisconfiguredError, OutOfTimeError):
            self._link = self._contacts.not_created(self._link)
            raise
        except OutcomeUnknownError as error:
            error.details["effect"] = "contact"
            self._link = self._contacts.unanswered(self._link)
            raise
        except RefusedError as error:
            self._link = self._contacts.not_created(self._link)
            if self._parent_id and error.details.get("param", "") == "parent_id":
                # Deleted at B2Brouter, perhaps: the next attempt looks for it anew.
                self._contacts.forget(self._case.job.account, self._parent_id)
            if error.reason != "contact_taken":
                raise
            return self._taken(error, body)
        return self._store(made.id, "created", ask_at=ask_at)

    def _usual_delivery(self) -> Delivery | None:
        """The body that a file is addressed to is reached as the offices are that the file names."""
        unit = unit_of(self._case.invoice) if self._is_addressed else None
        return self._case.remote.usual_delivery(self._buyer, self._recipient.unit or unit)

    def _delivery(self) -> tuple[Delivery | None, datetime | None]:
        """Return how documents will reach it, and when to ask the directory again."""
        usual = self._usual_delivery()
        if usual is not None or self._recipient.unit is not None or not self._is_addressed:
            return usual, None
        return directory.ask(self._case, self._buyer)

    def _say_what_is_left_to_do(self, contact_id: str) -> None:
        """The API has no field for the offices of FACe: a person enters them once."""
        unit = self._recipient.unit
        if unit is not None and unit.scheme == DIR3:
            facts = {"party": self._buyer.name, "contact": contact_id, "codes": unit.code.replace(".", ", ")}
            self._case.warn("dir3_to_enter", facts)

    def _taken(self, error: RefusedError, body: bytes) -> Made:
        """The number has a contact already: find it and adopt it; the list may show it later.

        The establishments of a French public body share a tax number, which only the first of them can have here:
        the others are named by their SIRET alone, as in the guide to Chorus Pro.
        """
        found = self._find()
        if found is not None:
            return self._adopt(found)
        bare = self._case.remote.without_tax_number(body)
        if is_for_chorus(self._buyer) and bare != body:
            return self._create_as(bare, None)
        self._link = self._contacts.hidden(self._link)
        raise LookAgainError("looking_up", {"effect": "contact"}, pause=_FIRST_LOOK) from error


def _mails_differ(ours: str | None, theirs: str | None) -> bool:
    return (ours or "").strip().lower() != (theirs or "").strip().lower()


def _legal_key(scheme: str, value: str) -> tuple[str, str]:
    return scheme.zfill(4), identity.legal_id_key(value)
