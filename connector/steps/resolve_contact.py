"""Tie a job to its recipient's contact at B2Brouter, made once, whatever the concurrency.

A unit of a public body is a contact under its body's (API reference 5.3): the body's comes first, the invoice is
addressed to the unit's. What is known and unchanged costs one look into the ledger and no call.
"""

from __future__ import annotations

from connector.domain.errors import LeaseLostError, LookAgainError
from connector.domain.job import Stage
from connector.domain.recipient import Recipient, recipients
from connector.ledger.contacts import ContactLink
from connector.ledger.records import Entry
from connector.steps.case import Case
from connector.steps.make_contact import KNOWN, Maker, is_settled

_BUSY_PAUSE = 0.5


def resolve_contact(case: Case) -> None:
    """Tie the job to its recipient's contact.

    Raises:
        LookAgainError: another worker is making this contact, or a lost create of it is being looked up.
        RefusedError: B2Brouter refuses it, or several contacts fit.
        NotSentError: B2Brouter cannot be reached.
    """
    wanted = recipients(case.job.source, case.job.company, case.invoice)
    known = case.ledger.contacts.known(case.job.account, [each.identity for each in wanted])
    contact_id, how = None, KNOWN
    for recipient in wanted:
        contact_id, how = _tie(
            case, recipient, known.get(recipient.identity), contact_id, is_addressed=recipient is wanted[-1]
        )
    assert contact_id is not None
    _arrive(case, contact_id, how)


def _tie(
    case: Case, recipient: Recipient, known: ContactLink | None, parent_id: str | None, *, is_addressed: bool
) -> tuple[str, str]:
    """Return the id of one contact and how it was come by."""
    maker = Maker(case, recipient, parent_id=parent_id, is_addressed=is_addressed)
    if known is not None and known.contact_id and is_settled(case, known, recipient, maker.payload):
        contact_id, how = known.contact_id, KNOWN
    else:
        known, contact_id, how = _make(case, maker, recipient)
    if is_addressed:
        case.own_email = _own_email(known, recipient)
    return contact_id, how


def _own_email(link: ContactLink, recipient: Recipient) -> str | None:
    """Who has a contact with another customer's data, or with an e-mail of others, gets the mail at its own."""
    email = recipient.party.email
    return email if not recipient.is_customer(link.customer) or link.own_email == email else None


def _make(case: Case, maker: Maker, recipient: Recipient) -> tuple[ContactLink, str, str]:
    contacts = case.ledger.contacts
    link = contacts.claim(case.job.account, recipient.identity)
    if link is None:
        raise LookAgainError("contact_busy", pause=_BUSY_PAUSE)
    try:
        return maker.make(link)
    except LeaseLostError as error:
        # The contact is in other hands; or the job is, and then the contact shall be free for its holder.
        contacts.release(link)
        raise LookAgainError("contact_busy", pause=_BUSY_PAUSE) from error
    except BaseException:
        contacts.release(link)
        raise


def _arrive(case: Case, contact_id: str, how: str) -> None:
    if case.job.stage is Stage.CONTACT_READY and case.job.contact_id == contact_id:
        return
    request_id = None if how == KNOWN else case.remote.last_request_id()
    entry = Entry(what="reached", outcome="done", request_id=request_id, details={"contact": contact_id, "how": how})
    # Frozen bytes name the contact that they were made for.
    stale = {"payload": None} if case.job.contact_id not in {None, contact_id} else {}
    reach = case.owe if how == KNOWN else case.advance
    reach(Stage.CONTACT_READY, entry=entry, contact_id=contact_id, **stale)
