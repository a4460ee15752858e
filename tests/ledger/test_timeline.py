"""The timeline of a job: what happened to it, in the order in which it was told."""

from __future__ import annotations

import pytest

from connector.bench.throughput import tallied
from connector.domain.job import Effect, Stage
from connector.ledger import Ledger, timeline
from connector.ledger.records import Entry, Job
from tests.support.builders import NOON
from tests.support.ledgers import lease_one


@pytest.fixture
def job(ledger: Ledger) -> Job:
    return lease_one(ledger)


def test_an_entry_stands_at_the_stage_that_it_names_or_else_where_its_job_is(ledger: Ledger, job: Job) -> None:
    own, other = Entry(what="reached", effect=Effect.CREATE, stage=Stage.CREATED), Entry(what="blocked")
    with ledger.database.write() as connection:
        timeline.append(connection, NOON, [(job.id, Stage.VERIFIED, own), (job.id, Stage.VERIFIED, other)])

    first, second = ledger.queries.timeline(job.id)[-2:]
    assert (first.what, first.effect, first.stage, first.at) == ("reached", Effect.CREATE, Stage.CREATED, NOON)
    assert (second.what, second.effect, second.stage, second.at) == ("blocked", None, Stage.VERIFIED, NOON)


def test_more_entries_than_a_statement_takes_are_all_written_and_in_order(ledger: Ledger, job: Job) -> None:
    entries = [Entry(what="note", note=str(number)) for number in range(1001)]
    with tallied(ledger.database.engine) as tally, ledger.database.write() as connection:
        timeline.append(connection, NOON, [(job.id, job.stage, entry) for entry in entries])

    assert tally.statements == 3
    assert [event.note for event in ledger.queries.timeline(job.id)[-1001:]] == [entry.note for entry in entries]


def test_where_there_is_nothing_to_tell_nothing_is_asked_of_the_database(ledger: Ledger) -> None:
    with tallied(ledger.database.engine) as tally, ledger.database.write() as connection:
        timeline.append(connection, NOON, [])

    assert tally.statements == 0
