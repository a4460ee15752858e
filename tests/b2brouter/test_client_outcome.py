"""What an answer, or its absence, proves. The tables here are the specification, written a second time."""

from __future__ import annotations

import inspect
import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.b2brouter.outcome import (
    RULES,
    Fault,
    Operation,
    Problem,
    Reply,
    judge_fault,
    judge_reply,
    judge_unreadable,
    problem,
    retry_after,
)
from connector.domain.errors import (
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    RedirectedError,
    RefusedError,
    StepError,
)

NOW = datetime(2026, 1, 21, 12, 0, tzinfo=UTC)
READS = [operation for operation in Operation if not operation.writes]
WRITES = [operation for operation in Operation if operation.writes]
CREATE = Operation.CREATE_INVOICE
SEND = Operation.SEND_INVOICE


def reply(status: int, content: bytes | dict[str, object] = b"") -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status=status, headers={}, content=body)


def coded(code: str, message: str = "", param: str | None = None) -> dict[str, object]:
    told = {"code": code, "message": message, "type": "invalid_request_error"}
    return {"error": told | ({"param": param} if param else {})}


def judged(operation: Operation, status: int, content: bytes | dict[str, object] = b"") -> StepError:
    error = judge_reply(operation, reply(status, content), now=NOW)
    assert error is not None
    return error


