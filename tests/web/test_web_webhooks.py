"""The webhook receiver: what is signed is stored once and answered at once, all else is refused cheaply."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config import secrets
from connector.domain.signature import HEADER, sign
from tests.e2e.installation import until
from tests.support.house import rows
from tests.web.conftest import SECRET, Office

BEFORE = "whsec_before"


def event(event_id: int = 1, state: str = "sent", **data: Any) -> bytes:
    told = {"invoice_id": 100001, "event_id": event_id, "state": state, "notes": None, **data}
    return json.dumps({"code": "issued_invoice.state_change", "triggered_at": 1768478400, "data": told}).encode()


def post(office: Office, body: bytes, *, secret: str = SECRET, account: str = "main", age: float = 0) -> int:
    signed = sign(secret, body, now=office.clock.now() - timedelta(seconds=age))
    return send(office, body, {HEADER: signed}, account=account)


def send(office: Office, body: bytes | Iterator[bytes], headers: dict[str, str], *, account: str = "main") -> int:
    return office.http.post(f"/webhooks/b2brouter/{account}", content=body, headers=headers).status_code


def stored(office: Office) -> list[tuple[Any, ...]]:
    return rows(office.ledger, "SELECT account, code, event_id, state, outcome FROM inbox ORDER BY id")


KNOWN = ("main", "issued_invoice.state_change", "1", "sent", None)


def test_what_is_signed_is_stored(office: Office) -> None:
    assert post(office, event()) == 200
    assert stored(office) == [KNOWN]


def test_an_event_that_comes_again_is_stored_once(office: Office) -> None:
    assert [post(office, event()) for _ in range(3)] == [200] * 3
    office.clock.advance(60)
    assert post(office, event()) == 200  # signed anew
    assert stored(office) == [KNOWN]


def test_the_secret_before_counts_while_it_is_changed(embedded_url: str) -> None:
    office = Office(embedded_url, accounts={"main": {"webhook_secret_before": BEFORE}})
    assert post(office, event(1)) == 200
    assert post(office, event(2), secret=BEFORE) == 200
    assert post(office, event(3), secret="whsec_other") == 401
    assert len(stored(office)) == 2
    office.close()


def test_an_unknown_kind_of_event_is_kept_raw_with_a_warning(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    assert post(office, b'{"code":"ledger.state_change","data":{"event_id":9}}') == 200
    assert post(office, b"\xff no JSON") == 200
    first, second = stored(office)
    assert (first[1:3], first[4], second[4]) == (("ledger.state_change", "9"), "unknown", "unknown")
    assert rows(office.ledger, "SELECT body FROM inbox ORDER BY id")[1] == (b"\xff no JSON",)
    assert "ledger.state_change" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [{}, {HEADER: ""}, {HEADER: "t=1,s="}, {HEADER: "nonsense"}, {HEADER: "t=1768478400,s=00"}, {HEADER: "t=1,s=00"}],
)
def test_what_is_not_signed_is_refused(office: Office, headers: dict[str, str]) -> None:
    assert send(office, event(), headers) == 401
    assert stored(office) == []


@pytest.mark.parametrize(("age", "status"), [(300, 200), (301, 401), (-300, 200), (-301, 401), (1200, 401)])
def test_what_was_signed_too_long_ago_is_refused(office: Office, age: float, status: int) -> None:
    assert post(office, event(), age=age) == status
    assert len(stored(office)) == (status == 200)


def test_an_account_without_webhook_does_not_exist(embedded_url: str) -> None:
    office = Office(embedded_url, accounts={"other": {"account_id": "2", "api_key": "test_key"}})
    assert post(office, event(), account="other") == 404
    assert post(office, event(), account="nobody") == 404
    assert office.http.get("/webhooks/b2brouter/main").status_code == 405
    assert stored(office) == []
    office.close()


def test_a_body_that_is_too_large_is_refused(office: Office) -> None:
    large = b" " * 1_000_001
    assert post(office, large) == 413

    def pieces() -> Iterator[bytes]:  # without a length
        yield from (large[:1000] for _ in range(1001))

    assert send(office, pieces(), {HEADER: sign(SECRET, large, now=office.clock.now())}) == 413
    assert post(office, large[:-1]) == 200  # kept, though it is no event


def test_a_caller_that_leaves_in_the_middle_is_forgotten(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    host, port = office.server.address.removeprefix("http://").split(":")
    signed = sign(SECRET, event(), now=office.clock.now())
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(f"POST /webhooks/b2brouter/main HTTP/1.1\r\nHost: x\r\n{HEADER}: {signed}\r\n".encode())
        caller.sendall(b"Content-Length: 500\r\n\r\n{")
    assert post(office, event(2)) == 200
    assert "Traceback" not in caplog.text
    assert [row[2] for row in stored(office)] == ["2"]


def test_a_flood_of_refused_requests_is_one_line_in_the_log(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        assert send(office, b"", {}) == 401
    office.clock.advance(61)
    send(office, b"", {})
    said = [record.getMessage() for record in caplog.records if "webhook" in record.getMessage()]
    assert said == [
        "webhook of account main: there is no signature; requests refused: 1",
        "webhook of account main: there is no signature; requests refused: 50",
    ]


def test_a_ledger_that_fails_lets_b2brouter_try_again(office: Office) -> None:
    with office.ledger.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE inbox RENAME TO elsewhere")
    assert post(office, event()) == 503
    with office.ledger.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO inbox")
    assert post(office, event()) == 200
    assert stored(office) == [KNOWN]


@pytest.fixture
def _nothing_told() -> Iterator[None]:
    secrets._told_by.clear()
    yield
    secrets._told_by.clear()


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A file that notes each time that the command for the secret runs."""
    return tmp_path / "asked"


@contextmanager
def behind_vault(url: str, vault: Path, program: str) -> Iterator[Office]:
    command = [sys.executable, "-c", f"import sys, time; open({str(vault)!r}, 'a').write('x'); {program}"]
    office = Office(url, accounts={"main": {"webhook_secret": None, "webhook_secret_command": command}})
    yield office
    office.close()


@pytest.mark.usefixtures("_nothing_told")
def test_what_is_not_signed_asks_no_vault(embedded_url: str, vault: Path) -> None:
    with behind_vault(embedded_url, vault, f"print({SECRET!r})") as office:
        assert send(office, event(), {}) == 401
        assert post(office, event(), age=1200) == 401
        assert not vault.exists()
        assert post(office, event()) == 200
        assert post(office, event(2), secret="whsec_other") == 401
    assert vault.read_text() == "x"


@pytest.mark.usefixtures("_nothing_told")
def test_a_vault_that_fails_is_asked_once_and_keeps_nobody_waiting(embedded_url: str, vault: Path) -> None:
    with behind_vault(embedded_url, vault, "time.sleep(3); sys.exit(1)") as office, ThreadPoolExecutor(50) as many:
        assert office.http.get("/health/live").status_code == 200
        forged = [many.submit(post, office, event(), secret="whsec_other") for _ in range(50)]
        until(vault.exists, within=30, what="the vault is not asked")
        assert office.http.get("/health/ready").status_code == 200
        assert not forged[0].done()  # the vault had not answered yet
        assert {one.result() for one in forged} == {503}
    assert vault.read_text() == "x"
