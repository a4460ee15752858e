"""What tax authorities were told, as B2Brouter shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from connector.domain.job import Status
from connector.ledger import cases, timeline
from connector.ledger.cases import REASON, REFUSED
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.loose import different
from connector.ledger.records import Entry
from connector.ledger.tables import JobRow, TaxReportRow
from connector.ports import RemoteTaxReport

SETTLED: Final = frozenset({"registered", "registered_with_errors", "error", "refused", "annulled"})
"""States after which nothing more is expected of the authority (API reference 11).

`deposited` of the Italian exchange is none of them: the reference has it as not final, and does not say what follows.
"""

ACCEPTED: Final = "registered"

_COLUMNS = tuple(getattr(TaxReportRow, name) for name in RemoteTaxReport.__dataclass_fields__)

_BORNE_OUT = (
    update(TaxReportRow)
    .where(TaxReportRow.id == bindparam("of_report"), TaxReportRow.state == bindparam("shown"), ~TaxReportRow.settled)
    .values(settled=True)
)
_UNTOLD = select(different(TaxReportRow.account, TaxReportRow.unrecorded).c.value)


class TaxReports:
    """The ledger as tax reports see it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def expect(self, account: str, ids: Mapping[str, str]) -> None:
        """Remember that there are these reports, each with the document that it is about."""
        if not ids:
            return
        with self._database.read() as connection:
            query = select(TaxReportRow.id).where(TaxReportRow.id.in_(list(ids)))
            known = set(connection.execute(query).scalars())
        if new := {id_: reference for id_, reference in ids.items() if id_ not in known}:
            with self._database.write() as connection:
                self._insert(connection, account, new)

    def _insert(self, connection: Connection, account: str, ids: Mapping[str, str]) -> None:
        rows = [{**self._empty(account), "id": id_, "reference": reference} for id_, reference in ids.items()]
        connection.execute(insert_dialect(self._database)(TaxReportRow).on_conflict_do_nothing(), rows)

    def _empty(self, account: str) -> dict[str, Any]:
        now = self._database.clock.now()
        return {"account": account, "settled": False, "ask_at": now, "unrecorded": False, "refused": False}

    def doubt(self, account: str, id_: str, reference: str) -> None:
        """Have the next look read a report, known or not: something was told of it that nobody's word alone does."""
        row = {**self._empty(account), "id": id_, "reference": reference}
        insert = insert_dialect(self._database)(TaxReportRow).values(row)
        at_once = {"settled": False, "ask_at": row["ask_at"]}
        upsert = insert.on_conflict_do_update(index_elements=["id"], set_=at_once)
        with self._database.write() as connection:
            connection.execute(upsert)

    def due(self, account: str, *, sent_since: datetime, longest: timedelta, limit: int) -> Mapping[str, datetime]:
        """Return the reports that it is time to ask for: an authority's word is still expected.

        Args:
            account: by name.
            sent_since: when their documents were sent at the earliest.
            longest: pause; what is put off for longer was so by a clock that has been set back since, and is due.
            limit: how many at most; those that were put off longest ago come first.

        Returns:
            When the document was sent, by the report's id.
        """
        now = self._database.clock.now()
        query = (
            select(TaxReportRow.id, JobRow.sent_at)
            .join(JobRow, JobRow.reference == TaxReportRow.reference)
            .where(TaxReportRow.account == account, ~TaxReportRow.settled, JobRow.sent_at >= sent_since)
            .where(or_(TaxReportRow.ask_at <= now, TaxReportRow.ask_at > now + longest))
            .order_by(TaxReportRow.ask_at, TaxReportRow.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return {row.id: row.sent_at for row in connection.execute(query)}

    def put_off(self, id_: str, until: datetime) -> None:
        """Have looks not ask for a report before an instant."""
        with self._database.write() as connection:
            connection.execute(update(TaxReportRow).where(TaxReportRow.id == id_).values(ask_at=until))

    def is_looked_at(self, reference: str | None, since: datetime) -> bool:
        """Whether a document was sent so lately that looks still ask for its reports; see `due`."""
        sent = select(JobRow.id).where(JobRow.reference == reference, JobRow.sent_at >= since)
        with self._database.read() as connection:
            return connection.execute(sent.limit(1)).first() is not None

    def of(self, reference: str | None) -> list[RemoteTaxReport]:
        """Return the reports on a document, in the order of their ids."""
        query = select(*_COLUMNS).where(TaxReportRow.reference == reference).order_by(TaxReportRow.id)
        with self._database.read() as connection:
            return [RemoteTaxReport(**row._mapping) for row in connection.execute(query)]

    def known(self, ids: Sequence[str]) -> Mapping[str, RemoteTaxReport]:
        """Return those of these reports that are expected or known, by id."""
        query = select(*_COLUMNS).where(TaxReportRow.id.in_(ids))
        with self._database.read() as connection:
            return {row.id: RemoteTaxReport(**row._mapping) for row in connection.execute(query)}

    def closes(self, report: RemoteTaxReport) -> bool:
        """Whether what is told of a report would close a case of its document, or one that stands behind another."""
        if _is_refused(report):
            return False
        refused = and_(TaxReportRow.reference == report.reference, TaxReportRow.refused)
        columns = (TaxReportRow.id, TaxReportRow.refused, TaxReportRow.corrects, TaxReportRow.changed_at)
        with self._database.read() as connection:
            rows = connection.execute(select(*columns).where(or_(TaxReportRow.id == report.id, refused))).all()
        before = next((row for row in rows if row.id == report.id), None)
        if before is not None and before.changed_at is not None and before.changed_at > report.changed_at:
            return False
        if before is not None and before.refused:
            return True
        corrects = report.corrects or (before is not None and before.corrects)
        return bool(corrects) and report.state == ACCEPTED and any(row.refused for row in rows)

    def take(self, account: str, report: RemoteTaxReport, *, told: bool = False) -> bool:
        """Write down what a report says now, unless it is older than what is known; return whether it was news.

        What it does not say stays as it was: an event tells less than a look shows. Time and
        document are needed.

        Args:
            account: by name.
            report: as it is shown or told.
            told: whether an event told it; what a look shows as it is known settles a doubt of it.
        """
        values = {name: value for name, value in asdict(report).items() if value is not None}
        values |= {"problem": report.problem, "settled": report.state in SETTLED, "unrecorded": True}
        refused = _is_refused(report)
        insert = insert_dialect(self._database)(TaxReportRow).values(
            {**self._empty(account), **values, "refused": refused}
        )
        says_more = TaxReportRow.state != report.state
        if report.corrected_by is not None:
            says_more = or_(says_more, TaxReportRow.corrected_by.is_distinct_from(report.corrected_by))
        newer = or_(
            TaxReportRow.changed_at.is_(None),
            TaxReportRow.changed_at < report.changed_at,
            and_(TaxReportRow.changed_at == report.changed_at, says_more),
        )
        # What a person has let be stays so until the state changes.
        news = or_(TaxReportRow.refused, TaxReportRow.state.is_distinct_from(report.state))
        upsert = insert.on_conflict_do_update(
            index_elements=["id"], set_={**values, "refused": news if refused else False}, where=newer
        )
        with self._database.write() as connection:
            # The job before the report, as everybody locks them.
            connection.execute(select(JobRow.id).where(JobRow.reference == report.reference).with_for_update())
            if report.corrected_by and report.reference:
                self._insert(connection, account, {report.corrected_by: report.reference})
            taken = connection.execute(upsert.returning(TaxReportRow.kind, TaxReportRow.corrects)).first()
            if taken is None:
                if not told and report.state in SETTLED:
                    connection.execute(_BORNE_OUT, {"of_report": report.id, "shown": report.state})
                return False
            if taken.corrects and report.state == ACCEPTED:
                cases.correct(connection, report, taken.kind)
            self._judge(connection, report)
        return True

    def _judge(self, connection: Connection, report: RemoteTaxReport) -> None:
        now = self._database.clock.now()
        assert report.reference is not None
        cases.mark(connection, report.reference)
        cases.judge(connection, JobRow.reference == report.reference, now)
        reason = REASON if report.state in REFUSED else None
        entry = Entry(what="tax_report", reason=reason, details=cases.facts(report))
        rows = connection.execute(select(JobRow.id, JobRow.stage).where(JobRow.reference == report.reference))
        timeline.append(connection, now, [(row.id, row.stage, entry) for row in rows])

    def untold(self) -> set[str]:
        """Return the accounts with reports that an ERP has not been told of, whether or not it can be."""
        with self._database.read() as connection:
            return set(connection.execute(_UNTOLD).scalars()) - {None}

    def unrecorded(self, account: str, source: str, limit: int) -> list[tuple[str, RemoteTaxReport]]:
        """Return reports that the ERP has not been told of yet, each with the key of its document.

        Oldest change first: where the ERP has room for one report, the newest one stays there.
        """
        query = (
            select(JobRow.key, *_COLUMNS)
            .join(JobRow, JobRow.reference == TaxReportRow.reference)
            .where(TaxReportRow.unrecorded, JobRow.account == account, JobRow.source == source)
            .where(JobRow.status == Status.DONE)
            .order_by(TaxReportRow.changed_at, TaxReportRow.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return [(row.pop("key"), RemoteTaxReport(**row)) for row in rows]

    def recorded(self, report: RemoteTaxReport) -> None:
        """Remember that the ERP was told of a report as it was read; newer news stays to be told."""
        same = and_(
            TaxReportRow.id == report.id,
            TaxReportRow.state.is_not_distinct_from(report.state),
            TaxReportRow.changed_at.is_not_distinct_from(report.changed_at),
        )
        with self._database.write() as connection:
            connection.execute(update(TaxReportRow).where(same).values(unrecorded=False))


def _is_refused(report: RemoteTaxReport) -> bool:
    return report.state in REFUSED and report.corrected_by is None
