"""When an account is left alone: which ends of its calls say that something is wrong with all of it."""

from __future__ import annotations

import pytest

from connector.domain.breaker import FAILURES, REFUSALS, Breaker
from connector.domain.errors import NotSentError, OutcomeUnknownError, RefusedError, StepError

CREATE = "create_invoice"
REFUSED = RefusedError("refused_by_b2brouter", {"code": "parameter_invalid", "message": "No series"})


def noted(*errors: StepError | None, operation: str = CREATE) -> Breaker:
    breaker = Breaker()
    for error in errors:
        breaker.note(operation, error)
    return breaker


@pytest.mark.parametrize("error", [NotSentError("remote_unavailable"), OutcomeUnknownError("outcome_unknown")])
def test_calls_in_a_row_without_an_answer_open_it(error: StepError) -> None:
    assert noted(*[error] * (FAILURES - 1)).opened is None
    assert noted(*[error] * (FAILURES - 1), None, error).opened is None

    opened = noted(*[error] * FAILURES).opened
    assert opened is not None
    assert opened.reason == "outage"


def test_documents_in_a_row_that_are_refused_alike_open_it() -> None:
    assert noted(*[REFUSED] * (REFUSALS - 1), None, REFUSED).opened is None
    assert noted(*[REFUSED] * (REFUSALS - 1), RefusedError("refused_by_b2brouter", {"code": "other"})).opened is None

    opened = noted(*[REFUSED] * REFUSALS).opened
    assert opened is not None
    assert opened.reason == "refusals_rise"


def test_refusals_of_anything_but_documents_do_not_count() -> None:
    assert noted(*[REFUSED] * (2 * REFUSALS), operation="create_contact").opened is None


def test_numbers_that_are_taken_by_what_we_issued_ourselves_do_not_count() -> None:
    taken = RefusedError("number_taken", {"code": "parameter_invalid", "param": "number"})

    assert noted(*[taken] * (2 * REFUSALS)).opened is None
    assert noted(*[REFUSED, taken] * REFUSALS).opened is not None


def test_the_silence_of_the_directory_says_nothing_about_the_account() -> None:
    assert noted(*[NotSentError("remote_unavailable")] * (2 * FAILURES), operation="look_up_directory").opened is None
