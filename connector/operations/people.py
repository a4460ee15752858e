"""Passwords: what is good enough, how they are kept, and how often one may be wrong."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from threading import BoundedSemaphore
from typing import Final

from connector.domain.errors import UsageError
from connector.domain.people import LONGEST_PASSWORD, SHORTEST_PASSWORD, Role
from connector.ledger import Ledger

WRONG_BY_PAIR: Final = 5
WRONG_BY_ADDRESS: Final = 20
WRONG_BY_NAME: Final = 50
"""So many failed sign-ins within a quarter of an hour close the door for a while: of a name from one address, from an
address, and of a name from all. The last is high, or whoever knows a name could keep its person out from anywhere."""

KNOWN_FOR: Final = timedelta(days=30)
"""For so long somebody may sign in where they did before, whoever guesses their password elsewhere."""

_NAME_LENGTH: Final = 64

HASHED_AT_ONCE: Final = 2
"""Hashing takes 64 MiB for each password: a burst of attempts would take more than a machine has."""

_PATIENCE: Final = 10.0
"""Seconds that an attempt waits for its turn."""

_HASHING: Final = BoundedSemaphore(HASHED_AT_ONCE)


class Attempt(Enum):
    """What became of a password that somebody gave."""

    RIGHT = auto()
    WRONG = auto()
    TOO_OFTEN = auto()


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

    with _HASHING:
        return PasswordHasher().hash(password)


def attempt(ledger: Ledger, name: str, password: str, address: str) -> Attempt:
    """Look at the password that somebody gave for a name, and remember it where it is wrong.

    Too many wrong ones, or too many at once, are not looked at: guessing is slow.

    Args:
        ledger: that knows the people and the failures.
        name: of whom they say they are.
        password: as given.
        address: where it comes from.
    """
    if not _may_try(ledger, name, address) or not _HASHING.acquire(timeout=_PATIENCE):
        return Attempt.TOO_OFTEN
    try:
        if not _may_try(ledger, name, address):  # others failed while this one waited
            return Attempt.TOO_OFTEN
        if is_password_of(ledger, name, password):
            return Attempt.RIGHT
        ledger.people.failed(name, address)
        return Attempt.WRONG
    finally:
        _HASHING.release()


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


def _may_try(ledger: Ledger, name: str, address: str) -> bool:
    wrong = ledger.people.failures(name, address)
    if wrong.by_pair >= WRONG_BY_PAIR or wrong.by_address >= WRONG_BY_ADDRESS:
        return False
    return wrong.by_name < WRONG_BY_NAME or ledger.deeds.has_signed_in(name, address, within=KNOWN_FOR)
