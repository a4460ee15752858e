"""Passwords: what is good enough, how they are kept, and how often one may be wrong."""

from __future__ import annotations

from typing import Final

from connector.domain.errors import UsageError
from connector.domain.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, Role
from connector.ledger import Ledger

WRONG_BY_NAME: Final = 5
WRONG_BY_ADDRESS: Final = 20
"""So many failed sign-ins within a quarter of an hour close the door for a while."""

_NAME_LENGTH: Final = 64


def add_user(ledger: Ledger, name: str, role: Role, password: str) -> None:
    """Add a person who may sign in.

    Raises:
        UsageError: the name is taken or no name, or the password is not good enough.
    """
    if not name.strip() or name != name.strip() or len(name) > _NAME_LENGTH or not name.isprintable():
        raise UsageError(
            "That is no name for a user.", action=f"At most {_NAME_LENGTH} characters, without blanks around."
        )
    if not ledger.people.add(name, role, hashed(name, password)):
        raise UsageError(f"There is a user {name} already.", action="Choose another name, or remove that user first.")


def hashed(name: str, password: str) -> str:
    """Return a password as it may be kept.

    Raises:
        UsageError: it is not good enough.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(
            f"The password has fewer than {SHORTEST_PASSWORD} characters.", action="A few words in a row will do."
        )
    if len(password) > LONGEST_PASSWORD:
        raise UsageError(f"The password has more than {LONGEST_PASSWORD} characters.")
    if len(set(password)) < 5 or name.casefold() in password.casefold():
        raise UsageError("The password is easily guessed.", action="A few words in a row will do.")
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def is_password_of(ledger: Ledger, name: str, password: str) -> bool:
    """Whether a person gave their password; it takes as long where there is no such person."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    hasher = PasswordHasher()
    kept = ledger.people.password(name)
    if kept is None or len(password) > LONGEST_PASSWORD:
        hasher.hash(password[:LONGEST_PASSWORD])
        return False
    try:
        hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
    return True


def may_try(ledger: Ledger, name: str, address: str) -> bool:
    """Whether a further password is looked at: guessing is slow."""
    by_name, by_address = ledger.people.failures(name, address)
    return by_name < WRONG_BY_NAME and by_address < WRONG_BY_ADDRESS
