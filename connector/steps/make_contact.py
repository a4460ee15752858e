"""Keep, adopt or create one contact under the lease of its link.

The ladder: stored link, own integration code, tax or registration number (compared, never by name alone), create.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

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
from connector.domain.recipient import DIR3, Delivery, Recipient, is_for_chorus, unit_of
from connector.ledger.contacts import ContactLink
from connector.ports import RemoteContact
from connector.steps import directory
from connector.steps.case import Case
from connector.steps.doubt_contact import doubt_contact
from connector.steps.find_contact import find_contact, lacks_tax_number, stands_for
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
    return not recipient.is_customer(link.customer) or link.payload == payload


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
        found = self._find()
        if found is not None:
            return self._adopt(found)
        if link.open_since is not None:
            self._wait_or_conclude()
        return self._create()

    def _find(self) -> RemoteContact | None:
        return find_contact(self._case.remote, self._recipient, parent_id=self._parent_id)

    def _store(
        self,
        contact_id: str,
        how: str,
        *,
        of: str | None = None,
        own_email: str | None = None,
        ask_at: datetime | None = None,
    ) -> Made:
        """Keep the contact; `of` another customer's data we know nothing that could be compared."""
        customer = self._recipient.customer
        payload: bytes | None = self.payload
        if of is not None and not self._recipient.is_customer(of):
            customer, payload = of, self._link.payload
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
        if self._recipient.is_customer(link.customer) and link.payload is not None:
            changes = self._case.remote.contact_changes(link.payload, self.payload)
            if changes:
                self._tell_way_of_body(contact_id)
                self._tell_changes(contact_id, link.payload, changes)
                how = "updated"
        again = self._asked_again(contact_id)
        return self._store(contact_id, how, of=link.customer, own_email=link.own_email, ask_at=again)

    def _tell_way_of_body(self, contact_id: str) -> None:
        """A customer that turns out to be a public body is reached by the way of such bodies from then on.

        It is told first: once the contact is known as a body's, its way is people's affair.
        """
        if self._recipient.unit is not None or self._usual_delivery() is None:
            return
        there = self._case.remote.read_contact(contact_id)
        if there is not None and not there.is_public_body and (way := self._missing_way(there)):
            self._tell(contact_id, self._case.remote.delivery_payload(way))

    def _tell_changes(self, contact_id: str, before: bytes, changes: bytes) -> None:
        """The customer changed in the ERP, and the contact follows.

        The establishments of a French public body share a tax number, which only one of them can have here.
        """
        remote = self._case.remote
        try:
            self._tell(contact_id, changes)
        except RefusedError as error:
            if error.reason != "contact_taken" or not is_for_chorus(self._buyer):
                raise
            known, now = (remote.without_tax_number(payload) for payload in (before, self.payload))
            if others := remote.contact_changes(known, now):
                self._tell(contact_id, others)

    def _tell(self, contact_id: str, changes: bytes) -> None:
        """Have a contact say what the ERP says. Repeating this is harmless.

        Raises:
            NotSentError: it is not known whether it does; `contact_missing`, it is gone from B2Brouter.
            RefusedError: it cannot say that; `contact_taken`, another one has the number.
        """
        try:
            self._case.remote.update_contact(contact_id, changes)
        except OutcomeUnknownError as error:
            raise NotSentError("remote_unavailable", error.details, request_id=error.request_id) from error
        except RefusedError as error:
            doubt_contact(self._case, contact_id, error, is_named=False)
            if error.reason == "contact_taken":
                error.details.update(self._whom())
            raise

    def _whom(self) -> dict[str, str]:
        return {"party": self._buyer.name, "code": self._recipient.code}

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

    def _adopt(self, found: RemoteContact) -> Made:
        """Keep a contact as people set it up at B2Brouter; but it must carry the number.

        Documents for it name the ERP's e-mail where it has another one. A contact that names no way is told the only
        one that leads to it.
        """
        way = self._missing_way(found)
        if self._recipient.unit is None and not stands_for(found, self._buyer):
            self._tell(found.id, self._case.remote.new_contact_payload(self.payload, way))
            return self._store(found.id, "updated")
        told_way = self._case.remote.delivery_payload(way) if way else None
        missing = [body for body in (self._missing_tax_number(found), told_way) if body is not None]
        for body in missing:
            self._tell(found.id, body)
        own_email = self._buyer.email if _mails_differ(self._buyer.email, found.email) else None
        how = "updated" if missing else "found"
        self._say_what_is_left_to_do(found.id)
        return self._store(found.id, how, of=self._customer_of(found), own_email=own_email)

    def _missing_tax_number(self, found: RemoteContact) -> bytes | None:
        """A contact that was found by a registered number: documents must name the tax number, too."""
        if self._recipient.unit is not None or not lacks_tax_number(found, self._buyer):
            return None
        remote = self._case.remote
        return remote.contact_changes(remote.without_tax_number(self.payload), self.payload)

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

    def _customer_of(self, found: RemoteContact) -> str | None:
        """A code of our source on it names the customer whose data it has."""
        code = found.integration_code or ""
        is_customers = self._recipient.unit is None and code.startswith(f"{self._case.job.source}:")
        return code if is_customers else None

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
            raise RefusedError("contact_taken", self._whom())
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
        except (NotSentError, OutOfTimeError):
            self._link = self._contacts.not_created(self._link)
            raise
        except OutcomeUnknownError as error:
            error.details["effect"] = "contact"
            self._link = self._contacts.unanswered(self._link)
            raise
        except (RefusedError, MisconfiguredError) as error:
            self._link = self._contacts.not_created(self._link)
            if error.reason == "contact_taken":
                return self._taken(error, body)
            if self._parent_id is not None:
                is_named = error.details.get("param") == "parent_id"
                doubt_contact(self._case, self._parent_id, error, is_named=is_named)
            raise
        self._say_what_is_left_to_do(made.id)
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
        """The API has no field for the offices of FACe: a person enters them once.

        It is said before the contact is kept: whoever finds it kept says nothing any more.
        """
        unit = self._recipient.unit
        if unit is not None and unit.scheme == DIR3:
            facts = {"party": self._buyer.name, "contact": contact_id, "codes": unit.code.replace(".", ", ")}
            self._case.warn("dir3_to_enter", facts)

    def _taken(self, error: RefusedError | MisconfiguredError, body: bytes) -> Made:
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
