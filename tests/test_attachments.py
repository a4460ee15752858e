"""Files that go out with a document: uploaded once each, before it is sent, whatever goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.b2brouter import answers
from connector.domain.errors import SourceUnavailableError
from connector.domain.job import Effect, Stage, Status
from connector.ledger.actions import RETRY
from connector.ports import Attaches, File, RemoteInvoice
from tests.support.builders import invoice
from tests.support.house import House

ADD = "add_attachment"
READ = "read_invoice"
PDF = File(name="F-1.pdf", content=b"%PDF-1.7 the invoice")
TABLE = File(name="Precios 2026.csv", content=b"a;b\n1;2\n")


def confirm(house: House, *files: File, key: str = "1") -> None:
    house.erp.add(invoice(key))
    house.erp.put(key, *files)
    house.discover()


def attached(house: House, number: str = "F-1") -> list[tuple[str, bytes]]:
    [there] = house.remote_invoices(number)
    return [(file.filename, file.content) for file in there.attachments]


def expected(*files: File) -> list[tuple[str, bytes]]:
    return [(file.name, file.content) for file in files]


def test_files_are_there_before_the_document_is_sent(house: House) -> None:
    assert isinstance(house.erp, Attaches)
    confirm(house, PDF, TABLE)

    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF, TABLE)
    operations = house.operations()
    assert operations[-4:] == [READ, ADD, ADD, "send_invoice"]


def test_a_document_without_files_costs_no_further_call(house: House) -> None:
    house.issue(invoice("1"))

    house.assert_issued("1")
    assert READ not in house.operations()
    assert "attachments" not in house.erp.calls


@pytest.mark.parametrize("kind", ["drop_after", "unavailable_after", "garbage"])
def test_a_lost_answer_does_not_attach_a_file_twice(house: House, kind: str) -> None:
    house.fault(kind, operation=ADD)
    confirm(house, PDF, TABLE)

    house.run()

    house.assert_issued("1")
    assert sorted(attached(house)) == sorted(expected(PDF, TABLE))


@pytest.mark.parametrize("kind", ["drop_before", "unavailable_before", "error_before"])
def test_what_never_arrived_is_attached_after_the_quiet_time(house: House, kind: str) -> None:
    house.fault(kind, operation=ADD, **({"status": 500} if kind == "error_before" else {}))
    confirm(house, PDF)
    began = house.clock.now()

    house.drain()
    assert (house.job().stage, house.job().open_effect) == (Stage.VERIFIED, Effect.ATTACH)
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF)
    assert (house.clock.now() - began).total_seconds() >= house.rules.quiet_time


def test_where_the_account_says_hold_a_lost_upload_waits_for_a_person(house: House) -> None:
    house.rules = replace(house.rules, repeat_unknown=False)
    house.fault("drop_before", operation=ADD)
    confirm(house, PDF)

    house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "outcome_unknown")
    retry(house)
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF)


def test_a_refused_file_is_told_by_its_name_and_released_when_it_is_replaced(house: House) -> None:
    house.fault("error_before", operation=ADD, status=422)
    confirm(house, PDF)

    house.run()
    job = house.job()
    assert (job.status, job.stage, job.reason) == (Status.HELD, Stage.VERIFIED, "attachment_refused")
    assert job.details["file"] == "F-1.pdf"
    house.assert_nothing_sent()

    house.erp.put("1", TABLE)
    house.discover()
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(TABLE)


def test_a_file_that_is_too_large_never_leaves(house: House) -> None:
    confirm(house, File(name="a.pdf", content=b" " * (10 * 1024 * 1024 + 1)))

    house.run()

    assert (house.job().status, house.job().reason) == (Status.HELD, "attachment_size")
    assert house.requests() == []


@pytest.mark.parametrize("now", [[], [File(name="F-1.pdf", content=b"half")]], ids=["gone", "cut off"])
def test_a_file_that_is_not_as_the_erp_tells_is_held_unsent(house: House, now: list[File]) -> None:
    confirm(house, PDF)
    house.erp.files["1"] = now

    house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "attachment_unreadable")
    house.assert_nothing_sent()

    house.erp.files["1"] = [PDF]
    retry(house)
    house.run()
    house.assert_issued("1")


def test_files_that_cannot_be_read_now_are_read_again_later_without_a_person(house: House) -> None:
    confirm(house, PDF)
    house.erp.fail("attachments", SourceUnavailableError("The filestore cannot be read."))

    house.drain()
    job = house.job()
    assert (job.status, job.stage, job.reason) == (Status.PENDING, Stage.VERIFIED, "erp_unavailable")
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF)


def test_a_file_that_changes_after_its_upload_makes_another_document(house: House) -> None:
    house.fault("drop_after", operation=ADD)
    confirm(house, PDF)
    house.drain()

    house.erp.put("1", File(name="F-1.pdf", content=b"%PDF-1.7 printed again"))
    house.run()

    house.assert_issued("1")
    assert attached(house) == [("F-1.pdf", b"%PDF-1.7 printed again")]


def test_a_file_that_comes_between_upload_and_sending_is_sent_too(house: House) -> None:
    confirm(house, PDF)
    house.erp.at("attachments", 1, lambda: house.erp.put("1", PDF, TABLE))

    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF, TABLE)


@pytest.mark.parametrize("shown", [[{"link": "/attachments/1/0"}], [{"filename": "F_1.pdf"}], None])
def test_where_names_cannot_be_told_apart_a_person_looks(
    house: House, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference promises a link and no name: what may be ours is not attached a second time."""
    house.fault("drop_after", operation=ADD)
    confirm(house, PDF)
    house.drain()
    show(monkeypatch, shown)

    house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "attachments_unclear")
    assert "F-1.pdf" in (house.job().message or "")
    house.assert_nothing_sent()

    retry(house)
    house.run()
    house.assert_issued("1")
    assert attached(house) == expected(PDF)


