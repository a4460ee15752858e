"""The directory of recipients, and the code lists."""

from typing import Any

from connector.simulator.calls import Answer, Call, listed
from connector.simulator.codes import DOCUMENT_TYPES, SCHEMES, TRANSPORTS
from connector.simulator.identifiers import normalised
from connector.simulator.problems import ApiProblem, invalid, not_found


def look_up(call: Call) -> Answer:
    """What is known of one identifier; newer versions answer 202 first and want to be asked again."""
    value = normalised(call.params["value"])
    if not value.isalnum():
        raise invalid("value", "is not an identifier")
    mode = call.world.switches.directory_mode
    if mode == "failing":
        raise ApiProblem(424, None, "The registry could not be reached")
    if mode == "asynchronous" and _is_still_running(call, value):
        return Answer(202, {"status": "processing"}, headers={"Location": call.entry.path})
    entry = call.world.directory.get(value)
    if entry is None:
        raise not_found("Directory entry")
    return Answer(body=entry)


def _is_still_running(call: Call, value: str) -> bool:
    asked = call.world.directory_asked
    asked[value] += 1
    if asked[value] <= call.world.switches.directory_polls:
        return True
    del asked[value]
    return False


def list_schemes(call: Call) -> Answer:
    rows: list[dict[str, Any]] = [
        {"code": code, "name": name, "country": None if country == "*" else country}
        for code, (country, name) in SCHEMES.items()
    ]
    return _page(call, "schemes", rows)


def list_document_types(call: Call) -> Answer:
    rows = [{"code": code, "family": family} for code, family in DOCUMENT_TYPES.items()]
    return _page(call, "document_types", rows)


def list_transport_types(call: Call) -> Answer:
    rows = [
        {"code": code, "country": None if country == "*" else country} for code, (country, _) in TRANSPORTS.items()
    ]
    return _page(call, "transport_types", rows)


def _page(call: Call, name: str, rows: list[dict[str, Any]]) -> Answer:
    offset, limit = call.page()
    return listed(call, name, rows[offset : offset + limit], len(rows))
