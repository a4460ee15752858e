"""Whatever a webhook tells can be read, and stored in any database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.notice import notice, report_of

TOLD = {
    "code": "issued_invoice.state_change",
    "triggered_at": 1732530076,
    "data": {"invoice_id": 85373, "event_id": 381690, "state": "registered", "notes": None},
}


def test_a_change_of_an_invoice() -> None:
    told = notice(json.dumps(TOLD).encode())
    assert (told.code, told.event_id, told.subject, told.state) == (
        "issued_invoice.state_change", "381690", "85373", "registered",
    )  # fmt: skip
    assert told.note is None
    assert told.triggered_at == datetime(2024, 11, 25, 10, 21, 16, tzinfo=UTC)
    assert told.is_known


def test_a_change_of_a_tax_report() -> None:
    data = {"tax_report_id": 41, "event_id": 7, "state": "registered", "object": {"id": 41, "qr": "iVBO"}}
    body = json.dumps({"code": "tax_report.state_change", "id": 7, "data": data}).encode()
    told = notice(body)
    assert (told.subject, told.event_id, told.triggered_at, told.is_known) == ("41", "7", None, True)
    assert report_of(body) == {"id": 41, "qr": "iVBO"}


@pytest.mark.parametrize("changes", [{"code": "ledger.state_change"}, {"code": 7}, {"data": []}, {"data": {}}])
def test_events_of_other_kinds_are_kept_and_not_acted_on(changes: dict[str, Any]) -> None:
    assert not notice(json.dumps(TOLD | changes).encode()).is_known


def test_an_event_without_id_is_known_by_its_body() -> None:
    first, again, other = (notice(body) for body in (b'{"a":1}', b'{"a":1}', b'{"a":2}'))
    assert first.event_id == again.event_id != other.event_id
    assert first.event_id.startswith("sha256:")


@pytest.mark.parametrize("triggered", [0, -1, 10**30, 1.5, True, "1732530076", None])
def test_a_time_that_is_none_is_not_made_up(triggered: object) -> None:
    assert notice(json.dumps(TOLD | {"triggered_at": triggered}).encode()).triggered_at is None


def test_texts_that_a_database_refuses_are_made_fit() -> None:
    data = {"invoice_id": "85\x00373", "event_id": 1, "state": "x" * 65, "notes": "why\x00\ud800" + "y" * 5000}
    told = notice(json.dumps(TOLD | {"data": data}).encode())
    assert told.subject == "85 373"
    assert told.state is None
    assert told.note is not None
    assert told.note.startswith("why  y")
    assert len(told.note) == 2000
    told.note.encode()


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_body_is_too_strange(body: bytes) -> None:
    assert notice(body).body == body


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"\xff\xfe", b"NaN", b"null"])
def test_no_body_is_too_deep_or_too_large(body: bytes) -> None:
    assert not notice(body).is_known
    assert report_of(body) == {}
