"""What no database keeps, typed or sent by whoever likes, is no fault of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.domain.people import Role
from connector.ledger import schema
from connector.ledger.database import Database
from connector.operations.people import add_user
from tests.console.browser import Browser
from tests.support.house import rows
from tests.web.conftest import Office

PASSWORD = "three words in a row"
NUL = "a\0b"


@pytest.fixture
def office(postgres_url: str) -> Iterator[Office]:
    database = Database(postgres_url)
    schema.upgrade(database)
    database.close()
    opened = Office(postgres_url)
    add_user(opened.ledger, "ana", Role.OPERATOR, PASSWORD)
    yield opened
    opened.close()


@pytest.fixture
def ana(office: Office) -> Iterator[Browser]:
    with Browser(office.server.address) as browser:
        assert browser.sign_in("ana", PASSWORD).status_code == 303
        yield browser


def test_a_name_that_nobody_can_have_is_a_wrong_one(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    with Browser(office.server.address) as browser:
        assert browser.sign_in(NUL, PASSWORD).status_code == 401
        assert browser.sign_in("ana", NUL).status_code == 401
    assert "fails" not in caplog.text
    assert rows(office.ledger, "SELECT count(*) FROM failed_sign_in") == [(2,)]


@pytest.mark.parametrize("address", ["/accounts/main/pause", "/sources/erp/pause"])
def test_a_note_is_kept_as_far_as_it_can_be(ana: Browser, address: str) -> None:
    assert ana.send(address, note=NUL).status_code == 303
    assert "a\ufffdb" in ana.text("/accounts")


def test_many_are_acted_upon_with_such_a_note(office: Office, ana: Browser) -> None:
    assert ana.send("/bulks", act="retry", note=NUL, once=NUL, attention="1").status_code == 303
    [bulk] = office.ledger.bulks.latest()
    assert bulk.note == "a\ufffdb"


def test_who_is_asked_for_in_the_audit_need_not_be_anybody(ana: Browser) -> None:
    assert ana.get("/audit?who=%00").status_code == 200
