"""What mutants of the outcome's table showed to be untested: equality of codes and names, not their order."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.b2brouter.outcome import (
    Operation,
    Problem,
    Reply,
    judge_fault,
    judge_reply,
    judge_unreadable,
    problem,
    retry_after,
)

NOW = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("code", ["parameter_taker", "parameter_takes", "a", "z"])
@pytest.mark.parametrize("operation", [Operation.CREATE_INVOICE, Operation.CREATE_CONTACT])
def test_only_the_very_code_says_that_something_is_taken(code: str, operation: Operation) -> None:
    body = json.dumps({"error": {"code": code, "message": "Number is wrong", "param": "number"}}).encode()
    error = judge_reply(operation, Reply(status=422, headers={}, content=body), now=NOW)
    assert error is not None
    assert error.reason == "refused_by_b2brouter"


@pytest.mark.parametrize("param", ["invoice.a", "invoice.numbers", "zone"])
def test_only_the_very_parameter_is_the_number(param: str) -> None:
    assert not Problem(code="parameter_taken", message="is taken", param=param).about_number
    assert Problem(code="parameter_taken", message="is taken", param="invoice.number").about_number


def test_a_page_is_read_without_its_scripts_whatever_their_case_and_lines() -> None:
    told = problem(b"<html><SCRIPT>\nsecret()\n</script><style>\na\n</STYLE><b>Bad\nGateway</b></html>")
    assert told.message == "Bad Gateway"


@pytest.mark.parametrize("function", [judge_reply, judge_fault, judge_unreadable, retry_after])
def test_what_surrounds_an_answer_is_given_by_name(function: Any) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    assert inspect.Parameter.KEYWORD_ONLY in kinds
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds
