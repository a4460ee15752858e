"""The configuration names another account for a company: what nothing has left of goes there, all else is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer
from typing import Any, Final

import pytest

from config.settings import Settings
from connector.domain.errors import SourceUnavailableError
from connector.domain.invoice import Invoice
from connector.domain.job import Stage, Status
from connector.duties import ASTRAY_EVERY
from connector.errands import drain
from connector.foreground import Pass
from connector.ledger.actions import RELEASE, RETRY, SKIP
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.ports import Company
from connector.simulator import SimulatorServer
from tests.support.builders import SELLER, invoice
from tests.support.office import Office

SECOND = replace(SELLER, key="2", name="Segunda, S.L.", tax_number=None)
BY_COMPANY = {"1": "main", "2": "other"}

CHANGES: Final[Sequence[Mapping[str, Any]]] = ({"accounts": BY_COMPANY}, {"account": "other"})
"""The company's account is another one: the source leads to the one of before still, or does not any more."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with SimulatorServer() as server:
        made = Office(server, tmp_path)
        made.erp.company_list = (
            Company(key="1", name=SELLER.name, tax_number=SELLER.tax_number, country="ES"),
            Company(key="2", name=SECOND.name, tax_number=None, country="ES"),
        )
        configure(made, account="main")
        yield made
        made.services.close()


def configure(office: Office, *, account: str | None = None, accounts: Mapping[str, str] | None = None) -> None:
    """Have the daemon read a configuration that says who issues."""
    settings = office.services.settings.model_dump(exclude_unset=True)
    key = settings["accounts"]["main"]["api_key"]
    settings["accounts"] = {
        name: {"account_id": number, "api_key": key} for name, number in (("main", "1"), ("other", "2"))
    }
    source = {"adapter": "sql", "url": "sqlite://"}
    chosen = {"account": account} if account else {"accounts": dict(accounts or {})}
    settings["sources"] = {"erp": {**source, **chosen}}
    office.services.adopt(Settings.model_validate(settings))


def find(office: Office) -> None:
    office.services.discovery.discover(office.services.source("erp"))


def second(key: str = "1") -> Invoice:
    """A document of the second company."""
    return invoice(key, company="2", seller=SECOND)


def job_of(office: Office) -> Job:
    [job] = office.ledger.queries.jobs(Filter())
    return job


def stop_after(seconds: float) -> Event:
    """Set after some time, lest a pass go on for ever."""
    stop = Event()
    timer = Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    return stop


def documents(office: Office) -> list[tuple[int, int]]:
    """What stands at B2Brouter: account, and how often it was sent."""
    return [(one.account_id, one.sent_times) for one in office.server.world.invoices.values()]


@pytest.mark.parametrize("tax_number", [None, "ESB64717838"])
def test_what_waited_for_an_account_of_its_company_goes_there_once_the_configuration_names_one(
    office: Office, tax_number: str | None
) -> None:
    office.erp.add(invoice("1", company="2", seller=replace(SECOND, tax_number=tax_number)))
    office.work(60, every=30)
    assert (job_of(office).status, job_of(office).reason) == (Status.HELD, "company_unmapped")

    configure(office, accounts=BY_COMPANY)
    office.work(60, every=30)

    job = job_of(office)
    assert (job.account, job.status, documents(office)) == ("other", Status.DONE, [(2, 1)])
    assert "handed_over" in [event.what for event in office.ledger.queries.timeline(job.id)]


def test_a_retry_before_any_look_issues_nothing_through_the_account_of_before(office: Office) -> None:
    office.erp.add(second())
    office.work(60, every=30)
    configure(office, accounts=BY_COMPANY)
    office.ledger.actions.perform(RETRY, [job_of(office)], who="ana", note="as told")

    drain(office.services, "main", stopping=lambda: False)
    assert (job_of(office).account, job_of(office).status) == ("other", Status.PENDING)
    assert documents(office) == []

    drain(office.services, "other", stopping=lambda: False)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])


def test_it_goes_also_from_an_account_that_is_left_by_all(office: Office) -> None:
    office.erp.add(second())
    find(office)
    office.ledger.accounts.pause_by_person("main", who="ana", note="the year is over", until=None)
    office.ledger.accounts.let_wait("main", "the year is over")
    configure(office, account="other")
    office.erp.company_list = office.erp.company_list[1:]
    office.work(60, every=30)

    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])


def test_the_contact_and_the_number_of_the_account_of_before_are_left_there(office: Office) -> None:
    """It was refused there, so both accounts may see the number."""
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    office.server.world.faults.add("error_before", operation="create_invoice", status=422, times=1)
    office.work(60, every=30)
    job = job_of(office)
    assert (job.stage, job.status, job.account) == (Stage.CONTACT_READY, Status.HELD, "main")

    configure(office, account="other")
    office.work(60, every=30)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])
    assert job_of(office).contact_id != job.contact_id

    office.erp.add(invoice("9", number=job.number, company="1"))
    configure(office, accounts={"1": "main", "2": "other"})
    office.work(60, every=30)
    assert sorted(documents(office)) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("change", CHANGES)
