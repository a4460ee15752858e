"""Alert rules and dashboard ask for nothing that `/metrics` does not give, and every alert has its runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from connector.domain.alarms import alarms
from connector.web.metrics import Figures
from tests.deploy.promql import uses
from tests.support.builders import invoice
from tests.support.ledgers import add
from tests.web.conftest import Office, office

__all__ = ["office"]

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "connector.json"
DURATION = re.compile(r"\d+[smhd]")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def panels() -> Iterator[dict[str, Any]]:
    yield from json.loads(DASHBOARD.read_text("utf-8"))["panels"]


def expressions() -> list[str]:
    asked = [target["expr"].replace("$account", ".*") for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in rules()), *asked]


@pytest.fixture
def figures(office: Office) -> dict[str, frozenset[str]]:
    """The figures of a ledger with nothing in it, each with its labels."""
    given: dict[str, frozenset[str]] = {}
    for metric in Figures(office.services).collect():
        labels = frozenset(getattr(metric, "_labelnames", ()))
        ends = ("_bucket", "_count", "_sum") if metric.type == "histogram" else ("",)
        given |= {f"{metric.name}{end}": labels for end in ends}
    return given


def test_every_figure_that_is_asked_for_is_given_with_its_labels(figures: dict[str, frozenset[str]]) -> None:
    known = {**figures, "up": frozenset({"job"})}
    for expression in expressions():
        for use in uses(expression):
            assert use.figure in known, expression
            assert use.labels <= known[use.figure], expression
    assert any("$account" in target["expr"] for panel in panels() for target in panel["targets"])


def test_every_figure_is_documented(figures: dict[str, frozenset[str]]) -> None:
    told = (ROOT / "docs" / "console.md").read_text("utf-8")
    assert [name for name in figures if name.removesuffix("_sum") not in told and f"`{name}`" not in told] == []


def test_every_alert_has_its_runbook() -> None:
    headings = {
        line[4:].strip().lower()
        for line in (ROOT / "docs" / "operations.md").read_text("utf-8").splitlines()
        if line.startswith("### ")
    }
    names = []
    for rule in rules():
        assert (
            {"alert", "expr", "labels", "annotations"}
            <= set(rule)
            <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert DURATION.fullmatch(rule.get("for", "0s"))
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        page, _, entry = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        named = re.search(r'alarm=~"([^"]+)"', rule["expr"])
        wanted = named[1].split("|") if named else [entry]
        assert set(wanted) <= headings, rule["alert"]
        names.append(rule["alert"])
    assert len(set(names)) == len(names)


def test_every_alarm_of_ours_becomes_an_alert() -> None:
    told = [
        code
        for rule in rules()
        if rule["expr"].startswith("connector_alarm{")
        for code in re.findall(r"\w+", rule["expr"])
    ]
    assert {code: told.count(code) for code in alarms()} == dict.fromkeys(alarms(), 1)


def test_panels_lie_side_by_side_and_have_one_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"


def test_prometheus_finds_no_fault_with_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here")
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("wrong", ["sum(connector_jobs", "rates(connector_jobs[5m])", "up{job=connector}", "up == ?"])
def test_what_cannot_be_an_expression_is_seen(wrong: str) -> None:
    with pytest.raises(AssertionError):
        uses(wrong)


def test_a_comparison_that_could_not_be_made_leaves_the_age_of_the_one_before(office: Office) -> None:
    comparisons = office.services.ledger.reconciliations
    for fault in (None, *["The ERP cannot be read."] * 24):
        run = comparisons.begin("main", None, None)
        assert run is not None
        sides = {"erp": 0, "ledger": 0, "remote": 0}
        comparisons.finish(run, by_reason={}, for_person=0, sides=sides, fault=fault)
        office.clock.advance(3600)
    ages = next(
        metric for metric in Figures(office.services).collect() if metric.name == "connector_comparison_age_seconds"
    )
    assert [sample.value for sample in ages.samples] == [pytest.approx(25 * 3600, abs=60)]


def test_what_is_due_of_a_source_that_was_taken_away_starts_no_workers(office: Office) -> None:
    add(office.ledger, invoice("1"))
    office.clock.advance(3600)

    def age() -> float:
        named = {metric.name: metric for metric in Figures(office.services).collect()}
        return float(named["connector_oldest_due_invoice_age_seconds"].samples[0].value)

    assert age() >= 3600
    office.services.settings.sources.clear()
    assert age() == 0
