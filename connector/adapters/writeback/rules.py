"""The rules of writing back, wherever the values stand.

Both values or neither; the same again changes nothing; another value is never written over; an older state never
replaces a newer one. What was written is read again before it counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from connector.adapters.database import plain
from connector.domain.errors import WriteBackRefusedError
from connector.ports import CheckRow

Values = Mapping[str, str | None]
"""Texts by the name of their field; None is an empty one."""

LONGEST: Final = 250
"""Letters of a state or its reason: what the usual text column of any ERP holds. The ledger has the whole text."""

_BEYOND_THE_BASIC_PLANE: Final = re.compile(r"[\U00010000-\U0010ffff]")  # utf8mb3 has no room for these


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What our values are called where they stand. Those of the state are there together or not at all."""

    reference: str
    xref: str
    state: str | None = None
    reason: str | None = None  # may be missing where there is a state
    changed_at: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All that are used."""
        every = (self.reference, self.xref, self.state, self.reason, self.changed_at)
        return tuple(name for name in every if name)


class Slot(Protocol):
    """The values of one document, which nobody else changes while it is open, as far as the ERP allows that."""

    def read(self) -> Values:
        """Return what stands in all our fields now."""

    def write(self, values: Values) -> None:
        """Write some fields, all of them or none."""


class Target(Protocol):
    """A place in the ERP for our values."""

    def opened(self, key: str) -> AbstractContextManager[Slot]:
        """Open the values of a document; what was written counts when the block ends without an error.

        Raises:
            WriteBackRefusedError: there is no such document.
            SchemaChangedError: the place is not there; says how it is made.
        """

    def check(self) -> CheckRow:
        """Try whether writing would work; change nothing."""

    def close(self) -> None:
        """Give back connections of its own."""


class WriteBack:
    """The writing half of an adapter; see `connector.ports.Adapter` and `RecordsState`. Used from several threads."""

    def __init__(self, target: Target, fields: Fields) -> None:
        self._target = target
        self._fields = fields

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values, unless they are there already."""
        wanted = {self._fields.reference: reference, self._fields.xref: xref}
        with self._target.opened(key) as slot:
            present = slot.read()
            refuse_others(key, present, wanted)
            _write(key, slot, present, wanted)

    def records_state(self) -> bool:
        """Whether there are fields for the state."""
        return self._fields.state is not None

    def record_state(self, key: str, state: str, reason: str | None, changed_at: datetime) -> None:
        """Write a state, unless a newer one is there already."""
        fields = self._fields
        if fields.state is None or fields.changed_at is None:
            return
        wanted: dict[str, str | None] = {fields.state: fitting(state), fields.changed_at: stamp(changed_at)}
        if fields.reason is not None:
            wanted[fields.reason] = fitting(reason) if reason else None
        with self._target.opened(key) as slot:
            present = slot.read()
            if not _is_later(present[fields.changed_at], changed_at):
                _write(key, slot, present, wanted)

    def check(self) -> CheckRow:
        """Try whether writing would work; change nothing."""
        return self._target.check()

    def close(self) -> None:
        """Give back connections."""
        self._target.close()


def refuse_others(key: str, present: Values, wanted: Values) -> None:
    """See that no other value stands where ours shall be written.

    Raises:
        WriteBackRefusedError: one does; it is never written over.
    """
    for name, new in wanted.items():
        old = plain(present[name])
        if old and old != new:
            raise WriteBackRefusedError(
                f"Document {key} of the ERP already has {old} in {name}; {new} was not written.",
                action="Compare both documents at B2Brouter, then empty the field or correct the job.",
            )


def fitting(text: str) -> str:
    """Return a text that any ERP can store: on one line, not too long, of letters of the basic plane."""
    line = _BEYOND_THE_BASIC_PLANE.sub("\ufffd", " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def stamp(moment: datetime) -> str:
    """Return an instant as it is written: UTC, in microseconds, so that texts order as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _is_later(present: str | None, moment: datetime) -> bool:
    """Whether the state that is there is newer than a moment; a text that is no time of ours says nothing."""
    try:
        there = datetime.fromisoformat(present or "")
    except ValueError:
        return False
    return (there if there.tzinfo else there.replace(tzinfo=UTC)) > moment


def _write(key: str, slot: Slot, present: Values, wanted: Values) -> None:
    """Write what is not there yet, and see that it arrived."""
    missing = {name: new for name, new in wanted.items() if plain(present[name]) != new}
    if not missing:
        return
    slot.write(missing)
    after = slot.read()
    lost = [name for name, new in wanted.items() if plain(after[name]) != new]
    if lost:
        raise WriteBackRefusedError(
            f"Document {key} of the ERP does not keep our values in {' and '.join(lost)}; nothing was changed.",
            action="Make the fields long enough: text of 255 characters.",
        )