def test_reads_and_writes_are_told_apart() -> None:
    assert {operation.value for operation in WRITES} == {
        "acknowledge",
        "add_attachment",
        "create_contact",
        "create_invoice",
        "delete_invoice",
        "import_invoice",
        "mark_as",
        "register_webhook",
        "send_invoice",
        "update_contact",
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("operation", list(Operation))
def test_a_success_is_no_error(operation: Operation, status: int) -> None:
    assert judge_reply(operation, reply(status), now=NOW) is None


@pytest.mark.parametrize("status", [0, 199, 600, 999])
def test_a_status_that_nobody_knows_proves_nothing(status: int) -> None:
    assert isinstance(judged(CREATE, status), OutcomeUnknownError)
    assert isinstance(judged(Operation.READ_INVOICE, status), NotSentError)


EVERYWHERE = [
    (300, b"", MisconfiguredError, "misdirected"),
    (307, b"", MisconfiguredError, "misdirected"),
    (308, b"<html>moved</html>", MisconfiguredError, "misdirected"),
    (399, b"", MisconfiguredError, "misdirected"),
    (400, coded("invalid_api_version"), MisconfiguredError, "version_refused"),
    (400, coded("missing_api_version"), MisconfiguredError, "version_refused"),
    (400, coded("api_version_subdomain_mismatch"), MisconfiguredError, "version_refused"),
    (401, coded("invalid_api_key"), MisconfiguredError, "access_refused"),
    (401, b"", MisconfiguredError, "access_refused"),
    (403, coded("no_account_group"), MisconfiguredError, "access_refused"),
    (407, b"", NotSentError, "remote_unavailable"),
    (429, b"", NotSentError, "rate_limited"),
]


@pytest.mark.parametrize(("status", "content", "error", "reason"), EVERYWHERE)
@pytest.mark.parametrize("operation", list(Operation))
def test_these_answers_mean_the_same_for_every_call(
    operation: Operation, status: int, content: Any, error: type[StepError], reason: str
) -> None:
    found = judged(operation, status, content)
    assert (type(found), found.reason) == (error, reason)


GUARDED = {"add_attachment", "create_contact", "create_invoice", "delete_invoice", "import_invoice", "send_invoice"}


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("operation", list(Operation))
def test_a_redirect_stops_the_account_and_may_follow_what_was_carried_out(operation: Operation, status: int) -> None:
    found = judged(operation, status, b"<html>moved</html>")
    assert (isinstance(found, MisconfiguredError), found.reason) == (True, "misdirected")
    assert isinstance(found, RedirectedError) == (operation.value in GUARDED)


REFUSALS = [
    (400, coded("invalid_request_params")),
    (402, b""),
    (406, b""),
    (410, coded("resource_gone")),
    (413, b"<html>too large</html>"),
    (415, b""),
    (451, b""),
    (499, b""),
]


@pytest.mark.parametrize(("status", "content"), REFUSALS)
@pytest.mark.parametrize("operation", list(Operation))
def test_a_refusal_is_about_the_document_or_about_the_account_where_only_that_was_asked_for(
    operation: Operation, status: int, content: Any
) -> None:
    found = judged(operation, status, content)
    if operation is Operation.READ_ACCOUNT:
        assert (type(found), found.reason) == (MisconfiguredError, "account_refused")
    else:
        assert (type(found), found.reason) == (RefusedError, "refused_by_b2brouter")


MAYBE_DONE = [408, 425, 500, 501, 502, 503, 504, 520, 524, 527, 599]


@pytest.mark.parametrize("status", MAYBE_DONE)
@pytest.mark.parametrize("operation", WRITES)
def test_a_write_that_may_have_been_carried_out_is_of_unknown_outcome(operation: Operation, status: int) -> None:
    found = judged(operation, status, b"<html>gateway</html>")
    assert (type(found), found.reason) == (OutcomeUnknownError, "outcome_unknown")


@pytest.mark.parametrize("status", [*MAYBE_DONE, 409, 424])
@pytest.mark.parametrize("operation", READS)
def test_a_read_that_failed_had_no_effect(operation: Operation, status: int) -> None:
    found = judged(operation, status, b"<html>gateway</html>")
    assert (type(found), found.reason) == (NotSentError, "remote_unavailable")


@pytest.mark.parametrize("operation", [CREATE, Operation.CREATE_CONTACT, Operation.UPDATE_CONTACT])
def test_a_conflict_on_creating_may_be_our_own_request_still_running(operation: Operation) -> None:
    assert isinstance(judged(operation, 409, coded("conflict")), OutcomeUnknownError)


@pytest.mark.parametrize(
    ("operation", "status", "content", "error", "reason"),
    [
        # the path names the account
        (Operation.READ_ACCOUNT, 404, coded("resource_missing"), MisconfiguredError, "account_unknown"),
        (Operation.READ_ACCOUNT, 422, coded("parameter_invalid"), MisconfiguredError, "account_refused"),
        (Operation.FIND_CONTACTS, 404, coded("resource_missing"), MisconfiguredError, "account_unknown"),
        (Operation.FIND_INVOICES, 404, coded("resource_missing"), MisconfiguredError, "account_unknown"),
        (Operation.CREATE_CONTACT, 404, coded("resource_missing"), MisconfiguredError, "account_unknown"),
        (CREATE, 404, coded("resource_missing", "Account not found"), MisconfiguredError, "account_unknown"),
        (CREATE, 404, coded("resource_missing", "Contact not found"), RefusedError, "refused_by_b2brouter"),
        (CREATE, 404, coded("resource_missing", "Client not found"), RefusedError, "refused_by_b2brouter"),
        # the path names a document
        (Operation.READ_INVOICE, 404, coded("resource_missing"), RefusedError, "remote_missing"),
        (Operation.READ_INVOICE, 404, b"", RefusedError, "remote_missing"),
        (Operation.READ_INVOICE, 404, b"null", RefusedError, "remote_missing"),
        (Operation.READ_INVOICE, 404, {"errors": ["Not found"]}, RefusedError, "remote_missing"),
        (Operation.READ_INVOICE, 404, b"<h1>no route</h1>", NotSentError, "remote_unavailable"),
        (Operation.READ_INVOICE, 404, b'["no route"]', NotSentError, "remote_unavailable"),
        (Operation.UPDATE_CONTACT, 404, coded("resource_missing"), RefusedError, "remote_missing"),
        (SEND, 404, coded("resource_missing"), RefusedError, "remote_missing"),
        (Operation.DELETE_INVOICE, 404, coded("resource_missing"), RefusedError, "remote_missing"),
        (Operation.DELETE_INVOICE, 404, b"<h1>no route</h1>", NotSentError, "remote_unavailable"),
        # a number exists once
        (
            CREATE,
            422,
            coded("parameter_taken", "Number has already been taken", "number"),
            RefusedError,
            "number_taken",
        ),
        (CREATE, 422, coded("parameter_taken", param="invoice.number"), RefusedError, "number_taken"),
        (CREATE, 422, coded("parameter_taken"), RefusedError, "number_taken"),
        (CREATE, 422, coded("parameter_taken", "Number 7 is taken", "base"), RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["Number has already been taken"]}, RefusedError, "number_taken"),
        (
            CREATE,
            422,
            {"errors": {"number": ["has already been taken for year 2026"]}},
            RefusedError,
            "number_taken",
        ),
        (
            CREATE,
            422,
            coded("parameter_taken", "F-1 has already been taken for year 2026", "base"),
            RefusedError,
            "number_taken",
        ),
        (CREATE, 422, coded("parameter_taken", "TAX-1 has already been taken"), RefusedError, "number_taken"),
        (CREATE, 422, coded("parameter_taken", "is taken", "invoice[number]"), RefusedError, "number_taken"),
        (CREATE, 422, coded("parameter_taken", "is taken", "series_code"), RefusedError, "number_taken"),
        (CREATE, 400, coded("parameter_taken"), RefusedError, "number_taken"),
        (CREATE, 409, coded("parameter_taken"), RefusedError, "number_taken"),
        (Operation.IMPORT_INVOICE, 400, coded("parameter_taken"), RefusedError, "number_taken"),
        (CREATE, 422, coded("invalid", "Number has already been taken", "base"), RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["F-1 has already been taken for year 2026"]}, RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["Número ya está en uso"]}, RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["El número ya ha sido utilizado"]}, RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["Numéro est déjà utilisé"]}, RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["El número ja està en ús"]}, RefusedError, "number_taken"),
        (CREATE, 422, {"errors": ["Tin value has already been taken"]}, RefusedError, "refused_by_b2brouter"),
        (CREATE, 422, {"errors": ["Tax number has already been taken"]}, RefusedError, "refused_by_b2brouter"),
        (CREATE, 422, coded("parameter_taken", "is taken", "contact[name]"), RefusedError, "refused_by_b2brouter"),
        (
            CREATE,
            422,
            coded("parameter_taken", "Tax number is taken", "tin_value"),
            RefusedError,
            "refused_by_b2brouter",
        ),
        (
            CREATE,
            422,
            coded("parameter_blank", "Date can't be blank", "date"),
            RefusedError,
            "refused_by_b2brouter",
        ),
        (
            CREATE,
            422,
            coded("parameter_inclusion", "Unit has already been taken"),
            RefusedError,
            "refused_by_b2brouter",
        ),
        # a tax number exists once
        (
            Operation.CREATE_CONTACT,
            422,
            coded("parameter_taken", param="tin_value"),
            RefusedError,
            "contact_taken",
        ),
        (Operation.CREATE_CONTACT, 400, coded("parameter_taken"), RefusedError, "contact_taken"),
        (Operation.CREATE_CONTACT, 409, coded("parameter_taken"), RefusedError, "contact_taken"),
        (
            Operation.CREATE_CONTACT,
            422,
            {"errors": ["Tin value has already been taken"]},
            RefusedError,
            "contact_taken",
        ),
        (
            Operation.CREATE_CONTACT,
            422,
            coded("invalid", "Tin value has already been taken"),
            RefusedError,
            "contact_taken",
        ),
        (Operation.CREATE_CONTACT, 422, coded("parameter_blank"), RefusedError, "refused_by_b2brouter"),
        (Operation.UPDATE_CONTACT, 422, coded("parameter_taken"), RefusedError, "contact_taken"),
        # the state does not allow it
        (SEND, 409, coded("conflict"), RefusedError, "send_refused"),
        (SEND, 422, {"errors": ["Cannot re-send invoices in state sent"]}, RefusedError, "send_refused"),
        (SEND, 400, b"", RefusedError, "refused_by_b2brouter"),
        (Operation.DELETE_INVOICE, 409, coded("conflict"), RefusedError, "withdrawal_refused"),
        (Operation.DELETE_INVOICE, 422, b"", RefusedError, "withdrawal_refused"),
        (Operation.FIND_INVOICES, 422, coded("parameter_inclusion"), RefusedError, "refused_by_b2brouter"),
    ],
)
def test_what_a_refusal_is_about_depends_on_the_call(
    operation: Operation, status: int, content: Any, error: type[StepError], reason: str
) -> None:
    found = judged(operation, status, content)
    assert (type(found), found.reason) == (error, reason)


