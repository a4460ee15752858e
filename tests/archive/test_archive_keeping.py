"""Files of issued documents are fetched when they are ready, kept once, and named in lists that prove them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from connector.archive.keeping import Archivist
from connector.archive.manifest import lines
from connector.archive.storage import ArchiveError, Folder
from connector.archive.verification import Finding, Verification
from connector.domain.archive import Keeping, Piece
from connector.domain.errors import MisconfiguredError
from connector.ledger.archive import File
from tests.support.builders import invoice
from tests.support.house import ACCOUNT, House, Opener

DAY = 86400.0


@dataclass
class Office:
    """A house with an archive."""

    house: House
    folder: Folder
    place: Path
    archivist: Archivist

    def work(self, **options: Callable[[], bool]) -> int:
        return self.archivist.work(ACCOUNT, lambda: self.house.remote, seconds=60, **options)

    def file(self, piece: Piece, key: str = "1") -> File:
        [found] = [f for f in self.house.ledger.archive.files_of(self.house.job(key).id) if f.piece is piece]
        return found

    def keeping(self, key: str = "1") -> dict[str, str]:
        return {str(f.piece): str(f.keeping) for f in self.house.ledger.archive.files_of(self.house.job(key).id)}

    def content(self, piece: Piece, key: str = "1") -> bytes:
        name = self.file(piece, key).name
        assert name is not None
        found = self.folder.read(name)
        assert found is not None
        return found

    def findings(self) -> list[Finding]:
        return list(Verification(self.house.ledger.archive, self.folder).findings())


def office_of(house: House, place: Path, pieces: tuple[Piece, ...] = tuple(Piece)) -> Office:
    folder = Folder(place)
    archivist = Archivist(house.ledger, folder, clock=house.clock, pieces=pieces, claim_seconds=300)
    return Office(house, folder, place, archivist)


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    return office_of(house, tmp_path / "archive")


def sha256sum(place: Path) -> subprocess.CompletedProcess[str]:
    """What an auditor does, without our software."""
    command = "cat manifests/*/*.sha256 | sha256sum --check --strict --quiet"
    return subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False)


def test_what_was_sent_is_kept_with_the_legal_file_and_the_pdf(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)

    assert office.work() == 3

    assert office.keeping() == {"original": "kept", "legal": "kept", "pdf": "kept"}
    assert office.content(Piece.ORIGINAL) == office.house.job().payload
    assert office.content(Piece.LEGAL).startswith(b"<?xml")
    assert office.content(Piece.PDF).startswith(b"%PDF")
    assert office.findings() == []
    assert sha256sum(office.place).returncode == 0


def test_nothing_is_asked_of_documents_that_were_not_sent(office: Office) -> None:
    office.house.take_in(invoice("1", number=None))
    office.house.run()
    office.house.forget_requests()

    assert office.work() == 0

    assert office.house.requests() == []
    assert not office.place.exists()


def test_a_file_that_is_not_ready_is_asked_for_again_with_growing_pauses(office: Office) -> None:
    office.house.world.switches.set({"pdf_seconds": 100.0})
    office.house.issue(invoice("1"))

    assert office.work() == 2
    assert office.file(Piece.PDF).reason == "file_not_ready"

    waits = []
    while office.keeping()["pdf"] == "due":
        due = office.file(Piece.PDF).due_at
        waits.append((due - office.house.clock.now()).total_seconds())
        office.house.advance(waits[-1])
        office.work()
    assert waits == [15, 30, 60]
    assert office.keeping()["pdf"] == "kept"


def test_before_it_is_due_nobody_asks(office: Office) -> None:
    office.house.world.switches.set({"pdf_seconds": 100.0})
    office.house.issue(invoice("1"))
    office.work()
    office.house.forget_requests()

    assert office.work() == 0
    assert office.house.requests() == []
    assert office.house.ledger.archive.accounts_due() == []


def test_a_file_that_never_comes_is_given_up_after_thirty_days_and_asked_for_again_on_request(office: Office) -> None:
    office.house.world.switches.set({"pdf_seconds": 50 * DAY})
    office.house.issue(invoice("1"))
    while office.keeping().get("pdf") != "absent":
        office.work()
        office.house.advance(12 * 3600)
    assert office.house.clock.monotonic() < 32 * DAY

    office.house.advance(30 * DAY)
    assert office.work() == 0
    assert office.house.ledger.archive.ask_again() == 1
    assert office.work() == 1


def test_a_file_of_long_ago_is_not_given_up_for_a_hiccup(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(400 * DAY)
    office.house.fault("unavailable_before", operation="download_as", times=None)
    for _ in range(80):
        office.work()
        office.house.advance(12 * 3600)
    assert office.keeping() == {"original": "kept", "legal": "due", "pdf": "due"}

    office.house.world.faults.clear()
    assert office.work() == 2


def test_how_many_files_were_given_up_is_told_by_account(office: Office) -> None:
    office.house.world.switches.set({"pdf_seconds": 500 * DAY})
    office.house.issue(invoice("1"))
    office.house.advance(40 * DAY)
    office.work()
    assert office.keeping()["pdf"] == "due"  # it was asked for once, after weeks
    while office.keeping()["pdf"] == "due":
        office.house.advance(12 * 3600)
        office.work()

    [told] = office.house.ledger.archive.backlog().values()
    assert (told.files, told.absent) == (0, 1)


def test_all_that_was_ever_sent_is_kept_when_the_archive_is_switched_on(office: Office) -> None:
    for key in ("1", "2", "3"):
        office.house.issue(invoice(key, number=f"F-{key}"))
        office.house.advance(DAY)

    assert office.work() == 9
    assert office.house.ledger.archive.accounts_due() == []
    office.house.advance(1)
    office.house.issue(invoice("4", number="F-4"))
    assert office.house.ledger.archive.accounts_due() == [ACCOUNT]


def test_only_the_chosen_files_are_fetched(open_house: Opener, tmp_path: Path) -> None:
    office = office_of(open_house(), tmp_path / "archive", (Piece.LEGAL,))
    office.house.issue(invoice("1"))
    office.house.forget_requests()

    assert office.work() == 1

    assert office.keeping() == {"legal": "kept"}
    assert office.house.operations() == ["download_as"]


def test_of_a_document_that_was_taken_over_the_original_is_b2brouters(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    with office.house.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE job SET payload = NULL")  # as `connector link` leaves it

    assert office.work() == 2
    assert office.file(Piece.ORIGINAL).reason == "file_not_ready"  # it was made from JSON: B2Brouter has none


def test_each_list_names_the_one_before_it(office: Office) -> None:
    for key in ("1", "2"):
        office.house.issue(invoice(key, number=f"F-{key}"))
        office.house.advance(5)
        office.work()

    first, second = office.house.ledger.archive.lists()
    content = office.folder.read(second.name)
    assert content is not None
    assert (lines(content)[0].name, lines(content)[0].sha256) == (first.name, first.sha256)
    assert f"main F-2 (id {office.house.job('2').id}, B2Brouter " in content.decode()


def test_the_chain_goes_on_over_the_turn_of_the_year(office: Office) -> None:
    for key in ("1", "2", "3"):
        office.house.issue(invoice(key, number=f"F-{key}"))
        office.house.advance(180 * DAY)
        office.work()

    folders = sorted(path.name for path in (office.place / "manifests").iterdir())
    assert folders == ["2026-07", "2027-01", "2027-07"]
    assert office.findings() == []
    assert sha256sum(office.place).returncode == 0


@pytest.mark.parametrize("how", ["byte", "missing", "unknown", "list", "cut"])
def test_what_is_not_as_it_was_kept_is_found(office: Office, how: str) -> None:
    for key in ("1", "2"):
        office.house.issue(invoice(key, number=f"F-{key}"))
        office.house.advance(5)
        office.work()
    legal = office.place / str(office.file(Piece.LEGAL).name)
    lists = [office.place / known.name for known in office.house.ledger.archive.lists()]

    expected = {
        "byte": ("archive_changed", legal),
        "missing": ("archive_missing", legal),
        "unknown": ("archive_unknown", office.place / "files" / "mine.pdf"),
        "list": ("archive_changed", lists[0]),
        "cut": ("archive_missing", lists[1]),
    }[how]
    if how in {"byte", "list"}:
        target = expected[1]
        target.chmod(0o640)
        content = bytearray(target.read_bytes())
        content[-2] ^= 1
        target.write_bytes(bytes(content))
    elif how in {"missing", "cut"}:
        expected[1].unlink()
    else:
        expected[1].write_bytes(b"%PDF")

    found = [(finding.reason, office.place / finding.details["file"]) for finding in office.findings()]
    assert expected in found
    assert all(finding.message and finding.advice for finding in office.findings())
    if how in {"byte", "missing", "list"}:
        assert sha256sum(office.place).returncode != 0


def test_a_rewritten_chain_is_found_too(office: Office) -> None:
    for key in ("1", "2"):
        office.house.issue(invoice(key, number=f"F-{key}"))
        office.house.advance(5)
        office.work()
    with office.house.ledger.database.write() as connection:  # whoever changes a list may reach the ledger, too
        connection.exec_driver_sql(f"UPDATE archive_list SET sha256 = '{'0' * 64}' WHERE number = 1")

    reasons = {finding.reason for finding in office.findings()}
    assert reasons == {"archive_changed", "archive_chain_broken"}


def test_a_place_that_fails_loses_nothing(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.place.write_text("in the way")

    with pytest.raises(ArchiveError, match="cannot be written: File exists"):
        office.work()

    assert set(office.keeping().values()) <= {"due", "storing"}
    assert office.house.ledger.archive.accounts_due() == [ACCOUNT]
    office.place.unlink()
    assert office.work() == 3
    assert office.findings() == []


def test_while_b2brouter_is_away_everything_stays_due(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.house.fault("unavailable_before", operation="download_as", times=100)

    assert office.work() == 1  # what was sent is at hand
    assert office.file(Piece.LEGAL).reason == "remote_unavailable"

    office.house.world.faults.clear()
    office.house.advance(60)
    assert office.work() == 2


def test_a_wrong_key_is_the_accounts_affair_and_costs_no_try(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.house.fault("unauthorized", operation="download_as", times=1)

    with pytest.raises(MisconfiguredError):
        office.work()

    assert office.file(Piece.LEGAL).tries == 0
    assert office.work() == 2


def test_whoever_is_told_to_stop_leaves_the_rest_to_the_next(office: Office) -> None:
    office.house.issue(invoice("1"), invoice("2", number="F-2"))
    office.house.advance(5)
    answers = iter([False, False, True])

    assert office.work(stopping=lambda: next(answers, True)) == 1
    assert office.work() == 5


def test_two_workers_at_once_keep_each_file_once(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.house.ledger.archive.enrol(ACCOUNT, list(Piece))
    claimed = office.house.ledger.archive.claim(ACCOUNT, 10, seconds=300)

    assert len(claimed) == 3
    assert office.work() == 0  # another one has them
    office.house.advance(301)
    assert office.work() == 3  # it died


def test_a_file_whose_keeping_was_announced_is_found_again_without_fetching(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.work()
    with office.house.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE archive SET keeping = 'storing', list_number = NULL WHERE piece = 'pdf'")
    office.house.advance(301)
    office.house.forget_requests()

    assert office.work() == 1
    assert office.house.requests() == []
    assert office.file(Piece.PDF).keeping is Keeping.KEPT
    assert office.findings() == []


def test_a_file_that_never_reached_the_archive_is_fetched_again(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.house.ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    [wanted] = office.house.ledger.archive.claim(ACCOUNT, 1, seconds=0)
    office.house.ledger.archive.storing(wanted.file, name="files/00/never.pdf", sha256="0" * 64, size=1)

    assert office.work() == 1
    assert office.content(Piece.PDF).startswith(b"%PDF")


def test_a_list_that_a_dead_process_left_is_taken_over(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    office.work()
    with office.house.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM archive_list")
        connection.exec_driver_sql("UPDATE archive SET list_number = NULL")
    assert office.findings() == []  # it was on its way

    assert office.archivist.list_kept() == 3
    assert [known.number for known in office.house.ledger.archive.lists()] == [1]
    assert office.findings() == []


def kept_but_not_listed(office: Office, key: str) -> None:
    """Have the archive hold a document's files that no list names."""
    office.house.issue(invoice(key, number=f"F-{key}"))
    office.house.advance(5)
    listing, office.archivist.list_kept = office.archivist.list_kept, lambda: 0  # type: ignore[method-assign]
    office.work()
    office.archivist.list_kept = listing  # type: ignore[method-assign]


