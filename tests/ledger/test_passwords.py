"""Passwords that many give at once: few are looked at together, and none beyond the limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher

from connector.domain.people import Role
from connector.ledger import Ledger
from connector.operations.people import (
    HASHED_AT_ONCE,
    KNOWN_FOR,
    WRONG_BY_ADDRESS,
    WRONG_BY_NAME,
    WRONG_BY_PAIR,
    Attempt,
    add_user,
    attempt,
)
from tests.support.clock import FakeClock

PASSWORD = "three words in a row"
MANY = 8


def at_once(act: Callable[[int], Attempt]) -> list[Attempt]:
    """What becomes of many attempts that begin together."""
    start = threading.Barrier(MANY)

    def one(number: int) -> Attempt:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def test_a_burst_passes_no_limit(ledger: Ledger) -> None:
    add_user(ledger, "ana", Role.OPERATOR, PASSWORD)
    for _ in range(WRONG_BY_NAME - 1):
        ledger.people.failed("ana", "192.0.2.99")
    for n in range(WRONG_BY_ADDRESS - 1):
        ledger.people.failed(f"somebody {n}", "198.51.100.1")
    of_a_name = at_once(lambda n: attempt(ledger, "ana", "not my password", f"192.0.2.{n}"))
    of_an_address = at_once(lambda n: attempt(ledger, f"nobody {n}", "not my password", "198.51.100.1"))
    for found in (of_a_name, of_an_address):
        assert 1 <= found.count(Attempt.WRONG) <= HASHED_AT_ONCE
    assert attempt(ledger, "ana", PASSWORD, "203.0.113.1") is Attempt.TOO_OFTEN


def test_who_guesses_elsewhere_keeps_nobody_out(ledger: Ledger) -> None:
    add_user(ledger, "ana", Role.OPERATOR, PASSWORD)
    for _ in range(WRONG_BY_PAIR):
        assert attempt(ledger, "ana", "not my password", "203.0.113.9") is Attempt.WRONG
    assert attempt(ledger, "ana", PASSWORD, "203.0.113.9") is Attempt.TOO_OFTEN
    assert attempt(ledger, "ana", PASSWORD, "198.51.100.1") is Attempt.RIGHT


def test_who_guesses_from_everywhere_keeps_nobody_out_of_where_they_sign_in(ledger: Ledger, clock: FakeClock) -> None:
    add_user(ledger, "ana", Role.OPERATOR, PASSWORD)
    ledger.deeds.write("ana", "sign_in", "198.51.100.1")
    ledger.deeds.write("otto", "sign_in", "198.51.100.2")
    for n in range(WRONG_BY_NAME):
        ledger.people.failed("ana", f"192.0.2.{n}")
    assert attempt(ledger, "ana", PASSWORD, "198.51.100.2") is Attempt.TOO_OFTEN
    assert attempt(ledger, "ana", PASSWORD, "198.51.100.1") is Attempt.RIGHT
    clock.advance(KNOWN_FOR.total_seconds() + 1)
    for n in range(WRONG_BY_NAME):
        ledger.people.failed("ana", f"192.0.2.{n}")
    assert attempt(ledger, "ana", PASSWORD, "198.51.100.1") is Attempt.TOO_OFTEN


def test_few_passwords_are_hashed_at_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    add_user(ledger, "ana", Role.OPERATOR, PASSWORD)
    lock, together, most = threading.Lock(), 0, 0
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, *given: Any) -> Any:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        try:
            return verify(hasher, *given)
        finally:
            with lock:
                together -= 1

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert Attempt.RIGHT in at_once(lambda n: attempt(ledger, "ana", PASSWORD, f"192.0.2.{n}"))
    assert most <= HASHED_AT_ONCE
