"""One file with all that is known of a period's invoices: what an auditor asks for, and what proves it.

A zip with a folder for each invoice, an index for spreadsheets, and SHA256SUMS, which `sha256sum -c` verifies.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from connector.archive.storage import ArchiveError, Storage, sha256
from connector.domain.archive import Keeping, Piece, suffix
from connector.domain.cells import as_cells
from connector.ledger import Ledger
from connector.ledger.queries import Filter, TimelineEvent
from connector.ledger.records import Job

_README: Final = """\
Evidence of the invoices that were issued through B2Brouter, as the connector's ledger and archive have it.

index.csv           one line per invoice: what it is, where its folder is, and the hashes of its files
SHA256SUMS          the hash of every file in here; verify with: sha256sum -c SHA256SUMS

In the folder of an invoice, as far as there is such a file:
invoice.json        what it is and how it stands
erp.json            what the ERP's document said when it was issued
payload.*           what was sent to B2Brouter, byte by byte
legal.*             what B2Brouter delivered to the recipient
invoice.pdf         its PDF
answers.json        B2Brouter's answers as they came, and the ids under which B2Brouter has the requests
states.json         how it fared after sending
people.json         who did what to it, and the notes they left
timeline.json       everything that happened to it
"""

_JOB: Final = (
    "id source company key account kind number issue_date customer currency total stage status reason reference xref"
    " remote_state sent_at"
).split()
_COLUMNS: Final = (
    "number issue_date customer total currency account reference remote_state folder original legal pdf"
).split()
_NAMES: Final = {Piece.ORIGINAL: "payload", Piece.LEGAL: "legal", Piece.PDF: "invoice"}
_LATER: Final = "not there yet"
_CHANGED: Final = "changed in the archive: left out"
_TOGETHER: Final = 200


@dataclass(slots=True)
class Packed:
    """What a bundle came to."""

    invoices: int = 0
    files: int = 0
    missing: int = 0  # files that are not in the archive (yet)
    changed: list[str] = field(default_factory=list)  # files that are not as they were archived


def pack(
    ledger: Ledger,
    storage: Storage | None,
    output: Path,
    *,
    start: date | None,
    end: date | None,
    account: str | None = None,
) -> Packed:
    """Write the bundle of the invoices issued in a period; it appears under its name when it is whole.

    Args:
        ledger: what is known.
        storage: the archive; None where there is none.
        output: the file, which is not there yet.
        start: first day of issue; None for the beginning.
        end: last day of issue.
        account: only of this one.

    Raises:
        ArchiveError: archive or file cannot be read or written.
        LedgerError: the ledger failed.
    """
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as bundle:
            packed = _Packer(ledger, storage, bundle).all(ledger.archive.issued(start, end, account))
        with unfinished.open("rb+") as stream:
            os.fsync(stream.fileno())
        unfinished.rename(output)
    except OSError as error:
        raise ArchiveError(
            f"{output} cannot be written: {error.strerror or error}.", action="Make room, or name another --output."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return packed


class _Packer:
    def __init__(self, ledger: Ledger, storage: Storage | None, bundle: zipfile.ZipFile) -> None:
        self._ledger = ledger
        self._storage = storage
        self._bundle = bundle
        self._packed = Packed()
        self._sums: list[str] = []
        self._index = io.StringIO()

    def all(self, ids: Iterator[int]) -> Packed:
        rows = csv.DictWriter(self._index, _COLUMNS)
        rows.writeheader()
        while some := [id_ for _, id_ in zip(range(_TOGETHER), ids, strict=False)]:
            for job in sorted(self._ledger.queries.jobs(Filter(ids=some)), key=lambda job: some.index(job.id)):
                rows.writerow(as_cells(self._invoice(job)))
        self._add("index.csv", self._index.getvalue().encode("utf-8-sig"))  # spreadsheets want the mark
        self._add("README.txt", _README.encode())
        self._bundle.writestr("SHA256SUMS", "".join(self._sums))
        return self._packed

    def _invoice(self, job: Job) -> dict[str, str]:
        folder = f"{job.issue_date or 'undated'}_{_plain(job.number or '')}_{job.id}"
        events = self._ledger.queries.timeline(job.id)
        self._packed.invoices += 1
        self._json(f"{folder}/invoice.json", {name: getattr(job, name) for name in _JOB})
        content = self._ledger.issued.contents([job]).get(job.id)
        if content is not None:
            self._json(f"{folder}/erp.json", content)
        pieces = self._pieces(job, folder)
        answers = self._ledger.queries.answers(job.id)
        self._json(f"{folder}/answers.json", [_event(event) | {"answer": said} for event, said in answers])
        states = {"remote_state": job.remote_state, "events": [_event(e) for e in events if "state" in e.details]}
        self._json(f"{folder}/states.json", states)
        self._json(f"{folder}/people.json", [_event(event) for event in events if event.who])
        self._json(f"{folder}/timeline.json", list(map(_event, events)))
        known = {name: str(getattr(job, name, None) or "") for name in _COLUMNS}
        return {**known, "folder": folder, **{str(piece): told for piece, told in pieces.items()}}

    def _pieces(self, job: Job, folder: str) -> Mapping[Piece, str]:
        """Add the files of an invoice; return the hash of each, or why it is not there."""
        names = {
            file.piece: (file.name, file.sha256)
            for file in self._ledger.archive.files_of(job.id)
            if file.keeping is Keeping.KEPT
        }
        return {piece: self._piece(job, piece, names.get(piece), folder) for piece in Piece}

    def _piece(self, job: Job, piece: Piece, kept: tuple[str | None, str | None] | None, folder: str) -> str:
        content = job.payload if piece is Piece.ORIGINAL else None
        if kept is not None and kept[0] is not None and self._storage is not None:
            content = self._storage.read(kept[0])
            if content is not None and sha256(content) != kept[1]:
                self._packed.changed.append(kept[0])
                return _CHANGED
        if content is None:
            self._packed.missing += 1
            return _LATER
        self._add(f"{folder}/{_NAMES[piece]}.{suffix(content)}", content)
        return sha256(content)

    def _json(self, name: str, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, indent=1, default=_as_text)
        self._add(name, f"{text}\n".encode())

    def _add(self, name: str, content: bytes) -> None:
        self._bundle.writestr(name, content)
        self._sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        self._packed.files += 1


def _event(event: TimelineEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in TimelineEvent.__dataclass_fields__}


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _plain(text: str) -> str:
    """Return what a folder may be called everywhere."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")[:80] or "unnumbered"


def default_name(start: date | None, end: date | None) -> str:
    """Return what the file of a period is called."""
    parts: Sequence[str] = [day.isoformat() for day in (start, end) if day is not None]
    return f"evidence_{'_'.join(parts) or 'all'}.zip"
