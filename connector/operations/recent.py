"""A sample of what an ERP issued lately, bounded in number and time: the check-up learns from it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final

from connector.discovery import PAGE
from connector.domain.invoice import Invoice
from connector.ports import Adapter

DAYS: Final = 90
"""How far back the sample goes, where there is anything so young."""

MOST: Final = 500
"""Documents of one source, those that changed last."""

_SECONDS: Final = 10.0
_CHUNK: Final = 100
_OLDER: Final = (DAYS, 2 * 365, None)


def recent(adapter: Adapter, companies: Sequence[str] | None, *, today: date) -> list[Invoice]:
    """Return confirmed documents, the last changed last; older than `DAYS` only where there are no others.

    After ten seconds it is enough, whatever has been seen by then.

    Raises:
        ConnectorError: the ERP cannot be read.
    """
    end = time.monotonic() + _SECONDS
    keys: list[str] = []
    for days in _OLDER:
        since = None if days is None else today - timedelta(days=days)
        keys = list(_keys(adapter, companies, since, end))
        if keys:
            break
    documents: list[Invoice] = []
    for chunk in _chunks(keys):
        if documents and time.monotonic() > end:
            break
        found = adapter.load(chunk)
        usable = [found.get(key) for key in chunk]
        documents += [document for document in usable if isinstance(document, Invoice) and document.confirmed]
    return documents


def _keys(adapter: Adapter, companies: Sequence[str] | None, since: date | None, end: float) -> Iterable[str]:
    last: deque[str] = deque(maxlen=MOST)
    after = None
    while page := adapter.find(after, PAGE, since=since, companies=companies):
        last.extend(found.key for found in page)
        after = page[-1].position
        if len(page) < PAGE or time.monotonic() > end:
            break
    return last


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
