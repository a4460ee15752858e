"""`connector explain`: one invoice on one screen."""

from __future__ import annotations

from dataclasses import asdict

import click

from connector.cli.command import command
from connector.cli.finding import one_job
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain import catalogue, content
from connector.domain.job import Status
from connector.ledger.queries import TimelineEvent
from connector.ledger.records import Job
from connector.operations.records import event_record, job_record, report_record
from connector.operations.texts import amount, local, zone
from connector.operations.timeline import attempt_of, says
from connector.ports import RemoteTaxReport

_LATEST = 25
"""Entries of a timeline that fit on a screen."""

_DAY = "%Y-%m-%d"


@command("explain")
@click.argument("name", metavar="NUMBER_OR_ID")
def explain(session: Session, name: str) -> None:
    """Tell everything about one invoice: where it stands, why, what to do, and what has happened.

    NUMBER_OR_ID is the invoice's number, the id that `connector jobs` shows, the ERP's key, or B2Brouter's
    reference. Where a number is also an id, `id:7` means the id.
    """
    ledger = session.ledger_if_any()
    job = one_job(ledger, name)
    assert ledger is not None
    events = ledger.queries.timeline(job.id)
    reports = ledger.tax_reports.of(job.reference)
    if session.json:
        more = {
            "changes": [asdict(change) for change in content.told(job.details)],
            "tax_reports": [report_record(report) for report in reports],
        }
        session.output.record({**job_record(job), **more, "events": [event_record(event) for event in events]})
        return
    _show(session.output, job, events, reports)


def _show(output: Output, job: Job, events: list[TimelineEvent], reports: list[RemoteTaxReport]) -> None:
    output.line(_heading(job), style="bold")
    output.line()
    output.facts([*_standing(job), ("", ""), *_erp(job), ("", ""), *_b2brouter(job), *_reports(reports)])
    output.line()
    _show_changes(output, job)
    _show_timeline(output, events)


def _heading(job: Job) -> str:
    kind = "Credit note" if job.kind == "credit_note" else "Invoice"
    parts = [f"{kind} {job.number or '(without number)'}", job.customer or "", amount(job.total, job.currency)]
    return " · ".join(filter(None, parts))


def _standing(job: Job) -> list[tuple[str, str]]:
    facts = [("status", str(job.status)), ("stage", str(job.stage))]
    if job.reason:
        facts += [
            ("reason", job.reason),
            ("", job.message or ""),
            ("what to do", job.cure or ""),
            ("who acts", catalogue.term("acts", catalogue.reason(job.reason).who)),
        ]
        if also := job.details.get("also"):
            facts.append(("also wrong", also))
    if job.status is Status.PENDING:
        facts.append(("next try", local(job.due_at)))
    if job.attempts:
        facts.append(("failed tries", f"{job.attempts} of the present step"))
    if job.open_effect:
        facts.append(("open question", f"whether the {job.open_effect} reached B2Brouter"))
    return facts


def _erp(job: Job) -> list[tuple[str, str]]:
    return [
        ("in the ERP", f"source {job.source}, company {job.company}, key {job.key}"),
        ("issue date", job.issue_date.isoformat() if job.issue_date else "none"),
        ("changed", local(job.changed_at)),
        *([("corrects", _corrected(job))] if job.original_key or job.original_number else []),
    ]


def _corrected(job: Job) -> str:
    key = f"key {job.original_key}" if job.original_key else ""
    return f"{job.original_number} ({key})" if job.original_number and key else job.original_number or key


def _b2brouter(job: Job) -> list[tuple[str, str]]:
    return [
        ("at B2Brouter", f"account {job.account}" + (f", contact {job.contact_id}" if job.contact_id else "")),
        ("reference", job.reference or "none yet"),
        *([("xref", job.xref)] if job.xref else []),
        *([("state there", _state(job))] if job.remote_state else []),
        *([("sent", local(job.sent_at))] if job.sent_at else []),
    ]


def _state(job: Job) -> str:
    since = f", since {local(job.state_changed_at)}" if job.state_changed_at else ""
    note = f": {job.state_note}" if job.state_note else ""
    return f"{job.remote_state}{since}{note}"


def _reports(reports: list[RemoteTaxReport]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for report in reports:
        said = [f"{report.kind or 'report'} {report.id}", report.state or "not read yet", report.problem or ""]
        facts.append(("tax report", ", ".join(filter(None, said))))
        if report.url:
            facts.append(("verify at", report.url))
        if report.qr:
            facts.append(("QR", "kept as a picture; see --json"))
    return facts


def _show_changes(output: Output, job: Job) -> None:
    """Show field by field what is not as it was issued."""
    changes = content.told(job.details)
    if not changes:
        return
    rows = [[catalogue.translated(name, value) for name, value in asdict(one).items()] for one in changes]
    output.table([Column("what"), Column("as issued", wraps=True), Column("now in the ERP", wraps=True)], rows)
    output.line()


def _show_timeline(output: Output, events: list[TimelineEvent]) -> None:
    if not events:
        return
    shown = events[-_LATEST:]
    if len(shown) < len(events):
        output.line(f"The last {len(shown)} of {len(events)} entries; all of them with --json.")
    one_day = local(shown[0].at, _DAY) == local(shown[-1].at, _DAY)
    title = f"{local(shown[0].at, _DAY)}, {zone(shown[0].at)}" if one_day else zone(shown[0].at)
    attempts = attempt_of(events)[-_LATEST:]
    rows = [
        (local(event.at, "%H:%M:%S" if one_day else f"{_DAY} %H:%M:%S"), says(event, attempt))
        for event, attempt in zip(shown, attempts, strict=True)
    ]
    output.table([Column(title, wraps=True), Column("what happened", wraps=True)], rows)
