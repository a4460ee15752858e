"""The one table, and what to do about a row that is not zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.torture.audit import KINDS
from tests.torture.plan import CRASHES
from tests.torture.scenario import Result


def is_good(results: Sequence[Result]) -> bool:
    return not any(finding.kind in KINDS for result in results for finding in result.findings)


def table(results: Sequence[Result], *, seed: int, seconds: float) -> str:
    """Say it all in Markdown."""
    columns: dict[str, list[Result]] = {}
    for result in results:
        guard = "guard on" if result.plan.guard else "guard off"
        columns.setdefault(f"{result.plan.mode}, {guard}", []).append(result)
    columns = dict(sorted(columns.items()))
    columns["all"] = list(results)
    struck = sum((r.struck for r in results), Counter[str]())
    faults = sum((r.faults for r in results), Counter[str]())
    rows: list[tuple[str, list[str]]] = []

    def row(name: str, figure: object) -> None:
        assert callable(figure)
        rows.append((name, [f"{figure(group):,}" for group in columns.values()]))

    row("scenarios", len)
    row("documents", lambda g: sum(r.invoices for r in g))
    for what in sorted(struck, key=_order):
        row(what, lambda g, what=what: sum(r.struck[what] for r in g))
    for kind in sorted(faults):
        row(f"fault {kind}", lambda g, kind=kind: sum(r.faults[kind] for r in g))
    for kind in KINDS:
        row(f"**{kind}**", lambda g, kind=kind: _found(g, kind))
    row("unpreventable (guard off, stopped before the socket write)", lambda g: _found(g, "unpreventable"))
    row("slowest stop after SIGTERM, s", lambda g: round(max((r.slowest_stop for r in g), default=0), 1))
    row("slowest calm pass, s", lambda g: round(max((r.healed_in for r in g), default=0), 1))
    heads = ["", *columns]
    lines = [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {name} | {' | '.join(values)} |" for name, values in rows),
    ]
    crashes = sum((r.crashes for r in results), Counter[str]())
    missed = [name for name in CRASHES if not crashes[name]]
    points = ", ".join(f"{name} {crashes[name]}" for name in CRASHES if crashes[name])
    return "\n".join(
        [
            *lines,
            "",
            f"Seed {seed}, {seconds:,.0f} seconds. Crash points that struck: {points or 'none'}."
            + (f" Not struck: {', '.join(missed)}." if missed else ""),
        ]
    )


def failures(results: Sequence[Result]) -> str:
    """Every finding, how to repeat it, and where its files are."""
    lines: list[str] = []
    for result in results:
        if not result.findings:
            continue
        lines.append(f"{result.plan.repeat}" + (f"   files: {result.folder}" if result.folder else ""))
        lines += [f"    {finding.kind}: {finding.text}" for finding in result.findings]
    return "\n".join(lines)


def _found(group: Sequence[Result], kind: str) -> int:
    return sum(1 for result in group for finding in result.findings if finding.kind == kind)


def _order(what: str) -> tuple[bool, bool, str]:
    return not what.startswith("kill"), not what.startswith(("crash", "SIG")), what
