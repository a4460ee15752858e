"""The one table of a day."""

from __future__ import annotations

from collections import Counter

from tests.soak.day import Result
from tests.soak.memory import Series
from tests.soak.plan import clock
from tests.torture.audit import KINDS


def table(result: Result) -> str:
    """Say it all in Markdown."""
    plan, found = result.plan, Counter(finding.kind for finding in result.findings)
    rows = [
        ("invoices", f"{plan.invoices:,}"),
        ("an hour lasts", f"{plan.hour:.1f} s, the day {plan.seconds / 60:.1f} min"),
        ("requests to B2Brouter", f"{result.requests:,}"),
        *((what, f"{number:,}") for what, number in sorted(result.happened.items())),
        *((f"fault {kind}", f"{number:,}") for kind, number in sorted(result.faults.items())),
        ("longest queue", f"{result.backlog:,} at {clock(result.backlog_at)}"),
        ("at rest after the day", f"{result.rest_after:.0f} s"),
        ("accounts resumed by a person", f"{result.resumed}"),
        *((f"retried by a person: {why}", f"{number}") for why, number in sorted(result.retried.items())),
        *((f"difference {why}, explained", f"{number}") for why, number in sorted(result.differences.items())),
        *((f"**{kind}**", f"{found[kind]:,}") for kind in KINDS),
        *((f"memory of {name}", _told(series)) for name, series in sorted(result.memory.items())),
    ]
    return "\n".join(["| A day | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _told(series: Series) -> str:
    """What a process held, and by how much that grew."""
    later = series.later
    between = [later[len(later) * part // 4][1] for part in (1, 2, 3)] if later else []
    held = ", ".join(
        [
            f"{series.warm:.0f} MB at {clock(series.warm_at)}",
            *(f"{megabytes:.0f}" for megabytes in between),
            f"{series.last:.0f} MB at the end",
        ]
    )
    grown = f"{series.slope:+.2f} MB an hour, {series.growth:+.1f} MB of at most {series.limit:.0f}"
    return f"{held}; {grown}{'' if series.is_flat else ' **grows**'}"


def failures(result: Result) -> str:
    """All that was found, one a line; the first hundred."""
    return "\n".join(f"{finding.kind}: {finding.text}" for finding in result.findings[:100])