def test_an_open_question_is_not_asked_of_another_account(office: Office, change: Mapping[str, Any]) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.server.world.faults.add("drop_after", operation="create_invoice", times=1)
    drain(office.services, "main", stopping=lambda: False)
    assert job_of(office).open_effect is not None

    configure(office, **change)
    office.work(600, every=30)
    job = job_of(office)
    assert (job.account, job.status, job.reason) == ("main", Status.HELD, "account_changed")
    assert documents(office) == [(1, 0)]

    configure(office, account="main")
    office.ledger.actions.perform(RETRY, [job], who="ana", note="put back")
    office.work(60, every=30)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(1, 1)])


@pytest.mark.parametrize("change", CHANGES)
def test_a_document_that_stands_unsent_at_the_account_of_before_is_held(
    office: Office, change: Mapping[str, Any]
) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.server.world.faults.add("error_before", operation="send_invoice", status=429, times=1)
    drain(office.services, "main", stopping=lambda: False)
    assert job_of(office).stage is Stage.VERIFIED

    configure(office, **change)
    office.work(600, every=30)
    job = job_of(office)
    assert (job.account, job.status, job.reason) == ("main", Status.HELD, "account_changed")
    assert documents(office) == [(1, 0)]


def test_a_pass_ends_though_something_is_due_that_nobody_may_work_at(office: Office) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.erp.fail("record", SourceUnavailableError("It is away.", down=True))
    drain(office.services, "main", stopping=lambda: False)
    office.erp.recover()
    configure(office, account="other")
    office.clock.advance(3600)

    stop = stop_after(10)
    result = Pass(office.services, sources=None, patience=0.1, stop=stop).run()
    assert not stop.is_set(), "it went on for ever"
    assert (result.by_status[Status.PENDING], documents(office)) == (1, [(1, 1)])

    configure(office, account="main")
    Pass(office.services, sources=None, patience=0.1, stop=stop).run()
    assert job_of(office).status is Status.DONE


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_left_out_goes_to_the_other_account_too_once_a_person_lets_it_go_on(
    office: Office, change: Mapping[str, Any]
) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.ledger.actions.perform(SKIP, [job_of(office)], who="ana", note="on paper")
    configure(office, **change)
    office.work(60, every=30)
    assert (job_of(office).status, job_of(office).account) == (Status.SKIPPED, "other")

    office.ledger.actions.perform(RELEASE, [job_of(office)], who="ana", note="it was not")
    office.work(60, every=30)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])


def test_what_somebody_had_in_hand_when_the_configuration_changed_goes_there_soon(office: Office) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    [job] = office.ledger.jobs.lease("main", 1)
    configure(office, account="other")
    find(office)
    office.ledger.jobs.give_back(job)

    office.work(2 * ASTRAY_EVERY, every=30)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])


def test_what_was_left_out_unsent_and_is_let_go_on_later_is_held(office: Office) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.server.world.faults.add("error_before", operation="send_invoice", status=429, times=1)
    drain(office.services, "main", stopping=lambda: False)
    office.ledger.actions.perform(SKIP, [job_of(office)], who="ana", note="on paper")
    configure(office, account="other")
    office.work(60, every=30)
    office.ledger.actions.perform(RELEASE, [job_of(office)], who="ana", note="it was not")

    office.work(2 * ASTRAY_EVERY, every=30)
    job = job_of(office)
    assert (job.account, job.status, job.reason) == ("main", Status.HELD, "account_changed")


def test_of_a_source_that_is_paused_nothing_is_judged(office: Office) -> None:
    office.erp.add(second())
    find(office)
    office.ledger.sources.pause("erp", who="ana", note="month end", until=None)
    configure(office, accounts={"1": "other"})
    office.work(2 * ASTRAY_EVERY, every=30)

    assert (job_of(office).account, job_of(office).reason) == ("main", "source_paused")


@pytest.mark.parametrize("before", ["main", "other"])
def test_nothing_is_sent_for_a_company_that_has_no_account_any_more(office: Office, before: str) -> None:
    office.erp.add(second())
    configure(office, accounts={"1": "main", "2": before})
    find(office)
    configure(office, accounts={"1": "other"})
    office.work(60, every=30)

    assert (job_of(office).status, job_of(office).reason) == (Status.HELD, "account_changed")
    assert documents(office) == []

    configure(office, accounts={"1": "main", "2": "other"})
    if before == "other":
        office.ledger.actions.perform(RETRY, [job_of(office)], who="ana", note="put back")
    office.work(60, every=30)
    assert (job_of(office).status, documents(office)) == (Status.DONE, [(2, 1)])


def test_what_was_sent_is_recorded_whoever_issues_now(office: Office) -> None:
    office.erp.company_list = office.erp.company_list[1:]
    office.erp.add(second())
    find(office)
    office.erp.fail("record", SourceUnavailableError("It is away.", down=True))
    drain(office.services, "main", stopping=lambda: False)
    assert job_of(office).stage is Stage.SENT

    configure(office, accounts={"1": "main", "2": "other"})
    office.work(120, every=30)
    job = job_of(office)
    assert (job.account, job.status) == ("main", Status.DONE)
    assert office.erp.reference_of("1") == (job.reference, job.xref)
