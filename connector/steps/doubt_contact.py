"""Have a contact looked for anew where a request that named it was refused, perhaps because it is gone."""

from __future__ import annotations

from connector.domain.errors import MisconfiguredError, NotSentError, RefusedError
from connector.domain.job import Effect
from connector.steps.case import Case


def doubt_contact(case: Case, contact_id: str, error: RefusedError | MisconfiguredError, *, is_named: bool) -> None:
    """Forget a contact that is gone from B2Brouter, or that is what was refused.

    One that is there still is looked for anew once, for people may have chosen another; after that what the ledger
    knows of it stays, so that it is told what the ERP cures.

    Args:
        case: the job.
        contact_id: whom the request named.
        error: the refusal.
        is_named: whether it says that this contact is what is wrong; "not found" may mean the contact or the account.

    Raises:
        LookAgainError: it is gone, but was made a moment ago: it may only be read too early.
        NotSentError: `contact_missing`.
    """
    contacts, account = case.ledger.contacts, case.job.account
    is_gone = (is_named or error.details.get("status") == "404") and _is_gone(case, contact_id)
    if is_gone and (told := contacts.told_at(account, contact_id)):
        case.give_time_to_show(Effect.CONTACT, told)
    if is_gone or (is_named and not case.job.attempts):
        contacts.forget(account, contact_id)
        facts = {"party": case.invoice.buyer.name}
        raise NotSentError("contact_missing", facts, request_id=error.request_id) from error


def _is_gone(case: Case, contact_id: str) -> bool:
    try:
        return case.remote.read_contact(contact_id) is None
    except NotSentError:
        return False  # a gateway that knows no way answers so to whatever is asked
