"""`connector db erase`: personal data of past documents goes; that each was issued once stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.shop import Shop

CUSTOMER, NUMBER = "Editorial Faro Norte", "ESA58818501"


def past(days_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%d")


def ledger(shop: Shop, statement: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(shop.ledger_file)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_names_numbers_and_requests_go_and_nothing_is_issued_again(played: Shop) -> None:
    ledger(played, "UPDATE job SET sent_at = ? WHERE sent_at IS NOT NULL", f"{past(730)} 12:00:00.000000")
    ledger(played, "UPDATE contact_link SET updated_at = ?", f"{past(730)} 12:00:00.000000")
    before = {job["number"]: job for job in played.run("jobs", "--json").lines}
    calls = len(played.writes())
    told = ("db", "erase", "--before", past(500), "--note", "kept long enough", "--json")

    assert played.run(*told, "--dry-run").json == {"would_erase": 6}
    assert played.run(*told).json["jobs"] == 6
    assert played.run(*told).json["jobs"] == 0

    gone = ledger(
        played, "SELECT customer, customer_key, tax_number, payload, content, details FROM job WHERE sent_at > ''"
    )
    assert {value for row in gone for value in row} == {None}
    events = ledger(
        played, "SELECT event.details, event.answer FROM event JOIN job ON job.id = job_id WHERE sent_at > ''"
    )
    assert not any(CUSTOMER in str(row) or NUMBER in str(row) for row in events)
    assert {answer for _, answer in events} == {None}
    for number, job in {job["number"]: job for job in played.run("jobs", "--json").lines}.items():
        kept = ("key", "total", "issue_date", "stage", "status", "reference", "xref", "remote_state")
        assert {name: job[name] for name in kept} == {name: before[number][name] for name in kept}
        assert (job["customer"] is None) == (job["status"] == "done")
    assert "Created at B2Brouter as" in played.run("explain", "B-0101").out
    assert played.run("sync", "--patience", "2", "--json").json["issued"] == 0
    assert len(played.writes()) == calls
    assert ledger(played, "SELECT what, count, note FROM deed ORDER BY id DESC LIMIT 1") == [
        ("erased", 0, "kept long enough")
    ]


@pytest.mark.parametrize("spelling", [NUMBER, "A58818501", "esa58818501", "ES-A58818501", " A-58.818.501 "])
def test_a_customer_is_found_by_the_tax_number_in_whatever_spelling(played: Shop, spelling: str) -> None:
    ledger(played, "UPDATE job SET sent_at = ? WHERE sent_at IS NOT NULL", f"{past(730)} 12:00:00.000000")
    [(count,)] = ledger(played, "SELECT count(*) FROM job WHERE tax_number = ? AND sent_at > ''", NUMBER)
    told = ("db", "erase", "--before", past(500), "--note", "asked by the customer", "--tax-number", spelling)

    assert count
    assert played.run(*told, "--dry-run", "--json").json == {"would_erase": count}
    assert played.run(*told, "--json").json["jobs"] == count


def test_a_customer_whom_the_ledger_does_not_know_or_not_alone_is_told(played: Shop) -> None:
    told = ("db", "erase", "--before", past(500), "--note", "asked by the customer", "--tax-number")

    for unknown in ("ES00000000T", "58818501", "-"):
        refused = played.run(*told, unknown)
        assert (refused.status, "Nothing in the ledger has the tax number" in refused.err) == (2, True), unknown

    ledger(played, "UPDATE job SET tax_number = 'FRA58818501' WHERE id = (SELECT min(id) FROM job)")
    refused = played.run(*told, "A58818501")
    assert (refused.status, "ESA58818501, FRA58818501" in refused.err) == (2, True)
    assert played.run(*told, "FRA58818501", "--dry-run").status == 0


def test_whoever_has_the_bare_number_with_a_country_is_told_and_left(played: Shop) -> None:
    ledger(played, "UPDATE job SET sent_at = ? WHERE sent_at IS NOT NULL", f"{past(730)} 12:00:00.000000")
    bare = "UPDATE job SET tax_number = 'A58818501' WHERE id = (SELECT min(id) FROM job WHERE tax_number = ?)"
    ledger(played, bare, NUMBER)
    told = ("db", "erase", "--before", past(500), "--note", "asked by the customer", "--tax-number", "A58818501")

    said = played.run(*told, "--dry-run")
    assert (said.status, f"not those of {NUMBER}" in said.out) == (0, True)
    assert played.run(*told, "--json").json["others"] == [NUMBER]
    assert ledger(played, "SELECT count(*) FROM job WHERE tax_number = 'A58818501'") == [(0,)]
    assert ledger(played, "SELECT count(*) > 0 FROM job WHERE tax_number = ?", NUMBER) == [(1,)]


def test_what_is_still_compared_is_not_erased(day: Shop) -> None:
    refused = day.run("db", "erase", "--before", f"{datetime.now(UTC):%Y-%m-%d}", "--note", "now")
    assert refused.status == 2
    assert "compare_days" in refused.err
