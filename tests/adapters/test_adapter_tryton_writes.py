"""The tryton adapter writes two columns of a module's, both or neither, and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connector.adapters.tryton import TrytonAdapter
from connector.domain.errors import SchemaChangedError, SourceUnavailableError, UsageError, WriteBackRefusedError
from tests.adapters.databases import execute, query
from tests.support.services import connect_postgres
from tests.support.tryton import TrytonDatabase

XREF = "b2brouter:sandbox:1:4711"
OPTIONS = {"write_back": "columns", "lock_timeout": 0.2}


@pytest.fixture
def ready(tryton: TrytonDatabase) -> TrytonDatabase:
    """With the columns of a module: a number, as NaN-tic's module has it, and a text."""
    execute(
        tryton.url,
        "ALTER TABLE account_invoice ADD b2brouter_id INTEGER",
        "ALTER TABLE account_invoice ADD b2brouter_xref VARCHAR",
    )
    return tryton


@pytest.fixture
def adapter(ready: TrytonDatabase) -> Iterator[TrytonAdapter]:
    adapter = TrytonAdapter.open("erp", ready.url, OPTIONS)
    yield adapter
    adapter.close()


def values(database: TrytonDatabase, key: int = 2) -> tuple[Any, Any]:
    row = query(database.url, "SELECT b2brouter_id, b2brouter_xref FROM account_invoice WHERE id = :id", id=key)[0]
    return row["b2brouter_id"], row["b2brouter_xref"]


def test_both_values_are_written_and_no_other_column_of_any_row(
    ready: TrytonDatabase, adapter: TrytonAdapter
) -> None:
    before = {row["id"]: row for row in query(ready.url, "SELECT * FROM account_invoice")}
    last = adapter.find(None, 100, since=None, companies=None)[-1].position
    adapter.record("2", "4711", XREF)
    adapter.record("2", "4711", XREF)
    after = {row["id"]: row for row in query(ready.url, "SELECT * FROM account_invoice")}
    assert after.pop(2) == {**before.pop(2), "b2brouter_id": 4711, "b2brouter_xref": XREF}
    assert after == before
    assert adapter.find(last, 100, since=None, companies=None) == []  # the own write does not wake discovery


def test_what_was_written_is_read_again(adapter: TrytonAdapter) -> None:
    before = adapter.load(["2"])["2"]
    adapter.record("2", "4711", XREF)
    after = adapter.load(["2"])["2"]
    assert not isinstance(before, Exception)
    assert not isinstance(after, Exception)
    assert (before.reference, before.xref) == (None, None)
    assert (after.reference, after.xref) == ("4711", XREF)
    assert before.fingerprint() == after.fingerprint()


@pytest.mark.parametrize("present", [(4000, XREF), (4711, "b2brouter:sandbox:1:4000"), (4000, None), (None, "other")])
def test_another_value_is_never_overwritten(
    ready: TrytonDatabase, adapter: TrytonAdapter, present: tuple[int | None, str | None]
) -> None:
    execute(
        ready.url,
        "UPDATE account_invoice SET b2brouter_id = :reference, b2brouter_xref = :xref WHERE id = 2",
        reference=present[0],
        xref=present[1],
    )
    with pytest.raises(WriteBackRefusedError, match="already has"):
        adapter.record("2", "4711", XREF)
    assert values(ready) == present


@pytest.mark.parametrize("present", [(4711, None), (None, XREF), (None, "")])
def test_half_of_our_own_values_is_completed(
    ready: TrytonDatabase, adapter: TrytonAdapter, present: tuple[int | None, str | None]
) -> None:
    execute(
        ready.url,
        "UPDATE account_invoice SET b2brouter_id = :reference, b2brouter_xref = :xref WHERE id = 2",
        reference=present[0],
        xref=present[1],
    )
    adapter.record("2", "4711", XREF)
    assert values(ready) == (4711, XREF)


def test_a_document_that_was_cancelled_after_sending_still_gets_its_reference(
    ready: TrytonDatabase, adapter: TrytonAdapter
) -> None:
    adapter.record("1", "4711", XREF)
    assert values(ready, 1) == (4711, XREF)