@pytest.mark.parametrize("code", ["parameter_taker", "parameter_takes", "a", "z"])
@pytest.mark.parametrize("operation", [CREATE, Operation.CREATE_CONTACT])
def test_only_the_very_code_says_that_something_is_taken(operation: Operation, code: str) -> None:
    assert judged(operation, 422, coded(code, "Number is wrong", "number")).reason == "refused_by_b2brouter"


@pytest.mark.parametrize("param", ["contact", "client_id", "invoice.contact_id", "invoice[tin_value]", "cin_value"])
def test_what_is_taken_of_the_recipient_is_not_the_number(param: str) -> None:
    assert not Problem(code="parameter_taken", message="is taken", param=param).about_number


@pytest.mark.parametrize("param", ["", "base", "number", "invoice.number", "invoice[number]", "zone"])
def test_nothing_else_of_a_document_is_unique_but_its_number(param: str) -> None:
    assert Problem(code="parameter_taken", message="is taken", param=param).about_number


@given(operation=st.sampled_from(list(Operation)), status=st.integers(300, 999), content=st.binary(max_size=60))
def test_whatever_comes_is_judged_and_no_answer_of_the_fifth_hundred_lets_a_write_be_repeated(
    operation: Operation, status: int, content: Any
) -> None:
    found = judged(operation, status, content)
    if operation.writes and status >= 500:
        assert isinstance(found, OutcomeUnknownError)
    if not operation.writes:
        assert not isinstance(found, OutcomeUnknownError)


