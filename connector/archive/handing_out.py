"""A single file of the archive for whoever asks for it, as it was kept or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from connector.archive.storage import ArchiveError, Storage, sha256
from connector.domain.archive import Keeping, Piece, suffix
from connector.ledger import Ledger
from connector.ledger.archive import File
from connector.ledger.records import Job


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A file with the name under which a person may keep it."""

    name: str
    content: bytes


def kept(ledger: Ledger, job: Job) -> dict[Piece, File]:
    """Return the files of an invoice that the archive has."""
    return {file.piece: file for file in ledger.archive.files_of(job.id) if file.keeping is Keeping.KEPT}


def hand_out(ledger: Ledger, storage: Storage, job: Job, piece: Piece) -> HandedOut | None:
    """Return a file of an invoice; None where the archive does not have it (yet).

    Raises:
        ArchiveError: the archive cannot be read, or the file is not as it was kept.
    """
    file = kept(ledger, job).get(piece)
    if file is None or file.name is None:
        return None
    content = storage.read(file.name)
    if content is None or sha256(content) != file.sha256:
        raise ArchiveError(f"{file.name} is not as it was archived.", action="See: connector archive verify.")
    return HandedOut(f"{_plain(job)}-{piece}.{suffix(content)}", content)


def _plain(job: Job) -> str:
    """Return what an invoice is called, as a file may be."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in job.number or "").strip("-")
    return plain or f"id-{job.id}"
