"""The verdict sheet at the end of a test run: `pytest_plugins = ["connector.adapters.testing.plugin"]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest

from connector.adapters.testing.conformance import rules
from connector.adapters.testing.source import SHEET
from connector.adapters.trial.verdicts import Finding, Verdict

_SHOWN: Final = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.SKIPPED: "yellow"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print each conformance class's sheet, in the order of its rules."""
    for name, findings in sheets(terminalreporter.stats).items():
        terminalreporter.write_sep("=", f"verdict sheet of {name}")
        for finding in findings:
            terminalreporter.write(f"{finding.verdict.value:<8}", **{_SHOWN[finding.verdict]: True})
            told = f": {finding.message}" if finding.message else ""
            terminalreporter.write_line(f" {finding.rule}{told}")
        counts = ", ".join(
            f"{sum(finding.verdict is verdict for finding in findings)} {verdict.value}" for verdict in Verdict
        )
        terminalreporter.write_line(counts)


def sheets(stats: Mapping[str, Iterable[Any]]) -> dict[str, list[Finding]]:
    """Return the findings by class, from the reports that pytest keeps by outcome."""
    found: dict[str, dict[str, Finding]] = {}
    reports = [report for outcome in ("passed", "failed", "error", "skipped") for report in stats.get(outcome, [])]
    for report in reports:
        sheet = dict(getattr(report, "user_properties", [])).get(SHEET)
        if sheet is not None:
            found.setdefault(sheet, {})[report.nodeid] = _finding(report)
    order = [_words(rule) for rule in rules()]
    place = {rule: number for number, rule in enumerate(order)}
    return {
        name: sorted(by_node.values(), key=lambda finding: place.get(finding.rule, len(place)))
        for name, by_node in found.items()
    }


def _words(rule: str) -> str:
    return rule.removeprefix("test_").replace("_", " ")


def _finding(report: pytest.TestReport) -> Finding:
    rule = _words(report.nodeid.rpartition("::")[2])
    if report.outcome == "passed":
        return Finding(rule=rule, verdict=Verdict.PASS)
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return Finding(rule=rule, verdict=Verdict.SKIPPED, message=reason.removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else str(report.longrepr)
    return Finding(rule=rule, verdict=Verdict.FAIL, message=message.partition(": ")[2] or message)
