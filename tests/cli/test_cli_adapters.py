"""`connector adapters`: a source is tried by reading alone, and an adapter's settings are told."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from connector.adapters import adapter_class
from tests.cli.shop import Outcome, call

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

Try = Callable[..., Outcome]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "booking.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((EXAMPLES / "booking.sql").read_text(encoding="utf-8"))
    return path


@pytest.fixture
def try_booking(tmp_path: Path, database: Path) -> Try:
    """Calls `connector adapters test booking`, with other words in the configuration."""

    def run(*arguments: str, words: Mapping[str, str] = MappingProxyType({})) -> Outcome:
        configured = (EXAMPLES / "booking.toml").read_text(encoding="utf-8")
        configured = configured.replace("sqlite:///booking.db", f"sqlite:///{database}")
        for old, new in words.items():
            assert old in configured, old
            configured = configured.replace(old, new)
        config = tmp_path / "connector.toml"
        config.write_text(configured, encoding="utf-8")
        return call("--config", str(config), "adapters", "test", "booking", *arguments)

    return run


def rules(told: Outcome) -> dict[str, tuple[str, str]]:
    return {finding["rule"]: (finding["verdict"], finding["message"]) for finding in told.json["findings"]}


def faults(told: Outcome) -> list[tuple[str, str, str]]:
    return [(each["query"], each["column"], each["problem"]) for each in told.json["sample"] if each["problem"]]


def test_a_sound_source_passes_and_nothing_is_written(try_booking: Try, database: Path) -> None:
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    told = try_booking("--json")
    assert told.status == 0, told.out + told.err
    assert {verdict for verdict, _ in rules(told).values()} == {"pass"}
    assert len(rules(told)) == 15
    assert faults(told) == []
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before


def test_three_documents_stand_beside_the_totals_of_the_erp(try_booking: Try) -> None:
    documents = try_booking("--json").json["documents"]
    assert [(each["number"], each["kind"]) for each in documents] == [
        ("P-2026-001", "invoice"),  # the newest
        ("P-2026-001", "invoice"),  # the one of most lines, of another company
        ("A-2026-001", "credit_note"),
    ]
    assert documents[1]["figures"] == [
        {"name": "net", "mapped": "1149.92", "erp": "1149.92"},
        {"name": "ES21", "mapped": "241.48", "erp": "241.48"},
        {"name": "payable", "mapped": "1391.40", "erp": "1391.40"},
    ]
    page = try_booking().out
    assert "credit note A-2026-001 of 2026-09-10, Editorial Faro Norte, S.A." in page
    assert "net\t1149.92\t1149.92" in page


def test_the_first_row_of_each_query_is_shown(try_booking: Try) -> None:
    sample = {(each["query"], each["column"]): each["value"] for each in try_booking("--json").json["sample"]}
    assert sample["find", "changed_at"] == "2026-09-01 09:30:00"
    assert sample["lines", "net_price"] == "0.0875"
    assert {query for query, _ in sample} == {
        "find",
        "companies",
        "header",
        "lines",
        "taxes",
        "tax_totals",
        "read_back",
    }


def test_a_missing_column_is_named_and_the_other_queries_are_shown_all_the_same(try_booking: Try) -> None:
    told = try_booking("--json", words={"p.total_payable AS total,": "p.total_payable AS amount_due,"})
    assert told.status == 1
    unknown, missing = faults(told)
    assert unknown[:2] == ("find", "amount_due")
    assert unknown[2].startswith("the query gives a column amount_due that is not known")
    assert missing == ("find", "total", "the query does not give the column total.")
    assert rules(told)["confirmed documents are found, in order"][0] == "fail"
    assert ("lines", "quantity") in {(each["query"], each["column"]) for each in told.json["sample"]}


def test_a_value_of_the_wrong_type_is_named(try_booking: Try) -> None:
    told = try_booking("--json", words={"t.quantity,\n": "t.unit AS quantity,\n"})
    assert told.status == 1
    assert faults(told) == [("lines", "quantity", "is of the wrong type: 'word' is not a number")]
    verdict, message = rules(told)["every document can be read"]
    assert (verdict, message.partition(":")[0]) == ("fail", "5 of 5 cannot be read, such as")


def test_an_empty_amount_is_named(try_booking: Try) -> None:
    told = try_booking("--json", words={"t.amount AS net_amount": "NULL AS net_amount"})
    assert faults(told) == [("lines", "net_amount", "is empty, and has to be filled")]


def test_a_column_that_the_database_lacks_is_named(try_booking: Try) -> None:
    told = try_booking("--json", words={"t.position\n": "t.place\n"})
    assert faults(told) == [("lines", "", "The database of source booking, query lines has no column t.place.")]


def test_totals_that_do_not_add_up_are_found(try_booking: Try, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE task SET amount = 90 WHERE id = 2")
        connection.execute("UPDATE project SET total_payable = 1400 WHERE id = 100")
    told = try_booking("--json")
    assert rules(told)["the figures of each line give its net amount"] == (
        "fail",
        "line 2 of document 100: 2.5 at 25.5 less discounts gives 71.33, the net amount is 90",
    )
    assert rules(told)["totals add up"][0] == "fail"


def test_a_source_that_is_not_there_fails_without_a_traceback(try_booking: Try, database: Path) -> None:
    database.unlink()
    told = try_booking("--json")
    assert told.status == 1
    assert rules(told)["the check-up is content"][0] == "fail"
    assert told.json["documents"] == []


def test_an_empty_source_skips_with_the_reason(try_booking: Try, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE project SET status = 'running'")
    told = try_booking("--json")
    assert told.status == 0
    assert rules(told)["totals add up"] == ("skipped", "there is no confirmed document yet")


def test_an_unknown_source_is_said(try_booking: Try, tmp_path: Path) -> None:
    try_booking()
    told = call("--config", str(tmp_path / "connector.toml"), "adapters", "test", "bookings")
    assert told.status == 2
    assert "There is no source bookings" in told.err


@pytest.mark.parametrize("adapter", ["dolibarr", "folder", "odoo", "sql", "tryton"])
def test_the_settings_of_an_adapter_are_told(adapter: str) -> None:
    fields: dict[str, Any] = dict(adapter_class(adapter).Options.model_fields)
    told = call("adapters", "settings", adapter, "--json").lines
    assert [setting["name"] for setting in told] == list(fields)
    assert all(setting["description"] for setting in told)
    table = call("adapters", "settings", adapter).out.splitlines()
    assert table[0] == "| setting | type | default | meaning |"
    assert len(table) == 2 + len(fields)
