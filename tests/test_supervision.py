"""Accounts that do not work: paused with one alarm, probed now and then, resumed without a person."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from config.settings import Settings
from connector import supervision
from connector.archive.keeping import Archivist
from connector.archive.storage import Folder
from connector.domain.archive import Keeping, Piece
from connector.domain.errors import EnvironmentLockedError, SourceUnavailableError
from connector.domain.job import Stage, Status
from connector.errands import archive, drain
from connector.ledger import waiting
from connector.ledger.accounts import PROBE_AFTER
from connector.ledger.actions import HOLD, RELEASE
from connector.ledger.queries import Filter
from connector.simulator import SimulatorServer
from connector.supervision import prepare
from tests.support.builders import invoice
from tests.support.office import Office


@pytest.fixture
def office(server: SimulatorServer, tmp_path: Path) -> Iterator[Office]:
    made = Office(server, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer() as running:
        yield running


@pytest.mark.parametrize("count", [60, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_an_hour_without_b2brouter_costs_a_few_probes_one_alarm_and_nobody_s_time(
    office: Office, server: SimulatorServer, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    caplog.set_level(logging.INFO, "connector")
    office.erp.add(invoice("0"))
    office.work(60)
    asked_before = len(server.world.journal)
    office.erp.add(*(invoice(str(n)) for n in range(1, count + 1)))
    server.stop()
    probes = _count_probes(office)
    office.work(3600, every=30)

    by_status = office.ledger.queries.by_status()
    assert by_status[Status.HELD] == 0
    assert by_status[Status.WAITING] == count
    assert office.waiting_for() == {"account_paused"}
    assert len(probes) <= 60
    assert all(later - earlier >= 60 for earlier, later in pairwise(probes))
    assert sum("is paused" in record.message for record in caplog.records) == 1
    assert len(server.world.journal) == asked_before

    server.start()
    office.work(1800)
    assert office.ledger.queries.by_status()[Status.DONE] == count + 1
    assert {invoice.sent_times for invoice in server.world.invoices.values()} == {1}


def test_a_single_invoice_survives_an_outage_without_a_person(office: Office, server: SimulatorServer) -> None:
    """One document makes too few calls for a count of them to tell that nothing works at all."""
    office.erp.add(invoice("0"))
    office.work(60)
    office.erp.add(invoice("1"))
    _instantly(office)
    rule = server.world.faults.add("unavailable_before", times=None)
    office.work(300)

    assert office.waiting_for() == {"account_paused"}
    server.world.faults.remove(rule.id)
    office.work(1800)
    assert office.ledger.queries.by_status()[Status.DONE] == 2
    assert {invoice.sent_times for invoice in server.world.invoices.values()} == {1}


def test_a_document_that_the_server_alone_stumbles_over_stops_nobody(office: Office, server: SimulatorServer) -> None:
    office.erp.add(invoice("0"))
    office.work(60)
    office.erp.add(invoice("1"))
    _instantly(office)
    rule = server.world.faults.add("unavailable_before", operation="create_invoice", times=None)
    office.work(1800)

    [job] = office.ledger.queries.jobs(Filter(status=Status.HELD))
    assert (job.key, job.reason) == ("1", "retries_exhausted")
    made = [entry for entry in server.world.journal if entry.operation == "create_invoice"]
    assert len(made) == 1 + 5
    [state] = office.ledger.accounts.all()
    assert state.paused_reason is None

    server.world.faults.remove(rule.id)
    office.erp.add(invoice("2"))
    office.work(60)
    assert office.ledger.queries.by_status()[Status.DONE] == 2


def _instantly(office: Office) -> None:
    """Have reads repeated without real pauses."""
    office.services.remote("main")._transport._sleep = lambda seconds: None


def _count_probes(office: Office) -> list[float]:
    probes: list[float] = []
    remote = office.services.remote("main")
    read = remote.read_account

    def probe(*, once: bool = False) -> object:
        probes.append(office.clock.monotonic())
        return read(once=once)

    remote.read_account = probe  # type: ignore[method-assign, assignment]
    return probes


def test_a_wrong_key_uses_up_no_attempt_and_everything_resumes_when_it_is_right(
    server: SimulatorServer, tmp_path: Path
) -> None:
    office = Office(server, tmp_path, api_key="wrong")
    office.erp.add(*(invoice(str(n)) for n in range(1, 21)))
    office.work(300)
    jobs = list(office.ledger.queries.jobs(Filter()))
    assert {(job.status, job.reason, job.attempts) for job in jobs} == {(Status.WAITING, "account_paused", 0)}
    assert all("wrong" not in (job.message or "") for job in jobs)

    office.use_key("test_key")
    office.work(1800)
    assert office.ledger.queries.by_status()[Status.DONE] == 20
    office.services.close()


def test_the_thread_that_finds_an_account_stopped_holds_back_a_part_of_its_jobs_and_leaves_the_rest_to_the_rounds(
    server: SimulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PIECE", 10)
    monkeypatch.setattr(supervision, "_AT_ONCE", 0.0)
    office = Office(server, tmp_path, api_key="wrong")
    office.erp.add(*(invoice(str(n)) for n in range(1, 51)))
    office.services.discovery.discover(office.services.source("erp"))

    drain(office.services, "main", stopping=lambda: False)

    by_status = office.ledger.queries.by_status()
    assert (by_status[Status.WAITING], by_status[Status.PENDING]) == (10, 40)
    assert (office.ledger.jobs.due_accounts(), office.ledger.jobs.lease("main", 50)) == ([], [])

    office.work(30)
    assert office.ledger.queries.by_status()[Status.WAITING] == 50
    assert office.waiting_for() == {"account_paused"}
    office.services.close()


def test_a_person_who_pauses_an_account_while_it_is_probed_is_obeyed(
    office: Office, server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    office.erp.add(invoice("1"))
    office.work(60)
    office.erp.add(invoice("2"))
    accounts = office.ledger.accounts
    accounts.pause("main", "outage", {"message": "gone"})
    remote = office.services.remote("main")
    read = remote.read_account

    def probe(*, once: bool = False) -> object:
        accounts.pause_by_person("main", who="ana", note="month end", until=None)
        return read(once=once)

    remote.read_account = probe  # type: ignore[method-assign, assignment]
    office.work(3600, every=60)

    state = accounts.get("main")
    assert state is not None
    assert (state.paused_by, state.probe_at) == ("ana", None)
    assert len(server.world.invoices) == 1
    assert not any("works again" in record.message for record in caplog.records)


@pytest.mark.parametrize("status", [402, 451])
def test_an_account_that_b2brouter_refuses_is_paused_and_tried_now_and_then(
    office: Office, server: SimulatorServer, status: int
) -> None:
    rule = server.world.faults.add("error_before", operation="read_account", status=status, times=None)
    office.erp.add(invoice("1"))
    probes = _count_probes(office)

    office.work(3600)

    assert office.waiting_for() == {"account_paused"}
    assert len(probes) <= 10
    [state] = office.ledger.accounts.all()
    assert state.paused_reason == "account_refused"

    server.world.faults.remove(rule.id)
    office.work(1800)
    assert office.ledger.queries.by_status()[Status.DONE] == 1


def test_what_no_probe_sees_is_tried_ever_more_rarely_too(
    office: Office, server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> None:
    office.erp.add(invoice("0"))
    office.work(60)
    rule = server.world.faults.add("error_before", operation="create_invoice", status=403, times=None)
    office.erp.add(*(invoice(str(n)) for n in range(1, 21)))

    office.work(4 * 3600, every=60)

    assert office.waiting_for() == {"account_paused"}
    assert sum("is paused" in record.message for record in caplog.records) <= 20
    [first, *_] = office.ledger.queries.jobs(Filter(status=Status.WAITING))
    assert sum(entry.what == "released" for entry in office.ledger.queries.timeline(first.id)) <= 20

    server.world.faults.remove(rule.id)
    office.work(1800)
    assert office.ledger.queries.by_status()[Status.DONE] == 21


def test_the_archive_waits_until_it_is_time_to_probe(office: Office, server: SimulatorServer, tmp_path: Path) -> None:
    office.erp.add(invoice("1"))
    office.work(60)
    _use_archive(office, tmp_path / "archive", *Piece)
    accounts = office.ledger.accounts
    accounts.pause("main", "outage", {"message": "gone"})
    paused = accounts.get("main")
    probes = _count_probes(office)

    def kept() -> int:
        archive(office.services, "main", stopping=lambda: False)
        return sum(count.files for count in office.ledger.archive.counts() if count.keeping is Keeping.KEPT)

    office.clock.advance(PROBE_AFTER - 1)
    assert kept() == 0
    assert (probes, accounts.get("main")) == ([], paused)

    office.clock.advance(1)
    assert kept() == len(Piece)
    assert len(probes) == 1


def test_an_account_that_stops_while_its_files_are_fetched_is_not_probed_for_the_next(
    office: Office, tmp_path: Path
) -> None:
    office.erp.add(invoice("1"), invoice("2"))
    office.work(60)
    _use_archive(office, tmp_path / "archive", Piece.LEGAL)
    remote = office.services.remote("main")
    read = remote.read_file

    def stop_meanwhile(reference: str, piece: Piece) -> bytes | None:
        office.ledger.accounts.pause("main", "outage", {"message": "gone"})
        return read(reference, piece)

    remote.read_file = stop_meanwhile  # type: ignore[method-assign]
    probes = _count_probes(office)

    archive(office.services, "main", stopping=lambda: False)

    assert probes == []
    assert {count.keeping: count.files for count in office.ledger.archive.counts()} == {
        Keeping.KEPT: 1,
        Keeping.DUE: 1,
    }


def _use_archive(office: Office, place: Path, *pieces: Piece) -> None:
    office.services.__dict__["archivist"] = Archivist(
        office.ledger, Folder(place), clock=office.clock, pieces=pieces, claim_seconds=300
    )


def test_one_and_the_same_refusal_of_everything_stops_the_account_before_it_reaches_every_document(
    office: Office, server: SimulatorServer
) -> None:
    office.erp.add(invoice("0"))
    office.work(60)
    server.world.switches.set({"tax_number_check": "off"})
    server.world.faults.add("error_before", operation="create_invoice", status=422, times=None)
    office.erp.add(*(invoice(str(n)) for n in range(1, 201)))
    office.work(60)
    by_status = office.ledger.queries.by_status()
    assert by_status[Status.HELD] < 60
    assert office.waiting_for() == {"account_paused"}
    assert server.world.faults.rules


def test_a_source_that_a_person_paused_is_left_alone_until_the_pause_ends(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.work(60, every=30)
    office.ledger.sources.pause("erp", who="ana", note="the ERP moves", until=office.clock.now() + timedelta(hours=1))
    office.erp.add(invoice("2"))
    office.work(1200, every=300)
    assert office.ledger.queries.by_status()[Status.DONE] == 1
    assert office.ledger.intake.state("erp")["discovered_at"] < office.clock.now() - timedelta(seconds=500)
    assert office.ledger.alarms.lasting() == []

    office.work(3600, every=300)
    assert office.ledger.queries.by_status()[Status.DONE] == 2
    assert office.ledger.sources.paused() == {}


def test_what_a_paused_source_has_due_waits_and_says_why(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.services.discovery.discover(office.services.source("erp"))
    office.ledger.sources.pause("erp", who="ana", note="month end", until=None)
    office.work(7200, every=900)
    [job] = office.ledger.queries.jobs(Filter())
    assert (job.status, job.message) == (Status.WAITING, "ana paused the source erp: month end")
    assert office.ledger.alarms.lasting() == []

    assert office.ledger.sources.resume("erp", who="vera", note="over") == 1
    office.work(60, every=30)
    assert office.ledger.queries.by_status()[Status.DONE] == 1
    told = [(deed.who, deed.what, deed.note) for deed in office.ledger.deeds.page(before=None, limit=5)]
    assert told == [("vera", "resume_source", "over"), ("ana", "pause_source", "month end")]


def test_who_still_believes_that_a_source_is_paused_holds_nothing_back(office: Office) -> None:
    office.erp.add(invoice("1"))
    sources = office.ledger.sources
    sources.pause("erp", who="ana", note="month end", until=None)
    believed = sources.paused()["erp"].facts("erp")
    sources.resume("erp", who="vera", note="over")
    office.services.discovery.discover(office.services.source("erp"))

    assert sources._let_wait("erp", "source_paused", believed) == 0

    office.work(60, every=30)
    assert office.ledger.queries.by_status()[Status.DONE] == 1


def test_a_configuration_that_changes_between_the_stamps_check_and_the_work_sends_nothing(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.services.discovery.discover(office.services.source("erp"))
    prepare(office.services, "main")
    settings = office.services.settings.model_dump(exclude_unset=True)
    settings["accounts"]["main"]["account_id"] = "2"
    office.services.adopt(Settings.model_validate(settings))

    with pytest.raises(EnvironmentLockedError, match="belongs to account 1"):
        office.services.journey.drain("main", seconds=60)
    assert office.server.world.invoices == {}


def _another(office: Office) -> None:
    office.erp.identity = lambda: "memory:restored"  # type: ignore[method-assign]


def test_nothing_under_way_is_issued_from_another_database_and_it_goes_on_when_it_is_the_known_one_again(
    office: Office,
) -> None:
    office.erp.add(invoice("1"), invoice("2"))
    office.services.discovery.discover(office.services.source("erp"))
    _another(office)
    drain(office.services, "main", stopping=lambda: False)  # before any look has seen it

    assert "load" not in office.erp.calls
    assert office.waiting_for() == {"source_is_another"}
    assert {job.attempts for job in office.ledger.queries.jobs(Filter())} == {0}
    assert [alarm.code for alarm in office.ledger.alarms.lasting()] == ["source_is_another"]

    office.work(1800, every=60)
    assert office.waiting_for() == {"source_is_another"}
    assert office.server.world.invoices == {}

    del office.erp.identity
    office.work(120, every=30)
    assert office.ledger.queries.by_status()[Status.DONE] == 2
    assert office.ledger.alarms.lasting() == []


def test_a_reference_is_not_written_into_another_database(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.erp.fail("record", SourceUnavailableError("It is gone.", down=True), times=9)
    office.work(60, every=30)
    [job] = office.ledger.queries.jobs(Filter())
    assert (job.stage, job.status) == (Stage.SENT, Status.PENDING)
    office.erp.recover()
    _another(office)

    office.work(1800, every=60)
    assert office.waiting_for() == {"source_is_another"}
    assert office.erp.reference_of("1") is None

    del office.erp.identity
    office.work(120, every=30)
    [job] = office.ledger.queries.jobs(Filter())
    assert job.status is Status.DONE
    assert office.erp.reference_of("1") == (job.reference, job.xref)


def test_what_a_person_lets_go_on_meanwhile_waits_again(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.services.discovery.discover(office.services.source("erp"))
    [job] = office.ledger.queries.jobs(Filter())
    office.ledger.actions.perform(HOLD, [job], who="ana", note="a moment")
    _another(office)
    office.work(60, every=30)
    [job] = office.ledger.queries.jobs(Filter())
    office.ledger.actions.perform(RELEASE, [job], who="ana", note="over")
    office.work(60, every=30)

    assert office.waiting_for() == {"source_is_another"}
    assert "load" not in office.erp.calls


def test_an_erp_that_cannot_say_which_one_it_is_costs_no_document_its_attempts(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.services.discovery.discover(office.services.source("erp"))
    office.erp.fail("identity", SourceUnavailableError("It says nothing."), times=999)
    office.work(3600, every=60)
    [job] = office.ledger.queries.jobs(Filter())
    assert (job.status, job.reason) == (Status.PENDING, "erp_unavailable")
    assert "load" not in office.erp.calls

    office.erp.recover()
    office.work(600, every=30)
    assert office.ledger.queries.by_status()[Status.DONE] == 1


def test_a_source_that_was_bound_anew_goes_on_with_the_database_that_it_is(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.services.discovery.discover(office.services.source("erp"))
    _another(office)
    office.work(60, every=30)
    assert office.waiting_for() == {"source_is_another"}

    office.ledger.stamps.rebind(who="ana", note="the ERP has a new server")
    office.work(120, every=30)
    assert office.ledger.queries.by_status()[Status.DONE] == 1


def test_a_persons_look_at_some_days_is_no_comparison_of_the_account(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.work(120, every=40)
    automatic = office.ledger.reconciliations.last("main")
    assert automatic is not None
    today, days = office.clock.now().date(), office.services.settings.reconcile.days
    first = today - timedelta(days=days)
    narrow = office.ledger.reconciliations.begin("main", today, None)
    assert narrow is not None
    office.ledger.reconciliations.finish(narrow, by_reason={}, for_person=0, sides={})

    assert office.ledger.reconciliations.last_begun(first)["main"] == automatic
    every = timedelta(days=1)
    assert office.ledger.reconciliations.wanted_since(every, first) == {"main": automatic.started_at + every}


def test_that_an_erp_is_away_is_what_came_of_a_comparison(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.work(120, every=40)
    office.erp.fail("identity", SourceUnavailableError("It is away."), times=99)
    office.erp.fail("find", SourceUnavailableError("It is away."), times=99)
    office.ledger.accounts.ask_comparison("main", who="ana")
    office.work(120, every=40)

    last = office.ledger.reconciliations.last("main")
    assert last is not None
    assert last.fault == "It is away."


def test_another_database_is_not_compared(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.work(120, every=40)
    first = office.ledger.reconciliations.last("main")
    _another(office)
    office.ledger.accounts.ask_comparison("main", who="ana")
    office.work(120, every=40)

    assert office.ledger.reconciliations.last("main") == first


def test_a_comparison_that_a_person_asks_for_is_made_soon(office: Office) -> None:
    office.erp.add(invoice("1"))
    office.work(120, every=40)
    first = office.ledger.reconciliations.last("main")
    assert first is not None
    office.work(600, every=100)
    assert office.ledger.reconciliations.last("main") == first
    office.ledger.accounts.ask_comparison("main", who="ana")
    office.work(120, every=40)
    second = office.ledger.reconciliations.last("main")
    assert second is not None
    assert second.id > first.id