# ---------------------------------------------------------------- no answer at all


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("operation", WRITES)
def test_a_write_whose_bytes_left_is_of_unknown_outcome_unless_no_connection_was_made(
    operation: Operation, fault: Fault
) -> None:
    found = judge_fault(operation, fault, "gone", left=True)
    no_connection = fault in {Fault.CONNECT, Fault.CONNECT_TIME_OUT, Fault.POOL, Fault.PROXY}
    assert isinstance(found, NotSentError if no_connection else OutcomeUnknownError)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("operation", list(Operation))
def test_nothing_left_nothing_happened(operation: Operation, fault: Fault) -> None:
    found = judge_fault(operation, fault, "gone", left=False)
    assert (type(found), found.reason) == (NotSentError, "remote_unavailable")


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("operation", READS)
def test_a_read_without_an_answer_had_no_effect(operation: Operation, fault: Fault) -> None:
    assert isinstance(judge_fault(operation, fault, "gone", left=True), NotSentError)


def test_a_fault_is_told_in_the_details() -> None:
    found = judge_fault(CREATE, Fault.READ_TIME_OUT, "", left=True, facts={"number": "F-1"})
    assert found.details == {
        "number": "F-1",
        "status": "",
        "code": "read_time_out",
        "message": "read time out",
    }


@pytest.mark.parametrize("operation", list(Operation))
def test_a_success_that_cannot_be_read_is_neither_done_nor_absent(operation: Operation) -> None:
    found = judge_unreadable(operation, reply(201, b"<html>"), "not JSON")
    unknown, unavailable = (OutcomeUnknownError, "outcome_unknown"), (NotSentError, "remote_unavailable")
    assert (type(found), found.reason) == (unknown if operation.writes else unavailable)
    assert found.details["status"] == "201"


# ---------------------------------------------------------------- the body of a refusal


