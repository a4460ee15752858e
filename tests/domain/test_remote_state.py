"""Which of two pieces of news about a document is the newer one, and what its state means."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain import catalogue
from connector.domain.remote_state import (
    REASONS,
    STANDINGS,
    UNWATCHED,
    News,
    Standing,
    Verdict,
    case_of,
    has_left,
    is_clear,
    judge,
    standing,
    was_handed_over,
)
from tests.support.builders import NOON


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def read(state: str, seconds: float) -> News:
    return News(state=state, changed_at=at(seconds))


def told(state: str, seconds: int, event: str = "7") -> News:
    return News(state=state, changed_at=at(seconds), event=event)


@pytest.mark.parametrize(
    ("known", "news", "verdict"),
    [
        (None, read("sent", 0), Verdict.TAKE),
        (None, told("sent", 0), Verdict.TAKE),
        (read("sent", 0), read("registered", 1), Verdict.TAKE),
        (read("registered", 1), read("sent", 0), Verdict.LEAVE),  # a list that is behind
        (read("sent", 0.1), read("registered", 0.2), Verdict.TAKE),
        (read("registered", 0.2), read("sent", 0.1), Verdict.LEAVE),
        (read("sent", 0), read("registered", 0), Verdict.TAKE),  # what was read last counts
        (read("sent", 0), read("sent", 5), Verdict.TAKE),  # it left the state and came back
        (read("sent", 0), read("sent", 0), Verdict.CONFIRM),
        (read("sent", 0.4), told("sent", 0), Verdict.CONFIRM),
        (read("sent", 0.4), told("registered", 0), Verdict.ASK),
        (read("sent", 0.4), told("registered", 1), Verdict.TAKE),
        (read("registered", 1.2), told("sent", 0), Verdict.LEAVE),
        (told("sent", 0), told("registered", 1), Verdict.TAKE),
        (told("registered", 1), told("sent", 0), Verdict.LEAVE),
        (told("sent", 0, "8"), told("registered", 0, "9"), Verdict.TAKE),
        (told("registered", 0, "10"), told("sent", 0, "9"), Verdict.LEAVE),  # numbers, not letters
        (told("registered", 0, "9"), told("sent", 0, "9"), Verdict.LEAVE),  # an event says one thing
        (read("sent", 0), read("SENT".lower(), 0), Verdict.CONFIRM),
        (told("registered", 0, "10"), told("sent", 0, "sha256:ab"), Verdict.ASK),
        (told("sent", 5), read("registered", 5.3), Verdict.ASK),
        (told("sent", 5), read("refused", 3), Verdict.ASK),  # the list is behind, or the event was made late
        (told("sent", 5), read("sent", 3), Verdict.CONFIRM),
        (told("sent", 5), read("refused", 6), Verdict.TAKE),
    ],
)
def test_an_older_state_never_replaces_a_newer_one(known: News | None, news: News, verdict: Verdict) -> None:
    assert judge(known, news) is verdict


HISTORY = ("sending", "sent", "registered", "refused")


@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.permutations(range(4)))
def test_events_in_any_order_end_in_the_last_state(gaps: list[int], order: list[int]) -> None:
    seconds = [0, *(sum(gaps[:n]) for n in (1, 2, 3))]
    known: News | None = None
    shown: list[int] = []
    for place in order:
        news = told(HISTORY[place], seconds[place], str(100 + place))
        if judge(known, news) is Verdict.TAKE:
            known = news
            shown.append(place)
    assert known is not None
    assert known.state == HISTORY[-1]
    assert shown == sorted(shown)


def test_every_order_of_reads_ends_in_the_last_state() -> None:
    for order in permutations(range(4)):
        known: News | None = None
        for place in order:
            news = read(HISTORY[place], place / 10)
            known = news if judge(known, news) is Verdict.TAKE else known
        assert known is not None
        assert known.state == HISTORY[-1]


@pytest.mark.parametrize(
    ("meaning", "states"),
    [
        (Standing.UNDER_WAY, "new draft validating processing_pdf sending"),
        (Standing.DELIVERED, "sent registered received downloaded read accepted allegedly_paid"),
        (Standing.CLOSED, "issued paid closed"),
        (Standing.REMARKED, "annotated"),
        (Standing.FAILED, "refused error discarded invalid cancelled annulled"),
        (Standing.UNKNOWN, "performing_ocr ocr_failed expired billed Sent"),
    ],
)
def test_what_each_state_of_the_reference_means(meaning: Standing, states: str) -> None:
    assert {state: standing(state) for state in states.split()} == dict.fromkeys(states.split(), meaning)


def test_after_all_but_three_states_news_is_expected() -> None:
    assert sorted(UNWATCHED) == ["closed", "issued", "paid"]


def test_a_state_never_seen_before_means_neither_success_nor_failure() -> None:
    assert standing("teleported") is Standing.UNKNOWN
    assert case_of("teleported", "1", None) is None
    assert case_of(None, None, None) is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("refused", "refused_by_receiver"),
        ("error", "delivery_failed"),
        ("annotated", "receiver_remark"),
        ("cancelled", "cancelled_at_b2brouter"),
    ],
)
def test_states_that_need_a_person_say_why(state: str, reason: str) -> None:
    assert case_of(state, "17", "Wrong order number") == (
        reason,
        {"state": state, "reference": "17", "message": "Wrong order number"},
    )
    assert "Wrong order number" in catalogue.reason(reason).message({"message": "Wrong order number"})


def test_every_failure_has_a_reason_and_no_success_has_one() -> None:
    for state, meaning in STANDINGS.items():
        needs_a_person = meaning in {Standing.FAILED, Standing.REMARKED}
        assert (case_of(state, "1", None) is not None) is needs_a_person, state
    assert set(catalogue.reasons()) >= REASONS


@pytest.mark.parametrize("state", ["validating", "processing_pdf", "polishing", ""])
def test_a_state_of_preparation_or_one_that_nobody_knows_does_not_say_whether_it_was_sent(state: str) -> None:
    assert not is_clear(state)
    assert not has_left(state)


@pytest.mark.parametrize("state", sorted(set(STANDINGS) - {"validating", "processing_pdf"}))
def test_every_other_state_says_whether_it_was_handed_over(state: str) -> None:
    assert is_clear(state)
    assert has_left(state) == (state not in {"new", "draft"})


@pytest.mark.parametrize("state", sorted(set(STANDINGS) - {"validating", "processing_pdf"}))
def test_what_failed_by_itself_is_not_out_of_our_hands(state: str) -> None:
    assert was_handed_over(state) == (state not in {"new", "draft", "error", "invalid"})


def test_what_nothing_is_known_of_has_not_left() -> None:
    assert not has_left(None)
    assert not was_handed_over(None)
