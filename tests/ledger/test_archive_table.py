"""Which files of issued documents are due, kept and listed: the same on both databases."""

from __future__ import annotations

import pytest

from connector.domain.archive import Keeping, Piece
from connector.ledger import Ledger
from connector.ledger.archive import KnownList
from tests.support.builders import invoice
from tests.support.clock import FakeClock
from tests.support.ledgers import ACCOUNT, add, lease_one, send

HASH = "ab" * 32


def sent(ledger: Ledger, *keys: str) -> None:
    for key in keys:
        send(ledger, lease_one(ledger, invoice(key, number=f"F-{key}")), reference=f"1000{key}")


def test_files_of_documents_that_were_sent_are_noted_once(ledger: Ledger, clock: FakeClock) -> None:
    sent(ledger, "1", "2")
    add(ledger, invoice("3"))
    clock.advance(1)

    assert ledger.archive.enrol(ACCOUNT, list(Piece)) == 2
    assert ledger.archive.enrol(ACCOUNT, list(Piece)) == 0
    assert ledger.archive.enrol("other", list(Piece)) == 0
    assert [(c.piece, c.keeping, c.files) for c in ledger.archive.counts()] == [
        (Piece.LEGAL, Keeping.DUE, 2),
        (Piece.ORIGINAL, Keeping.DUE, 2),
        (Piece.PDF, Keeping.DUE, 2),
    ]


def test_a_document_that_was_committed_late_is_noted_all_the_same(ledger: Ledger, clock: FakeClock) -> None:
    sent(ledger, "1")
    clock.advance(300)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    with ledger.database.write() as connection:  # as a slow transaction makes it visible only now
        connection.exec_driver_sql("DELETE FROM archive")

    assert ledger.archive.enrol(ACCOUNT, [Piece.PDF]) == 1


def test_an_account_is_due_by_its_files_and_by_what_it_sent_since(ledger: Ledger, clock: FakeClock) -> None:
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    assert ledger.archive.accounts_due() == []

    clock.advance(1)
    sent(ledger, "1")
    assert ledger.archive.accounts_due() == [ACCOUNT]

    clock.advance(1)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    assert ledger.archive.accounts_due() == [ACCOUNT]
    [wanted] = ledger.archive.claim(ACCOUNT, 10, seconds=60)
    assert ledger.archive.accounts_due() == []
    ledger.archive.let_go([wanted])
    assert ledger.archive.accounts_due() == [ACCOUNT]


HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize("ahead", [2 * HOUR, 40 * DAY])
@pytest.mark.parametrize("back_after", [60, HOUR, 2 * DAY])
def test_what_was_sent_after_a_clock_was_set_right_is_noted_within_a_day(
    ledger: Ledger, clock: FakeClock, ahead: float, back_after: float
) -> None:
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    clock.advance(ahead)
    sent(ledger, "1")
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    clock.advance(-ahead + 60)
    sent(ledger, "2")

    clock.advance(back_after)  # until somebody has time for the archive
    for _ in range(24):
        if ACCOUNT in ledger.archive.accounts_due():
            ledger.archive.enrol(ACCOUNT, [Piece.PDF])
        clock.advance(HOUR)

    assert [count.files for count in ledger.archive.counts()] == [2]


def test_what_was_sent_by_a_clock_that_was_behind_is_noted_within_a_day(ledger: Ledger, clock: FakeClock) -> None:
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    clock.advance(-7 * DAY)
    sent(ledger, "1")
    clock.advance(7 * DAY)
    assert ledger.archive.accounts_due() == []

    clock.advance(DAY)
    assert ledger.archive.accounts_due() == [ACCOUNT]
    assert ledger.archive.enrol(ACCOUNT, [Piece.PDF]) == 1


def test_a_mark_of_the_future_counts_for_nothing_at_once_and_others_are_looked_behind_once_a_day(
    ledger: Ledger, clock: FakeClock
) -> None:
    clock.advance(2 * HOUR)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    clock.advance(-2 * HOUR)

    assert ledger.archive.accounts_due() == [ACCOUNT]
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    assert ledger.archive.accounts_due() == []

    clock.advance(DAY)
    assert ledger.archive.accounts_due() == [ACCOUNT]
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    assert ledger.archive.accounts_due() == []


def test_what_was_sent_in_the_future_keeps_its_account_from_its_rest_no_longer_than_it_is_new(
    ledger: Ledger, clock: FakeClock
) -> None:
    clock.advance(2 * HOUR)
    sent(ledger, "1")
    clock.advance(-2 * HOUR)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    ledger.archive.claim(ACCOUNT, 10, seconds=DAY)

    assert ledger.archive.accounts_due() == []


def test_what_is_kept_is_not_moved_again(ledger: Ledger, clock: FakeClock) -> None:
    sent(ledger, "1")
    clock.advance(1)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    [wanted] = ledger.archive.claim(ACCOUNT, 10, seconds=60)
    ledger.archive.storing(wanted.file, name="files/ab/x.pdf", sha256=HASH, size=7)
    ledger.archive.kept(wanted.file)

    ledger.archive.postpone(wanted, "file_not_ready", {"piece": "pdf", "reference": "1"})  # by a slower worker

    [file] = ledger.archive.files_of(wanted.file.job_id)
    assert (file.keeping, file.name, file.sha256, file.size, file.reason) == (
        Keeping.KEPT,
        "files/ab/x.pdf",
        HASH,
        7,
        None,
    )


def test_lists_name_files_of_the_same_content_at_once(ledger: Ledger, clock: FakeClock) -> None:
    sent(ledger, "1", "2")
    clock.advance(1)
    ledger.archive.enrol(ACCOUNT, [Piece.PDF])
    for wanted in ledger.archive.claim(ACCOUNT, 10, seconds=60):
        ledger.archive.storing(wanted.file, name="files/ab/x.pdf", sha256=HASH, size=7)
        ledger.archive.kept(wanted.file)
    assert len(ledger.archive.unlisted(10)) == 2

    made = KnownList(number=1, name="manifests/2026-01/00000001.sha256", sha256=HASH)
    ledger.archive.listed(made, ["files/ab/x.pdf"])
    ledger.archive.listed(made, ["files/ab/x.pdf"])  # as after a crash

    assert ledger.archive.unlisted(10) == []
    assert ledger.archive.lists() == [made]
    assert ledger.archive.last_list() == made
    assert [file.list_number for file in ledger.archive.announced()] == [1, 1]


def test_the_file_that_is_wanted_longest_is_told(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.archive.longest_wanted() is None
    sent(ledger, "1")
    clock.advance(60)
    sent(ledger, "2")
    clock.advance(1)
    ledger.archive.enrol(ACCOUNT, [Piece.LEGAL])

    oldest = ledger.archive.longest_wanted()
    assert oldest is not None
    assert oldest.number == "F-1"


def test_documents_of_a_period_come_in_the_order_of_their_days(ledger: Ledger, clock: FakeClock) -> None:
    sent(ledger, "1")
    [job] = ledger.archive.issued(None, None, None)
    day = invoice("1").issue_date

    assert list(ledger.archive.issued(day, day, ACCOUNT)) == [job]
    assert list(ledger.archive.issued(day, day, "other")) == []
    assert list(ledger.archive.issued(None, clock.now().date().replace(year=2001), None)) == []
