"""Tax reports: id, state, verification address and QR are followed, shown, and offered to the ERP."""

from __future__ import annotations

import json

import pytest

from connector.domain.notice import notice
from connector.ports import RemoteTaxReport
from tests.support.builders import invoice
from tests.support.house import ACCOUNT, House, Opener

MINUTE = 60


@pytest.fixture
def reporting(open_house: Opener) -> House:
    """A house whose account reports to Verifactu, with one document sent."""
    house = open_house()
    house.stamp()
    house.plant(accounts=[{"id": 1, "tax_report_settings": {"verifactu": {"code": "verifactu"}}}])
    house.issue(invoice("1"))
    house.forget_requests()
    return house


def report(house: House) -> RemoteTaxReport:
    [found] = house.ledger.tax_reports.of(house.job().reference)
    return found


def look(house: House, after: float = 5 * MINUTE) -> None:
    house.advance(after)
    house.follow()


def tell(house: House, state: str, **shown: object) -> None:
    [there] = house.world.tax_reports.values()
    data = {"tax_report_id": there.id, "event_id": 1, "state": state, "notes": None, "object": shown}
    at = int(house.clock.now().timestamp())
    body = json.dumps({"code": "tax_report.state_change", "id": 1, "triggered_at": at, "data": data}).encode()
    house.ledger.inbox.put(ACCOUNT, notice(body))


def test_a_look_finds_report_state_address_and_picture(reporting: House) -> None:
    look(reporting)
    found = report(reporting)
    assert (found.kind, found.state, found.reference) == ("verifactu", "registered", reporting.job().reference)
    assert found.url is not None
    assert found.url.startswith("https://verification.example/verifactu")
    assert found.qr is not None
    assert "tax_report" in reporting.told()
    assert reporting.operations() == ["list_invoices", "list_tax_reports"]


def test_the_erp_is_offered_it_once(reporting: House) -> None:
    look(reporting)
    look(reporting)
    assert [one.state for one in reporting.erp.reports["1"]] == ["registered"]
    assert reporting.erp.reports["1"][0].qr is not None


def test_once_the_authority_has_answered_reports_are_not_listed_any_more(reporting: House) -> None:
    look(reporting)
    reporting.forget_requests()
    look(reporting)
    assert reporting.operations() == ["list_invoices"]


def test_a_webhook_tells_of_a_report_that_nobody_knew(reporting: House) -> None:
    reference = reporting.job().reference
    tell(reporting, "registered", id=41, invoice_id=int(reference or 0), type="VeriFactu", identifier="https://v/41")
    reporting.follow()
    assert (report(reporting).state, report(reporting).kind, report(reporting).url) == (
        "registered", "verifactu", "https://v/41",
    )  # fmt: skip
    assert reporting.requests() == []


def test_a_webhook_that_names_no_document_waits_until_the_report_is_known(reporting: House) -> None:
    tell(reporting, "error")
    reporting.follow()
    assert reporting.ledger.tax_reports.of(reporting.job().reference) == []
    look(reporting)  # knows the report; by now the authority has registered it
    reporting.follow()
    assert report(reporting).state == "registered"
    assert reporting.job().reason is None


def test_a_report_that_is_not_accepted_needs_a_person_until_it_is(reporting: House) -> None:
    reference = int(reporting.job().reference or 0)
    errors = [{"code": "1104", "description": "NIF not identified"}]
    tell(reporting, "error", id=41, invoice_id=reference, type="verifactu", errors=errors)
    reporting.follow()
    job = reporting.job()
    assert job.reason == "tax_report_refused"
    assert "NIF not identified" in (job.message or "")
    [there] = reporting.world.tax_reports.values()
    reporting.advance(10 * MINUTE)
    there.state, there.updated_at = "registered", reporting.clock.now()
    reporting.ledger.tax_reports.take(
        ACCOUNT, RemoteTaxReport(id=str(there.id), reference=str(reference), state="registered",
                                 changed_at=reporting.clock.now()),
    )  # fmt: skip
    assert reporting.job().reason is None


def test_an_event_that_was_made_late_does_not_hide_what_the_authority_said(reporting: House) -> None:
    look(reporting)
    reporting.advance(2)
    tell(reporting, "sent")  # of before, but its time is later than that of the report itself
    reporting.follow()
    assert report(reporting).state == "sent"
    look(reporting, 20 * MINUTE)

    assert report(reporting).state == "registered"
