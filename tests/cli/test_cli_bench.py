"""`connector bench`: figures for people and machines; what it made is gone afterwards."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from connector.bench import erp
from connector.bench.frame import Report, Row, Span, in_a_process, keeps_to_a_core, peak_memory, timed
from connector.bench.throughput import Setting, work
from connector.cli import measured
from connector.cli.output import Output
from connector.domain.errors import OutsideError
from tests.cli.shop import call
from tests.support.ports import own_port


def bench_databases(url: str) -> set[str]:
    """Those that some benchmark has made, ours or another's, and not dropped yet."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT datname FROM pg_database WHERE datname LIKE 'connector_bench_%'"))
        names = set(found.scalars())
    engine.dispose()
    return names


@pytest.mark.slow
def test_discovery_is_measured_on_both_databases_and_leaves_nothing_behind(postgres_url: str) -> None:
    before = bench_databases(postgres_url)

    shown = call("bench", "discovery", "--invoices", "3000", "--runs", "1", "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    sqlite, postgresql = shown.lines
    assert [sqlite["benchmark"], postgresql["benchmark"]] == ["discovery on SQLite", "discovery on PostgreSQL"]
    for report in (sqlite, postgresql):
        new, known, idle = report["rows"]
        assert (new["items"], known["items"], idle["per_second"]) == (3000, 3000, None)
        assert new["per_second"] > 0
        assert new["cpu_seconds"] > 0
        assert 20 < report["peak_memory_mb"] < 200
        assert report["machine"]["cores"] >= 1
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_throughput_is_measured_on_both_databases_beside_a_bare_client(postgres_url: str, redis_url: str) -> None:
    before = bench_databases(postgres_url)
    options = ("--invoices", "40", "--threads", "4", "--latency", "0", "--runs", "1", "--redis", redis_url)

    shown = call("bench", "throughput", *options, "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    sqlite, postgresql = shown.lines
    assert [sqlite["benchmark"], postgresql["benchmark"]] == [
        "throughput on SQLite",
        "throughput on PostgreSQL and Redis",
    ]
    for report in (sqlite, postgresql):
        # Two for each invoice, four for each of 30 customers, and one to see that the account is there.
        assert report["calls"] == round((40 * 2 + 30 * 4 + 1) / 40, 2)
        assert 0 < report["ratio"] < 1.5
        assert report["cpu_ms"] > 0
        assert report["commits"] > 8
        assert report["setting"]["one_core"] is keeps_to_a_core()
    assert bench_databases(postgres_url) <= before


@pytest.mark.skipif(not keeps_to_a_core(), reason="one core, or a system without affinity")
def test_what_is_measured_is_kept_on_one_core_if_that_is_wanted() -> None:
    everywhere = os.sched_getaffinity(0)

    assert in_a_process(os.sched_getaffinity, 0) == everywhere
    assert in_a_process(os.sched_getaffinity, 0, one_core=True) == {max(everywhere)}


@pytest.mark.slow
def test_a_ledger_is_measured_on_both_databases_and_plans_are_shown(postgres_url: str) -> None:
    before = bench_databases(postgres_url)
    options = ("--jobs", "5000", "--times", "2", "--runs", "2", "--postgres", postgres_url)

    shown = call("bench", "ledger", *options, "--json")

    assert (shown.status, shown.err) == (0, "")
    names = [report["benchmark"] for report in shown.lines]
    assert names == ["ledger of 5,000 invoices on SQLite", "ledger of 5,000 invoices on PostgreSQL"]
    for report in shown.lines:
        rows = {row["name"]: row for row in report["rows"]}
        assert {row["times"] for row in rows.values()} == {4}
        assert rows["lease of 16, kept"]["ms"] > 0
        assert any("ix_job_due" in line for line in report["plans"]["a lease"])
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_webhooks_are_measured_on_both_databases(postgres_url: str) -> None:
    before = bench_databases(postgres_url)

    shown = call("bench", "webhooks", "--requests", "60", "--runs", "1", "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    assert [report["benchmark"] for report in shown.lines] == ["webhooks on SQLite", "webhooks on PostgreSQL"]
    for report in shown.lines:
        rows = {row["name"]: row for row in report["rows"]}
        assert rows.keys() >= {"genuine and new", "genuine, told again", "forged signature"}
        assert {row["items"] for row in rows.values()} == {60}
        assert all(row["per_cpu_second"] > 0 for row in rows.values())
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_the_memory_of_a_worker_is_sampled_on_both_databases(postgres_url: str) -> None:
    before = bench_databases(postgres_url)

    shown = call("bench", "memory", "--invoices", "500", "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    assert [report["benchmark"] for report in shown.lines] == ["memory on SQLite", "memory on PostgreSQL"]
    for report in shown.lines:
        first, *_, last = report["samples"]
        assert (first["invoices"], last["invoices"]) == (0, 500)
        assert 30e6 < first["memory"] < last["memory"] < 300e6
        assert report["bytes_an_invoice"] < 100_000
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_a_ledger_is_weighed_before_and_after_its_oldest_invoices_are_erased(postgres_url: str) -> None:
    before = bench_databases(postgres_url)
    options = ("--jobs", "21000", "--erase", "1000", "--times", "1", "--postgres", postgres_url)

    shown = call("bench", "retention", *options, "--json")

    assert (shown.status, shown.err) == (0, "")
    [report] = shown.lines
    assert 900 < report["erasing"]["items"] <= 1000
    assert report["after"]["job"] < 0.5 * report["before"]["job"]
    assert 0 < report["after"]["timeline"] < report["before"]["timeline"]
    assert [row["name"] for row in report["asked_before"]] == [row["name"] for row in report["asked_after"]]
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_the_smallest_ledger_that_can_be_weighed_is_weighed(postgres_url: str) -> None:
    options = ("--jobs", "21000", "--erase", "100", "--times", "1", "--postgres", postgres_url)

    shown = call("bench", "retention", *options, "--json")

    assert (shown.status, shown.err) == (0, "")
    assert shown.lines[0]["erasing"]["items"] == 100


@pytest.mark.parametrize(
    ("jobs", "erased", "told"), [("4000", "500", "--jobs"), ("21000", "99", "--erase"), ("21000", "1001", "20,000")]
)
def test_more_than_is_issued_cannot_be_erased_and_is_refused_before_anything_is_made(
    jobs: str, erased: str, told: str
) -> None:
    shown = call("bench", "retention", "--jobs", jobs, "--erase", erased, "--postgres", "postgresql://127.0.0.1:1/x")

    assert (shown.status, shown.out) == (2, "")
    assert told in shown.err


@pytest.mark.slow
def test_pages_are_measured_over_a_ledger_of_its_own_while_a_worker_issues(postgres_url: str) -> None:
    before = bench_databases(postgres_url)
    options = ("--jobs", "2500", "--times", "2", "--runs", "1", "--workers", "1")

    shown = call("bench", "console", *options, "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    [report] = shown.lines
    pages = {row["name"]: row for row in report["rows"]}
    assert {"/", "/accounts", "/jobs?q=customer+12345", "/metrics"} <= pages.keys()
    for page in pages.values():
        assert page["times"] == 2
        assert 0 < page["statements_ms"] <= page["slowest_ms"]
        assert page["ms"] < 5000
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_starts_and_an_idle_daemon_are_measured_on_both_databases(postgres_url: str) -> None:
    before = bench_databases(postgres_url)

    shown = call("bench", "start", "--runs", "1", "--idle", "5", "--postgres", postgres_url, "--json")

    assert (shown.status, shown.err) == (0, "")
    assert [report["benchmark"] for report in shown.lines] == ["start on SQLite", "start on PostgreSQL"]
    for report in shown.lines:
        rows = {row["name"]: row for row in report["rows"]}
        assert rows["connector --version"]["peak_memory_mb"] < rows["connector check"]["peak_memory_mb"] < 200
        assert 0 < rows["connector run, until it is ready"]["cpu_seconds"] < 10
        assert 0 < report["idle_share"] < 0.1
    assert bench_databases(postgres_url) <= before


@pytest.mark.slow
def test_what_is_measured_meets_nothing_of_an_installation_that_the_terminal_is_set_up_for(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_CONFIG", str(tmp_path / "theirs.toml"))
    monkeypatch.setenv("CONNECTOR_LEDGER__URL", f"sqlite:///{tmp_path / 'theirs.db'}")
    monkeypatch.setenv("CONNECTOR_SOURCES__ERP__URL_FILE", "erp_url")
    few = ("--invoices", "4", "--threads", "2", "--latency", "0", "--runs", "1", "--postgres", postgres_url)

    assert (shown := call("bench", "throughput", *few)).status == 0, shown.err
    assert (shown := call("bench", "start", "--runs", "1", "--idle", "1", "--postgres", postgres_url)).status == 0

    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_told() -> None:
    shown = call("bench", "discovery", "--invoices", "500", "--runs", "1", "--postgres", "postgresql://127.0.0.1:9/x")
    assert shown.status == 2
    assert "No PostgreSQL answers at the address of --postgres" in shown.err


def test_medians_and_rates() -> None:
    spans = [Span(100, seconds, cpu_seconds) for seconds, cpu_seconds in ((4.0, 1.0), (1.0, 0.5), (2.0, 2.0))]
    row = Row.of("x", spans)
    assert (row.seconds, row.cpu_seconds, row.per_second, row.per_cpu_second) == (2.0, 1.0, 50, 100)


def test_the_clock_and_the_computing_of_a_block_are_told_apart() -> None:
    with timed(1) as span:
        sum(range(100_000))
    assert span.seconds > 0
    assert span.cpu_seconds > 0
    assert peak_memory() > 10_000_000


def test_a_result_is_a_table_and_an_empty_line_for_people_and_one_line_for_machines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = Row(name="all are new", items=100, seconds=2.0, cpu_seconds=1.0)
    report = Report(benchmark="discovery on SQLite", runs=3, rows=[row], peak_memory=50_000_000)

    measured.show(Output(json=False), report, measured.rates)
    title, *_, memory, after = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert title == "discovery on SQLite, medians of 3"
    assert memory.startswith("Peak memory: 50 MB. ")
    assert after == ""

    measured.show(Output(json=True), report, measured.rates)
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["rows"] == [row.record()]


def test_figures_of_fewer_invoices_than_asked_for_are_refused_in_a_sentence_that_says_why(tmp_path: Path) -> None:
    source, ledger = (f"sqlite:///{tmp_path / name}.db" for name in ("erp", "ledger"))
    erp.fill(source, 2, customers=1)
    setting = Setting(invoices=2, threads=1, latency=0, one_core=False)

    with pytest.raises(OutsideError, match=r"Only 0 of 2 invoices were issued.*account_paused \(2\)"):
        in_a_process(work, source, ledger, f"http://127.0.0.1:{own_port()}", None, setting)
