"""The independent audit: what the simulator did and holds, what the ERP holds, what the ledger says, in plain SQL.

It shares no code with the product, and believes no status: a document counts as issued when the other side has it,
once, sent once, with the ERP's amounts, and the ERP names it.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from sqlalchemy.engine import URL, make_url

from tests.torture.erp import OFFICES, Books, Document
from tests.torture.plan import LEASE, TIMEOUT

Kind = Literal[
    "duplicates", "double sends", "lost", "wrong totals", "wrong reference", "stuck", "unexplained",
    "contacts twice", "slow stop", "unpreventable", "harness",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = (
    "duplicates", "double sends", "lost", "wrong totals", "wrong reference", "stuck", "unexplained",
    "contacts twice", "slow stop", "harness",
)  # fmt: skip
"""What must not be found. `unpreventable` is counted apart: see docs/reliability.md."""

_ON_WAKING: Final = 1.5
"""Seconds after a SIGCONT within which a request that was on its way when the process stopped arrives."""


@dataclass(frozen=True)
class Finding:
    kind: Kind
    text: str


@dataclass(frozen=True)
class Pause:
    """From when to when a process was suspended; seconds of the epoch."""

    since: float
    until: float


@dataclass(frozen=True)
class Evidence:
    documents: Mapping[str, Any]
    journal: Sequence[Mapping[str, Any]]
    erp: Mapping[int, tuple[str | None, str | None]]
    ledger_url: str
    books: Books
    guard: bool
    pauses: Sequence[Pause]

    @cached_property
    def living(self) -> Mapping[tuple[int, str], Sequence[Mapping[str, Any]]]:
        """What is at B2Brouter, by account and number."""
        return _by_number(self.documents["invoices"])

    @cached_property
    def gone(self) -> Mapping[tuple[int, str], Sequence[Mapping[str, Any]]]:
        """What was withdrawn, by account and number."""
        return _by_number(self.documents["deleted_invoices"])

    @cached_property
    def effects(self) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
        """What the journal saw happen to invoices, by action and number."""
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for entry in self.journal:
            for effect in entry["effects"]:
                if effect.get("kind") == "invoice":
                    found[effect.get("action"), effect.get("number")].append(effect)
        return found

    @cached_property
    def account_of(self) -> Mapping[Any, int]:
        """Account of each document that is or was at B2Brouter, by its id."""
        return {
            remote["id"]: remote["account_id"]
            for group in ("invoices", "deleted_invoices")
            for remote in self.documents[group]
        }


def _by_number(documents: Sequence[Mapping[str, Any]]) -> Mapping[tuple[int, str], Sequence[Mapping[str, Any]]]:
    found: dict[tuple[int, str], list[Mapping[str, Any]]] = defaultdict(list)
    for remote in documents:
        found[remote["account_id"], remote["number"]].append(remote)
    return found


def examine(evidence: Evidence) -> list[Finding]:
    """Return all that is wrong."""
    jobs = {(row["company"], row["key"]): row for row in _rows(evidence.ledger_url, "SELECT * FROM job")}
    findings: list[Finding] = []
    for document in evidence.books.documents:
        job = jobs.pop((str(document.office), str(document.key)), None)
        findings += _document(evidence, document, job)
    findings += [Finding("unexplained", f"a job without a document: {key}") for key in jobs]
    findings += _invented(evidence)
    findings += _contacts(evidence)
    findings += _leases(evidence)
    return findings


# ------------------------------------------------------------ one document


def _document(evidence: Evidence, document: Document, job: Mapping[str, Any] | None) -> Iterator[Finding]:
    name = f"{document.number} of account {OFFICES[document.office][1]}"
    there = _living(evidence, document)
    yield from _once(evidence, document, name, there)
    if job is None:
        yield Finding("lost", f"{name}: no job")
        return
    yield from _status(document, name, job)
    if document.fate != "issued":
        if there:
            yield Finding("unexplained", f"{name} must not leave, and is at B2Brouter")
        return
    if not there:
        yield Finding("lost", f"{name} is not at B2Brouter; the job is {job['status']} ({job['reason']})")
        return
    for remote in there:
        yield from _content(document, name, remote)
    if not any(remote["sent_times"] for remote in there):
        yield Finding("lost", f"{name} was not sent; the job is {job['status']} ({job['reason']})")
    yield from _reference(evidence, document, name, there, job)


def _living(evidence: Evidence, document: Document) -> Sequence[Mapping[str, Any]]:
    return evidence.living.get((int(OFFICES[document.office][1]), document.number), ())


def _once(evidence: Evidence, document: Document, name: str, there: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Not two documents, not sent twice; neither in what is there nor in what the journal saw happen."""
    excused = _excused(evidence, document)
    kind: Kind = "unpreventable" if excused else "duplicates"
    if len(there) > 1:
        yield Finding(kind, f"{name}: documents {', '.join(str(remote['id']) for remote in there)}")
    account = int(OFFICES[document.office][1])
    made = _happened(evidence, account, document.number, "created")
    gone = len(evidence.gone.get((account, document.number), ()))
    if made - gone > max(1, len(there)):
        yield Finding(kind, f"{name}: created {made} times by the journal, withdrawn {gone} times")
    sent = sum(remote["sent_times"] for remote in there)
    told = _happened(evidence, account, document.number, "sent")
    if max(sent, told) > 1:
        yield Finding(
            "unpreventable" if excused else "double sends",
            f"{name}: sent {sent} times, {told} by the journal",
        )