def test_a_document_with_a_file_that_came_twice_is_made_anew_before_it_is_sent(house: House) -> None:
    house.fault("drop_after", operation=ADD)
    confirm(house, PDF, TABLE)
    house.drain()
    [there] = house.remote_invoices()
    there.attachments.append(there.attachments[0])

    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF, TABLE)
    assert "withdrawn" in house.told()


def test_sent_by_hand_before_its_files_came_is_told_in_the_timeline(house: House) -> None:
    house.fault("error_before", operation=READ, status=503, times=3)
    confirm(house, PDF)
    house.drain()
    [there] = house.remote_invoices()
    house.connect().send_invoice(str(there.id))

    house.run()

    house.assert_issued("1")
    assert attached(house) == []
    [warned] = [event for event in house.timeline() if event.what == "warned"]
    assert (warned.reason, warned.details["files"]) == ("attachment_late", "F-1.pdf")


@pytest.mark.parametrize("state", ["error", "invalid", "discarded"])
def test_a_draft_that_failed_by_itself_has_its_files_before_it_is_sent_once_it_was_mended_there(
    house: House, state: str
) -> None:
    house.fault("drop_after", operation="create_invoice")
    confirm(house, PDF)
    house.drain()
    [there] = house.remote_invoices()
    there.state = state
    house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "send_refused")
    assert attached(house) == []

    there.state = "new"
    retry(house)
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF)
    assert "warned" not in house.told()


def test_a_draft_that_fails_right_before_its_files_come_is_not_sent_without_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = house.remote.read_invoice

    def fail_and_read(reference: str) -> RemoteInvoice | None:
        [there] = house.remote_invoices()
        there.state = "error"
        return read(reference)

    with monkeypatch.context() as failing:
        failing.setattr(house.remote, "read_invoice", fail_and_read)
        confirm(house, PDF)
        house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "send_refused")
    house.assert_nothing_sent()

    [there] = house.remote_invoices()
    there.state = "new"
    retry(house)
    house.run()

    house.assert_issued("1")
    assert attached(house) == expected(PDF)


def test_a_document_that_vanished_before_its_files_came_is_held(house: House) -> None:
    house.fault("drop_before", operation=ADD)
    confirm(house, PDF)
    house.drain()
    [there] = house.remote_invoices()
    house.connect().delete_invoice(str(there.id))

    house.run()
    assert (house.job().status, house.job().reason) == (Status.HELD, "remote_missing")

    retry(house)
    house.run()
    house.assert_issued("1")
    assert attached(house) == expected(PDF)


def test_the_timeline_names_what_was_attached(house: House) -> None:
    confirm(house, PDF, TABLE)

    house.run()

    done = [event.details for event in house.timeline() if (event.what, event.outcome) == ("outcome", "done")]
    assert done == [{"file": "F-1.pdf"}, {"file": "Precios 2026.csv"}]


def retry(house: House) -> None:
    assert house.ledger.actions.perform(RETRY, [house.job()], who="Ana", note="looked into it")


def show(monkeypatch: pytest.MonkeyPatch, shown: Any) -> None:
    """Have answers show other entries, as an API might whose names for them nobody has seen yet."""
    told = answers._attachments
    monkeypatch.setattr(answers, "_attachments", lambda value: told(shown if value else value))
