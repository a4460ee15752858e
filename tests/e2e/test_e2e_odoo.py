"""Acceptance: what is confirmed and valid is issued exactly as the ERP has it, and nothing else leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal

import pytest

from connector.simulator import SimulatorServer
from connector.simulator.journal import Entry
from tests.e2e.checks import reasons, see_that_only_ours_changed, see_that_the_audit_is_clean, valid
from tests.e2e.conftest import Installer
from tests.e2e.documents import HELD, compare, received_by, received_by_minimal
from tests.e2e.erp import OURS, Erp
from tests.e2e.minimal_b2brouter import MinimalB2Brouter


def test_every_valid_document_is_issued_with_exactly_its_content_and_the_others_are_held_with_their_reason(
    erp: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    before = erp.moves()
    it = install(b2brouter.base_url, erp.url)

    result = it.sync()

    assert result["found"] == len(erp.sendable) == 37
    assert result["issued"] == len(valid(erp))
    jobs = it.jobs()
    compare(valid(erp), received_by(b2brouter.world))
    assert set(jobs) == set(erp.sendable)
    assert reasons(erp, jobs) == HELD[erp.version]
    assert {job["status"] for job in jobs.values()} == {"done", "held"}
    see_that_only_ours_changed(jobs, before, erp.moves())
    see_that_the_audit_is_clean(b2brouter)
    assert {d.id for d in received_by(b2brouter.world) if d.sent} == {
        j["reference"] for j in jobs.values() if j["status"] == "done"
    }


def test_it_does_not_depend_on_our_own_reading_of_the_api(erp19: Erp, install: Installer) -> None:
    with MinimalB2Brouter() as server:
        before = erp19.moves()
        it = install(server.base_url, erp19.url)
        assert it.sync()["issued"] == len(valid(erp19))
        jobs = it.jobs()
        assert reasons(erp19, jobs) == HELD[erp19.version]
        see_that_only_ours_changed(jobs, before, erp19.moves())
        compare(valid(erp19), received_by_minimal(server))

        calls = len(server.calls)
        assert it.sync()["issued"] == 0
        assert [call for call in server.calls[calls:] if call[0] != "GET"] == []

        erp19.confirm_copies(erp19.named("INV01")["id"], ["INV/2026/77001"])
        calls = len(server.calls)
        assert it.sync()["issued"] == 1
        assert [path.rsplit("/", 1)[0] for _, path in server.calls[calls:]] == [
            "/accounts/1",
            "/invoices/send_invoice",
        ]


def test_cash_rounding_goes_in_the_total_or_is_held_where_a_tax_takes_it(
    erp17: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    invoice, credit, by_tax = (erp17.named(key) for key in ("INV01", "CN01", "INV03"))
    for document, balance, tax in ((invoice, "-0.02", None), (credit, "0.02", None), (by_tax, "-0.02", 541)):
        erp17.round_cash(document["id"], balance, tax=tax)
    it = install(b2brouter.base_url, erp17.url)

    it.sync()

    jobs = it.jobs()
    assert [jobs[str(document["id"])]["reason"] for document in (invoice, credit, by_tax)] == [
        None,
        None,
        "totals_differ",
    ]
    sent = {document.id: document.total for document in received_by(b2brouter.world) if document.sent}
    assert [sent.get(jobs[str(document["id"])]["reference"]) for document in (invoice, credit, by_tax)] == [
        Decimal("1210.02"),
        Decimal("-1210.02"),
        None,
    ]


# ---------------------------------------------------------------- back to draft


def hooked(act: Callable[[Entry], None]) -> SimulatorServer:
    """A simulator that has something done after a request was carried out, before it is answered."""
    return SimulatorServer(seed=1, log=act)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("list_contacts", marks=pytest.mark.slow),
        pytest.param("create_contact", marks=pytest.mark.slow),
        "create_invoice",
    ],
)
def test_an_invoice_set_back_to_draft_between_discovery_and_sending_does_not_leave(
    erp19: Erp, install: Installer, moment: str
) -> None:
    done = threading.Event()
    target = erp19.named("INV05")

    def reset(entry: Entry) -> None:
        at_hand = moment != "create_invoice" or entry.number == target["number"]
        if entry.operation == moment and at_hand and not done.is_set():
            done.set()
            erp19.set_state(target["id"], "draft")

    with hooked(reset) as server:
        it = install(server.base_url, erp19.url)
        it.sync()
        assert done.is_set()
        job = it.jobs()[str(target["id"])]
        assert (job["status"], job["reason"], job["reference"]) == ("waiting", "not_confirmed", None)
        rest = [document for document in valid(erp19) if document is not target]
        compare(rest, received_by(server.world))
        assert [d.number for d in received_by(server.world) if d.number == target["number"]] == []
        assert [erp19.moves()[str(target["id"])][column] for column in OURS] == [None, None]
        see_that_the_audit_is_clean(server)

        erp19.set_state(target["id"], "posted")
        assert it.sync()["issued"] == 1
        compare(valid(erp19), received_by(server.world))
        see_that_the_audit_is_clean(server)


def test_an_invoice_set_back_to_draft_before_a_worker_takes_it_does_not_leave(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    """Discovered while B2Brouter was out of reach, reset, then B2Brouter is back."""
    b2brouter.world.faults.add("unauthorized", times=None)
    it = install(b2brouter.base_url, erp19.url)
    ended = it.run("sync", "--patience", "1")
    assert ended.status == 1
    erp19.set_state(erp19.named("INV03")["id"], "draft")
    erp19.set_state(erp19.named("INV32")["id"], "cancel")
    b2brouter.world.faults.clear()

    it.sync()

    rest = [document for document in valid(erp19) if document["key"] not in {"INV03", "INV32", "DN1"}]
    compare(rest, received_by(b2brouter.world))
    left = reasons(erp19, it.jobs())
    drafts = {"INV03": "not_confirmed", "INV32": "not_confirmed"}
    assert left == {**HELD["19"], **drafts, "DN1": "original_not_issued"}  # a debit note of INV03, in Spain


def test_an_invoice_that_was_changed_between_create_and_send_leaves_as_it_is_now(
    erp19: Erp, install: Installer
) -> None:
    target = erp19.named("INV18")

    def rename(entry: Entry) -> None:
        if entry.operation == "create_invoice" and entry.number == target["number"]:
            erp19.do("UPDATE account_move SET ref = 'NEW-ORDER' WHERE id = %s", target["id"])

    with hooked(rename) as server:
        it = install(server.base_url, erp19.url)
        it.sync()
        compare(valid(erp19), received_by(server.world))
        orders = [d.purchase_order for d in received_by(server.world) if d.number == target["number"]]
        assert orders == ["NEW-ORDER"]
        see_that_the_audit_is_clean(server)


# ---------------------------------------------------------------- cures and companies


@pytest.mark.slow
def test_a_held_invoice_whose_cause_is_cured_in_the_erp_is_issued_by_the_next_sync(
    erp17: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp17.url)
    it.sync()

    erp17.do("UPDATE res_partner SET vat = 'ESB12345674' WHERE id = %s", erp17.named("INV09")["customer"]["id"])
    assert it.sync()["issued"] == 1
    assert reasons(erp17, it.jobs()) == {k: v for k, v in HELD["17"].items() if k != "INV09"}
    sent = {d.number: d.recipient for d in received_by(b2brouter.world) if d.sent}
    assert sent[erp17.named("INV09")["number"]] == "ESB12345674"


def test_a_credit_note_waits_for_its_original_and_follows_it(
    erp17: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    original, note = erp17.named("INV01"), erp17.named("CN01")
    line = original["lines"][0]["id"]
    tax = original["lines"][0]["taxes"][0]["id"]
    erp17.do("DELETE FROM account_move_line_account_tax_rel WHERE account_move_line_id = %s", line)
    it = install(b2brouter.base_url, erp17.url)
    it.sync()
    jobs = it.jobs()
    assert (jobs[str(original["id"])]["status"], jobs[str(original["id"])]["reason"]) == ("held", "tax_missing")
    assert (jobs[str(note["id"])]["status"], jobs[str(note["id"])]["reason"]) == ("waiting", "original_waiting")

    erp17.do("INSERT INTO account_move_line_account_tax_rel VALUES (%s, %s)", line, tax)
    assert it.sync()["issued"] == 2
    compare(valid(erp17), received_by(b2brouter.world))


def test_with_one_account_only_the_company_of_that_account_is_sent(
    erp17: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp17.url, accounts="main")
    it.sync()
    compare([d for d in valid(erp17) if d["company_id"] == 1], received_by(b2brouter.world))
    french = {k: (j["status"], j["reason"]) for k, j in it.jobs().items() if j["company"] == "2"}
    assert len(french) == 3
    assert set(french.values()) == {("held", "company_unmapped")}


@pytest.mark.slow
def test_with_a_mapping_the_documents_of_a_company_that_is_not_in_it_are_left_alone(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp19.url, accounts={"2": "fr"})
    assert it.sync()["found"] == 3
    compare([d for d in valid(erp19) if d["company_id"] == 2], received_by(b2brouter.world))


def test_what_changes_after_issue_is_a_case_and_what_odoo_reads_live_is_none(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp19.url)
    it.sync()
    seen = len(b2brouter.world.journal)
    draft, cancelled, altered = (erp19.named(name)["id"] for name in ("INV01", "INV03", "INV18"))
    erp19.do("UPDATE res_partner SET street = 'Calle Nueva 1', email = 'new@example.com', phone = '555'")
    erp19.do("UPDATE res_partner_bank SET sanitized_acc_number = 'ES7921000813610123456789'")
    erp19.set_state(draft, "draft")
    erp19.set_state(cancelled, "cancel")
    erp19.do("UPDATE account_move SET amount_total = amount_total + 1 WHERE id = %s", altered)

    result = it.sync()

    assert (result["attention"], result["issued"]) == (3, 0)
    jobs = it.jobs()
    cases = {key: job["message"] for key, job in jobs.items() if job["reason"] == "changed_after_issue"}
    assert set(cases) == {str(draft), str(cancelled), str(altered)}
    assert "not confirmed (ERP now)" in cases[str(draft)]
    assert "total: " in cases[str(altered)]
    entries = b2brouter.world.journal.after(seen, 1000)
    assert [entry for entry in entries if entry.operation == "send_invoice"] == []

    erp19.set_state(draft, "posted")
    erp19.set_state(cancelled, "posted")
    assert it.sync()["attention"] == 1


# ---------------------------------------------------------------- again


def test_a_second_sync_makes_no_write_call_and_a_new_invoice_costs_two_calls(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp19.url)
    it.sync()
    rows, seen = erp19.moves(), len(b2brouter.world.journal)

    again = it.sync()

    assert (again["found"], again["issued"]) == (0, 0)
    calls = [(entry.method, entry.path) for entry in b2brouter.world.journal.after(seen, 1000)]
    assert [call for call in calls if call[0] not in {"GET", "TIMER"}] == []
    assert erp19.moves() == rows

    (key,) = erp19.confirm_copies(erp19.named("INV01")["id"], ["INV/2026/77001"])
    seen = len(b2brouter.world.journal)
    third = it.sync()
    assert (third["found"], third["issued"]) == (1, 1)
    operations = [entry.operation for entry in b2brouter.world.journal.after(seen, 1000) if entry.method != "TIMER"]
    assert operations == ["create_invoice", "send_invoice"]
    assert it.jobs()[key]["status"] == "done"
    changed = {k for k, row in erp19.moves().items() if row != rows.get(k)}
    assert changed == {key}
    compare([*valid(erp19), {**erp19.named("INV01"), "number": "INV/2026/77001"}], received_by(b2brouter.world))


@pytest.mark.slow
def test_a_hundred_invoices_of_one_new_customer_make_one_contact(
    erp19: Erp, b2brouter: SimulatorServer, install: Installer
) -> None:
    plain = erp19.named("INV01")
    partner = erp19.new_customer(plain["customer"]["id"], name="Nueva Empresa, S.L.", vat="ESB63276174")
    numbers = [f"NEW/{n:04}" for n in range(100)]
    erp19.confirm_copies(plain["id"], numbers, partner=partner)
    b2brouter.world.switches.set({"contact_guard": "off", "latency": 0.01})
    b2brouter.world.faults.add("drop_after", operation="create_contact", times=1)
    it = install(b2brouter.base_url, erp19.url, threads=32)

    it.sync()

    world = b2brouter.world
    assert [contact.name for contact in world.contacts.values() if contact.tin_value == "ESB63276174"] == [
        "Nueva Empresa, S.L."
    ]
    copies = [{**plain, "number": n, "customer": {**plain["customer"], "vat": "ESB63276174"}} for n in numbers]
    compare([*valid(erp19), *copies], received_by(world))
    see_that_the_audit_is_clean(b2brouter)
