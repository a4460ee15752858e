"""What is kept of an issued document, and how far the keeping has come."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final


class Piece(StrEnum):
    """A file of a document."""

    ORIGINAL = "original"  # what we sent to B2Brouter, byte by byte
    LEGAL = "legal"  # what B2Brouter delivered to the recipient
    PDF = "pdf"


class Keeping(StrEnum):
    """How far the keeping of a file has come."""

    DUE = "due"
    STORING = "storing"  # its hash is known, it may be in the archive or not yet
    KEPT = "kept"
    ABSENT = "absent"  # B2Brouter did not have it for so long that nobody asks any more


FIRST_PAUSE: Final = timedelta(seconds=15)
"""Until a file that is not ready yet is asked for again; doubled each time."""

LONGEST_PAUSE: Final = timedelta(hours=12)

LONGEST_WAIT: Final = timedelta(days=30)
"""How long a file is asked for that B2Brouter has not: authorities may take days, and some documents have none."""

NOT_READY: Final = "file_not_ready"
"""The reason of a try that B2Brouter answered, without a file. No other one says that there may be none."""


_PAGES: Final = (b"<!doctype html", b"<html")
_LOOKED_AT: Final = 1024
"""Bytes within which a file begins: as far as readers of PDF look for its head."""


def pause(tries: int) -> timedelta:
    """Return how long to wait after so many tries in vain."""
    doublings = max(0, min(tries - 1, 20))
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2**doublings))


def is_file(piece: Piece, content: bytes) -> bool:
    """Whether what came as a file can be one: not nothing, no page for people, and a PDF where one was asked for."""
    start = _start(content)
    if piece is Piece.PDF:
        return start.startswith(b"%PDF")
    return bool(start) and not start.lower().startswith(_PAGES)


def suffix(content: bytes) -> str:
    """Return the ending of a file's name, by what it begins with."""
    start = _start(content)
    if start.startswith(b"%PDF"):
        return "pdf"
    if start.startswith((b"{", b"[")):
        return "json"
    if start.startswith(b"<"):
        return "xml"
    return "zip" if start.startswith(b"PK") else "bin"


def _start(content: bytes) -> bytes:
    """Return what a file begins with, without what its readers skip."""
    return content[:_LOOKED_AT].lstrip(b"\xef\xbb\xbf \t\r\n")[:16]
