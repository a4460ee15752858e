"""How documents reach a recipient, as the directory says: asked once, remembered, and never waited for long."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connector.domain.errors import AccountError, NotSentError, RefusedError
from connector.domain.invoice import Party
from connector.domain.recipient import Delivery, directory_keys
from connector.steps.case import Case

ASK_AGAIN: Final = timedelta(hours=1)
"""After a question that the directory left open."""


def ask(case: Case, buyer: Party) -> tuple[Delivery | None, datetime | None]:
    """Return what the directory says, and when to ask again because it said nothing.

    No answer is no reason to hold anything: the contact is made without, and B2Brouter itself looks there when it
    delivers (API reference 5.2).
    """
    rules = case.rules.directory
    if rules is None:
        return None, None
    for scheme, value in directory_keys(buyer):
        try:
            found = _said(case, buyer.country or "", scheme, value)
        except (NotSentError, RefusedError, AccountError):
            # Where the key itself is wrong, the calls that matter say so.
            return None, case.clock.now() + ASK_AGAIN
        if found is not None:
            return found, None
    return None, None


def _said(case: Case, country: str, scheme: str | None, value: str) -> Delivery | None:
    rules, account = case.rules.directory, case.job.account
    assert rules is not None
    identifier = "/".join(filter(None, (country, scheme, value)))
    known = case.ledger.directory.get(account, identifier)
    if known is not None:
        return known.delivery
    found = case.remote.look_up_directory(country, value, scheme=scheme)
    seconds = rules.found_seconds if found else rules.missing_seconds
    case.ledger.directory.keep(account, identifier, found, seconds=seconds)
    return found
