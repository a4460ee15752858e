"""Jobs and events as JSON: the records that acceptance relies on. Names are fixed; more may be added."""

from __future__ import annotations

from typing import Any

from connector.domain import catalogue
from connector.ledger.causes import Cause
from connector.ledger.queries import TimelineEvent
from connector.ledger.reconciliations import Difference, Reconciliation
from connector.ledger.records import Job
from connector.operations.texts import instant, plain
from connector.ports import RemoteTaxReport


def job_record(job: Job) -> dict[str, Any]:
    """Return a job: decimals as strings, instants in UTC."""
    return {
        "id": job.id,
        "source": job.source,
        "company": job.company,
        "key": job.key,
        "account": job.account,
        "kind": str(job.kind),
        "number": job.number,
        "issue_date": job.issue_date.isoformat() if job.issue_date else None,
        "customer": job.customer,
        "currency": job.currency,
        "total": None if job.total is None else plain(job.total),
        "stage": str(job.stage),
        "status": str(job.status),
        "reason": job.reason,
        "message": job.message,
        "action": job.cure,
        "who": str(catalogue.reason(job.reason).who) if job.reason else None,
        "details": dict(job.details),
        "contact_id": job.contact_id,
        "reference": job.reference,
        "xref": job.xref,
        "remote_state": job.remote_state,
        "state_changed_at": instant(job.state_changed_at),
        "state_note": job.state_note,
        "attempts": job.attempts,
        "open_effect": str(job.open_effect) if job.open_effect else None,
        "due_at": instant(job.due_at),
        "sent_at": instant(job.sent_at),
        "created_at": instant(job.created_at),
        "updated_at": instant(job.updated_at),
    }


def cause_record(cause: Cause) -> dict[str, Any]:
    """Return one cause with the jobs that rest because of it."""
    return {
        "cause": cause.key,
        "reason": cause.reason,
        "who": str(cause.entry.who),
        "message": cause.message(),
        "action": cause.advice(),
        "facts": dict(cause.facts),
        "count": cause.count,
        "sums": {currency: plain(value) for currency, value in sorted(cause.sums.items())},
        "oldest": cause.oldest.isoformat() if cause.oldest else None,
        "newest": cause.newest.isoformat() if cause.newest else None,
        "since": instant(cause.since),
        "ids": list(cause.ids),
    }


def report_record(report: RemoteTaxReport) -> dict[str, Any]:
    """Return a tax report; `qr` is a PNG in base 64."""
    return {
        "id": report.id,
        "kind": report.kind,
        "label": report.label,
        "state": report.state,
        "changed_at": instant(report.changed_at),
        "url": report.url,
        "qr": report.qr,
        "problem": report.problem,
    }


def difference_record(account: str, found: Difference) -> dict[str, Any]:
    """Return a difference for machines."""
    return {
        "reason": found.reason,
        "who": str(found.who),
        "account": account,
        "source": found.source,
        "company": found.company,
        "key": found.key,
        "id": found.job_id,
        "number": found.number,
        "issue_date": found.issue_date.isoformat() if found.issue_date else None,
        "currency": found.currency,
        "total": None if found.total is None else plain(found.total),
        "reference": found.reference,
        "message": found.message(),
        "action": found.advice(),
        "command": found.command,
    }


def comparison_record(one: Reconciliation) -> dict[str, Any]:
    """Return what a comparison came to."""
    return {
        "id": one.id,
        "account": one.account,
        "started_at": instant(one.started_at),
        "finished_at": instant(one.finished_at),
        "from": one.first_day.isoformat() if one.first_day else None,
        "to": one.last_day.isoformat() if one.last_day else None,
        "erp": one.erp,
        "ledger": one.ledger,
        "remote": one.remote,
        "differences": one.differences,
        "for_person": one.for_person,
        "by_reason": {reason: int(number) for reason, number in one.by_reason.items()},
        "fault": one.fault,
    }


def event_record(event: TimelineEvent) -> dict[str, Any]:
    """Return one entry of a timeline."""
    return {
        "at": instant(event.at),
        "what": event.what,
        "stage": str(event.stage),
        "effect": str(event.effect) if event.effect else None,
        "outcome": event.outcome,
        "reason": event.reason,
        "message": catalogue.reason(event.reason).message(event.details) if event.reason else None,
        "details": dict(event.details),
        "request_id": event.request_id,
        "who": event.who,
        "note": event.note,
    }
