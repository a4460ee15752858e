"""What happened: every request, what was done to it and what it changed.

This is the evidence that audits rely on, kept apart from anything that a client says about itself.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

Effect = dict[str, Any]  # {"kind": "invoice", "action": "created", "id": …, "number": …, …}


@dataclass(slots=True)
class Entry:
    """One request, or one change that came by itself (`method` is then `TIMER`)."""

    seq: int
    at: datetime
    method: str
    path: str
    query: str = ""
    operation: str | None = None
    key: str | None = None  # its last four characters
    account: int | None = None
    request_id: str | None = None
    body_sha256: str | None = None
    body: dict[str, Any] | None = None  # with the switch `journal_bodies` alone
    number: str | None = None
    fault: str | None = None
    status: int | None = None  # None: the client got no answer
    problem: str | None = None  # the code of a refusal
    effects: list[Effect] = field(default_factory=list)
    carried_out_at: datetime | None = None  # later than `at` after a hang or a late commit

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Journal:
    """Entries in order of arrival, the oldest dropped beyond `limit`."""

    def __init__(self, limit: int = 500_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._last = 0
        self.on_change: Callable[[Entry], None] | None = None

    def open(self, at: datetime, method: str, path: str, **details: Any) -> Entry:
        self._last += 1
        entry = Entry(self._last, at, method, path, **details)
        self._entries.append(entry)
        return entry

    def restore(self, entry: Entry) -> None:
        """Take back an entry that was kept on disk."""
        self._last = max(self._last, entry.seq)
        self._entries.append(entry)

    def written(self, entry: Entry) -> None:
        """An entry has changed and is to be kept."""
        if self.on_change is not None:
            self.on_change(entry)

    def clear(self) -> None:
        self._entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def newest(self, count: int) -> list[Entry]:
        entries = list(self._entries)
        return entries[-count:][::-1]

    def after(self, seq: int, limit: int) -> list[Entry]:
        """Entries with a higher number than `seq`, oldest first."""
        return [entry for entry in list(self._entries) if entry.seq > seq][:limit]
