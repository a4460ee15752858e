"""What mutants of the decision showed to be untested: its constants, its defaults, and how it may be called."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from connector.domain.decision import FIRST_LOOK, Decision, Policy, backoff, decide
from connector.domain.errors import NotSentError
from connector.domain.job import Event


def test_the_first_look_comes_two_seconds_after_a_lost_answer() -> None:
    assert FIRST_LOOK == 2.0


def test_transient_faults_are_repeated_five_times_from_two_seconds_to_five_minutes() -> None:
    assert Policy() == Policy(attempts=5, base=2.0, cap=300.0)


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


def test_before_the_first_failure_the_pause_is_that_after_it() -> None:
    assert backoff(0, Policy(), jitter=0.0) == backoff(1, Policy(), jitter=0.0) == 1.0


def test_a_server_without_a_wish_does_not_lengthen_the_pause() -> None:
    decision = decide(NotSentError("rate_limited"), attempts=0, policy=Policy(base=0.1), jitter=0.0)
    assert decision.delay == pytest.approx(0.05)
