"""How the results of benchmarks are shown: as tables, or for machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from connector.cli.output import Column, Output

if TYPE_CHECKING:
    from connector.bench.frame import Costs, Report
    from connector.bench.memory import Memory
    from connector.bench.retention import Retention
    from connector.bench.start import Starts
    from connector.bench.throughput import Throughput

_RATES: Final = ("seconds", "a second", "CPU seconds", "a CPU second", "CPU ms each")
_THROUGHPUT: Final = (
    Column("who"),
    *(Column(title, right=True) for title in ("invoices a second", "CPU ms an invoice")),
)
_COSTS: Final = (
    Column("what", wraps=True),
    *(Column(title, right=True) for title in ("median ms", "slowest", "CPU ms", "statements ms")),
)
_STARTS: Final = (
    Column("what", wraps=True),
    *(Column(title, right=True) for title in ("seconds", "CPU seconds", "MB")),
)


class Result(Protocol):
    """What a benchmark found."""

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""


Found = TypeVar("Found", bound=Result)


def show(output: Output, result: Found, table: Callable[[Output, Found], None]) -> None:
    """Tell a result: as a table of its kind, or for machines."""
    if output.json:
        output.record(result.record())
        return
    table(output, result)
    output.line()


def rates(output: Output, report: Report) -> None:
    """Tell how many a second each pass handles."""
    output.line(f"{report.benchmark}, medians of {report.runs}")
    output.table(
        (Column("pass", wraps=True), *(Column(title, right=True) for title in (report.counted, *_RATES))),
        [
            (
                row.name,
                _count(row.items),
                f"{row.seconds:,.1f}",
                _count(row.per_second),
                f"{row.cpu_seconds:,.1f}",
                _count(row.per_cpu_second),
                f"{1000 * row.cpu_seconds / row.items:,.2f}" if row.items else "",
            )
            for row in report.rows
        ],
    )
    output.line(f"Peak memory: {report.peak_memory / 1_000_000:,.0f} MB. {report.machine.told()}.")


def throughput(output: Output, result: Throughput) -> None:
    """Tell what a worker reaches, beside bare clients."""
    setting = result.setting
    where = "each on one core, " if setting.one_core else ""
    output.line(
        f"{result.benchmark}: {setting.invoices:,} invoices, {setting.threads} in flight,"
        f" {setting.latency * 1000:g} ms a call, {where}medians of {result.runs}"
    )
    output.table(
        _THROUGHPUT,
        [
            ("connector", f"{result.per_second:,.1f}", f"{result.cpu_ms:,.2f}"),
            ("httpx in threads", f"{result.bare_per_second:,.1f}", f"{result.bare_cpu_ms:,.2f}"),
            ("asyncio streams", f"{result.streams_per_second:,.1f}", f"{result.streams_cpu_ms:,.2f}"),
        ],
    )
    output.line(
        f"Ratio {result.ratio:.2f} to httpx, {result.ratio_to_streams:.2f} to streams."
        f" An invoice costs {result.calls:.2f} calls, {result.statements:.2f} statements and"
        f" {result.commits:.2f} commits of the ledger. {result.machine.told()}."
    )


def costs(output: Output, result: Costs) -> None:
    """Tell what questions take, and the plans."""
    output.line(f"{result.benchmark}, medians of {result.runs} runs of {result.rows[0].times // result.runs} times")
    output.table(
        _COSTS,
        [
            (row.name, *(f"{ms:,.1f}" for ms in (row.ms, row.slowest_ms, row.cpu_ms, row.statements_ms)))
            for row in result.rows
        ],
    )
    for name, lines in result.plans.items():
        output.line(f"How the database goes about {name}:")
        for line in lines:
            output.line(f"  {line}")
    output.line(f"{result.machine.told()}.")


def memory(output: Output, result: Memory) -> None:
    """Tell what a worker holds on its way."""
    output.line(f"{result.benchmark}: {result.span.items:,} invoices, {result.threads} in flight")
    output.table(
        (Column("invoices", right=True), Column("MB", right=True)),
        [(f"{sample.invoices:,}", f"{sample.memory / 1_000_000:,.1f}") for sample in result.samples],
    )
    output.line(
        f"After the first tenth an invoice adds {result.slope:,.1f} bytes; {result.span.seconds:,.0f} s in all."
        f" {result.machine.told()}."
    )


def retention(output: Output, result: Retention) -> None:
    """Tell what a ledger weighs, and what erasing takes."""
    output.line(f"retention of {result.jobs:,} invoices on PostgreSQL")
    for name, size in result.sizes.items():
        output.line(f"Table {name}: {size.rows / 1e9:,.2f} GB, its indexes {size.indexes / 1e9:,.2f} GB.")
    output.table(
        (Column("bytes of an old invoice"), Column("before", right=True), Column("erased", right=True)),
        [
            ("its row", f"{result.before.job:,.0f}", f"{result.after.job:,.0f}"),
            ("its timeline", f"{result.before.timeline:,.0f}", f"{result.after.timeline:,.0f}"),
        ],
    )
    output.line(f"{result.erasing.items:,} were erased, {_count(result.erasing.per_second)} a second.")
    output.table(
        (Column("what", wraps=True), Column("before, ms", right=True), Column("after, ms", right=True)),
        [
            (before.name, f"{before.ms:,.1f}", f"{after.ms:,.1f}")
            for before, after in zip(result.asked_before, result.asked_after, strict=True)
        ],
    )
    output.line(f"{result.machine.told()}.")


def starts(output: Output, result: Starts) -> None:
    """Tell what starting and idling take."""
    output.line(f"{result.benchmark}, medians of {result.runs}")
    output.table(
        _STARTS,
        [
            (row.name, f"{row.seconds:,.2f}", f"{row.cpu_seconds:,.2f}", f"{row.peak_memory_mb:,.0f}")
            for row in result.rows
        ],
    )
    output.line(
        f"An idle daemon takes {result.idle_share:.2%} of a core, over {result.idle_seconds:g} s."
        f" {result.machine.told()}."
    )


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""
