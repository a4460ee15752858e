"""Compares the three sides, and asks again before it says that something is missing.

A list may lag, rows may shift while pages are read, and days may have been changed on one side: what is found on no
side's page is looked for by its name first. A few questions for each difference, none for what is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from shlex import quote
from typing import Any, Final, Protocol, TypeVar

from connector.domain import catalogue
from connector.domain.content import changes, content, deleted, facts
from connector.domain.errors import DocumentNotUsableError
from connector.domain.identity import file_reference
from connector.domain.invoice import Invoice
from connector.domain.job import Stage, Status
from connector.domain.remote_state import STANDINGS, Standing, standing
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.reconciliations import Difference
from connector.ledger.records import Job
from connector.ports import Adapter, RemoteInvoice
from connector.reconcile.scratch import Scratch

T = TypeVar("T")

_TOGETHER: Final = 200
_ASKED: Final = 100
"""Documents that are read one by one before they are called deleted; of more, a second list has to tell."""


class Documents(Protocol):
    """Who can tell whether a document is at B2Brouter."""

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        """Return one invoice; None where it does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What does not count as a difference."""

    fresh_until: datetime  # what the ERP changed later is still on its way here
    stuck_since: datetime | None  # what was found earlier, and is not sent, is stuck; None: nothing ever is
    allowed: Decimal  # by which B2Brouter's totals may differ


class Differences:
    """Names what differs between the sides that lie in a scratch file."""

    def __init__(
        self,
        ledger: Ledger,
        scratch: Scratch,
        *,
        account: str,
        adapters: Mapping[str, Adapter],
        remote: Documents,
        limits: Limits,
    ) -> None:
        """Prepare the comparison of an account.

        Args:
            ledger: asked again about what is missing in it.
            scratch: the three sides.
            account: by its name in the configuration.
            adapters: the ERPs that are compared, by source.
            remote: asked again about what is missing there.
            limits: what does not count.
        """
        self._ledger = ledger
        self._scratch = scratch
        self._account = account
        self._adapters = adapters
        self._remote = remote
        self._limits = limits

    def all(self) -> Iterator[Difference]:
        """Yield every difference, reason by reason.

        Raises:
            OutsideError: an ERP or the ledger failed.
            NotSentError: B2Brouter could not be asked.
        """
        yield from self._not_in_ledger()
        yield from self._not_known()
        yield from self._gone()
        yield from self._of_both()
        yield from self._changed()
        yield from self._not_recorded()
        yield from self._stuck()

    # ------------------------------------------------------------ in the ERP, not here

    def _not_in_ledger(self) -> Iterator[Difference]:
        rows = self._scratch.rows(
            "SELECT e.* FROM erp e LEFT JOIN job j USING (source, company, key) WHERE j.id IS NULL AND e.changed <= ?"
            " ORDER BY e.day, e.number",
            self._limits.fresh_until.isoformat(),
        )
        for some in _chunks(rows):
            for source in {row["source"] for row in some}:
                mine = [row for row in some if row["source"] == source]
                known = self._ledger.queries.known_keys(source, [(row["company"], row["key"]) for row in mine])
                for row in mine:
                    if (row["company"], row["key"]) not in known:  # else its day was changed
                        yield _of_erp(row)

    # ------------------------------------------------------------ at B2Brouter, not here

    def _not_known(self) -> Iterator[Difference]:
        rows = self._scratch.rows(
            "SELECT r.*, n.id AS job_id, n.in_flight, n.status, COALESCE(n.source, e.source) AS source,"
            " COALESCE(n.company, e.company) AS company, COALESCE(n.key, e.key) AS key FROM remote r"
            " LEFT JOIN job j ON j.reference = r.id"
            " LEFT JOIN job n ON n.number = r.number AND n.reference IS NULL"
            " LEFT JOIN erp e ON e.number = r.number AND marked(e.source, e.company, e.key) = r.mark"
            " WHERE j.id IS NULL ORDER BY r.day, r.number"
        )
        for some in _chunks(rows):
            owned = self._ledger.reconciliations.owners(self._account, [row["id"] for row in some])
            for row in some:
                if row["id"] not in owned and not _under_way(row):
                    yield _not_known(row)

    # ------------------------------------------------------------ here, not at B2Brouter

    def missing(self) -> int:
        """Return how many documents of ours the list did not show."""
        [row] = self._scratch.rows(f"SELECT count(*) {_UNSEEN}")
        return int(row[0])

    def _gone(self) -> Iterator[Difference]:
        asked = 0
        for row in self._scratch.rows(f"SELECT j.* {_UNSEEN} ORDER BY j.day, j.number"):
            asked += 1
            if asked <= _ASKED and self._remote.read_invoice(row["reference"]) is not None:
                continue
            unsent = row["stage"] < Stage.SENT.rank
            command = f"connector retry {row['id']} --note …" if unsent else f"connector explain {row['id']}"
            yield _of_job(row, "remote_missing", {"reference": row["reference"]}, command)

    # ------------------------------------------------------------ on both sides, not alike

    def _of_both(self) -> Iterator[Difference]:
        late = self._limits.stuck_since
        rows = self._scratch.rows(
            "SELECT j.*, r.state AS there, r.total AS total_there, r.number AS number_there,"  # noqa: S608
            " r.currency AS currency_there"
            " FROM job j JOIN remote r ON r.id = j.reference"
            " WHERE j.wanted AND j.stage >= ?"
            " AND (j.state IS NOT r.state OR j.total IS NOT r.total OR j.number IS NOT r.number"
            f" OR j.currency IS NOT r.currency OR (j.since < ? AND r.state IN ({_UNDER_WAY})))"
            " ORDER BY j.day, j.number",
            Stage.SENT.rank,
            late.isoformat() if late else "",
        )
        for row in rows:
            yield from self._figures(row)
            yield from self._state(row)

    def _figures(self, row: Any) -> Iterator[Difference]:
        found = [
            f"{field} {row[field]} (ERP) / {row[f'{field}_there']} (B2Brouter)"
            for field in ("number", "currency", "total")
            if row[f"{field}_there"] is not None and row[field] != row[f"{field}_there"]
            and not (field == "total" and self._near(row["total"], row["total_there"]))
        ]  # fmt: skip
        if found:
            details = {"reference": row["reference"], "differences": "; ".join(found)}
            yield _of_job(row, "remote_altered", details, f"connector explain {row['id']}")

    def _near(self, one: str | None, other: str) -> bool:
        return one is not None and abs(Decimal(one) - Decimal(other)) <= self._limits.allowed

    def _state(self, row: Any) -> Iterator[Difference]:
        there = row["there"]
        late = self._limits.stuck_since
        if there == "new":
            details = {"reference": row["reference"]}
            yield _of_job(row, "remote_unsent", details, f"connector explain {row['id']}")
        elif late and standing(there or "") is Standing.UNDER_WAY and row["since"] < late.isoformat():
            details = {"reference": row["reference"], "state": there or "?", "since": row["since"][:10]}
            yield _of_job(row, "delivery_stuck", details, f"connector explain {row['id']}")
        elif there is not None and row["state"] != there:
            details = {"reference": row["reference"], "state": row["state"] or "?", "there": there}
            yield _of_job(row, "state_differs", details, "connector sync")

    # ------------------------------------------------------------ issued, and not in the ERP as it was

    def _changed(self) -> Iterator[Difference]:
        rows = self._scratch.rows(
            "SELECT j.* FROM job j LEFT JOIN erp e USING (source, company, key)"
            " WHERE j.wanted AND j.stage >= ? AND j.status = ?"
            " AND (e.key IS NULL OR e.total IS NOT j.total OR e.number IS NOT j.number OR e.day IS NOT j.day"
            " OR e.currency IS NOT j.currency) ORDER BY j.day, j.number",
            Stage.SENT.rank,
            str(Status.DONE),
        )
        for some in _chunks(rows):
            for source in {row["source"] for row in some} & self._adapters.keys():
                mine = [row for row in some if row["source"] == source]
                yield from self._judged(mine, self._adapters[source].load([row["key"] for row in mine]))

    def _judged(
        self, rows: Sequence[Any], documents: Mapping[str, Invoice | DocumentNotUsableError]
    ) -> Iterator[Difference]:
        """Judge by what was issued; what a person has let be stays let be."""
        jobs: dict[int, Job] = {
            job.id: job for job in self._ledger.queries.jobs(Filter(ids=[row["id"] for row in rows]))
        }
        issued = self._ledger.issued.contents(list(jobs.values()))
        accepted = self._ledger.issued.accepted(list(jobs.values()))
        for row in rows:
            document = documents.get(row["key"])
            if isinstance(document, DocumentNotUsableError) or row["id"] not in issued:
                continue
            now = deleted() if document is None else content(document)
            found = changes(issued[row["id"]], now)
            details = facts(found, now)
            if found and (row["id"], details["content"]) not in accepted:
                told = {"reference": row["reference"] or "", **details}
                yield _of_job(row, "changed_after_issue", told, f"connector skip {row['id']} --note …")

    # ------------------------------------------------------------ issued, and the ERP does not know

    def _not_recorded(self) -> Iterator[Difference]:
        rows = self._scratch.rows(
            "SELECT j.*, w.reference AS reference_there, w.xref AS xref_there"
            " FROM recorded w JOIN job j ON j.id = w.job"
            " WHERE w.reference IS NOT j.reference OR w.xref IS NOT j.xref ORDER BY j.day, j.number"
        )
        for row in rows:
            if row["reference_there"] is None and row["xref_there"] is None:
                details = {"reference": row["reference"]}
                yield _of_job(row, "reference_missing", details, "connector reconcile --write-back")
            else:
                there = row["reference_there"] if row["reference_there"] != row["reference"] else row["xref_there"]
                details = {"reference": row["reference"], "other": there or ""}
                yield _of_job(row, "reference_replaced", details, f"connector explain {row['id']}")

    # ------------------------------------------------------------ here for too long

    def _stuck(self) -> Iterator[Difference]:
        if self._limits.stuck_since is None:
            return
        rows = self._scratch.rows(
            "SELECT * FROM job WHERE wanted AND stage < ? AND status NOT IN (?, ?) AND since < ?"
            " ORDER BY day, number",
            Stage.SENT.rank,
            str(Status.DONE),
            str(Status.SKIPPED),
            self._limits.stuck_since.isoformat(),
        )
        for some in _chunks(rows):
            jobs = {job.id: job for job in self._ledger.queries.jobs(Filter(ids=[row["id"] for row in some]))}
            for row in some:
                job = jobs[row["id"]]
                why = catalogue.within("why", job.reason, job.details) if job.reason else {"why": str(job.status)}
                yield _of_job(row, "stuck", {"since": row["since"][:10], **why}, f"connector explain {row['id']}")


_UNDER_WAY: Final = ", ".join(f"'{state}'" for state, says in STANDINGS.items() if says is Standing.UNDER_WAY)

_UNSEEN: Final = (
    "FROM job j LEFT JOIN remote r ON r.id = j.reference"
    " WHERE j.wanted AND j.reference IS NOT NULL AND r.id IS NULL AND j.status <> 'skipped'"
)


def _under_way(row: Any) -> bool:
    """Whether a job is just about to find that document to be its own."""
    if row["job_id"] is None:
        return False
    moving = row["status"] in {str(Status.PENDING), str(Status.RUNNING)}
    return moving and (bool(row["in_flight"]) or _marked(row))


def _marked(row: Any) -> bool:
    """Whether a document at B2Brouter has the mark of the job, or the ERP's document, of its number."""
    known = row["source"] is not None and row["mark"] is not None
    return known and row["mark"] == file_reference(row["source"], row["company"], row["key"])


