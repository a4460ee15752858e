"""What is done when a bell rings: a look into an ERP goes on once, however many processes hear of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.sections.accounts import AccountSettings
from config.sections.sources import SourceSettings
from connector import discovery
from connector.bootstrap import Services
from connector.domain.errors import SourceUnavailableError
from connector.domain.job import Status
from connector.errands import discover, drain, follow, reconcile
from connector.ledger import owner
from connector.simulator import SimulatorServer
from tests.support.builders import invoice
from tests.support.ledgers import add, jobs
from tests.support.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with SimulatorServer() as server:
        made = Office(server, tmp_path)
        yield made
        made.services.close()


@pytest.fixture
def at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """While the first page is read, another process hears the bell as well; how many pages were read by then."""
    pages: list[int] = []

    def other() -> None:
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(owner, "this_process", lambda: "another")
            discover(office.services, "erp")
        pages.append(office.erp.calls["find"])

    office.erp.at("find", 1, other)
    return pages


def test_a_look_into_an_erp_is_not_begun_beside_one_that_goes_on(office: Office, at_once: list[int]) -> None:
    office.erp.add(invoice("1"))

    discover(office.services, "erp")

    assert at_once == [1]
    assert len(jobs(office.ledger)) == 1


def test_the_next_look_is_anybody_s_whether_or_not_this_one_succeeded(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise SourceUnavailableError("the database is down")

    office.erp.add(invoice("1"))
    office.erp.at("find", 1, fail)
    discover(office.services, "erp")
    monkeypatch.setattr(owner, "this_process", lambda: "another")
    discover(office.services, "erp")
    assert len(jobs(office.ledger)) == 1
    monkeypatch.setattr(owner, "this_process", lambda: "a third")
    office.erp.add(invoice("2"))
    discover(office.services, "erp")
    assert len(jobs(office.ledger)) == 2


def test_a_look_of_many_pages_stays_with_whoever_makes_it_however_long_it_takes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "PAGE", 2)
    office.erp.add(*(invoice(str(number)) for number in range(9)))
    held: list[bool] = []

    def ask() -> None:
        office.clock.advance(200)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(owner, "this_process", lambda: "another")
            held.append(not office.ledger.offices.hold("discover erp", seconds=1))

    for page in range(1, 6):
        office.erp.at("find", page, ask)
    discover(office.services, "erp")

    assert held == [True] * 5
    assert len(jobs(office.ledger)) == 9


def test_a_look_that_another_process_has_taken_over_ends(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "PAGE", 2)
    office.erp.add(*(invoice(str(number)) for number in range(9)))

    def sleep() -> None:
        office.clock.advance(1000)
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(owner, "this_process", lambda: "another")
            assert office.ledger.offices.hold("discover erp", seconds=300)

    office.erp.at("find", 1, sleep)
    discover(office.services, "erp")

    assert office.erp.calls["find"] == 1
    assert office.ledger.intake.state("erp").get("swept_at") is None


@pytest.mark.parametrize(
    "errand",
    [
        lambda services: drain(services, "second", stopping=services.stop.is_set),
        lambda services: follow(services, "second", stopping=services.stop.is_set),
        lambda services: reconcile(services, "second", stopping=services.stop.is_set),
        lambda services: discover(services, "second"),
    ],
)
def test_a_process_that_ends_has_no_command_asked_for_a_secret(
    office: Office, tmp_path: Path, errand: Callable[[Services], None]
) -> None:
    asked, settings = tmp_path / "asked", office.services.settings
    command = ["sh", "-c", f"touch {asked}; echo sqlite://"]
    settings.accounts["second"] = AccountSettings(account_id="2", api_key_command=command)
    settings.sources["second"] = SourceSettings(adapter="sql", account="second", url_command=command)
    office.services.stop.set()

    errand(office.services)

    assert not asked.exists()


def test_an_erp_that_cannot_be_opened_keeps_no_other_erp_of_its_account_from_being_issued_for(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.erp.add(invoice("1"))
    office.services.settings.sources["other"] = SourceSettings(
        adapter="sql", account="main", url_file=Path("/nowhere/url")
    )
    office.work(60)

    assert [job.status for job in jobs(office.ledger)] == [Status.DONE]
    assert caplog.text.count("source other cannot be used now: ") == 1


def test_what_is_due_of_an_erp_that_cannot_be_opened_waits_and_says_why(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.erp.add(invoice("1"))
    address = tmp_path / "url"
    office.services.settings.sources["other"] = SourceSettings(adapter="sql", account="main", url_file=address)
    add(office.ledger, invoice("2"), source="other")
    office.work(60)

    waiting, done = sorted(jobs(office.ledger), key=lambda job: job.status is Status.DONE)
    assert done.key == "1"
    assert (waiting.status, waiting.reason) == (Status.PENDING, "erp_unavailable")
    assert str(address) in waiting.details["message"]
    assert waiting.due_at is not None
    assert waiting.due_at > office.clock.now()
    state = office.ledger.accounts.get("main")
    assert state is not None
    assert state.paused_reason is None


def test_the_erp_is_told_what_is_known_also_where_the_key_is_lost(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.erp.add(invoice("1"))
    office.work(30)
    told: list[str] = []
    monkeypatch.setattr(office.services.follower._scribe, "tell", lambda account, *_, **__: told.append(account))
    settings = office.services.settings
    settings.accounts["main"] = AccountSettings(account_id="1", api_key_file=tmp_path / "lost")

    follow(office.services, "main", stopping=lambda: False)

    assert told == ["main"]
    state = office.ledger.accounts.get("main")
    assert state is not None
    assert state.paused_reason == "account_unusable"