def test_two_workers_that_make_a_list_at_once_make_one_after_the_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_but_not_listed(office, "1")
    other, put = office_of(office.house, office.place), office.folder.put
    faults: list[ArchiveError] = []

    def list_too() -> None:
        try:
            other.archivist.list_kept()
        except ArchiveError as error:
            faults.append(error)

    def meanwhile(name: str, content: bytes) -> None:
        monkeypatch.setattr(office.folder, "put", put)
        kept_but_not_listed(other, "2")
        at_once.start()
        at_once.join(0.5)
        put(name, content)

    at_once = Thread(target=list_too)
    monkeypatch.setattr(office.folder, "put", meanwhile)
    office.archivist.list_kept()
    at_once.join()

    assert faults == []
    assert [known.number for known in office.house.ledger.archive.lists()] == [1, 2]
    assert office.house.ledger.archive.unlisted(9) == []
    assert office.findings() == []


def test_while_another_process_makes_lists_they_are_left_to_it(office: Office) -> None:
    office.house.issue(invoice("1"))
    office.house.advance(5)
    with office.house.ledger.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO lease (name, owner, leased_until) VALUES ('archive lists', 'elsewhere/1/1', '2099-01-01')"
        )
    assert office.work() == 3
    assert office.house.ledger.archive.lists() == []

    with office.house.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM lease")
    office.work()
    assert office.house.ledger.archive.unlisted(9) == []