@pytest.mark.parametrize("key", ["987654", "x", ""])
def test_a_document_that_is_gone_is_refused(adapter: TrytonAdapter, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        adapter.record(key, "4711", XREF)


def test_a_reference_with_letters_does_not_go_into_a_number(ready: TrytonDatabase, adapter: TrytonAdapter) -> None:
    with pytest.raises(WriteBackRefusedError, match="holds whole numbers"):
        adapter.record("2", "inv_4711", XREF)
    assert values(ready) == (None, None)


def test_neither_value_stays_when_the_transaction_fails(ready: TrytonDatabase, adapter: TrytonAdapter) -> None:
    if ready.backend == "sqlite":
        pytest.skip("SQLite takes any length")
    execute(ready.url, "ALTER TABLE account_invoice ALTER b2brouter_xref TYPE varchar(5)")
    with pytest.raises(SchemaChangedError):
        adapter.record("2", "4711", XREF)
    assert values(ready) == (None, None)


def test_a_row_in_use_is_tried_again_later(ready: TrytonDatabase, adapter: TrytonAdapter) -> None:
    if ready.backend == "sqlite":
        pytest.skip("SQLite locks no rows")
    with connect_postgres(ready.url) as user, user.transaction():
        user.execute("SELECT 1 FROM account_invoice WHERE id = 2 FOR UPDATE")
        with pytest.raises(SourceUnavailableError):
            adapter.record("2", "4711", XREF)
    adapter.record("2", "4711", XREF)
    assert values(ready) == (4711, XREF)


def test_columns_of_other_names_can_be_configured(ready: TrytonDatabase) -> None:
    execute(
        ready.url,
        "ALTER TABLE account_invoice ADD ref_b2b VARCHAR",
        "ALTER TABLE account_invoice ADD xref_b2b VARCHAR",
    )
    adapter = TrytonAdapter.open(
        "erp", ready.url, {**OPTIONS, "reference_column": "ref_b2b", "xref_column": "xref_b2b"}
    )
    adapter.record("2", "inv_4711", XREF)
    assert adapter.check()[-1].status == "ok"
    adapter.close()
    row = query(ready.url, "SELECT ref_b2b, xref_b2b, b2brouter_id FROM account_invoice WHERE id = 2")
    assert row == [{"ref_b2b": "inv_4711", "xref_b2b": XREF, "b2brouter_id": None}]


def test_a_missing_column_is_named_with_how_to_make_it(tryton: TrytonDatabase) -> None:
    adapter = TrytonAdapter.open("erp", tryton.url, OPTIONS)
    with pytest.raises(SchemaChangedError, match=r"account_invoice\.b2brouter_id") as missing:
        adapter.record("2", "4711", XREF)
    assert "by a module of Tryton" in missing.value.action
    assert adapter.check()[-1].status == "failed"
    assert set(adapter.load(["2"])) == {"2"}
    execute(
        tryton.url,
        "ALTER TABLE account_invoice ADD b2brouter_id INTEGER",
        "ALTER TABLE account_invoice ADD b2brouter_xref VARCHAR",
    )
    adapter.record("2", "4711", XREF)  # no restart is needed
    adapter.close()
    assert values(tryton) == (4711, XREF)


def test_without_write_back_the_check_tells_of_the_columns_that_are_there(ready: TrytonDatabase) -> None:
    adapter = TrytonAdapter.open("erp", ready.url, {})
    row = adapter.check()[-1]
    adapter.close()
    assert row.status == "warning"
    assert "b2brouter_id" in row.action


def test_a_number_is_no_place_for_the_cross_reference(ready: TrytonDatabase) -> None:
    options = {**OPTIONS, "reference_column": "b2brouter_xref", "xref_column": "b2brouter_id"}
    adapter = TrytonAdapter.open("erp", ready.url, options)
    assert "b2brouter_id holds numbers; a text belongs there" in adapter.check()[-1].message
    adapter.close()


@pytest.mark.parametrize(
    "options",
    [{"reference_column": "number"}, {"xref_column": "write_date"}, {"xref_column": "b2brouter_id"}],
)
def test_a_column_of_trytons_own_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        TrytonAdapter.open("erp", "sqlite:///tryton.sqlite", options)
