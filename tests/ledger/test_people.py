"""Users, sessions and tokens as the ledger keeps them."""

from __future__ import annotations

from datetime import timedelta

from connector.domain.people import Role, Scope
from connector.ledger import Ledger
from connector.ledger.people import IDLE
from tests.support.clock import FakeClock


def test_a_name_is_given_once(ledger: Ledger) -> None:
    assert ledger.people.add("ana", Role.OPERATOR, "hash")
    assert not ledger.people.add("ana", Role.VIEWER, "other")
    assert [user.role for user in ledger.people.users()] == [Role.OPERATOR]


def test_a_session_ends_by_time_by_idleness_and_with_its_user(ledger: Ledger, clock: FakeClock) -> None:
    ledger.people.add("ana", Role.OPERATOR, "hash")
    shown = ledger.people.begin("ana", hours=12)
    for _ in range(11):
        clock.advance(3600)
        assert ledger.people.session(shown) is not None
    clock.advance(3601)
    assert ledger.people.session(shown) is None

    idle = ledger.people.begin("ana", hours=12)
    clock.advance(IDLE.total_seconds() + 1)
    assert ledger.people.session(idle) is None

    kept = ledger.people.begin("ana", hours=12)
    assert ledger.people.remove("ana")
    assert ledger.people.session(kept) is None
    assert not ledger.people.remove("ana")


def test_a_token_is_known_by_what_its_holder_shows_until_it_ends(ledger: Ledger, clock: FakeClock) -> None:
    until = clock.now() + timedelta(days=1)
    shown = ledger.tokens.make("erp", frozenset({Scope.READ}), until)
    assert shown is not None
    assert ledger.tokens.make("erp", frozenset({Scope.ACT}), None) is None
    found = ledger.tokens.find(shown)
    assert found is not None
    assert found.scopes == {Scope.READ}
    clock.advance(86401)
    assert ledger.tokens.find(shown) is None


def test_a_key_stands_for_one_request(ledger: Ledger) -> None:
    ledger.tokens.make("erp", frozenset({Scope.ACT}), None)
    assert ledger.tokens.claim("erp", "key", "digest") is None
    first = ledger.tokens.claim("erp", "key", "digest")
    assert first is not None
    assert first.status is None
    ledger.tokens.answer("erp", "key", status=200, body="{}")
    again = ledger.tokens.claim("erp", "key", "digest")
    assert again is not None
    assert again.body == "{}"
    assert ledger.tokens.claim("erp", "other", "digest") is None
    ledger.tokens.give_up("erp", "other")
    assert ledger.tokens.claim("erp", "other", "digest") is None
