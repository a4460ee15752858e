"""Whatever is sent, the answer is a refusal or a document, never a fault that nobody asked for."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.simulator import SimulatorServer
from connector.simulator.render import CONTACT_FIELDS, HEADER_FIELDS, LINE_FIELDS
from tests.simulator.client import Api, connect, line

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["", "0", "-1", "1e400", "ES", "es", "IVA", "S", "9920", "2026-01-10", "true", "\ud800"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
ADJUSTMENT = (
    "allowance_charge_indicator", "amount", "percentage", "apply_taxes", "description", "tax_attributes",
    "is_reimbursable_expense",
)  # fmt: skip
TAX = ("name", "category", "percent", "comment")
LINE = (*LINE_FIELDS, "id", "quantity", "price", "base_quantity", "taxes_attributes", "_destroy")
HEADER = (
    *HEADER_FIELDS, "type", "number", "date", "due_date", "currency", "series_code", "contact_id", "contact",
    "invoice_references", "invoice_lines_attributes", "allowance_charges_attributes",
)  # fmt: skip


def post(api: Api, path: str, body: object, **headers: str) -> httpx.Response:
    """Post JSON in pure ASCII, so that even half a surrogate pair finds its way."""
    return api.http.post(path, content=json.dumps(body), headers=headers)


def objects(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


taxes = objects(TAX).map(lambda odd: {"name": "IVA", "category": "S", "percent": 21} | odd)
entries = objects(ADJUSTMENT).map(lambda odd: {"allowance_charge_indicator": "charge", "amount": 1} | odd)
lines = st.tuples(objects(LINE), st.lists(taxes, max_size=2), st.lists(entries, max_size=2)).map(
    lambda parts: line(1, 1, *parts[1]) | {"allowance_charges_attributes": parts[2]} | parts[0]
)


@pytest.fixture(scope="module")
def open_api(running: SimulatorServer) -> Api:
    running.reset()
    return Api(connect(running.base_url))


quick = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@quick
@given(
    header=objects(HEADER),
    rows=st.lists(lines, max_size=2),
    version=st.sampled_from(["2025-10-13", "2026-04-20"]),
)
def test_odd_invoices(open_api: Api, header: dict[str, Any], rows: list[Any], version: str) -> None:
    body = {
        "date": "2026-01-10",
        "contact_id": open_api.customer(),
        "invoice_lines_attributes": rows,
    } | header
    answer = post(open_api, "/accounts/1/invoices", {"invoice": body}, **{"X-B2B-API-Version": version})
    assert answer.status_code in {200, 201, 400, 422}, answer.text
    if answer.is_success:
        path = f"/invoices/{answer.json()['invoice']['id']}"
        assert open_api.get(path, include="lines,buyer").status_code == 200
        changed = open_api.http.put(path, content=json.dumps({"invoice": header}))
        assert changed.status_code in {200, 400, 409, 422}
        assert open_api.get("/_simulator/documents").status_code == 200
        assert open_api.http.get("/").status_code == 200


@quick
@given(fields=objects(CONTACT_FIELDS))
def test_odd_contacts(open_api: Api, fields: dict[str, Any]) -> None:
    odd = {"name": "X", "tin_value": "ESB00000000"} | fields
    answer = post(open_api, "/accounts/1/contacts", {"contact": odd})
    assert answer.status_code in {201, 400, 422}, answer.text
    if answer.is_success:
        path = f"/contacts/{answer.json()['contact']['id']}"
        assert open_api.get(path).status_code == 200
        changed = open_api.http.put(path, content=json.dumps({"contact": fields}))
        assert changed.status_code in {200, 422}
        assert open_api.delete(path).status_code in {200, 409}


@quick
@given(body=values)
@pytest.mark.parametrize(
    "path", ["/accounts/1/invoices", "/accounts/1/contacts", "/web_hooks", "/accounts/1/transports"]
)
def test_odd_bodies(open_api: Api, path: str, body: Any) -> None:
    name = path.rpartition("/")[2].removesuffix("s")
    for sent in (body, {name: body}):
        assert post(open_api, path, sent).status_code in {201, 400, 422}


@quick
@given(
    query=st.dictionaries(
        st.sampled_from(["offset", "limit", "number", "date_from", "state_updated_at_from", "query", "new", "type"]),
        st.text(max_size=12),
    )
)
def test_odd_queries(open_api: Api, query: dict[str, str]) -> None:
    assert open_api.get("/accounts/1/invoices", **query).status_code in {200, 400, 422}
    assert open_api.get("/accounts/1/contacts", **query).status_code == 200


@quick
@given(content=st.one_of(st.binary(max_size=60), st.text(alphabet="<>/=\"' aIDx:&;", max_size=60).map(str.encode)))
def test_odd_files(open_api: Api, content: bytes) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = open_api.http.post("/accounts/1/invoices/import", content=content, headers=headers)
    assert answer.status_code in {400, 422}
