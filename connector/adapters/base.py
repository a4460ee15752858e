"""What every adapter of a database does in the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from connector.adapters.checks import attempt, warning
from connector.adapters.database import Database
from connector.adapters.writeback import WriteBack
from connector.adapters.writeback.side_table import SideTable
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import Invoice
from connector.ports import CheckRow, RemoteTaxReport


class DatabaseAdapter(ABC):
    """An adapter of one database; see `connector.ports.Adapter` for the contract."""

    side_table: SideTable | None = None  # where the source is set up to write into tables of our own

    _database: Database
    _writer: WriteBack | None

    def identity(self) -> str:
        """Return what tells this database from others and from its copies."""
        return self._database.identity()

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values or neither; where write-back is switched off, the ledger alone keeps them."""
        if self._writer is not None:
            self._writer.record(key, reference, xref)

    def records_state(self) -> bool:
        """Whether the ERP has a place for the state of a document."""
        return self._writer is not None and self._writer.records_state()

    def record_state(self, key: str, state: str, reason: str | None, changed_at: datetime) -> None:
        """Write a state, never an older one over a newer one; nothing where the ERP has no place for it."""
        if self._writer is not None:
            self._writer.record_state(key, state, reason, changed_at)

    def record_tax_report(self, key: str, report: RemoteTaxReport) -> None:
        """Write what a tax authority knows of a document; nothing where the ERP has no place for it."""
        if self.side_table is not None:
            self.side_table.record_tax_report(key, report)

    @abstractmethod
    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now; each adapter's own."""

    def reads_recorded(self) -> bool:
        """Whether anything is written back."""
        return self._writer is not None

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Return reference and xref of documents as they stand in the ERP; see `connector.ports.ReadsRecorded`."""
        found = self.load(keys)
        return {key: (each.reference, each.xref) for key, each in found.items() if isinstance(each, Invoice)}

    def close(self) -> None:
        """Give back connections."""
        if self._writer is not None:
            self._writer.close()
        self._database.close()

    def _write_back_row(self, hint: str = "") -> CheckRow:
        """Return the row of a check-up; `hint` says what could be switched on."""
        if self._writer is None:
            return warning("write-back", "switched off: the reference stays in the ledger only", hint)
        rows, tried = attempt("write-back", self._writer.check, str)
        return tried or rows[0]
