"""How documents reach a recipient, as the directory says: asked once, remembered, and never waited for long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.errors import AccountError, NotSentError, RefusedError
from connector.domain.invoice import Party
from connector.domain.recipient import Delivery, directory_keys
from connector.steps.case import Case
from connector.validation.identifiers import foreign_home

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
    for country, scheme, value in _keys(buyer):
        try:
            found = _said(case, country, scheme, value)
        except (NotSentError, RefusedError, AccountError):
            # Where the key itself is wrong, the calls that matter say so.
            return None, case.clock.now() + ASK_AGAIN
        if found is not None:
            return found, None
    return None, None


def _keys(buyer: Party) -> Iterator[tuple[str, str | None, str]]:
    """Yield country, scheme and value; a tax number of another country is known there, whatever the address."""
    home = foreign_home(buyer.tax_number, buyer.country)
    known_as = (replace(buyer, tax_number=None), replace(buyer, country=home, legal_ids=())) if home else (buyer,)
    for party in known_as:
        yield from ((party.country or "", scheme, value) for scheme, value in directory_keys(party))


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
