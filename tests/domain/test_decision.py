"""What follows from a failure."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.decision import FIRST_LOOK, Decision, Policy, backoff, decide
from connector.domain.errors import (
    AccountDownError,
    BlockedError,
    LookAgainError,
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    OutOfTimeError,
    RefusedError,
    StepError,
)
from connector.domain.job import Event

POLICY = Policy(attempts=5, base=2.0, cap=300.0)
jitters = st.floats(0, 1, exclude_max=True)


def judge(error: StepError, *, attempts: int = 0, jitter: float = 0.5) -> Decision:
    return decide(error, attempts=attempts, policy=POLICY, jitter=jitter)


TABLE = [
    # error, attempts before: event, reason, delay, attempts after
    (OutcomeUnknownError("outcome_unknown"), 3, Event.POSTPONED, "looking_up", FIRST_LOOK, 3),
    (LookAgainError("looking_up", pause=7.0), 3, Event.POSTPONED, "looking_up", 7.0, 3),
    (LookAgainError("contact_busy", pause=0.5), 0, Event.POSTPONED, "contact_busy", 0.5, 0),
    (OutOfTimeError("lease_short", pause=0.0), 2, Event.POSTPONED, "lease_short", 0.0, 2),
    (NotSentError("remote_unavailable"), 0, Event.POSTPONED, "remote_unavailable", 1.5, 1),
    (NotSentError("remote_unavailable"), 3, Event.POSTPONED, "remote_unavailable", 12.0, 4),
    (NotSentError("rate_limited", retry_after=90.0), 0, Event.POSTPONED, "rate_limited", 90.0, 1),
    (NotSentError("rate_limited", retry_after=0.1), 0, Event.POSTPONED, "rate_limited", 1.5, 1),
    (NotSentError("remote_unavailable"), 4, Event.STUCK, "retries_exhausted", 0.0, 5),
    (NotSentError("remote_unavailable"), 9, Event.STUCK, "retries_exhausted", 0.0, 10),
    (NotSentError("erp_unavailable", outage=True), 0, Event.POSTPONED, "erp_unavailable", 1.5, 1),
    (NotSentError("erp_unavailable", outage=True), 4, Event.POSTPONED, "erp_unavailable", 24.0, 5),
    (NotSentError("erp_unavailable", outage=True), 9_999, Event.POSTPONED, "erp_unavailable", 225.0, 10_000),
    (BlockedError("original_waiting"), 3, Event.BLOCKED, "original_waiting", 0.0, 0),
    (RefusedError("vat_number_wrong"), 3, Event.STUCK, "vat_number_wrong", 0.0, 0),
    (MisconfiguredError("access_refused"), 3, Event.RETURNED, "access_refused", 0.0, 3),
    (AccountDownError("outage"), 3, Event.RETURNED, "outage", 0.0, 3),
]


@pytest.mark.parametrize(("error", "before", "event", "reason", "delay", "after"), TABLE)
def test_the_table(error: StepError, before: int, event: Event, reason: str, delay: float, after: int) -> None:
    decision = judge(error, attempts=before)

    assert (decision.event, decision.reason, decision.delay, decision.attempts) == (event, reason, delay, after)


def test_what_was_given_up_tells_the_last_failure_in_words() -> None:
    decision = judge(NotSentError("erp_unavailable", {"message": "no route"}), attempts=4)

    assert decision.details["attempts"] == "5"
    assert decision.details["last"] == "The ERP cannot be reached: no route"


def test_the_facts_of_the_case_are_kept() -> None:
    facts = {"number": "X", "party": "Y"}

    assert judge(RefusedError("vat_number_wrong", facts)).details == facts


def test_an_error_that_nobody_foresaw_here_is_a_bug() -> None:
    with pytest.raises(TypeError, match="StepError"):
        judge(StepError("bug"))


def test_every_kind_of_step_error_is_decided() -> None:
    def kinds(kind: type[StepError]) -> set[type[StepError]]:
        return {kind}.union(*(kinds(sub) for sub in kind.__subclasses__()))

    own = {kind for kind in kinds(StepError) if kind.__module__ == "connector.domain.errors"}
    decided = {kind for error, *_ in TABLE for kind in type(error).__mro__}
    abstract = {StepError}
    assert own - abstract <= decided | {kind for kind in own if kind.__subclasses__()} | _derived(own)


def _derived(kinds: set[type[StepError]]) -> set[type[StepError]]:
    """Those that are decided as what they derive from."""
    found = set()
    for kind in kinds - {StepError}:
        error = kind("bug", pause=1.0) if issubclass(kind, LookAgainError) else kind("bug")
        judge(error)
        found.add(kind)
    return found


@given(st.integers(1, 60), jitters)
def test_a_pause_lies_between_half_and_all_of_its_step_and_below_the_cap(attempt: int, jitter: float) -> None:
    step = min(POLICY.cap, POLICY.base * 2 ** (attempt - 1))

    assert step / 2 <= backoff(attempt, POLICY, jitter=jitter) < step + 1e-9


@given(st.integers(1, 60), jitters)
def test_pauses_never_shrink(attempt: int, jitter: float) -> None:
    assert backoff(attempt + 1, POLICY, jitter=jitter) >= backoff(attempt, POLICY, jitter=jitter)


@given(st.integers(0, 30), jitters, st.floats(0, 3600))
def test_the_servers_wish_is_never_undercut(attempts: int, jitter: float, wish: float) -> None:
    decision = decide(NotSentError("rate_limited", retry_after=wish), attempts=attempts, policy=POLICY, jitter=jitter)

    assert decision.event is Event.STUCK or decision.delay >= wish


@given(st.integers(1, 20), jitters)
def test_transient_faults_end_with_a_person_after_the_number_of_attempts_set(most: int, jitter: float) -> None:
    policy = Policy(attempts=most)
    attempts = 0
    while True:
        decision = decide(NotSentError("remote_unavailable"), attempts=attempts, policy=policy, jitter=jitter)
        attempts = decision.attempts
        if decision.event is Event.STUCK:
            break
    assert attempts == most


def test_the_first_look_comes_two_seconds_after_a_lost_answer() -> None:
    assert FIRST_LOOK == 2.0


def test_transient_faults_are_repeated_five_times_from_two_seconds_to_five_minutes() -> None:
    assert Policy() == Policy(attempts=5, base=2.0, cap=300.0)


def test_before_the_first_failure_the_pause_is_that_after_it() -> None:
    assert backoff(0, Policy(), jitter=0.0) == backoff(1, Policy(), jitter=0.0) == 1.0


def test_a_server_without_a_wish_does_not_lengthen_the_pause() -> None:
    decision = decide(NotSentError("remote_unavailable"), attempts=0, policy=Policy(base=0.1), jitter=0.0)

    assert decision.delay == pytest.approx(0.05)


@pytest.mark.parametrize("wish", [None, 0.0])
def test_a_server_that_counts_by_the_minute_is_left_alone_longer_though_it_names_no_time(wish: float | None) -> None:
    error = NotSentError("rate_limited", retry_after=wish)
    pauses = [judge(error, attempts=before, jitter=0.0).delay for before in range(4)]

    assert pauses == [16.0, 32.0, 64.0, 128.0]
    assert judge(error, attempts=4).event is Event.STUCK


@pytest.mark.parametrize(
    "value", [Policy(), Decision(event=Event.STUCK, reason="bug")], ids=lambda value: type(value).__name__
)
def test_a_judgement_cannot_be_changed_nor_be_given_by_position(value: Any) -> None:
    first = fields(value)[0]
    with pytest.raises(FrozenInstanceError):
        setattr(value, first.name, None)
    assert not hasattr(value, "__dict__")
    assert all(field.kw_only for field in fields(value))


@pytest.mark.parametrize("function", [backoff, decide], ids=lambda function: function.__name__)
def test_figures_are_given_by_name(function: Any) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]

    assert inspect.Parameter.KEYWORD_ONLY in kinds
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds
