"""Adapter for a folder: documents that exist as UBL, CII or Facturae already go to B2Brouter as they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from connector.adapters.checks import attempt, companies_told, failed, ok, warning
from connector.adapters.folder.files import AT_ONCE, Entry, Files, Place
from connector.adapters.folder.reading import read_invoice
from connector.adapters.folder.settings import FolderOptions
from connector.adapters.folder.writer import Writer
from connector.adapters.folder.xml import UnreadableError
from connector.adapters.options import read
from connector.domain.errors import DocumentNotUsableError, UsageError, WriteBackRefusedError
from connector.domain.invoice import Invoice, Kind
from connector.ports import UNKNOWN_COMPANY, CheckRow, Company, Found, Position

__all__ = ["FolderAdapter", "FolderOptions"]

Document = Invoice | DocumentNotUsableError

_SAMPLE: Final = 200
"""Files that are read to see which companies issue."""

_CURE: Final = "Correct the file and put it into the folder again, under the same name."


class FolderAdapter:
    """One folder. See `connector.ports.Adapter` for the contract, and `HoldsFiles`."""

    INTERFACE: ClassVar[int] = 2
    Options: ClassVar[type[FolderOptions]] = FolderOptions

    def __init__(self, files: Files) -> None:
        self._files = files
        self._writer = Writer(files)
        self._paging = threading.Lock()
        self._listed: tuple[Position, Sequence[Entry]] | None = None

    @classmethod
    def open(cls, name: str, url: str | None, options: Mapping[str, Any]) -> FolderAdapter:
        """Return the adapter of a source; the folder is not looked at yet.

        Raises:
            UsageError: a wrong option, or a URL, which this adapter has no use for.
        """
        if url is not None:
            raise UsageError(
                f"sources.{name}.url: a folder has no URL.", action=f"Name it in sources.{name}.options.folder."
            )
        return cls(Files(name, read(FolderOptions, options, source=name)))

    def identity(self) -> str:
        """Return what tells this folder from others."""
        return f"folder:{self._files.root.resolve()}"

    def grants(self, user: str) -> Sequence[str]:
        """Return what lets a user of the machine read the folder, move files in it and write beside them."""
        folder = self._files.root
        return [f"setfacl -R -m u:{user}:rwX '{folder}'", f"setfacl -R -d -m u:{user}:rwX '{folder}'"]

    def close(self) -> None:
        """Forget what was listed; no file stays open."""
        self._listed = None

    # ------------------------------------------------------------ reading

    def companies(self) -> Sequence[Company]:
        """Return the suppliers of the first files that wait, by tax number."""
        sellers: dict[str, Company] = {}
        for _, document in self._documents(self._files.listing(most=_SAMPLE)):
            if isinstance(document, Invoice) and document.company not in sellers:
                seller = document.seller
                sellers[document.company] = Company(
                    key=document.company, name=seller.name, tax_number=seller.tax_number, country=seller.country
                )
        return [sellers[key] for key in sorted(sellers)]

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return files that wait, after a position; see the port. One that cannot be read has no company."""
        with self._paging:
            lot, is_fresh = self._lot(after)
            page: list[Found] = []
            while True:
                page += self._heads(lot, limit - len(page), since, companies)
                if len(page) == limit:
                    self._listed = (page[-1].position, lot)
                    return page
                if is_fresh and len(lot) < AT_ONCE:
                    self._listed = None
                    return page
                # What came while a lot was being paged stands behind it.
                lot, is_fresh = self._files.listing(lot[-1].place if lot else _place(after)), True

    def _lot(self, after: Position | None) -> tuple[Sequence[Entry], bool]:
        """Return the next files behind a position, and whether the folder was looked at now: a lot serves pages."""
        place = _place(after)
        if place is not None and self._listed is not None and self._listed[0] == after:
            return [each for each in self._listed[1] if each.place > place], False
        return self._files.listing(place), True

    def _heads(
        self, entries: Sequence[Entry], limit: int, since: date | None, companies: Sequence[str] | None
    ) -> list[Found]:
        heads = (_head(entry, document) for entry, document in self._documents(entries))
        wanted = (
            head
            for head in heads
            if (companies is None or head.company in {*companies, UNKNOWN_COMPANY})
            and (since is None or head.issue_date is None or head.issue_date >= since)
        )
        return list(islice(wanted, limit))

    def _documents(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Document]]:
        with closing(self._files.read(entry.path for entry in entries)) as contents:
            for entry, content in zip(entries, contents, strict=True):
                if content is not None:
                    yield entry, self._document(entry.key, content)

    def load(self, keys: Sequence[str]) -> Mapping[str, Document]:
        """Return the documents as they stand now, wherever their files are; see the port."""
        places = {key: path for key in dict.fromkeys(keys) if (path := self._files.locate(key)) is not None}
        loaded: dict[str, Document] = {}
        for key, content in zip(places, self._files.read(places.values()), strict=True):
            # Moved by another process this very moment: it is not gone.
            there = content if content is not None else self._moved(key)
            if there is not None:
                loaded[key] = self._with_reference(self._document(key, there))
        return loaded

    def file(self, key: str) -> bytes:
        """Return the bytes of a document's file as it is now.

        Raises:
            DocumentNotUsableError: it is gone, or is not to be read.
        """
        path = self._files.locate(key)
        content = next(self._files.read([path])) if path else None
        if isinstance(content, bytes):
            return content
        raise _not_usable(key, content or UnreadableError("is gone"))

    def _moved(self, key: str) -> bytes | UnreadableError | None:
        path = self._files.locate(key)
        return next(self._files.read([path])) if path else None

    def _document(self, key: str, content: bytes | UnreadableError) -> Document:
        if isinstance(content, UnreadableError):
            return _not_usable(key, content)
        try:
            return read_invoice(content, key=key)
        except UnreadableError as error:
            return _not_usable(key, error)

    def _with_reference(self, document: Document) -> Document:
        if isinstance(document, DocumentNotUsableError):
            return document
        try:
            known = self._writer.known(document.key)
        except WriteBackRefusedError as error:
            return DocumentNotUsableError(error.message, key=document.key, action=error.action)
        return replace(document, reference=known.get("reference"), xref=known.get("xref"))

    # ------------------------------------------------------------ writing

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write the side-car file, then move the file to `done`; see the port."""
        self._writer.record(key, reference, xref)

    def reads_recorded(self) -> bool:
        """A side-car file always has what was written back."""
        return True

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Return reference and xref of documents; see `connector.ports.ReadsRecorded`."""
        found = self.load(keys)
        return {key: (each.reference, each.xref) for key, each in found.items() if isinstance(each, Invoice)}

    def set_aside(self, key: str, message: str) -> None:
        """Move the file to `failed`, with the message beside it; see the port."""
        self._writer.set_aside(key, message)

    # ------------------------------------------------------------ check-up

    def check(self) -> Sequence[CheckRow]:
        """See whether the folder can be read and written; change nothing."""
        tried = attempt("folder", self._files.listing, self._told)
        rows, listed = tried
        if listed is None:
            return rows
        rows += attempt("companies", self.companies, companies_told)[0]
        rows += self._unreadable_rows(listed[:_SAMPLE])
        return [*rows, self._write_row()]

    def _told(self, listed: Sequence[Entry]) -> str:
        count = f"{AT_ONCE} files or more" if len(listed) == AT_ONCE else f"{len(listed)} files"
        return f"{self._files.root}: {count} wait"

    def _unreadable_rows(self, entries: Sequence[Entry]) -> Iterable[CheckRow]:
        for _, document in self._documents(entries):
            if isinstance(document, DocumentNotUsableError):
                yield warning("file", document.message, document.action)

    def _write_row(self) -> CheckRow:
        for folder in (self._files.root, self._files.done, self._files.failed):
            if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
                return failed("write-back", f"Our user may not write into {folder}.", f"chown or chmod {folder}.")
            if folder.exists() and folder.stat().st_dev != self._files.root.stat().st_dev:
                return failed(
                    "write-back",
                    f"{folder} is on another file system: files cannot be moved there in one go.",
                    "Put it on the file system of the folder.",
                )
        return ok("write-back", f"side-car files and issued files go to {self._files.done}")


def _place(position: Position | None) -> Place | None:
    return None if position is None else (position.changed_at, position.key)


def _not_usable(key: str, error: UnreadableError) -> DocumentNotUsableError:
    return DocumentNotUsableError(f"The file {key} {error}.", key=key, action=_CURE)


def _head(entry: Entry, document: Document) -> Found:
    if isinstance(document, DocumentNotUsableError):
        return Found(
            key=entry.key,
            company=UNKNOWN_COMPANY,
            changed_at=entry.changed_at,
            number=None,
            kind=Kind.INVOICE,
            issue_date=None,
            currency=None,
            total=None,
            customer=Path(entry.key).name,
        )
    return Found(
        key=entry.key,
        company=document.company,
        changed_at=entry.changed_at,
        number=document.number,
        kind=document.kind,
        issue_date=document.issue_date,
        currency=document.currency,
        total=document.totals.payable,
        customer=document.buyer.name or None,
    )
