"""Tax reports: id, state, verification address and QR are followed, shown, and offered to the ERP."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from connector.domain.errors import SourceUnavailableError
from connector.domain.job import Stage, Status
from connector.domain.notice import notice
from connector.ledger.actions import SKIP
from connector.ports import RemoteTaxReport
from connector.simulator import notice as network_says
from connector.simulator.documents import TaxReport
from tests.follow.conftest import Delivery
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


def report_of(house: House, id_: str) -> RemoteTaxReport:
    return house.ledger.tax_reports.known([id_])[id_]


def reported(
    house: House,
    state: str,
    *,
    id_: int = 41,
    event: int = 1,
    ago: float = 0,
    address: str = ACCOUNT,
    **shown: object,
) -> None:
    """Have B2Brouter tell, at the address of an account, of a report on the document."""
    errors = [{"code": "1104", "description": "NIF not identified"}] if state == "error" else []
    about = {"id": id_, "invoice_id": int(house.job().reference or 0), "type": "verifactu", "errors": errors, **shown}
    data = {"tax_report_id": id_, "event_id": event, "state": state, "notes": None, "object": about}
    at = int(house.clock.now().timestamp() - ago)
    body = json.dumps({"code": "tax_report.state_change", "id": event, "triggered_at": at, "data": data}).encode()
    house.ledger.inbox.put(address, notice(body))
    house.follow()


def stands(house: House, state: str, *, id_: int = 41, **shown: Any) -> None:
    """Have a report on the document stand at B2Brouter."""
    now, reference = house.clock.now(), int(house.job().reference or 0)
    house.world.add_tax_report(TaxReport(id_, 1, reference, "verifactu", now, now, state, **shown))


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


def test_a_process_that_ends_offers_no_further_one(reporting: House) -> None:
    reporting.issue(invoice("2"))
    reporting.erp.at("record_tax_report", 1, reporting.stop.set)
    look(reporting)
    assert list(reporting.erp.reports) == ["1"]
    reporting.stop.clear()
    reporting.another_follower().follow(ACCOUNT)
    assert [len(reporting.erp.reports[key]) for key in ("1", "2")] == [1, 1]


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


def test_what_the_authority_refused_while_the_erp_was_away_is_a_case_once_the_erp_is_back(open_house: Opener) -> None:
    house = open_house()
    house.stamp()
    house.take_in(invoice("1"))
    house.erp.fail("record", SourceUnavailableError("The ERP is away.", down=True))
    house.drain()
    assert (house.job().stage, house.job().reason) == (Stage.SENT, "erp_unavailable")
    reported(house, "error")
    house.run()

    assert (house.job().status, house.job().reason) == (Status.DONE, "tax_report_refused")
    assert "NIF not identified" in (house.job().message or "")


def test_a_refused_report_behind_a_remark_is_the_case_when_the_remark_is_let_be(sent: House) -> None:
    Delivery(sent).tell(str(sent.job().reference), "annotated", notes="Which delivery?")
    reported(sent, "error")
    assert sent.job().reason == "receiver_remark"
    sent.ledger.actions.perform(SKIP, [sent.job()], who="Ana", note="answered")
    assert sent.job().reason == "tax_report_refused"

    sent.ledger.actions.perform(SKIP, [sent.job()], who="Ana", note="corrected by hand")
    assert sent.job().reason is None
    sent.advance(MINUTE)
    reported(sent, "error", event=2)
    assert sent.job().reason is None  # the same was let be


def test_a_refused_report_behind_a_refusal_is_the_case_when_the_receiver_accepts(sent: House) -> None:
    delivery = Delivery(sent)
    delivery.tell(str(sent.job().reference), "refused", notes="No", ago=5)
    reported(sent, "error")
    assert sent.job().reason == "refused_by_receiver"
    delivery.happens(str(sent.job().reference), "accepted")
    delivery.tell(str(sent.job().reference), "accepted")
    sent.follow()

    assert sent.job().reason == "tax_report_refused"


def test_a_report_beside_the_refused_one_does_not_close_its_case(sent: House) -> None:
    reported(sent, "error")
    reported(sent, "registered", id_=42, event=2)
    assert (sent.job().reason, sent.job().details["report"]) == ("tax_report_refused", "41")

    reported(sent, "error", id_=43, event=3)
    sent.advance(MINUTE)
    stands(sent, "registered")
    reported(sent, "registered", event=4)
    look(sent)
    assert (sent.job().reason, sent.job().details["report"]) == ("tax_report_refused", "43")


@pytest.mark.parametrize("which", ["correction", "annullation"])
def test_a_report_that_corrects_or_annuls_the_refused_one_closes_its_case(sent: House, which: str) -> None:
    kind: dict[str, Any] = {"correction": which == "correction", "annullation": which == "annullation"}
    reported(sent, "error", ago=MINUTE)
    reported(sent, "processing", id_=42, event=2, ago=5, **kind)
    assert sent.job().reason == "tax_report_refused"
    sent.advance(MINUTE)
    stands(sent, "registered", id_=42, **kind)
    reported(sent, "registered", id_=42, event=3, **kind)
    look(sent)
    assert sent.job().reason is None


def test_a_refused_report_that_names_its_correction_is_no_case_and_the_correction_is_followed(sent: House) -> None:
    reported(sent, "error", ago=MINUTE)
    stands(sent, "error", corrected_by_id=42)
    reported(sent, "error", event=2, corrected_by_id=42)
    look(sent)
    assert sent.job().reason is None
    assert [(one.id, one.state) for one in sent.ledger.tax_reports.of(sent.job().reference)] == [
        ("41", "error"), ("42", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {"state": "registered"},
        {"state": "processing"},
        {"state": "error", "corrected_by_id": 42},
        {"state": "registered", "id_": 42, "correction": True},
    ],
)
def test_no_event_alone_closes_the_case_of_a_report(sent: House, told: dict[str, Any]) -> None:
    reported(sent, "error", ago=MINUTE)
    stands(sent, "error")
    sent.forget_requests()
    reported(sent, event=2, **told)
    assert sent.job().reason == "tax_report_refused"
    look(sent)
    assert (sent.job().reason, report_of(sent, "41").state) == ("tax_report_refused", "error")
    assert "list_tax_reports" in sent.operations()


def test_where_no_look_follows_any_more_the_word_of_an_event_closes_the_case(sent: House) -> None:
    reported(sent, "error", ago=MINUTE)
    sent.advance(91 * 24 * 60 * MINUTE)
    reported(sent, "registered", event=2)
    assert (sent.job().reason, report_of(sent, "41").state) == (None, "registered")


@pytest.mark.parametrize("state", ["issued", "paid", "closed"])
def test_the_report_on_a_closed_document_is_looked_at_until_the_authority_has_answered(
    reporting: House, state: str
) -> None:
    [there] = reporting.world.tax_reports.values()
    reporting.advance(5 * MINUTE)
    network_says(reporting.world, int(reporting.job().reference or 0), state, None, None)
    there.state, there.updated_at = "processing", reporting.clock.now()
    reporting.follow()
    assert (reporting.job().remote_state, report(reporting).state) == (state, "processing")
    there.state, there.updated_at = "error", reporting.clock.now()
    look(reporting, 60 * MINUTE)

    assert (report(reporting).state, reporting.job().reason) == ("error", "tax_report_refused")
    reporting.forget_requests()
    look(reporting, 24 * 60 * MINUTE)
    assert reporting.requests() == []


def test_a_report_that_is_told_at_the_address_of_another_account_is_looked_at(reporting: House) -> None:
    [there] = reporting.world.tax_reports.values()
    reported(reporting, "error", id_=there.id, address="other")
    assert (report(reporting).state, reporting.job().reason) == (None, None)
    look(reporting)
    assert report(reporting).state == "registered"


def test_so_is_one_that_the_authority_had_answered(reporting: House) -> None:
    [there] = reporting.world.tax_reports.values()
    look(reporting)
    assert report(reporting).state == "registered"
    there.state, there.updated_at = "error", reporting.clock.now()
    reported(reporting, "error", id_=there.id, address="other")
    assert (report(reporting).state, reporting.job().reason) == ("registered", None)
    look(reporting)

    assert (report(reporting).state, reporting.job().reason) == ("error", "tax_report_refused")


def test_what_is_told_there_and_not_borne_out_is_looked_at_no_more(reporting: House) -> None:
    [there] = reporting.world.tax_reports.values()
    look(reporting)
    reported(reporting, "error", id_=there.id, address="other")
    look(reporting)
    assert (report(reporting).state, reporting.job().reason) == ("registered", None)
    reporting.forget_requests()
    look(reporting)

    assert reporting.operations() == ["list_invoices"]


def test_it_is_looked_at_again_where_the_list_may_have_been_behind(reporting: House) -> None:
    [there] = reporting.world.tax_reports.values()
    look(reporting)
    reporting.advance(5 * MINUTE - 10)
    reported(reporting, "error", id_=there.id, address="other")
    look(reporting, 10)  # the list does not show it yet
    assert report(reporting).state == "registered"
    there.state, there.updated_at = "error", reporting.clock.now()
    look(reporting)

    assert reporting.job().reason == "tax_report_refused"


DAY = 24 * 60 * MINUTE


def sends(house: House, count: int) -> list[TaxReport]:
    """Have as many further documents sent, one of which keeps looks coming; return what the authority has of them."""
    before = len(house.world.tax_reports)
    house.issue(*(invoice(f"more {before} {n}") for n in range(count)))
    return list(house.world.tax_reports.values())[before:]


def never_answered(reports: Iterable[TaxReport], house: House, state: str = "processing") -> None:
    """Have a look show that the authority has not answered."""
    house.advance(5 * MINUTE)
    for there in reports:
        there.state, there.updated_at = state, house.clock.now()
    house.follow()


def grows_old(house: House) -> None:
    """Let so much time pass that no list of what changed since the last look shows it any more."""
    house.advance(9 * DAY)
    house.follow()
    house.advance(30 * 60 * MINUTE)
    house.forget_requests()


@pytest.mark.parametrize("state", ["processing", "deposited"])
def test_one_report_that_gets_no_answer_is_asked_for_by_itself_and_ever_more_rarely(
    reporting: House, state: str
) -> None:
    [there] = reporting.world.tax_reports.values()
    never_answered([there], reporting, state)
    grows_old(reporting)
    sends(reporting, 1)
    for _ in range(12):
        look(reporting)

    assert len(reporting.requests("list_tax_reports")) == 1, "of the document that was just sent"
    assert len(reporting.requests("read_tax_report")) == 1
    there.state, there.updated_at = "registered", reporting.clock.now()
    look(reporting, DAY + 60 * MINUTE)
    assert report(reporting).state == "registered"


def test_where_an_authority_answers_many_after_days_one_list_tells(reporting: House) -> None:
    waiting = [*reporting.world.tax_reports.values(), *sends(reporting, 19)]
    never_answered(waiting, reporting)
    reporting.advance(3 * DAY)
    for there in waiting:
        there.state, there.updated_at = "registered", reporting.clock.now()
    reporting.forget_requests()
    reporting.follow()

    assert reporting.operations() == ["list_invoices", "list_tax_reports"]
    known = reporting.ledger.tax_reports.known([str(there.id) for there in waiting])
    assert {one.state for one in known.values()} == {"registered"}


def test_of_many_that_get_no_answer_few_are_asked_for_at_a_time_and_each_in_its_turn(reporting: House) -> None:
    waiting = [*reporting.world.tax_reports.values(), *sends(reporting, 19)]
    never_answered(waiting, reporting)
    grows_old(reporting)
    sends(reporting, 1)
    for reads in (10, 20, 20):
        look(reporting)
        read = [entry.path for entry in reporting.requests("read_tax_report")]
        assert len(read) == len(set(read)) == reads


def test_a_report_that_is_gone_is_asked_for_ever_more_rarely_and_keeps_nothing_else_from_its_turn(
    reporting: House,
) -> None:
    [there] = reporting.world.tax_reports.values()
    never_answered([there], reporting)
    grows_old(reporting)
    del reporting.world.tax_reports[there.id]
    [other] = sends(reporting, 1)
    look(reporting)
    look(reporting)

    assert len(reporting.requests("read_tax_report")) == 1
    assert report_of(reporting, str(other.id)).state == "registered"
    assert report(reporting).state == "processing"


def test_a_report_that_cannot_be_read_is_put_off_and_the_others_have_their_turn(reporting: House) -> None:
    waiting = [*reporting.world.tax_reports.values(), *sends(reporting, 1)]
    never_answered(waiting, reporting)
    grows_old(reporting)
    for there in waiting:
        there.state, there.updated_at = "registered", reporting.clock.now()
    reporting.fault("unavailable_before", operation="read_tax_report", times=1)
    reporting.follow()
    reporting.advance(DAY)
    reporting.follow()

    known = reporting.ledger.tax_reports.known([str(there.id) for there in waiting])
    assert sorted(one.state or "" for one in known.values()) == ["registered", "registered"]
