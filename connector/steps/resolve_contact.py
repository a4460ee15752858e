"""Find, update or create the recipient at B2Brouter: once, whatever the concurrency.

The ladder: stored link, own integration code, tax or registration number (compared, never by name alone), create.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NoReturn

from connector.domain import identity
from connector.domain.errors import (
    LeaseLostError,
    LookAgainError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    OutOfTimeError,
    RefusedError,
)
from connector.domain.invoice import Party
from connector.domain.job import Stage
from connector.ledger.contacts import ContactLink
from connector.ledger.records import Entry
from connector.ports import RemoteContact
from connector.steps.case import Case
from connector.steps.look_up import pause_before_next

_BUSY_PAUSE = 0.5


def resolve_contact(case: Case) -> None:
    """Tie the job to its recipient's contact.

    Raises:
        LookAgainError: another worker is making this contact, or a lost create of it is being looked up.
        RefusedError: B2Brouter refuses it, or several contacts fit.
        NotSentError: B2Brouter cannot be reached.
    """
    buyer = case.invoice.buyer
    who = identity.contact_identity(case.job.source, case.job.company, buyer)
    payload = case.remote.contact_payload(buyer, identity.integration_code(case.job.source, buyer))
    known = case.ledger.contacts.get(case.job.account, who)
    if known is not None and known.contact_id and known.fingerprint == _fingerprint(payload):
        _arrive(case, known.contact_id, "known")
        return
    link = case.ledger.contacts.claim(case.job.account, who)
    if link is None:
        raise LookAgainError("contact_busy", pause=_BUSY_PAUSE)
    try:
        contact_id, how = _Maker(case, link, buyer, payload).make()
    except LeaseLostError as error:
        # The contact is in other hands, not the job.
        raise LookAgainError("contact_busy", pause=_BUSY_PAUSE) from error
    except BaseException:
        case.ledger.contacts.release(link)
        raise
    _arrive(case, contact_id, how)


def _legal_key(scheme: str, value: str) -> tuple[str, str]:
    return scheme.zfill(4), identity.legal_id_key(value)


def _fingerprint(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _arrive(case: Case, contact_id: str, how: str) -> None:
    if case.job.stage is Stage.CONTACT_READY and case.job.contact_id == contact_id:
        return
    request_id = None if how == "known" else case.remote.last_request_id()
    entry = Entry(what="reached", outcome="done", request_id=request_id, details={"contact": contact_id, "how": how})
    # Frozen bytes name the contact that they were made for.
    stale = {"payload": None} if case.job.contact_id not in {None, contact_id} else {}
    case.advance(Stage.CONTACT_READY, entry=entry, contact_id=contact_id, **stale)


class _Maker:
    """Makes one contact under the lease of its link."""

    def __init__(self, case: Case, link: ContactLink, buyer: Party, payload: bytes) -> None:
        self._case = case
        self._link = link
        self._buyer = buyer
        self._payload = payload
        self._code = identity.integration_code(case.job.source, buyer)

    def make(self) -> tuple[str, str]:
        """Return the contact's id and how it was come by."""
        if self._link.contact_id and self._link.fingerprint == _fingerprint(self._payload):
            return self._store(self._link.contact_id), "known"  # another worker made it while we asked
        if self._link.contact_id:
            return self._update(self._link.contact_id)
        found = self._find()
        if found is not None:
            return self._adopt(found)
        if self._link.open_since is not None:
            self._wait_or_conclude()
        return self._create()

    def _store(self, contact_id: str) -> str:
        self._case.ledger.contacts.store(self._link, contact_id=contact_id, fingerprint=_fingerprint(self._payload))
        return contact_id

    def _update(self, contact_id: str) -> tuple[str, str]:
        """The customer changed in the ERP: the contact follows. Repeating this is harmless."""
        try:
            self._case.remote.update_contact(contact_id, self._payload)
        except OutcomeUnknownError as error:
            raise NotSentError("remote_unavailable", error.details, request_id=error.request_id) from error
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            self._case.ledger.contacts.forget(self._case.job.account, contact_id)
            raise LookAgainError("contact_busy", pause=0.0) from error
        return self._store(contact_id), "updated"

    def _find(self) -> RemoteContact | None:
        own = self._case.remote.find_contacts(integration_code=self._code)
        ours = [contact for contact in own if contact.integration_code == self._code]
        if ours:
            return self._one(ours)
        for text in self._numbers():
            fitting = [c for c in self._case.remote.find_contacts(text=text) if self._fits(c)]
            if fitting:
                return self._one(fitting)
        return None

    def _numbers(self) -> Sequence[str]:
        """What to search by: the tax number as B2Brouter stores it, and registered identifiers."""
        tax = identity.tax_number_key(self._buyer.tax_number, self._buyer.country)
        return [
            *([tax] if tax else []),
            *(identity.legal_id_key(entry.value) for entry in self._buyer.legal_ids),
        ]

    def _fits(self, contact: RemoteContact) -> bool:
        """The text search also matches names and addresses (API 5.1): only equal numbers count."""
        legal = {_legal_key(entry.scheme, entry.value) for entry in self._buyer.legal_ids}
        there = {_legal_key(scheme, value) for scheme, value in contact.legal_ids}
        siret = self._buyer.legal_id(identity.SIRET)
        if self._buyer.is_public_body and siret:  # the same that tells identities apart
            return _legal_key(identity.SIRET, siret) in there
        tax = identity.tax_number_key(self._buyer.tax_number, self._buyer.country)
        if tax is not None:
            return identity.tax_number_key(contact.tax_number, self._buyer.country) == tax
        return bool(legal & there)

    def _one(self, contacts: Sequence[RemoteContact]) -> RemoteContact:
        distinct = {contact.id: contact for contact in contacts}
        if len(distinct) > 1:
            facts = {"party": self._buyer.name, "contacts": ", ".join(sorted(distinct)), "code": self._code}
            raise RefusedError("contacts_ambiguous", facts)
        return next(iter(distinct.values()))

    def _adopt(self, found: RemoteContact) -> tuple[str, str]:
        """Keep a contact as people set it up at B2Brouter; but one of ours must carry the present number."""
        if not self._fits(found):
            return self._update(found.id)
        return self._store(found.id), "found"

    def _wait_or_conclude(self) -> NoReturn:
        """As for invoices: a lost create may still be running, so "not there" needs the quiet time."""
        case = self._case
        self._link = case.ledger.contacts.look(self._link)
        since = self._link.open_since
        waited = (case.clock.now() - since).total_seconds() if since else 0.0
        pause = pause_before_next(waited=waited, looks=self._link.looks, quiet_time=case.rules.quiet_time)
        if pause is not None:
            raise LookAgainError("looking_up", {"effect": "contact"}, pause=pause)
        self._link = case.ledger.contacts.not_created(self._link)
        raise NotSentError("not_arrived", {"effect": "contact"})

    def _create(self) -> tuple[str, str]:
        contacts = self._case.ledger.contacts
        self._link = contacts.begin(self._link)
        try:
            with self._case.guarded():
                made = self._case.remote.create_contact(self._payload)
        except (NotSentError, MisconfiguredError, OutOfTimeError):
            self._link = contacts.not_created(self._link)
            raise
        except OutcomeUnknownError as error:
            error.details["effect"] = "contact"
            self._link = contacts.unanswered(self._link)
            raise
        except RefusedError as error:
            self._link = contacts.not_created(self._link)
            if error.reason != "contact_taken":
                raise
            return self._taken(error)
        return self._store(made.id), "created"

    def _taken(self, error: RefusedError) -> tuple[str, str]:
        found = self._find()
        if found is None:
            facts = {"party": self._buyer.name, "code": self._code}
            raise RefusedError("contact_taken", facts, request_id=error.request_id) from error
        return self._adopt(found)
