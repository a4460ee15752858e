"""Rules about the files that go out with a document.

The API states no limits for them (API reference 2.4), and who receives a document takes what EN 16931 allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePath
from typing import Final

from connector.domain.invoice import Invoice
from connector.validation.rule import Problem, Rule, rule

_LONGEST_NAME: Final = 255
_ENDINGS: Final = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".csv", ".xlsx", ".ods"})
"""Of the media types that EN 16931 allows for an attached document (BT-125, BR-CL-24)."""
_MEGABYTE: Final = 1024 * 1024
_LARGEST: Final = 10 * _MEGABYTE
_MOST: Final = 20


@rule("attachment_name_wrong", source="API 7.10", settled=True)
def has_files_with_names(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A file is sent under its name: at most 255 characters that can be seen, and no folder."""
    for file in invoice.attachments:
        name = file.name
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable() or "/" in name or "\\" in name:
            yield Problem("attachment_name_wrong", {"file": _shown(name) or "(none)"})


@rule("attachment_twice", source="API 7.10", settled=True)
def has_every_file_once(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Two files of one name could not be told apart after a lost answer."""
    for name, count in Counter(file.name for file in invoice.attachments).items():
        if count > 1:
            yield Problem("attachment_twice", {"file": _shown(name)})


@rule("attachment_type", source="EN 16931 BT-125, BR-CL-24")
def has_files_of_allowed_types(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """An electronic invoice carries PDF, PNG, JPEG, CSV, and spreadsheets of Excel or OpenDocument."""
    for file in invoice.attachments:
        ending = PurePath(file.name).suffix.lower()
        if ending not in _ENDINGS:
            allowed = ", ".join(sorted(each.removeprefix(".") for each in _ENDINGS))
            yield Problem("attachment_type", {"file": _shown(file.name), "form": allowed})


@rule("attachment_size", source="own limit; API 2.4 states none")
def has_files_of_fitting_size(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """An empty file says nothing, and networks and mail boxes refuse very large ones: 10 MB is the most."""
    for file in invoice.attachments:
        if not 0 < file.size <= _LARGEST:
            size = f"{file.size / _MEGABYTE:.1f}"
            yield Problem(
                "attachment_size", {"file": _shown(file.name), "size": size, "most": str(_LARGEST // _MEGABYTE)}
            )


@rule("attachments_too_many", source="own limit; API 2.4 states none")
def has_few_files(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """More than 20 files come from a mistake in what is chosen."""
    count = len(invoice.attachments)
    if count > _MOST:
        yield Problem("attachments_too_many", {"count": str(count), "most": str(_MOST)})


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else " " for c in name)[:80]


RULES: Final[tuple[Rule, ...]] = (
    has_files_with_names,
    has_every_file_once,
    has_files_of_allowed_types,
    has_files_of_fitting_size,
    has_few_files,
)