def _happened(evidence: Evidence, account: int, number: str, action: str) -> int:
    return sum(
        1
        for effect in evidence.effects.get((action, number), ())
        if effect.get("account", account) == account and evidence.account_of.get(effect.get("id"), account) == account
    )


def _excused(evidence: Evidence, document: Document) -> bool:
    """Whether theory says that nobody can prevent a second effect: a process was suspended after its intent and
    before its request left, and the request arrived as soon as it went on. Only where nothing guards the effect.
    """
    if not evidence.pauses:
        return False
    account = int(OFFICES[document.office][1])
    ids = {f"/{remote['id']}" for remote in _living(evidence, document)}
    arrived = [
        _seconds(entry["at"])
        for entry in evidence.journal
        if entry["method"] == "POST"
        and (
            (entry["operation"] == "create_invoice" and entry["number"] == document.number
             and entry["account"] in {None, account} and not evidence.guard)
            or (entry["operation"] == "send_invoice" and any(entry["path"].endswith(i) for i in ids))
        )
    ]  # fmt: skip
    intents = [
        _moment(row["at"])
        for row in _rows(
            evidence.ledger_url,
            "SELECT event.at AS at FROM event JOIN job ON job.id = event.job_id"
            f" WHERE job.company = '{document.office}' AND job.key = '{document.key}'"
            " AND event.what = 'intent' AND event.effect IN ('create', 'send')",
        )
    ]
    for pause in evidence.pauses:
        if pause.until - pause.since <= LEASE - TIMEOUT - 0.2:
            continue  # within its lease a request may leave, and the protocol has to reckon with it
        woke = any(pause.until - 0.1 <= at <= pause.until + _ON_WAKING for at in arrived)
        announced = any(intent <= pause.since + 0.2 for intent in intents)
        fresh = any(pause.until - 0.1 <= intent <= pause.until + _ON_WAKING for intent in intents)
        if woke and announced and not fresh:
            return True
    return False


def _content(document: Document, name: str, remote: Mapping[str, Any]) -> Iterator[Finding]:
    expected, found = document.total, abs(Decimal(str(remote["total"])))
    if found != expected:
        yield Finding("wrong totals", f"{name}: {found} at B2Brouter, {expected} in the ERP")
    amount = sum((abs(Decimal(str(row["amount"]))) for row in remote["taxes"]), Decimal(0))
    wanted = sum((tax for _, tax in document.taxes().values()), Decimal(0))
    if amount != wanted:
        yield Finding("wrong totals", f"{name}: tax of {amount} at B2Brouter, {wanted} in the ERP")
    # French credit notes say so and are positive; Spanish ones are negative and name what they amend.
    negative = Decimal(str(remote["total"])) < 0
    credit = bool(remote["fields"].get("is_credit_note")) is not negative
    if credit is not document.is_credit_note:
        yield Finding("wrong totals", f"{name}: the total of {remote['total']} has the wrong sign for its kind")


def _reference(
    evidence: Evidence,
    document: Document,
    name: str,
    there: Sequence[Mapping[str, Any]],
    job: Mapping[str, Any],
) -> Iterator[Finding]:
    reference, xref = evidence.erp[document.key]
    ids = {str(remote["id"]) for remote in there if remote["sent_times"]}
    if reference is None:
        yield Finding("lost", f"{name}: the ERP has no reference; the job is {job['status']} ({job['reason']})")
        return
    wanted = f"b2brouter:simulator:{OFFICES[document.office][1]}:{reference}"
    if reference not in ids or xref != wanted:
        yield Finding("wrong reference", f"{name}: {reference} and {xref} in the ERP, sent were {ids or 'none'}")
    if job["reference"] != reference or job["xref"] != xref:
        yield Finding("wrong reference", f"{name}: {reference} in the ERP, {job['reference']} in the ledger")


