"""An ERP in memory that keeps every promise of the adapter's port, and breaks them on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from threading import RLock
from typing import Any

from connector.clock import Clock
from connector.domain.errors import DocumentNotUsableError, WriteBackRefusedError
from connector.domain.invoice import Attachment, Invoice
from connector.ports import CheckRow, Company, File, Found, Position, RemoteTaxReport
from tests.support.builders import found


@dataclass(slots=True)
class Record:
    """One document with what stands beside it in the ERP's tables."""

    document: Invoice | DocumentNotUsableError
    changed_at: datetime
    head: Found
    written: tuple[str, str] | None = None  # reference and xref


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the ERP shows of a document's fate."""

    state: str
    reason: str | None
    changed_at: datetime


@dataclass(slots=True)
class Hook:
    """Something that happens at the n-th call of a method."""

    method: str
    call: int
    act: Callable[[], object]


@dataclass
class Erp:
    """The adapter of a made-up ERP. `add`, `alter` and the like are what its users do."""

    clock: Clock
    name: str = "memory"
    company_list: tuple[Company, ...] = (Company(key="1", name="Ibérica", tax_number="ESB76543214", country="ES"),)
    records: dict[str, Record] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    files: dict[str, list[File]] = field(default_factory=dict)  # by document
    written: list[tuple[str, str, str]] = field(default_factory=list)  # every effective write-back
    shown: dict[str, list[Shown]] = field(default_factory=dict)  # by key, the last one is what stands there
    reports: dict[str, list[RemoteTaxReport]] = field(default_factory=dict)
    shows_states: bool = True
    breaking: set[str] = field(default_factory=set)  # documents that the adapter's code was not made for
    _hooks: list[Hook] = field(default_factory=list)
    _lock: RLock = field(default_factory=RLock)
    closed: bool = False

    # ---------------------------------------------------------------- what users do

    def add(self, *documents: Invoice, changed_at: datetime | None = None) -> None:
        """Confirm documents."""
        for document in documents:
            at = changed_at or self.clock.now()
            self.records[document.key] = Record(document, at, found(document, changed_at=at))

    def alter(self, key: str, *, silently: bool = False, **changes: Any) -> Invoice:
        """Change a document; silently: as where only the customer changed, so that its own stamp stays."""
        with self._lock:
            record = self.records[key]
            assert isinstance(record.document, Invoice)
            document = replace(record.document, **changes)
            at = record.changed_at if silently else self._tick(record)
            self.records[key] = Record(document, at, found(document, changed_at=at), record.written)
            return document

    def replace(self, document: Invoice) -> None:
        """Put a document in place of another of the same key."""
        with self._lock:
            record = self.records[document.key]
            at = self._tick(record)
            self.records[document.key] = Record(document, at, found(document, changed_at=at), record.written)

    def put(self, key: str, *files: File) -> None:
        """Lay files beside a document, in place of those that were there."""
        self.files[key] = list(files)
        told = tuple(
            Attachment(name=one.name, size=len(one.content), digest=sha256(one.content).hexdigest()) for one in files
        )
        self.alter(key, attachments=told)

    def spoil(self, key: str, message: str) -> None:
        """Make a document unreadable."""
        self.records[key].document = DocumentNotUsableError(message, key=key)

    def back_to_draft(self, key: str) -> None:
        self.alter(key, confirmed=False)

    def confirm(self, key: str) -> None:
        self.alter(key, confirmed=True)

    def delete(self, key: str) -> None:
        with self._lock:
            del self.records[key]

    def reference_of(self, key: str) -> tuple[str, str] | None:
        """Reference and xref as they stand in the ERP."""
        return self.records[key].written

    def write(self, key: str, reference: str, xref: str) -> None:
        """Write a reference by hand."""
        self.records[key].written = (reference, xref)

    def _tick(self, record: Record) -> datetime:
        return max(self.clock.now(), record.changed_at + timedelta(microseconds=1))

    # ---------------------------------------------------------------- what goes wrong

    def at(self, method: str, call: int, act: Callable[[], object]) -> None:
        """Have something happen just before the n-th call of a method from now on; it may raise."""
        self._hooks.append(Hook(method, self.calls.get(method, 0) + call, act))

    def fail(self, method: str, error: Exception, *, times: int = 1) -> None:
        """Let the next calls of a method fail."""

        def act() -> None:
            raise error

        for call in range(1, times + 1):
            self.at(method, call, act)

    def recover(self) -> None:
        """Let nothing fail any more."""
        self._hooks.clear()

    def _called(self, method: str) -> None:
        with self._lock:
            count = self.calls[method] = self.calls.get(method, 0) + 1
            due = [hook for hook in self._hooks if (hook.method, hook.call) == (method, count)]
        for hook in due:
            hook.act()

    # ---------------------------------------------------------------- the port

    def identity(self) -> str:
        self._called("identity")
        return f"memory:{self.name}"

    def check(self) -> Sequence[CheckRow]:
        return [CheckRow(name="memory", status="ok", message="There.")]

    def companies(self) -> Sequence[Company]:
        self._called("companies")
        return self.company_list

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        self._called("find")
        with self._lock:
            heads = [r.head for r in self.records.values() if _is_confirmed(r.document)]
        wanted = sorted(
            (
                head
                for head in heads
                if (after is None or (head.changed_at, head.key) > (after.changed_at, after.key))
                and (since is None or head.issue_date is None or head.issue_date >= since)
                and (companies is None or head.company in companies)
            ),
            key=lambda head: (head.changed_at, head.key),
        )
        return wanted[:limit]

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        self._called("load")
        with self._lock:
            if self.breaking & set(keys):
                raise ZeroDivisionError
            return {key: _as_it_stands(self.records[key]) for key in keys if key in self.records}

    def record(self, key: str, reference: str, xref: str) -> None:
        self._called("record")
        with self._lock:
            record = self.records.get(key)
            if record is None:
                raise WriteBackRefusedError(f"there is no document {key} any more")
            if record.written is not None and record.written != (reference, xref):
                raise WriteBackRefusedError(f"the document has the reference {record.written[0]}")
            if record.written is None:
                self.written.append((key, reference, xref))
            record.written = (reference, xref)

    def attachments(self, key: str) -> Sequence[File]:
        self._called("attachments")
        return self.files.get(key, [])

    def records_state(self) -> bool:
        return self.shows_states

    def record_state(self, key: str, state: str, reason: str | None, changed_at: datetime) -> None:
        self._called("record_state")
        with self._lock:
            if key not in self.records:
                raise WriteBackRefusedError(f"there is no document {key} any more")
            news = Shown(state=state, reason=reason, changed_at=changed_at)
            shown = self.shown.setdefault(key, [])
            if not shown or (changed_at >= shown[-1].changed_at and news != shown[-1]):
                shown.append(news)

    def record_tax_report(self, key: str, report: RemoteTaxReport) -> None:
        self._called("record_tax_report")
        with self._lock:
            self.reports.setdefault(key, []).append(report)

    def close(self) -> None:
        self.closed = True


def _as_it_stands(record: Record) -> Invoice | DocumentNotUsableError:
    """The document with what was written back to it."""
    if not isinstance(record.document, Invoice) or record.written is None:
        return record.document
    reference, xref = record.written
    return replace(record.document, reference=reference or None, xref=xref or None)


def _is_confirmed(document: Invoice | DocumentNotUsableError) -> bool:
    return not isinstance(document, Invoice) or document.confirmed
