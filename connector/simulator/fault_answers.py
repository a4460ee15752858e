"""The answers that faults give: instead of carrying a request out, or instead of the true answer."""

from random import Random
from typing import Final

from connector.simulator.calls import Answer
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.problems import ApiProblem

_HTML_PAGE: Final = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_NOISE_LENGTH: Final = 300
_UNAVAILABLE: Final = frozenset({FaultKind.UNAVAILABLE_BEFORE, FaultKind.UNAVAILABLE_AFTER})


def instead(fault: Fault | None) -> Answer | None:
    """The answer of a fault that strikes before anything is stored; None lets the request through.

    Raises:
        ApiProblem: 401.
    """
    if fault is None:
        return None
    if fault.kind is FaultKind.DROP_BEFORE:
        return Answer(204)  # never seen: the connection is cut
    if fault.kind is FaultKind.RATE_LIMIT:
        return too_many(fault.retry_after)
    if fault.kind is FaultKind.UNAUTHORIZED:
        raise ApiProblem(401, "unauthorized", "Invalid API Key provided")
    if fault.kind in {FaultKind.UNAVAILABLE_BEFORE, FaultKind.ERROR_BEFORE}:
        return _from_gateway(fault)
    return None


def spoilt(answer: Answer, content: bytes, fault: Fault | None, noise: Random) -> Answer:
    """The answer as a fault makes it, after the request was carried out; `content` is its true body."""
    if fault is None:
        return answer
    if fault.kind in {FaultKind.UNAVAILABLE_AFTER, FaultKind.ERROR_AFTER}:
        return _from_gateway(fault)
    if fault.kind is FaultKind.GARBAGE:
        return Answer(answer.status, content=noise.randbytes(_NOISE_LENGTH))
    if fault.kind is FaultKind.HTML:
        return Answer(fault.status or 200, content=_HTML_PAGE, content_type="text/html")
    if fault.kind is FaultKind.TRUNCATED:
        return Answer(answer.status, content=content[: len(content) // 2])
    if fault.kind is FaultKind.WRONG_NUMBER:
        return Answer(answer.status, _with_other_number(answer.body))
    return answer


def too_many(wait: str | None) -> Answer:
    """429 carries no code. Source: the vendor's page of error codes."""
    body = {"error": {"message": "Too many requests", "type": "invalid_request_error"}}
    return Answer(429, body, headers={"Retry-After": wait} if wait is not None else {})


def _from_gateway(fault: Fault) -> Answer:
    """A server fault without a body of the API: 503 where the rule says so, else its `status` or 500."""
    status = 503 if fault.kind in _UNAVAILABLE else fault.status or 500
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    return Answer(status, content=b"upstream failure\n", content_type="text/plain", headers=headers)


def _with_other_number(body: object) -> object:
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("invoice"), dict):
        return body | {"invoice": _with_other_number(body["invoice"])}
    return body | {"number": f"{body['number']}-OTHER"} if "number" in body else body