def _of_erp(row: Any) -> Difference:
    details = {"number": row["number"] or "?", "source": row["source"]}
    return Difference(
        reason="not_in_ledger",
        details=details,
        command=f"connector sync --source {row['source']}",
        **_document(row),
    )


def _not_known(row: Any) -> Difference:
    """A mark of ours tells what a ledger, restored from a backup, does not remember from what others made."""
    ours = _marked(row)
    if row["job_id"] is not None:
        command = f"connector link {row['job_id']} {quote(row['id'])} --note …"
    elif ours:
        command = f"connector sync --source {row['source']}"
    else:
        command = f"connector jobs --search {quote(row['number'] or row['id'])}"
    known = {"source": row["source"], "company": row["company"], "key": row["key"], "job_id": row["job_id"]}
    return Difference(
        reason="issued_not_in_ledger" if ours else "issued_elsewhere",
        details={"number": row["number"] or "?", "reference": row["id"], "state": row["state"] or "?"},
        command=command,
        reference=row["id"],
        **{**_figures_of(row), **known},
    )


def _of_job(row: Any, reason: str, details: Mapping[str, str], command: str) -> Difference:
    return Difference(
        reason=reason,
        details=details,
        command=command,
        job_id=row["id"],
        reference=row["reference"],
        **_document(row),
    )


def _document(row: Any) -> dict[str, Any]:
    return {"source": row["source"], "company": row["company"], "key": row["key"], **_figures_of(row)}


def _figures_of(row: Any) -> dict[str, Any]:
    return {
        "number": row["number"],
        "issue_date": date.fromisoformat(row["day"]) if row["day"] else None,
        "currency": row["currency"],
        "total": Decimal(row["total"]) if row["total"] is not None else None,
    }


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    all_rows = iter(rows)
    while some := list(islice(all_rows, _TOGETHER)):
        yield some
