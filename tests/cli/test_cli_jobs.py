"""`connector jobs`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tests.cli.shop import Shop

FIELDS = {
    "id", "source", "company", "key", "account", "kind", "number", "issue_date", "currency", "total", "stage",
    "status", "reason", "message", "contact_id", "reference", "xref", "remote_state", "attempts", "due_at",
    "created_at", "updated_at",
}  # fmt: skip


def test_json_is_one_object_per_line_with_all_fields(day: Shop) -> None:
    jobs = day.run("jobs", "--json").lines
    assert len(jobs) == 14
    for job in jobs:
        assert set(job) >= FIELDS
        assert Decimal(job["total"]) >= 0
        assert isinstance(job["total"], str)
        assert job["due_at"].endswith("Z")
        assert datetime.fromisoformat(job["created_at"]).tzinfo is not None


def test_an_issued_invoice_has_its_reference_and_xref(day: Shop) -> None:
    (job,) = day.run("jobs", "--json", "--search", "B-0101").lines
    assert (job["stage"], job["status"], job["reason"], job["message"]) == ("recorded", "done", None, None)
    assert job["xref"] == f"b2brouter:simulator:1:{job['reference']}"
    assert day.erp("SELECT reference FROM project WHERE id = 101") == [(job["reference"],)]


def test_a_pipe_gets_tabs_and_titles_and_no_colour(day: Shop) -> None:
    shown = day.run("jobs")
    titles, *rows = shown.out.splitlines()
    assert titles.split("\t")[:3] == ["id", "number", "date"]
    assert len(rows) == 14
    assert {row.count("\t") for row in rows} == {titles.count("\t")}
    assert "\x1b" not in shown.out


def test_filters_narrow_the_list(day: Shop) -> None:
    def numbers(*options: str) -> list[str]:
        return [job["number"] for job in day.run("jobs", "--json", *options).lines]

    assert numbers("--reason", "iban_wrong") == ["B-0103"]
    assert numbers("--stage", "created") == ["B-0106"]
    assert len(numbers("--status", "held")) == 8
    assert len(numbers("--source", "booking")) == 14
    assert numbers("--search", "harbor") == ["B-0113"]
    assert numbers("--status", "held", "--search", "tres vientos") == ["B-0102"]


def test_nothing_that_fits_is_said(day: Shop) -> None:
    shown = day.run("jobs", "--status", "running")
    assert (shown.status, shown.out) == (0, "No invoice fits.\n")
    assert day.run("jobs", "--status", "running", "--json").out == ""


def test_an_empty_ledger_says_so_and_is_not_made(shop: Shop) -> None:
    shown = shop.run("jobs")
    assert shown.status == 0
    assert shown.out.startswith("The ledger is empty")
    assert not shop.ledger_file.exists()
    shop.run("db", "upgrade")
    assert shop.run("jobs").out.startswith("The ledger is empty")


def test_a_wrong_filter_is_wrong_usage(day: Shop) -> None:
    for options, says in (
        (["--status", "hold"], "'hold' is not one of"),
        (["--reason", "vat_number_wrng"], "Did you mean vat_number_wrong?"),
        (["--source", "elsewhere"], "There is no source elsewhere"),
    ):
        shown = day.run("jobs", *options)
        assert shown.status == 2
        assert says in shown.err


def test_a_source_that_left_the_configuration_can_still_be_asked_for(day: Shop) -> None:
    config = day.changed(("sources.booking", "sources.renamed"), name="renamed.toml")
    assert len(day.run("jobs", "--source", "booking", "--json", config=config).lines) == 14


def test_an_older_ledger_wants_an_upgrade(shop: Shop) -> None:
    shop.run("db", "upgrade")
    import sqlite3

    with sqlite3.connect(shop.ledger_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    shown = shop.run("jobs")
    assert shown.status == 1
    assert "connector db upgrade" in shown.err
