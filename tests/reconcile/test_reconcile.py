"""ERP, ledger and B2Brouter side by side: what is the same is passed over, whatever differs is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from connector.domain.errors import NotSentError, OutsideError, SourceUnavailableError
from connector.domain.invoice import Invoice
from connector.ledger.owner import this_process
from connector.ledger.reconciliations import Difference
from connector.ports import RemoteInvoice
from connector.reconcile.reconciler import Compared, Period, Reconciler, months
from connector.reconcile.scratch import Scratch
from connector.simulator.states import notice
from tests.support.builders import invoice, line
from tests.support.erp import Erp
from tests.support.house import ACCOUNT, House

DAY = invoice("1").issue_date or date.min


class RememberingErp(Erp):
    """The ERP in memory, which can tell what was written back."""

    def reads_recorded(self) -> bool:
        return True

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        return {key: self.records[key].written or (None, None) for key in keys if key in self.records}

    def lose(self, key: str) -> None:
        self.records[key].written = None


class Auditor:
    """Who compares."""

    def __init__(self, house: House, erp: RememberingErp) -> None:
        self.house = house
        self.erp = erp
        self.reconciler = Reconciler(
            house.ledger,
            clock=house.clock,
            stuck_after=lambda account: timedelta(hours=72),
            allowed=lambda account: Decimal(0),
        )
        self.told: list[Difference] = []

    def compare(self, period: Period | None = None, **options: Any) -> Compared | None:
        self.told.clear()
        return self.reconciler.reconcile(
            ACCOUNT, [self.house.source], self.house.remote, period or Period(), tell=self.told.append, **options
        )

    def reasons(self, period: Period | None = None, **options: Any) -> list[tuple[str, str | None]]:
        """Reason and number of each difference."""
        assert self.compare(period, **options) is not None
        assert all(one.message() and one.advice() and one.command for one in self.told)
        return [(one.reason, one.number) for one in self.told]


class Listing:
    """B2Brouter, where each list has the same rows."""

    def __init__(self, rows: Sequence[RemoteInvoice]) -> None:
        self.asked: list[str] = []
        self._rows = rows

    def issued_invoices(self, start: date | None, end: date | None) -> Iterator[Sequence[RemoteInvoice]]:
        self.asked.append(f"{start} {end}")
        yield self._rows

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        return None


@pytest.fixture
def auditor(house: House) -> Auditor:
    """Three invoices were issued, and everybody agrees about them."""
    erp = RememberingErp(house.clock)
    house.erp = house.adapter = erp
    object.__setattr__(house.source, "adapter", erp)
    house.issue(*(document(key) for key in ("1", "2", "3")))
    house.advance(60)
    follow(house)
    return Auditor(house, erp)


def document(key: str, **changes: Any) -> Invoice:
    return invoice(key, number=f"F-{key}", **changes)


def follow(house: House) -> None:
    """As whoever follows the states does."""
    with house.ledger.database.write() as connection:
        for there in house.remote_invoices():
            connection.exec_driver_sql(
                f"UPDATE job SET remote_state = '{there.state}' WHERE reference = '{there.id}'"
            )


def forget(house: House, key: str) -> None:
    """As a ledger restored from a backup does, that was made before the document was found."""
    with house.ledger.database.write() as connection:
        for table in ("event", "number_claim"):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE job_id = {house.job(key).id}")
        connection.exec_driver_sql(f"DELETE FROM job WHERE key = '{key}'")


def remote_id(auditor: Auditor, key: str = "1") -> int:
    return int(auditor.house.job(key).reference or 0)


def test_where_everybody_agrees_nothing_is_named(auditor: Auditor) -> None:
    assert auditor.reasons() == []

    [run] = auditor.house.ledger.reconciliations.recent()
    assert (run.erp, run.ledger, run.remote, run.differences, run.fault) == (3, 3, 3, 0, None)


def test_confirmed_in_the_erp_but_unknown_here(auditor: Auditor) -> None:
    auditor.erp.add(document("4"))

    assert auditor.reasons() == [("not_in_ledger", "F-4")]
    assert auditor.told[0].command == "connector sync --source erp"
    assert auditor.reasons(grace=3600) == []  # on its way, as long as the daemon works


def test_issued_at_b2brouter_by_hand(auditor: Auditor) -> None:
    [known] = auditor.house.remote_contacts()
    planted = {"account": 1, "contact_id": known.id, "number": "HAND-1", "date": DAY.isoformat(), "state": "sent"}
    lines = [{"description": "x", "quantity": 1, "price": 10, "taxes_attributes": []}]
    [made] = auditor.house.plant(invoices=[{**planted, "invoice_lines_attributes": lines}])["invoices"]

    assert auditor.reasons() == [("issued_elsewhere", "HAND-1")]
    assert (auditor.told[0].reference, auditor.told[0].job_id) == (str(made), None)


def test_a_command_that_names_a_number_of_others_is_safe_to_paste(auditor: Auditor) -> None:
    [known] = auditor.house.remote_contacts()
    planted = {"account": 1, "contact_id": known.id, "number": "A;reboot", "date": DAY.isoformat(), "state": "sent"}
    lines = [{"description": "x", "quantity": 1, "price": 10, "taxes_attributes": []}]
    auditor.house.plant(invoices=[{**planted, "invoice_lines_attributes": lines}])

    auditor.compare()
    assert [one.command for one in auditor.told] == ["connector jobs --search 'A;reboot'"]


def test_issued_by_hand_what_is_held_here_leads_to_the_link(auditor: Auditor) -> None:
    [known] = auditor.house.remote_contacts()
    planted = {"account": 1, "contact_id": known.id, "number": "F-4", "date": DAY.isoformat(), "state": "sent"}
    lines = [{"description": "x", "quantity": 1, "price": 10, "taxes_attributes": []}]
    [made] = auditor.house.plant(invoices=[{**planted, "invoice_lines_attributes": lines}])["invoices"]
    auditor.house.issue(document("4"))
    held = auditor.house.job("4")
    assert held.status == "held"

    assert auditor.reasons() == [("issued_elsewhere", "F-4")]
    assert auditor.told[0].command == f"connector link {held.id} {made} --note …"


def test_issued_by_us_and_unknown_to_a_restored_ledger_is_nobody_elses(auditor: Auditor) -> None:
    reference = str(remote_id(auditor, "3"))
    forget(auditor.house, "3")

    assert auditor.reasons() == [("not_in_ledger", "F-3"), ("issued_not_in_ledger", "F-3")]
    ours = auditor.told[1]
    assert (ours.reference, ours.job_id, ours.source, ours.key) == (reference, None, "erp", "3")
    assert ours.command == "connector sync --source erp"


def test_issued_by_us_and_held_in_a_restored_ledger_leads_to_the_link(auditor: Auditor) -> None:
    reference, held = remote_id(auditor, "3"), auditor.house.job("3").id
    with auditor.house.ledger.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE job SET reference = NULL, xref = NULL, status = 'held', stage = 'found' WHERE key = '3'"
        )

    assert auditor.reasons() == [("issued_not_in_ledger", "F-3")]
    assert auditor.told[0].command == f"connector link {held} {reference} --note …"


def test_a_document_that_is_just_being_looked_for_is_no_difference(auditor: Auditor) -> None:
    auditor.house.fault("drop_after", operation="create_invoice")
    auditor.house.take_in(document("4"))
    auditor.house.drain()
    assert auditor.house.job("4").open_effect is not None

    assert auditor.reasons() == []


def test_a_reference_that_the_erp_has_lost_is_named_and_written_again(auditor: Auditor) -> None:
    auditor.erp.lose("2")

    assert auditor.reasons() == [("reference_missing", "F-2")]
    [found] = list(auditor.told)
    assert auditor.reconciler.write_back({"erp": auditor.erp}, found, who="Ana")

    assert auditor.reasons() == []
    last = auditor.house.timeline("2")[-1]
    assert (last.what, last.who) == ("recorded_again", "Ana")


def test_another_reference_in_the_erp_is_named_and_never_written_over(auditor: Auditor) -> None:
    auditor.erp.write("2", "999", "b2brouter:simulator:1:999")

    assert auditor.reasons() == [("reference_replaced", "F-2")]
    assert not auditor.reconciler.write_back({"erp": auditor.erp}, auditor.told[0], who="Ana")
    assert auditor.erp.reference_of("2") == ("999", "b2brouter:simulator:1:999")


def test_totals_changed_in_the_erp_after_issue(auditor: Auditor) -> None:
    changed = invoice("2", line("999.00"), number="F-2")
    auditor.erp.replace(changed)

    assert auditor.reasons() == [("changed_after_issue", "F-2")]
    assert "total: 121.00 (issued) / 1208.79 (ERP now)" in auditor.told[0].message()


def test_what_a_person_has_let_be_is_not_named_again(auditor: Auditor) -> None:
    from connector.ledger.actions import SKIP

    auditor.erp.replace(invoice("2", line("999.00"), number="F-2"))
    auditor.house.discover()
    auditor.house.ledger.actions.perform(SKIP, [auditor.house.job("2")], who="Ana", note="corrected")

    assert auditor.reasons() == []


@pytest.mark.parametrize("how", ["delete", "back_to_draft"])
def test_what_is_no_longer_in_the_erp_as_it_was_issued(auditor: Auditor, how: str) -> None:
    getattr(auditor.erp, how)("2")

    assert auditor.reasons() == [("changed_after_issue", "F-2")]


def test_deleted_at_b2brouter(auditor: Auditor) -> None:
    world = auditor.house.world
    with world.lock:
        world.remove_invoice(world.invoices[remote_id(auditor, "3")])

    assert auditor.reasons() == [("remote_missing", "F-3")]


def test_a_list_that_leaves_something_out_is_not_believed(auditor: Auditor) -> None:
    invoice_there = auditor.house.world.invoices[remote_id(auditor, "3")]
    invoice_there.listed_from = auditor.house.clock.now() + timedelta(days=1)
    auditor.house.forget_requests()

    assert auditor.reasons() == []
    assert auditor.house.operations() == ["list_invoices", "read_invoice"]


def test_another_state_is_told_and_needs_nobody(auditor: Auditor) -> None:
    notice(auditor.house.world, remote_id(auditor), "accepted")

    compared = auditor.compare()
    assert compared is not None
    assert (compared.by_reason, compared.for_person) == ({"state_differs": 1}, 0)


def test_a_draft_that_counts_as_sent_needs_a_person(auditor: Auditor) -> None:
    auditor.house.world.invoices[remote_id(auditor)].state = "new"

    assert auditor.reasons() == [("remote_unsent", "F-1")]
    assert auditor.told[0].needs_person


def test_a_document_that_was_renumbered_at_b2brouter(auditor: Auditor) -> None:
    world = auditor.house.world
    world.renumber(world.invoices[remote_id(auditor)], "F-1-b")

    assert auditor.reasons() == [("remote_altered", "F-1")]
    assert "number F-1 (ERP) / F-1-b (B2Brouter)" in auditor.told[0].message()


def test_what_does_not_get_on_is_named_with_its_reason(auditor: Auditor) -> None:
    auditor.house.issue(document("4", currency="EURO"))
    assert auditor.reasons() == []
    auditor.house.advance(73 * 3600)

    assert auditor.reasons() == [("stuck", "F-4")]
    assert "The currency EURO is not an ISO 4217 code." in auditor.told[0].message()


def test_what_stays_on_its_way_at_b2brouter_is_named(auditor: Auditor) -> None:
    auditor.house.world.invoices[remote_id(auditor)].state = "sending"
    follow(auditor.house)
    auditor.house.advance(73 * 3600)

    assert auditor.reasons() == [("delivery_stuck", "F-1")]


def test_only_a_period_is_compared(auditor: Auditor) -> None:
    auditor.erp.add(document("4", issue_date=DAY - timedelta(days=40)))
    auditor.erp.lose("1")

    assert auditor.reasons(Period(start=DAY - timedelta(days=60), end=DAY - timedelta(days=30))) == [
        ("not_in_ledger", "F-4")
    ]
    assert auditor.reasons(Period(start=DAY)) == [("reference_missing", "F-1")]


def test_a_day_that_was_changed_makes_no_document_unknown(auditor: Auditor) -> None:
    auditor.erp.alter("1", issue_date=DAY - timedelta(days=40))

    assert auditor.reasons(Period(start=DAY - timedelta(days=60), end=DAY - timedelta(days=30))) == []
    assert auditor.reasons(Period(start=DAY)) == [("changed_after_issue", "F-1")]


def test_with_some_sources_only_what_b2brouter_alone_knows_is_left_aside(auditor: Auditor) -> None:
    [known] = auditor.house.remote_contacts()
    planted = {"account": 1, "contact_id": known.id, "number": "HAND-1", "date": DAY.isoformat(), "state": "sent"}
    lines = [{"description": "x", "quantity": 1, "price": 10, "taxes_attributes": []}]
    auditor.house.plant(invoices=[{**planted, "invoice_lines_attributes": lines}])

    assert auditor.reasons(only_some=True) == []
    assert auditor.house.ledger.reconciliations.recent() == []


def test_few_requests_are_made_however_many_documents_there_are(auditor: Auditor) -> None:
    auditor.house.issue(*(document(str(n)) for n in range(10, 40)))
    auditor.house.advance(60)
    follow(auditor.house)
    auditor.house.forget_requests()

    assert auditor.reasons() == []
    assert auditor.house.operations() == ["list_invoices"]


def test_one_comparison_of_an_account_at_a_time(auditor: Auditor) -> None:
    assert auditor.house.ledger.reconciliations.begin(ACCOUNT, None, None) is not None
    assert auditor.compare() is None

    auditor.house.advance(7 * 3600)  # its process is dead
    assert auditor.compare() is not None


def test_a_comparison_whose_process_was_killed_keeps_nobody_from_the_next_one(auditor: Auditor) -> None:
    ledger = auditor.house.ledger
    run = ledger.reconciliations.begin(ACCOUNT, None, None)
    assert run is not None
    machine, _, started = this_process().split("/")
    with ledger.database.write() as connection:
        connection.execute(
            text("UPDATE reconciliation SET owner = :gone"), {"gone": f"{machine}/999999999/{started}"}
        )

    assert auditor.compare() is not None
    killed = ledger.reconciliations.get(run)
    assert killed is not None
    assert killed.fault == "broken off"


def test_a_comparison_that_ends_by_a_mistake_of_ours_keeps_nobody_from_the_next_one(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(auditor.erp, "find", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            auditor.compare()

    last = auditor.house.ledger.reconciliations.last(ACCOUNT)
    assert last is not None
    assert last.fault == "broken off"
    assert auditor.compare() is not None


def test_a_comparison_that_fails_says_so_and_names_nothing(auditor: Auditor) -> None:
    auditor.erp.fail("find", SourceUnavailableError("The ERP is away."))
    with pytest.raises(SourceUnavailableError):
        auditor.compare()
    auditor.house.fault("unavailable_before", operation="list_invoices", times=5)
    with pytest.raises(NotSentError):
        auditor.compare()

    faults = [run.fault for run in auditor.house.ledger.reconciliations.recent()]
    assert faults == ["remote_unavailable", "The ERP is away."]
    assert auditor.told == []


def test_differences_are_remembered_for_whoever_asks_later(auditor: Auditor) -> None:
    auditor.erp.lose("1")
    auditor.erp.lose("2")
    auditor.erp.add(document("4"))
    auditor.compare(Period(start=DAY))

    kept = auditor.house.ledger.reconciliations
    run = kept.last(ACCOUNT)
    assert run is not None
    assert (run.differences, run.for_person, run.first_day) == (3, 3, DAY)
    assert run.by_reason == {"not_in_ledger": "1", "reference_missing": "2"}
    assert kept.differences(run.id) == auditor.told
    assert [one.number for one in kept.differences(run.id, reason="reference_missing", after=1)] == ["F-2"]


def test_only_the_last_comparisons_are_remembered(auditor: Auditor) -> None:
    auditor.erp.lose("1")
    for _ in range(23):
        auditor.compare()

    assert len(auditor.house.ledger.reconciliations.recent(limit=100)) == 20


@pytest.mark.parametrize(
    ("period", "first", "slices"),
    [
        (Period(), None, [(None, None)]),
        (Period(start=date(2026, 1, 15)), None, [("2026-01-15", "2026-01-31"), ("2026-02-01", None)]),
        (Period(), date(2026, 1, 20), [(None, "2026-01-31"), ("2026-02-01", None)]),
        (
            Period(start=date(2025, 12, 31), end=date(2026, 1, 1)),
            None,
            [("2025-12-31", "2025-12-31"), ("2026-01-01", "2026-01-01")],
        ),
        (Period(end=date(2020, 1, 1)), date(2026, 1, 20), [(None, "2020-01-01")]),
    ],
)
def test_a_period_is_listed_month_by_month(
    period: Period, first: date | None, slices: list[tuple[str | None, str | None]]
) -> None:
    found = list(months(period, period.start or first, date(2026, 2, 10)))

    assert [(start and start.isoformat(), end and end.isoformat()) for start, end in found] == slices


def test_years_in_which_little_was_issued_cost_few_calls(auditor: Auditor) -> None:
    auditor.compare(Period(start=date(2000, 1, 1)))

    assert auditor.told == []
    assert auditor.house.operations().count("list_invoices") < 25


def test_months_in_which_much_was_issued_are_listed_one_by_one(auditor: Auditor) -> None:
    year = Period(start=date(2025, 1, 1), end=date(2025, 12, 31))
    [there] = auditor.house.remote.find_invoices("F-1")
    quiet, busy = Listing([]), Listing([there] * 251)
    for remote in (quiet, busy):
        auditor.reconciler.reconcile(ACCOUNT, [], remote, year)

    assert quiet.asked == [
        "2025-01-01 2025-01-31",
        "2025-02-01 2025-03-31",
        "2025-04-01 2025-07-31",
        "2025-08-01 2025-12-31",
    ]
    assert len(busy.asked) == 12


@pytest.mark.parametrize("method", ["put_erp", "ready"])
def test_no_room_for_the_temporary_file_is_the_fault_of_the_comparison(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(Scratch, method, full)
        with pytest.raises(OutsideError, match="disk is full") as caught:
            auditor.compare()
    assert "TMPDIR" in caught.value.action
    [run] = auditor.house.ledger.reconciliations.recent()
    assert run.finished_at is not None
    assert "disk is full" in (run.fault or "")
    assert auditor.reasons() == []


def test_so_it_is_where_it_cannot_even_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("connector.reconcile.scratch.sqlite3.connect", none)
    with pytest.raises(OutsideError, match="unable to open database file"):
        Scratch()


def test_a_disk_that_is_full_is_told_as_such() -> None:
    with pytest.raises(OutsideError, match="full"):
        fill_up()


def fill_up() -> None:
    with Scratch() as scratch:
        scratch._file.execute("PRAGMA max_page_count = 1")
        for n in range(2000):
            scratch.put_recorded([(n, "x" * 1000, "y")])
