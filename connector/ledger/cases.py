"""The case of a document that was sent: what its state or a tax report makes of it after the work has ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, or_, select, update

from connector.domain.job import AT_REST
from connector.domain.remote_state import case_of
from connector.ledger.records import Job
from connector.ledger.tables import JobRow, TaxReportRow
from connector.ports import RemoteTaxReport

REFUSED: Final = frozenset({"registered_with_errors", "error", "refused"})
"""States of a report that the authority did not accept as it is (API reference 11)."""

REASON: Final = "tax_report_refused"

CASE: Final = and_(JobRow.status.in_(AT_REST), JobRow.reason.is_not(None))
"""The jobs that are cases; see `is_case`."""

_OPEN: Final = and_(TaxReportRow.reference == bindparam("of_document"), TaxReportRow.refused)
_LATEST: Final = (
    select(TaxReportRow.id, TaxReportRow.kind, TaxReportRow.state, TaxReportRow.problem)
    .where(_OPEN)
    .order_by(TaxReportRow.changed_at.desc(), TaxReportRow.id.desc())
    .limit(1)
)
_MARK: Final = update(JobRow).where(JobRow.reference == bindparam("of_document"))
_LET_BE: Final = update(TaxReportRow).where(_OPEN).values(refused=False)


def facts(report: Any) -> dict[str, str]:
    """Return what is told of a report."""
    return {
        "report": report.id,
        "kind": report.kind or "?",
        "state": report.state or "?",
        "message": report.problem or "no explanation",
    }


def judge(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    """Open, replace or close the case that tax reports make, of such jobs at rest as have no other.

    To be called wherever a report has news or another case closes: one may have stood behind it.
    """
    query = select(JobRow.id, JobRow.reference, JobRow.reason).where(
        which, JobRow.status.in_(AT_REST), or_(JobRow.reason.is_(None), JobRow.reason == REASON)
    )
    for job in connection.execute(query).all():
        latest = connection.execute(_LATEST, {"of_document": job.reference}).first()
        if latest is not None or job.reason is not None:
            case = {"reason": REASON, "details": facts(latest)} if latest else {"reason": None, "details": None}
            connection.execute(update(JobRow).where(JobRow.id == job.id).values(updated_at=now, **case))


def judge_left_out(connection: Connection, job_id: int, now: datetime) -> None:
    """Judge a job that a person has just left out after it was sent: what had become of it stood behind its hold."""
    query = select(JobRow.remote_state, JobRow.reference, JobRow.state_note).where(JobRow.id == job_id)
    needs = case_of(*connection.execute(query).one())
    if needs is not None:
        case = {"reason": needs[0], "details": needs[1]}
        connection.execute(update(JobRow).where(JobRow.id == job_id).values(updated_at=now, **case))
    judge(connection, JobRow.id == job_id, now)


def judge_arrived(connection: Connection, jobs: Sequence[Job]) -> None:
    """Judge jobs that are just done; what was refused meanwhile was noted in their rows, so most cost nothing."""
    if refused := [job for job in jobs if job.report_refused]:
        judge(connection, JobRow.id.in_([job.id for job in refused]), max(job.updated_at for job in refused))


def correct(connection: Connection, report: RemoteTaxReport, kind: str | None) -> None:
    """Close what was refused before a report of the same kind that corrects or annuls it was accepted."""
    earlier = and_(
        TaxReportRow.reference == report.reference,
        TaxReportRow.id != report.id,
        TaxReportRow.kind.is_not_distinct_from(kind),
        TaxReportRow.changed_at <= report.changed_at,
    )
    connection.execute(update(TaxReportRow).where(earlier, TaxReportRow.refused).values(refused=False))


def let_be(connection: Connection, reference: str) -> None:
    """Remember that a person has let be whatever was refused about a document."""
    connection.execute(_LET_BE, {"of_document": reference})
    mark(connection, reference)


def mark(connection: Connection, reference: str) -> None:
    """Note in a document's job whether anything that was refused is open."""
    open_ = exists(select(TaxReportRow.id).where(_OPEN))
    connection.execute(_MARK.values(report_refused=open_), {"of_document": reference})
