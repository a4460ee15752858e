"""Discovery: every confirmed document is found once, whenever it was committed, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from connector import discovery
from connector.discovery import Discovery, Source
from connector.domain.errors import EnvironmentLockedError, SchemaChangedError, SourceUnavailableError
from connector.domain.job import Effect, Event, Stage, Status
from connector.ledger import Ledger
from tests.support.builders import CUSTOMER, NOON, found, invoice
from tests.support.clock import FakeClock
from tests.support.erp import Erp
from tests.support.ledgers import ACCOUNT, SOURCE, hold, job_of, jobs, position_in, settle

OVERLAP = 900
SWEEP_EVERY = 86400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(embedded_url: str, clock: FakeClock) -> Iterator[Ledger]:
    ledger = Ledger(embedded_url, clock=clock)
    yield ledger
    ledger.close()


@pytest.fixture
def erp(clock: FakeClock) -> Erp:
    return Erp(clock)


class Scene:
    """A ledger, an ERP, and the look from the one into the other."""

    def __init__(self, ledger: Ledger, erp: Erp, clock: FakeClock) -> None:
        self.ledger, self.erp, self.clock = ledger, erp, clock
        self.discovery = Discovery(ledger, clock=clock, overlap=OVERLAP, sweep_every=SWEEP_EVERY)
        self.source = Source(name=SOURCE, adapter=erp, since=None, companies=None, account_of=lambda company: ACCOUNT)

    def recheck(self, *, thorough: bool = False) -> int:
        return self.discovery.recheck(self.source, self.ledger.intake.state(SOURCE), thorough=thorough)

    def look(self, **changes: Any) -> int:
        return self.discovery.discover(replace(self.source, **changes))

    def keys(self) -> list[str]:
        return sorted(job.key for job in jobs(self.ledger))


@pytest.fixture
def scene(ledger: Ledger, erp: Erp, clock: FakeClock) -> Scene:
    return Scene(ledger, erp, clock)


def test_confirmed_documents_are_found_once(scene: Scene) -> None:
    scene.erp.add(invoice("1"), invoice("2"))

    assert scene.look() == 2
    assert scene.look() == 0
    scene.erp.add(invoice("3"))
    assert scene.look() == 1
    assert scene.keys() == ["1", "2", "3"]


def test_drafts_and_documents_before_the_first_day_are_not_found(scene: Scene) -> None:
    scene.erp.add(invoice("draft", confirmed=False), invoice("old", issue_date=date(2025, 12, 31)), invoice("1"))

    scene.look(since=date(2026, 1, 1))

    assert scene.keys() == ["1"]


def test_only_the_companies_of_the_source_are_found(scene: Scene) -> None:
    scene.erp.add(invoice("1"), invoice("2", company="2"), invoice("3", company="3"))

    scene.look(companies=["1", "2"], account_of={"1": "a", "2": "b"}.get)

    assert {job.key: job.account for job in jobs(scene.ledger)} == {"1": "a", "2": "b"}


def test_pages_follow_one_another_without_gaps_or_repetition(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "PAGE", 7)
    for n in range(30):  # several with one stamp, so that pages end within it
        scene.erp.add(invoice(f"{n:02}"), changed_at=NOON - timedelta(seconds=3 - n // 10))

    assert scene.look() == 30
    assert scene.erp.calls["find"] == 5
    position = position_in(scene.ledger)
    assert position is not None
    assert position.key == "29"


def test_a_look_that_is_told_to_stop_keeps_what_it_has_read_and_the_next_one_finds_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "PAGE", 5)
    scene.erp.add(*(invoice(f"{n:02}") for n in range(20)))
    stopping = Discovery(
        scene.ledger,
        clock=scene.clock,
        overlap=OVERLAP,
        sweep_every=SWEEP_EVERY,
        stopping=lambda: scene.erp.calls.get("find", 0) == 2,
    )

    assert stopping.discover(scene.source) == 10
    assert scene.keys() == [f"{n:02}" for n in range(10)]
    assert scene.look() == 10


def test_what_was_committed_late_with_an_old_stamp_is_found_within_the_overlap(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.look()
    scene.clock.advance(60)

    scene.erp.add(invoice("late"), changed_at=NOON - timedelta(seconds=OVERLAP - 1))

    assert scene.look() == 1


def test_a_document_stamped_far_in_the_future_hides_nothing_that_changes_until_then(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.erp.add(invoice("2099"), changed_at=NOON.replace(year=2099))
    scene.look()
    scene.clock.advance(3 * OVERLAP)

    scene.erp.add(invoice("2"))
    assert scene.look() == 1
    scene.clock.advance(3 * OVERLAP)
    scene.erp.add(invoice("3"))
    assert scene.look() == 1


def test_also_where_the_clock_of_the_erp_is_an_hour_slow(scene: Scene) -> None:
    scene.erp.add(invoice("1"), changed_at=scene.clock.now() - timedelta(hours=1))
    scene.erp.add(invoice("2099"), changed_at=NOON.replace(year=2099))
    scene.look()

    for number in range(2, 5):
        scene.clock.advance(60)
        scene.erp.add(invoice(str(number)), changed_at=scene.clock.now() - timedelta(hours=1))
        assert scene.look() == 1


def test_nor_does_a_place_in_the_future_that_was_remembered_before(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.look()
    scene.ledger.intake.remember(SOURCE, changed_at=NOON.replace(year=2099), key="1")
    scene.clock.advance(3 * OVERLAP)

    scene.erp.add(invoice("2"))
    assert scene.look() == 1
    position = position_in(scene.ledger)
    assert position is not None
    assert position.changed_at <= scene.clock.now()


def test_what_lies_before_the_overlap_is_found_by_the_next_sweep(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.look()
    scene.erp.add(invoice("very late"), changed_at=NOON - timedelta(days=3))

    scene.clock.advance(SWEEP_EVERY - 1)
    assert scene.look() == 0
    scene.clock.advance(1)
    assert scene.look() == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"companies": ["1"]}, {"companies": ["1", "2"]}, id="one more company"),
        pytest.param({"companies": ["1"]}, {"companies": None}, id="all companies"),
        pytest.param({"since": date(2026, 3, 1)}, {"since": date(2026, 1, 1)}, id="an earlier start"),
        pytest.param({"since": date(2026, 3, 1)}, {"since": None}, id="no start"),
    ],
)
def test_what_a_changed_configuration_lets_in_is_found_by_the_next_look_and_swept_for_once(
    scene: Scene, before: dict[str, Any], after: dict[str, Any]
) -> None:
    one = invoice("1", company="1", issue_date=date(2026, 3, 2))
    two = invoice("2", company="2", issue_date=date(2026, 2, 1))
    scene.erp.add(one, two)
    scene.look(**before)
    known = scene.keys()
    scene.clock.advance(2 * OVERLAP)
    scene.erp.add(invoice("3", company="1", issue_date=date(2026, 3, 2)))
    scene.look(**before)
    scene.clock.advance(2 * OVERLAP)

    scene.look(**after)
    assert scene.keys() == ["1", "2", "3"] > known
    pages = scene.erp.calls["find"]
    scene.look(**after)
    assert scene.erp.calls["find"] == pages + 1
    swept = scene.ledger.intake.state(SOURCE)["swept_at"]
    scene.clock.advance(60)
    scene.look(**after)
    assert scene.ledger.intake.state(SOURCE)["swept_at"] == swept


def test_the_order_of_companies_and_who_issues_for_them_make_no_sweep(scene: Scene) -> None:
    scene.look(companies=["1", "2"])
    swept = scene.ledger.intake.state(SOURCE)["swept_at"]
    scene.clock.advance(60)
    scene.look(companies=["2", "1"], account_of=lambda company: "another")

    assert scene.ledger.intake.state(SOURCE)["swept_at"] == swept


def test_a_sweep_that_is_dated_ahead_puts_no_other_off(scene: Scene) -> None:
    scene.clock.put(40 * SWEEP_EVERY)
    scene.look()
    scene.clock.put(-40 * SWEEP_EVERY)
    scene.erp.add(invoice("early"), changed_at=NOON - timedelta(days=3))

    assert scene.look() == 1
    assert scene.ledger.intake.state(SOURCE)["swept_at"] == scene.clock.now()


def test_a_sweep_cut_short_is_made_again_and_keeps_what_it_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "PAGE", 5)
    scene.erp.add(*(invoice(f"{n:02}") for n in range(20)))
    down = SourceUnavailableError("the database is down")

    def fail() -> None:
        raise down

    scene.erp.at("find", 3, fail)
    with pytest.raises(SourceUnavailableError):
        scene.look()
    assert len(scene.keys()) == 10
    scene.erp.add(invoice("early"), changed_at=NOON - timedelta(days=3))

    scene.look()

    assert len(scene.keys()) == 21


def test_the_mark_is_never_thrown_back(scene: Scene) -> None:
    scene.clock.advance(3600)
    scene.erp.add(invoice("1"), changed_at=NOON + timedelta(hours=1))
    scene.look()
    scene.erp.delete("1")
    scene.erp.add(invoice("2"), changed_at=NOON - timedelta(days=1))
    scene.clock.advance(SWEEP_EVERY)

    scene.look()

    position = position_in(scene.ledger)
    assert position is not None
    assert position.changed_at == NOON + timedelta(hours=1)


def test_a_database_that_turned_out_to_be_no_erp_is_not_remembered(scene: Scene, clock: FakeClock) -> None:
    mistyped = Erp(clock, name="template1")
    mistyped.fail("find", SchemaChangedError("no table account_move"))
    with pytest.raises(SchemaChangedError):
        scene.look(adapter=mistyped)

    scene.erp.add(invoice("1"))

    assert scene.look() == 1


def test_another_database_under_the_same_name_is_not_looked_into(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.look()
    copy = Erp(scene.clock, name="copy")
    copy.add(invoice("2"))

    with pytest.raises(EnvironmentLockedError):
        scene.look(adapter=copy)

    assert scene.keys() == ["1"]


# ---------------------------------------------------------------- resting jobs


def rest(scene: Scene, reason: str, event: Event = Event.STUCK) -> None:
    """Let the next job rest after its document was judged."""
    scene.look()
    [job] = scene.ledger.jobs.lease(ACCOUNT, 1)
    document = scene.erp.records[job.key].document
    assert not isinstance(document, Exception)
    with scene.ledger.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE job SET fingerprint = '{document.fingerprint()}' WHERE id = {job.id}")
    settle(scene.ledger, job, event, reason)


def test_a_cure_of_the_customer_alone_wakes_the_job(scene: Scene) -> None:
    scene.erp.add(invoice("1", buyer=replace(CUSTOMER, tax_number="ESX")))
    rest(scene, "vat_number_wrong")
    scene.look()
    assert job_of(scene.ledger).status is Status.HELD

    scene.erp.alter("1", silently=True, buyer=CUSTOMER)
    scene.look()

    assert job_of(scene.ledger).status is Status.PENDING


def test_a_document_that_breaks_the_adapter_keeps_no_other_from_being_tried_again(scene: Scene) -> None:
    scene.erp.add(invoice("1", buyer=replace(CUSTOMER, tax_number="ESX")), invoice("2"))
    for _ in range(2):
        rest(scene, "vat_number_wrong")
    scene.erp.alter("1", silently=True, buyer=CUSTOMER)
    scene.erp.breaking.add("2")
    scene.look()

    assert [job_of(scene.ledger, key).status for key in ("1", "2")] == [Status.PENDING, Status.HELD]


def test_a_document_that_is_confirmed_again_goes_on_though_nothing_else_changed(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    rest(scene, "not_confirmed", Event.BLOCKED)
    scene.erp.alter("1", silently=True, confirmed=False)
    scene.look()
    assert job_of(scene.ledger).status is Status.WAITING

    scene.erp.alter("1", silently=True, confirmed=True)
    scene.look()

    assert job_of(scene.ledger).status is Status.PENDING


@pytest.mark.parametrize("reason", ["document_not_usable", "erp_deleted"])
def test_a_document_that_can_be_read_again_goes_on(scene: Scene, reason: str) -> None:
    scene.erp.add(invoice("1"))
    rest(scene, reason)
    record = scene.erp.records.pop("1")
    if reason == "document_not_usable":
        scene.erp.add(invoice("1"))
        scene.erp.spoil("1", "line 3 has no account")
    scene.look()
    assert job_of(scene.ledger).status is Status.HELD

    scene.erp.records["1"] = record
    scene.look()

    assert job_of(scene.ledger).status is Status.PENDING


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("vat_number_wrong", Event.STUCK),
        ("not_confirmed", Event.BLOCKED),
        ("original_waiting", Event.BLOCKED),
    ],
)
def test_a_document_that_was_deleted_while_it_rested_is_judged_anew_once(
    scene: Scene, reason: str, event: Event
) -> None:
    scene.erp.add(invoice("1"))
    rest(scene, reason, event)
    scene.erp.delete("1")

    scene.look()

    job = job_of(scene.ledger)
    assert (job.status, job.reason) == (Status.PENDING, None)
    [job] = scene.ledger.jobs.lease(ACCOUNT, 1)
    hold(scene.ledger, job, "erp_deleted")
    scene.look()
    assert job_of(scene.ledger).status is Status.HELD


def test_a_deleted_document_that_was_sent_or_may_have_been_rests_as_it_is(scene: Scene) -> None:
    scene.erp.add(*(invoice(key) for key in ("sent", "asked", "by others")))
    scene.look()
    write = scene.ledger.jobs
    leased = {job.key: job for job in write.lease(ACCOUNT, 3)}
    begun = [
        write.advance(leased["sent"], Stage.SENT),
        write.begin(leased["asked"], Effect.CREATE, payload=b"{}", invoice=invoice("asked")),
        write.advance(leased["by others"], Stage.CREATED, reference="7", remote_state="sending"),
    ]
    for job in begun:
        hold(scene.ledger, job, "totals_differ")
        scene.erp.delete(job.key)

    scene.look()

    assert {job.status for job in jobs(scene.ledger)} == {Status.HELD}


def test_a_file_that_is_taken_away_while_it_rests_is_its_owner_s_affair(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.erp.add(invoice("1"))
    rest(scene, "vat_number_wrong")
    for name in ("file", "set_aside"):
        monkeypatch.setattr(Erp, name, lambda *_: None, raising=False)
    scene.erp.delete("1")

    scene.look()

    assert (job_of(scene.ledger).status, job_of(scene.ledger).reason) == (Status.HELD, "vat_number_wrong")


def test_what_was_sent_is_not_woken_by_a_change(scene: Scene) -> None:
    scene.erp.add(invoice("1"))
    scene.look()
    [job] = scene.ledger.jobs.lease(ACCOUNT, 1)
    hold(scene.ledger, scene.ledger.jobs.advance(job, Stage.SENT), "totals_differ")

    scene.erp.alter("1", silently=True, note="x")
    scene.look()

    assert job_of(scene.ledger).status is Status.HELD


def test_resting_jobs_are_read_in_pages_and_not_one_by_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_RESTING_PAGE", 10)
    scene.erp.add(*(invoice(f"{n:02}") for n in range(25)))
    scene.look()
    for job in scene.ledger.jobs.lease(ACCOUNT, 25):
        hold(scene.ledger, job)
    scene.erp.calls.clear()

    scene.look()

    assert scene.erp.calls["load"] == 3


@pytest.mark.parametrize(
    ("by_confirmation", "confirmed_on", "issued", "left_out"),
    [
        (False, date(2026, 3, 1), date(2025, 12, 31), True),
        (False, date(2025, 3, 1), date(2026, 1, 1), False),
        (True, date(2026, 1, 1), date(2025, 12, 31), False),
        (True, date(2025, 12, 31), date(2026, 1, 1), True),
        (True, None, date(2025, 12, 31), True),
        (True, None, None, False),
    ],
)
def test_the_start_date_is_about_the_day_of_issue_or_of_confirmation(
    erp: Erp, by_confirmation: bool, confirmed_on: date | None, issued: date | None, left_out: bool
) -> None:
    source = Source(
        name=SOURCE,
        adapter=erp,
        since=date(2026, 1, 1),
        companies=None,
        account_of=lambda company: ACCOUNT,
        by_confirmation=by_confirmation,
    )
    head = replace(found(invoice("1")), confirmed_on=confirmed_on, issue_date=issued)

    assert source.begins_before(head) is left_out


def test_one_look_reads_a_bounded_number_of_resting_documents_and_the_next_goes_on(scene: Scene) -> None:
    scene.discovery = Discovery(
        scene.ledger, clock=scene.clock, overlap=OVERLAP, sweep_every=SWEEP_EVERY, recheck_batch=10
    )
    scene.erp.add(*(invoice(f"{n:02}") for n in range(25)))
    scene.look()
    for job in scene.ledger.jobs.lease(ACCOUNT, 25):
        hold(scene.ledger, job)
    with scene.ledger.database.write() as connection:
        for job in jobs(scene.ledger):
            judged = invoice(job.key).fingerprint()
            connection.exec_driver_sql(f"UPDATE job SET fingerprint = '{judged}' WHERE id = {job.id}")
    for key in ("00", "12", "24"):
        scene.erp.alter(key, silently=True, note="cured")
    scene.erp.calls.clear()

    woken = []
    for _ in range(3):
        scene.look()
        woken.append([job.key for job in jobs(scene.ledger) if job.status is Status.PENDING])

    assert woken == [["00"], ["00", "12"], ["00", "12", "24"]]
    assert scene.erp.calls["load"] == 3


def test_where_somebody_waits_all_resting_documents_are_read(scene: Scene) -> None:
    scene.discovery = Discovery(
        scene.ledger, clock=scene.clock, overlap=OVERLAP, sweep_every=SWEEP_EVERY, recheck_batch=10
    )
    scene.erp.add(*(invoice(f"{n:02}") for n in range(25)))
    scene.look()
    for job in scene.ledger.jobs.lease(ACCOUNT, 25):
        hold(scene.ledger, job)

    assert scene.recheck() == 10
    assert scene.recheck(thorough=True) == 15
