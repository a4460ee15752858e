"""The files of Odoo's documents, of those that the options choose.

Odoo describes a file in ir_attachment: name, size, SHA-1 of the content. The content is in its filestore, a folder
on Odoo's machine, under store_fname; or in db_datas, where Odoo is set up to keep files in the database. The PDF of
an invoice that Odoo printed is the file of the field invoice_pdf_report_file (Odoo 17 and later); what people added
belongs to no field.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from connector.adapters.database import Row
from connector.domain.errors import SourceUnavailableError
from connector.domain.invoice import Attachment
from connector.ports import File

COLUMNS: Final = tuple("id name res_model res_id res_field type store_fname db_datas checksum file_size".split())

HEADS: Final = """
    SELECT a.id, a.res_id, a.res_field, a.name, a.checksum, a.file_size
    FROM ir_attachment a
    WHERE a.res_model = 'account.move' AND a.res_id = ANY(:ids) AND a.type = 'binary'
      AND (a.res_field IS NULL OR a.res_field = 'invoice_pdf_report_file')
    ORDER BY a.res_id, a.res_field NULLS LAST, a.id
"""
CONTENTS: Final = (
    "SELECT a.id, a.name, a.checksum, a.store_fname, a.db_datas FROM ir_attachment a WHERE a.id = ANY(:ids)"
)
LAST_STORED: Final = """
    SELECT a.store_fname
    FROM ir_attachment a
    WHERE a.res_model = 'account.move' AND a.type = 'binary' AND a.store_fname IS NOT NULL
    ORDER BY a.id DESC
    LIMIT 20
"""

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""Errors that say that a file is not there. All others are the filestore's, and may pass."""

_LARGEST: Final = 64 * 1024 * 1024
"""No file beyond this is read, whatever the rules about attachments say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which files go out with a document."""

    printed: bool = False  # the PDF that Odoo printed
    names: Sequence[str] = ()  # patterns such as *.pdf, of what people added
    filestore: Path | None = None  # Odoo's folder of this database

    def __bool__(self) -> bool:
        return self.printed or bool(self.names)

    def chosen(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of one document's files that go out: of the printed PDF, the last one."""
        printed = [row for row in rows if row["res_field"]][-1:] if self.printed else []
        added = [row for row in rows if not row["res_field"] and self._fits(str(row["name"] or ""))]
        return [*printed, *added]

    def _fits(self, name: str) -> bool:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.names)

    def content(self, row: Row) -> bytes | None:
        """Return the bytes of a file; None where they are not there, or not those that Odoo tells of.

        Raises:
            SourceUnavailableError: the filestore cannot be read now.
        """
        content = bytes(row["db_datas"]) if row["db_datas"] is not None else self._stored(row["store_fname"])
        if content is None or hashlib.sha1(content, usedforsecurity=False).hexdigest() != row["checksum"]:
            return None
        return content

    def _stored(self, name: str | None) -> bytes | None:
        if not name or self.filestore is None:
            return None
        path = (self.filestore / name).resolve()
        try:
            inside = path.is_relative_to(self.filestore.resolve())
            return path.read_bytes() if inside and path.stat().st_size <= _LARGEST else None
        except OSError as error:
            if error.errno not in _GONE:
                raise _unreadable(self.filestore, f"{name}: {error.strerror}") from error
        see_that_it_is_there(self.filestore)
        return None


def see_that_it_is_there(filestore: Path) -> None:
    """Look into the filestore, for a file that is missing there is gone only if the others are not.

    Raises:
        SourceUnavailableError: it cannot be read now, or is empty as a folder is where nothing is mounted.
    """
    try:
        with os.scandir(filestore) as found:
            is_empty = next(found, None) is None
    except OSError as error:
        raise _unreadable(filestore, error.strerror or str(error)) from error
    if is_empty:
        raise _unreadable(filestore, "it is empty")


def _unreadable(filestore: Path, why: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"The filestore {filestore} cannot be read: {why}.",
        action="See that it is mounted, that our user may read it, and that the setting filestore names it.",
    )


def attachments(rows: Sequence[Row]) -> tuple[Attachment, ...]:
    """Return the chosen files of one document as it tells of them."""
    return tuple(
        Attachment(
            name=str(row["name"] or ""),
            size=row["file_size"] or 0,
            digest=row["checksum"] or "",
            is_view=bool(row["res_field"]),
        )
        for row in rows
    )


def files(choice: Choice, rows: Mapping[int, Row], order: Sequence[int]) -> list[File]:
    """Return those files whose content is there, in the order of their ids."""
    found = [(str(rows[id_]["name"] or ""), choice.content(rows[id_])) for id_ in order if id_ in rows]
    return [File(name=name, content=content) for name, content in found if content is not None]