def _status(document: Document, name: str, job: Mapping[str, Any]) -> Iterator[Finding]:
    status, reason = job["status"], job["reason"]
    if status in {"pending", "running"}:
        yield Finding("stuck", f"{name} is {status} at {job['stage']} ({reason}) when all is calm")
    elif document.fate == "issued" and status != "done":
        yield Finding("unexplained", f"{name} is {status} at {job['stage']} ({reason}: {job['details']})")
    elif document.fate != "issued" and (status, reason) != (document.fate, document.reason):
        yield Finding(
            "unexplained",
            f"{name} should be {document.fate} ({document.reason}) and is {status} ({reason}: {job['details']})",
        )


# ------------------------------------------------------------ the whole


def _invented(evidence: Evidence) -> Iterator[Finding]:
    known = {(int(OFFICES[d.office][1]), d.number) for d in evidence.books.documents}
    for remote in evidence.documents["invoices"]:
        if (remote["account_id"], remote["number"]) not in known:
            yield Finding("unexplained", f"B2Brouter has {remote['number']}, which is not in the ERP")


def _contacts(evidence: Evidence) -> Iterator[Finding]:
    same: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for contact in evidence.documents["contacts"]:
        number = re.sub(r"\W", "", str(contact.get("tin_value") or "")).upper()
        if number:
            same[contact["account_id"], number].append(contact["id"])
    for (account, number), ids in same.items():
        if len(ids) > 1:
            yield Finding("contacts twice", f"account {account}, {number}: contacts {ids}")


def _leases(evidence: Evidence) -> Iterator[Finding]:
    for row in _rows(evidence.ledger_url, "SELECT id, lease_owner, status FROM job WHERE lease_owner IS NOT NULL"):
        if row["status"] != "running":
            yield Finding("stuck", f"job {row['id']} is {row['status']} and still leased by {row['lease_owner']}")


# ------------------------------------------------------------ the ledger, in plain SQL


def _rows(url: str, query: str) -> list[dict[str, Any]]:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(f"file:{parsed.database}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query).fetchall()]
    for attempt in range(40):
        try:
            with _connected(parsed) as connection:
                return connection.execute(query.encode()).fetchall()
        except psycopg.OperationalError:  # cut off by a scenario, or a crowded server
            if attempt == 39:
                raise
            time.sleep(0.5)
    raise AssertionError


def _connected(parsed: URL) -> psycopg.Connection[dict[str, Any]]:
    return psycopg.connect(
        host=parsed.host, port=parsed.port, user=parsed.username, password=parsed.password,
        dbname=parsed.database, application_name="torture audit", row_factory=psycopg.rows.dict_row,
    )  # fmt: skip


def under_way(url: str, *, due_within: float | None) -> int:
    """Count the jobs that are leased or due soon; with None, all that are not at rest."""
    rows = _rows(url, "SELECT status, due_at, reason FROM job")
    now = datetime.now(UTC).timestamp()
    return sum(
        1
        for row in rows
        if row["status"] == "running"
        or (row["status"] == "pending" and (due_within is None or _moment(row["due_at"]) <= now + due_within))
        or (row["status"] == "waiting" and row["reason"] == "account_paused" and due_within is not None
            and due_within > 60)
    )  # fmt: skip


def job_count(url: str) -> int:
    return int(_rows(url, "SELECT count(*) AS n FROM job")[0]["n"])


def resting(url: str) -> set[str]:
    """The reasons for which jobs are held."""
    return {row["reason"] for row in _rows(url, "SELECT DISTINCT reason FROM job WHERE status = 'held'")}


def leased_by(url: str, pid: int) -> str:
    """What a process has leased still, in words; nothing where there is nothing."""
    held = [
        f"{table} {row['what']}"
        for table, what in (("job", "id"), ("contact_link", "identity"), ("lease", "name"))
        for row in _rows(url, f"SELECT {what} AS what, lease_owner FROM {table}" if table != "lease"
                         else "SELECT name AS what, owner AS lease_owner FROM lease")
        if row["lease_owner"] and row["lease_owner"].split("/")[1:2] == [str(pid)]
    ]  # fmt: skip
    return ", ".join(held)


def keep_ledger(url: str, path: Path) -> None:
    """Keep what a database that is about to be dropped said."""
    kept = {
        table: _rows(url, f"SELECT * FROM {table}")
        for table in ("job", "event", "contact_link", "number_claim", "account", "lease", "source")
    }
    path.write_text(json.dumps(kept, default=str, indent=1), encoding="utf-8")


def _moment(value: Any) -> float:
    """Seconds of the epoch; SQLite keeps UTC as text without a zone."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(value: Any) -> float:
    return _moment(str(value).replace("Z", "+00:00"))
