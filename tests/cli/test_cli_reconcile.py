"""The comparison of ERP, ledger and B2Brouter as people see it."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connector.simulator.states import change_state
from tests.cli.shop import Shop


@pytest.fixture
def settled(played: Shop) -> Shop:
    """A shop in which nobody but the one that was typed in by hand is at odds."""
    with closing(sqlite3.connect(played.ledger_file)) as connection, connection:
        for there in played.world.invoices.values():
            connection.execute("UPDATE job SET remote_state = ? WHERE reference = ?", (there.state, str(there.id)))
    played.world.switches.set({"speed": 1000.0})
    return played


def reference(shop: Shop, number: str) -> str:
    return str(shop.run("explain", number, "--json").json["reference"])


def differing(shop: Shop, *arguments: str) -> dict[str, str]:
    """Reason by number, without states that are on their way."""
    *found, summary = shop.run("reconcile", "--json", *arguments).lines
    assert summary["differences"] == len(found)
    return {row["number"]: row["reason"] for row in found if row["reason"] != "state_differs"}


def test_the_five_differences_are_found_and_named(settled: Shop) -> None:
    assert differing(settled) == {"B-0109": "issued_elsewhere"}

    settled.erp("INSERT INTO project SELECT 999, " + columns(settled) + " FROM project WHERE id = 101")
    settled.erp("UPDATE project SET invoice_number = 'B-0999', reference = NULL, project_xref = NULL WHERE id = 999")
    settled.erp("UPDATE project SET reference = NULL, project_xref = NULL WHERE id = 101")
    changed, deleted = [number for number in issued(settled) if number != "B-0101"][:2]
    settled.erp("UPDATE project SET total_payable = '999.00' WHERE invoice_number = ?", changed)
    world = settled.world
    with world.lock:
        world.remove_invoice(world.invoices[int(reference(settled, deleted))])

    assert differing(settled) == {
        "B-0109": "issued_elsewhere",
        "B-0999": "not_in_ledger",
        "B-0101": "reference_missing",
        changed: "changed_after_issue",
        deleted: "remote_missing",
    }


def columns(shop: Shop) -> str:
    names = [row[1] for row in shop.erp("PRAGMA table_info(project)") if row[1] != "id"]
    return ", ".join(names)


def issued(shop: Shop) -> list[str]:
    return [job["number"] for job in shop.run("jobs", "--status", "done", "--json").lines]


def test_every_difference_says_why_and_which_command_cures_it(settled: Shop) -> None:
    told = settled.run("reconcile")

    assert told.status == 3
    assert "B2Brouter has a document B-0109" in told.out
    assert f"connector link {settled.ids()['B-0109']} " in told.out
    assert "1 for a person." in told.out
    assert "que el conector no ha emitido" in settled.run("--lang", "es", "reconcile").out


def test_where_nothing_needs_a_person_it_ends_well(settled: Shop) -> None:
    world = settled.world
    with world.lock:
        [by_hand] = [there for there in world.invoices.values() if there.number == "B-0109"]
        world.remove_invoice(by_hand)

    assert settled.run("reconcile").status == 0


def test_the_command_that_is_named_for_another_state_takes_it_over_at_once(settled: Shop) -> None:
    settled.world.switches.set({"speed": 0.001})
    with settled.world.lock:
        change_state(settled.world, settled.world.invoices[int(reference(settled, "B-0101"))], "accepted")

    def elsewhere() -> dict[str, str]:
        found = settled.run("reconcile", "--json").lines[:-1]
        return {row["number"]: row["command"] for row in found if row["reason"] == "state_differs"}

    assert elsewhere()["B-0101"] == "connector sync"
    settled.run("sync", "--patience", "0")
    assert "B-0101" not in elsewhere()


def test_the_references_that_the_erp_has_lost_are_written_again(settled: Shop) -> None:
    before = settled.erp("SELECT reference, project_xref FROM project WHERE id = 101")
    settled.erp("UPDATE project SET reference = NULL, project_xref = NULL WHERE id = 101")
    requests = len(settled.writes())

    *_, summary = settled.run("reconcile", "--write-back", "--json").lines

    assert summary["written_back"] == 1
    assert settled.erp("SELECT reference, project_xref FROM project WHERE id = 101") == before
    assert len(settled.writes()) == requests
    assert differing(settled) == {"B-0109": "issued_elsewhere"}
    assert "recorded_again" in [event["what"] for event in settled.run("explain", "B-0101", "--json").json["events"]]


def test_what_a_comparison_of_everything_by_hand_finds_is_an_alarm_until_another_finds_nothing(settled: Shop) -> None:
    def lasting() -> list[str]:
        with closing(sqlite3.connect(settled.ledger_file)) as connection:
            query = "SELECT subject FROM alarm WHERE code = 'completeness_gap' AND ended_at IS NULL"
            return [subject for (subject,) in connection.execute(query)]

    settled.run("reconcile", "--from", "2026-01-01", "--to", "2026-01-02")
    assert lasting() == []
    settled.run("reconcile", "--from", "2000-01-01")
    assert lasting() == ["spain"]

    world = settled.world
    with world.lock:
        [by_hand] = [there for there in world.invoices.values() if there.number == "B-0109"]
        world.remove_invoice(by_hand)
    settled.run("reconcile", "--from", "2000-01-01")
    assert lasting() == []


def test_nothing_is_written_again_into_another_database(settled: Shop) -> None:
    settled.erp("UPDATE project SET reference = NULL, project_xref = NULL WHERE id = 101")
    config = settled.copied_erp()
    before = settled.stage.erp.with_name("copy.db").read_bytes()

    told = settled.run("reconcile", "--write-back", config=config)

    assert (told.status, "Nothing is sent." in told.err) == (1, True)
    assert settled.stage.erp.with_name("copy.db").read_bytes() == before


def test_a_csv_that_cannot_be_written_is_told_with_what_to_do(settled: Shop, tmp_path: Path) -> None:
    done = settled.run("reconcile", "--csv", str(tmp_path / "no" / "differences.csv"))
    assert done.status == 1
    assert "cannot be written: No such file or directory" in done.err
    assert "Name another file with --csv" in done.err


def test_a_spreadsheet_gets_one_line_per_difference(settled: Shop, tmp_path: Path) -> None:
    file = tmp_path / "differences.csv"
    settled.run("reconcile", "--csv", str(file))

    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["reason"] != "state_differs"]
    assert [(row["number"], row["reason"], row["who"], row["account"]) for row in rows] == [
        ("B-0109", "issued_elsewhere", "accountant", "spain")
    ]
    assert rows[0]["command"].startswith("connector link ")


def test_accounts_sources_and_periods_narrow_it(settled: Shop) -> None:
    assert differing(settled, "--account", "france") == {}
    assert differing(settled, "--to", "2000-01-01") == {}
    wrong = settled.run("reconcile", "--from", "2026-02-01", "--to", "2026-01-01")
    assert (wrong.status, "--from is later than --to." in wrong.err) == (2, True)
    assert settled.run("reconcile", "--account", "nobody").status == 2
    assert settled.run("reconcile", "--source", "nobody").status == 2


def test_a_service_that_is_away_is_said_in_a_sentence(settled: Shop) -> None:
    settled.world.faults.add("unavailable_before", operation="list_invoices", times=10)

    told = settled.run("reconcile")

    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("Error: ")
