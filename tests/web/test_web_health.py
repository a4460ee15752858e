"""`/health`: alive is whether the process answers, ready is whether the work is being done."""

from __future__ import annotations

from typing import Any

from connector.ledger import Ledger
from tests.support.builders import invoice
from tests.support.ledgers import ACCOUNT, SOURCE, add
from tests.web.conftest import Office

LIMIT = 900.0
LOOK_EVERY = 60.0


def ready(office: Office) -> tuple[int, dict[str, bool]]:
    answer = office.http.get("/health/ready")
    checks: list[dict[str, Any]] = answer.json()["checks"]
    return answer.status_code, {check["name"]: check["ok"] for check in checks}


def looked(ledger: Ledger, office: Office) -> None:
    ledger.stamps.check_source(SOURCE, "sqlite:erp.db")
    ledger.intake.remember(SOURCE, discovered_at=office.clock.now())


def test_a_process_that_answers_is_alive(office: Office) -> None:
    answer = office.http.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


def test_an_installation_that_just_began_is_ready(office: Office) -> None:
    assert ready(office) == (200, {"due work": True, "source erp": True, "ledger": True})


def test_due_work_that_nobody_takes_up_is_not_ready(office: Office) -> None:
    add(office.ledger, invoice("1"))
    office.clock.advance(LIMIT)
    looked(office.ledger, office)
    assert ready(office)[0] == 200
    office.clock.advance(1)
    assert ready(office) == (503, {"due work": False, "source erp": True, "ledger": True})


def test_a_backlog_is_ready_as_long_as_somebody_works_at_it(office: Office) -> None:
    add(office.ledger, invoice("1"), invoice("2"))
    office.clock.advance(LIMIT + 1)
    looked(office.ledger, office)
    office.ledger.jobs.lease(ACCOUNT, 1)
    assert ready(office)[0] == 200
    office.clock.advance(office.ledger.jobs.lease_seconds + 1)  # no sign of life
    looked(office.ledger, office)
    assert ready(office)[1]["due work"] is False


def test_a_source_that_nobody_looks_into_is_not_ready(office: Office) -> None:
    looked(office.ledger, office)
    office.clock.advance(LIMIT + LOOK_EVERY)
    assert ready(office)[0] == 200
    office.clock.advance(1)
    assert ready(office) == (503, {"due work": True, "source erp": False, "ledger": True})


def test_a_source_that_nobody_ever_looked_into_is_given_time_from_the_start(office: Office) -> None:
    office.clock.advance(LIMIT + LOOK_EVERY + 1)
    assert ready(office)[1]["source erp"] is False


def test_a_ledger_that_fails_is_not_ready(office: Office) -> None:
    with office.ledger.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE job RENAME TO lost")
    assert ready(office) == (503, {"ledger": False})


def test_pages_that_describe_the_interface_are_not_served(office: Office) -> None:
    answers = [office.http.get(path) for path in ("/docs", "/redoc", "/openapi.json")]
    assert [answer.headers["location"] for answer in answers] == ["/sign-in"] * 3
