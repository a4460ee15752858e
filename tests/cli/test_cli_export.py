"""`connector export references` and `connector adapters side-table`."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from contextlib import closing

from tests.cli.shop import Shop


def test_references_are_exported_as_csv_and_as_json(day: Shop) -> None:
    rows = [*csv.DictReader(io.StringIO(day.run("export", "references").out))]
    lines = day.run("export", "references", "--json").lines

    recorded = [job for job in day.run("jobs", "--json").lines if job["xref"]]
    assert {row["number"]: (row["reference"], row["xref"]) for row in rows} == {
        job["number"]: (job["reference"], job["xref"]) for job in recorded
    }
    assert len(rows) > 1
    assert [{name: value or "" for name, value in line.items()} for line in lines] == rows


def test_a_spreadsheet_calculates_nothing_of_what_strangers_wrote(played: Shop) -> None:
    with closing(sqlite3.connect(played.ledger_file)) as ledger, ledger:
        ledger.execute("UPDATE job SET number = '=HYPERLINK(1)', key = '@' || key")
    row, *_ = csv.DictReader(io.StringIO(played.run("export", "references").out))
    line, *_ = played.run("export", "references", "--json").lines
    assert (line["number"], line["key"][0]) == ("=HYPERLINK(1)", "@")
    assert (row["number"], row["key"]) == ("'=HYPERLINK(1)", f"'{line['key']}")


def test_the_days_are_those_of_issue_and_both_count(day: Shop) -> None:
    every = day.run("export", "references", "--json").lines
    days = sorted({row["issue_date"] for row in every})
    assert len(days) > 1

    def issued(*options: str) -> list[str]:
        return sorted({row["issue_date"] for row in day.run("export", "references", "--json", *options).lines})

    assert issued("--from", days[1]) == days[1:]
    assert issued("--to", days[0]) == days[:1]
    assert issued("--from", days[0], "--to", days[-1], "--source", "booking") == days


def test_days_the_wrong_way_round_are_refused(day: Shop) -> None:
    shown = day.run("export", "references", "--from", "2026-03-02", "--to", "2026-03-01")
    assert shown.status == 2
    assert "Swap --from and --to" in shown.err


def test_a_side_table_is_shown_made_and_used(day: Shop) -> None:
    refused = day.run("adapters", "side-table", "booking")
    assert refused.status == 2
    assert 'write_back = "side_table"' in refused.err


def test_a_source_with_a_side_table_gets_it_from_the_command_alone(day: Shop) -> None:
    text = day.config.read_text(encoding="utf-8")
    text = re.sub(r'(?m)^read_back = .*\nwrite_back = """\n(?s:.*?)"""', 'write_back = "side_table"', text)
    config = day.folder / "side.toml"
    config.write_text(text, encoding="utf-8")

    shown = day.run("adapters", "side-table", "booking", "--show", config=config)
    assert "CREATE TABLE IF NOT EXISTS b2brouter_invoices" in shown.out
    assert day.erp("SELECT name FROM sqlite_master WHERE name LIKE 'b2brouter%'") == []

    made = day.run("adapters", "side-table", "booking", config=config)
    assert (made.status, made.err) == (0, "")
    names = {name for (name,) in day.erp("SELECT name FROM sqlite_master WHERE name LIKE 'b2brouter%'")}
    assert names >= {"b2brouter_invoices", "b2brouter_report", "b2brouter_tax_reports"}
    assert day.run("adapters", "side-table", "booking", "--json", config=config).json["made"] is True