@pytest.mark.parametrize(
    ("content", "code", "message", "param"),
    [
        (
            coded("parameter_blank", "Date can't be blank", "date"),
            "parameter_blank",
            "Date can't be blank",
            "date",
        ),
        ({"errors": ["One", "Two"]}, "", "One; Two", ""),
        ({"errors": [{"error": "One"}, {"message": "Two"}]}, "", "One; Two", ""),
        ({"errors": {"number": ["is taken"], "date": "is wrong"}}, "", "number is taken; date is wrong", ""),
        ({"error": "text"}, "", "text", ""),
        ({"message": "text"}, "", "text", ""),
        ({"unknown": 1}, "", "", ""),
        ({"error": {"code": 7, "message": None}}, "", "", ""),
        (b"", "", "", ""),
        (b"null", "", "", ""),
        (b'["One"]', "", "One", ""),
        (b"<html><style>p{}</style><h1>502</h1><p>Bad\ngateway</p></html>", "", "502 Bad gateway", ""),
        (b"\xff\xfe", "", "\ufffd\ufffd", ""),
        (b'{"error": ', "", '{"error":', ""),
    ],
)
def test_every_shape_of_a_refusal_is_understood(content: Any, code: str, message: str, param: str) -> None:
    told = problem(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert (told.code, told.message, told.param) == (code, message, param)


def test_a_page_is_read_without_its_scripts_whatever_their_case_and_lines() -> None:
    told = problem(b"<html><SCRIPT>\nsecret()\n</script><style>\na\n</STYLE><b>Bad\nGateway</b></html>")
    assert told.message == "Bad Gateway"


def test_the_details_of_a_refusal_are_short_and_on_one_line() -> None:
    found = judged(CREATE, 422, coded("parameter_blank", "too\r\nlong " * 200, "lines"))
    assert set(found.details) == {"status", "code", "message", "param"}
    assert found.details["status"] == "422"
    assert len(found.details["message"]) == 500
    assert "\n" not in found.details["message"]


@pytest.mark.parametrize(("length", "shown"), [(500, "x" * 500), (501, "x" * 499 + "…")])
def test_what_is_left_out_of_a_long_message_is_seen(length: int, shown: str) -> None:
    assert problem(json.dumps({"message": "x" * length}).encode()).message == shown


def test_a_refusal_without_words_still_says_something() -> None:
    assert judged(SEND, 500).details["message"] == "status 500 without explanation"


@pytest.mark.parametrize("name", ["x-b2b-api-request-id", "x-request-id"])
def test_the_request_id_goes_with_the_error(name: str) -> None:
    error = judge_reply(SEND, Reply(status=500, headers={name: "req-1"}, content=b""), now=NOW)
    assert error is not None
    assert error.request_id == "req-1"


# ---------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1000000000", 3600.0),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("soon", None),
        ("nan", None),
        ("Wed, 21 Jan 2026 12:00:30 GMT", 30.0),
        ("Wed, 21 Jan 2026 12:00:30", 30.0),
        ("Wed, 21 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 21 Jan 2028 12:00:00 GMT", 3600.0),
        ("Wed, 99 Jan 2026 12:00:30 GMT", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +9999999999999999999", None),
    ],
)
def test_retry_after_in_both_forms_and_nothing_else(header: Any, seconds: float | None) -> None:
    assert retry_after(header, now=NOW) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_breaks_the_client(header: Any) -> None:
    found = retry_after(header, now=NOW)
    assert found is None or 0 <= found <= 3600


def test_the_wish_to_wait_goes_with_a_429() -> None:
    error = judge_reply(CREATE, Reply(status=429, headers={"retry-after": "12"}, content=b""), now=NOW)
    assert isinstance(error, NotSentError)
    assert error.retry_after == 12.0


# ---------------------------------------------------------------- how it is called


@pytest.mark.parametrize("value", [reply(200), Problem(), RULES[0]], ids=lambda value: type(value).__name__)
def test_an_answer_and_a_rule_cannot_be_changed_nor_be_given_by_position(value: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, None)
    assert not hasattr(value, "__dict__")
    assert all(field.kw_only for field in fields(value))


@pytest.mark.parametrize("function", [judge_reply, judge_fault, judge_unreadable, retry_after])
def test_what_surrounds_an_answer_is_given_by_name(function: Any) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]

    assert inspect.Parameter.KEYWORD_ONLY in kinds
    assert inspect.Parameter.POSITIONAL_ONLY not in kinds
