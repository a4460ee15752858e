"""What several workers write at once: one transaction, as if each had written alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

from connector.bench.throughput import tallied
from connector.domain.errors import LeaseLostError, LedgerError, RefusedError
from connector.domain.identity import number_key
from connector.domain.job import Effect, Stage
from connector.ledger import Ledger, raw
from connector.ledger.pen import Change
from connector.ledger.records import Entry, Job, issuing
from connector.ledger.tables import NumberClaimRow
from tests.support.builders import NOON, invoice
from tests.support.ledgers import ACCOUNT, add, job_of, told


@pytest.fixture
def hands(ledger: Ledger) -> list[Job]:
    """Four jobs in the hands of four workers."""
    add(ledger, *(invoice(key) for key in "1234"))
    return ledger.jobs.lease(ACCOUNT, 4)


def intent(job: Job, number: str | None = None) -> Change:
    document = invoice(job.key, number=number or f"F-{job.key}")
    return Change(
        job=job,
        values={"open_effect": Effect.CREATE, "open_since": NOON, "payload": b"{}", **issuing(document)},
        entries=[Entry(what="intent", effect=Effect.CREATE)],
        number=number_key(document),
    )


def arrival(job: Job, stage: Stage = Stage.CREATED) -> Change:
    facts = {"reference": f"10000{job.key}"}
    return Change(
        job=job,
        values={"stage": stage, "reference": f"10000{job.key}", "details": None},
        entries=[Entry(what="reached", details=facts), Entry(what="warned", reason="vat_register_silent")],
    )


def together(ledger: Ledger, *changes: Change) -> list[Job | Exception]:
    return list(ledger.jobs._pen._write(changes))


def claims(ledger: Ledger) -> dict[str, int]:
    with ledger.database.read() as connection:
        return {row.number_key: row.job_id for row in connection.execute(select(*NumberClaimRow.__table__.c))}


def test_changes_of_several_kinds_are_one_transaction_and_leave_what_each_alone_would(
    ledger: Ledger, hands: list[Job]
) -> None:
    with tallied(ledger.database.engine) as tally:
        after = together(ledger, intent(hands[0]), arrival(hands[1]), intent(hands[2]), arrival(hands[3]))

    assert tally.commits == 1
    assert tally.statements == 5  # two for the numbers, one for each kind of change, one for all timelines
    assert after == [job_of(ledger, key) for key in "1234"]
    assert [told(ledger, job)[-1] for job in hands] == ["intent", "warned", "intent", "warned"]
    assert ledger.queries.timeline(hands[1].id)[-2].details == {"reference": "100002"}


def test_who_lost_the_lease_is_told_and_the_others_have_written(ledger: Ledger, hands: list[Job]) -> None:
    stale = replace(hands[1], fence=hands[1].fence - 1)

    first, lost, third = together(ledger, intent(hands[0]), intent(stale), arrival(hands[2]))

    assert isinstance(lost, LeaseLostError)
    assert f"job {stale.id} " in str(lost)
    assert first == job_of(ledger, "1")
    assert third == job_of(ledger, "3")
    assert told(ledger, hands[1])[-1] == "found"
    assert hands[1].id not in claims(ledger).values()


@pytest.mark.parametrize("stale_first", [True, False], ids=["stale first", "stale last"])
@pytest.mark.parametrize("other", [intent, arrival], ids=["alike", "of another kind"])
def test_of_two_holders_of_one_job_that_meet_only_the_one_with_the_lease_writes(
    ledger: Ledger, hands: list[Job], other: Callable[[Job], Change], stale_first: bool
) -> None:
    stale = other(replace(hands[1], fence=hands[1].fence - 1))
    fresh = intent(hands[1])

    *both, third = together(ledger, *([stale, fresh] if stale_first else [fresh, stale]), arrival(hands[2]))
    lost, written = both if stale_first else reversed(both)

    assert isinstance(lost, LeaseLostError)
    assert written == job_of(ledger, "2")
    assert third == job_of(ledger, "3")
    assert told(ledger, hands[1]) == ["found", "intent"]


def test_of_two_jobs_with_one_number_the_first_has_it(ledger: Ledger, hands: list[Job]) -> None:
    one, other, third = together(ledger, intent(hands[0], "F-9"), intent(hands[1], "F-9"), arrival(hands[2]))

    assert isinstance(one, Job)
    assert isinstance(third, Job)
    assert isinstance(other, RefusedError)
    assert (other.reason, other.details) == ("number_clash", {"other": str(hands[0].id)})
    assert job_of(ledger, "2").open_effect is None
    assert list(claims(ledger).values()) == [hands[0].id]


def test_a_number_is_free_again_once_its_job_claims_another(ledger: Ledger, hands: list[Job]) -> None:
    renamed, *_ = together(ledger, intent(hands[0], "F-8"), arrival(hands[2]))
    assert isinstance(renamed, Job)

    together(ledger, intent(renamed, "F-9"), intent(hands[1], "F-8"))

    assert claims(ledger) == {
        number_key(invoice("1", number="F-9")): hands[0].id,
        number_key(invoice("2", number="F-8")): hands[1].id,
    }


@pytest.mark.parametrize("odd", ["A\x00", "A\udce9"], ids=["NUL", "half a character"])
def test_a_number_that_is_not_stored_as_it_is_clashes_with_no_other_and_not_with_itself(
    ledger: Ledger, hands: list[Job], odd: str
) -> None:
    first, second = together(ledger, intent(hands[0], f"{odd}1"), intent(hands[1], f"{odd}2"))
    [again] = together(ledger, intent(first, f"{odd}1")) if isinstance(first, Job) else [first]

    assert all(isinstance(each, Job) for each in (first, second, again))


def test_the_same_number_at_another_account_is_another_number(ledger: Ledger) -> None:
    for account in ("a", "main", "z"):
        add(ledger, invoice(f"{account}-1"), account=account)
    jobs = {account: ledger.jobs.lease(account, 1)[0] for account in ("a", "main", "z")}
    for job in jobs.values():
        together(ledger, intent(job, "F-8"))
    taken = [intent(replace(jobs["main"], id=jobs["a"].id, fence=1), "F-8")]

    [clash] = together(ledger, *taken)
    assert isinstance(clash, RefusedError)
    assert clash.details == {"other": str(jobs["main"].id)}

    together(ledger, intent(jobs["main"], "F-9"))
    with ledger.database.read() as connection:
        rows = connection.execute(select(NumberClaimRow.account, NumberClaimRow.number_key)).all()
    assert sorted((row.account, row.number_key) for row in rows) == sorted(
        [
            ("a", number_key(invoice("1", number="F-8"))),
            ("main", number_key(invoice("1", number="F-9"))),
            ("z", number_key(invoice("1", number="F-8"))),
        ]
    )


def test_news_that_came_meanwhile_is_kept_and_known(ledger: Ledger, hands: list[Job]) -> None:
    with ledger.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE job SET remote_state = 'accepted', state_event = '77', state_note = 'seen',"
            " state_changed_at = updated_at, state_recorded_at = updated_at"
        )

    [after] = together(ledger, arrival(hands[0], Stage.SENT))

    assert isinstance(after, Job)
    assert (after.remote_state, after.state_event, after.state_note) == ("accepted", "77", "seen")
    assert (after.state_changed_at, after.state_recorded_at) == (NOON, NOON)
    assert after == job_of(ledger, "1")


def test_where_the_ledger_fails_nothing_of_it_is_written(ledger: Ledger, hands: list[Job]) -> None:
    def fails(_connection: object, _jobs: Sequence[Job]) -> None:
        raise LedgerError("The ledger is gone.")

    with pytest.raises(LedgerError):
        together(ledger, intent(hands[0]), replace(arrival(hands[1]), also=fails))

    assert [told(ledger, job)[-1] for job in hands] == ["found"] * 4
    assert claims(ledger) == {}


@pytest.mark.parametrize("change", [intent, arrival])
def test_a_write_is_a_sign_of_life(ledger: Ledger, hands: list[Job], change: Callable[[Job], Change]) -> None:
    ledger.database.clock.advance(30)  # type: ignore[attr-defined]

    [after] = together(ledger, change(hands[0]))

    assert isinstance(after, Job)
    assert after.leased_until is not None
    assert (after.leased_until - ledger.database.clock.now()).total_seconds() == ledger.jobs.lease_seconds


def test_what_else_belongs_to_several_is_done_once_for_all_of_them(ledger: Ledger, hands: list[Job]) -> None:
    seen: list[list[tuple[str, Stage]]] = []

    def look(_connection: object, jobs: Sequence[Job]) -> None:
        seen.append([(job.key, job.stage) for job in jobs])

    sent = [replace(arrival(job, Stage.SENT), also=look) for job in hands[:2]]
    together(ledger, *sent, arrival(hands[2]))

    assert seen == [[("1", Stage.SENT), ("2", Stage.SENT)]]


def test_a_process_can_be_told_to_die_on_either_side_of_each_commit(
    ledger: Ledger, hands: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[tuple[str, bool]] = []

    def pass_by(effect: str | None, point: str) -> None:
        with ledger.database.read() as connection:
            committed = connection.exec_driver_sql("SELECT open_effect FROM job WHERE key = '1'").scalar_one()
        passed.append((f"{effect}.{point}", committed is not None))

    monkeypatch.setattr("connector.ledger.pen.crashpoint", pass_by)
    ledger.jobs._pen.write(replace(intent(hands[0]), points=[(Effect.CREATE, "intent")]))

    assert passed == [("create.before_intent", False), ("create.after_intent", True)]


def test_what_is_too_long_for_its_column_is_refused_not_cut(ledger: Ledger, hands: list[Job]) -> None:
    if ledger.database.is_sqlite:
        pytest.skip("SQLite knows no lengths")

    with pytest.raises(LedgerError, match="too long"):
        ledger.jobs.note(hands[0], Entry(what="x" * 40))


def test_statements_for_ever_other_numbers_of_rows_do_not_pile_up(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        for count in range(1, 3 * raw.KEPT):
            raw.listed(connection, 17, count)
    assert raw._listed.cache_info().currsize <= raw.KEPT
