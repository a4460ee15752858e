"""What the core may ask of an ERP and of B2Brouter, and the plain values that travel between them.

Adapters and the API client implement these protocols; steps, journey and discovery know nothing else of
them. The conformance suite tests every promise made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Protocol, runtime_checkable

from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import Invoice, Kind, Party
from connector.domain.recipient import Delivery, Unit
from connector.domain.rounding import Sheet, Way, way

# --- the ERP ---------------------------------------------------------------------------------------------

INTERFACE: Final = 2
"""Version of the contract between the core and an adapter: `Adapter` and the values that travel through it.

It grows when an adapter has to change for it; what is merely added and may be left out does not move it.

1. The first; an adapter's class declares nothing.
2. The class declares `INTERFACE`. Optional since then: `Found.confirmed_on` with `TellsConfirmation`,
   `RecordsState`, `ReadsRecorded`, `HoldsFiles`.
"""
OLDEST_INTERFACE: Final = 1
"""The oldest version that this core still works with: the one before, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the order of (changed at, key) in which an adapter lists its documents."""

    changed_at: datetime  # aware UTC
    key: str

    @property
    def order(self) -> tuple[datetime, str]:
        """What positions are compared by."""
        return self.changed_at, self.key


UNKNOWN_COMPANY: Final = ""
"""The company of a document that cannot be read, in a source whose keys are unique over all companies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The head of one confirmed document, as discovery sees it."""

    key: str
    company: str  # UNKNOWN_COMPANY where the document cannot be read
    changed_at: datetime  # aware UTC
    number: str | None
    kind: Kind
    issue_date: date | None
    currency: str | None
    total: Decimal | None  # payable, positive for credit notes too
    customer: str | None = None
    original_key: str | None = None
    confirmed_on: date | None = None  # in the ERP's zone; None: not known

    @property
    def position(self) -> Position:
        """Where the next page starts after this document."""
        return Position(changed_at=self.changed_at, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """One issuing company of an ERP."""

    key: str
    name: str
    tax_number: str | None
    country: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One thing that was tried by a check-up. `status` is ok, warning or failed."""

    name: str
    status: str
    message: str
    action: str = ""


class Adapter(Protocol):
    """One ERP database: reads confirmed documents, writes reference and xref back.

    Built once per process and used from several threads. It has no tax policy of its own beyond the
    mapping of its settings, makes no retries, and never talks to B2Brouter.

    Raises everywhere: `SourceUnavailableError`, `SchemaChangedError` (names table and column),
    `SourceNotPermittedError`.
    """

    def identity(self) -> str:
        """Return what tells this database from another, without secrets."""

    def check(self) -> Sequence[CheckRow]:
        """Try every part that reading and writing need; change nothing; raise nothing foreseeable."""

    def companies(self) -> Sequence[Company]:
        """Return the companies that issue documents here."""

    def find(
        self, after: Position | None, limit: int, *, since: date | None, companies: Sequence[str] | None
    ) -> Sequence[Found]:
        """Return up to `limit` confirmed documents after a position, in ascending (changed at, key).

        Args:
            after: exclusive; None starts at the beginning.
            limit: most rows to return; fewer than this means the end was reached.
            since: documents issued before this day are left out.
            companies: only these; None means all.
        """

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        """Return the documents as they stand now, state and lines read in one transaction.

        Drafts and cancelled documents come with `confirmed` false; deleted ones are left out. The number
        of queries does not grow with the number of keys.
        """

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values or neither; writing the same again changes nothing.

        Raises:
            WriteBackRefusedError: another reference is there already, or the document is gone.
        """

    def close(self) -> None:
        """Give back connections."""


@runtime_checkable
class TellsConfirmation(Protocol):
    """What an adapter has besides, whose ERP may remember when a document was confirmed."""

    def tells_confirmation(self) -> bool:
        """Whether `Found.confirmed_on` is filled in here; a single document may lack it all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the ERP."""

    name: str
    content: bytes


@runtime_checkable
class Attaches(Protocol):
    """What an adapter has besides, whose documents may come with files: `load` tells of them, as attachments."""

    def attachments(self, key: str) -> Sequence[File]:
        """Return the files of a document as they stand now, with the names that `load` gives them.

        One that is gone, or whose content is not the one that `load` would tell of, is left out.

        Raises:
            SourceUnavailableError: they cannot be read now, as where the folder of files is not mounted.
        """


@runtime_checkable
class NamesGrants(Protocol):
    """What an adapter has besides, that knows the least that its user must be allowed in the ERP."""

    def grants(self, user: str) -> Sequence[str]:
        """Return the statements or commands that give a user what reading and the chosen write-back need, no more.

        Lines that begin with "--" are remarks.
        """


@runtime_checkable
class RecordsState(Protocol):
    """What an adapter has besides, that can show in the ERP how a document fares at B2Brouter."""

    def records_state(self) -> bool:
        """Whether this source is set up for it; where it is not, `record_state` does nothing."""

    def record_state(self, key: str, state: str, reason: str | None, changed_at: datetime) -> None:
        """Write the remote state of an issued document; writing the same again changes nothing.

        States may come in any order and more than once: an older one never replaces a newer one, and of two
        of the same instant the later call counts. `record` may come before or after.

        Args:
            key: of the document.
            state: as B2Brouter names it, raw.
            reason: why, in words, where the state needs a person; None empties what stood there.
            changed_at: when the document took this state at B2Brouter; aware, in UTC.

        Raises:
            WriteBackRefusedError: the document is gone, or the ERP does not keep the values.
        """


@runtime_checkable
class ReadsRecorded(Protocol):
    """What an adapter has besides, that can tell what stands in the ERP of what was written back."""

    def reads_recorded(self) -> bool:
        """Whether this source is set up for it: not where nothing is written back."""

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        """Return reference and xref of documents as they stand there; None for what is empty.

        Documents that are gone, or cannot be read, are left out.
        """


@runtime_checkable
class HoldsFiles(Protocol):
    """What an adapter has besides, whose documents are files: they go to B2Brouter byte for byte.

    Its invoices have a `file_digest`.
    """

    def file(self, key: str) -> bytes:
        """Return the bytes of a document's file as it is now.

        Raises:
            DocumentNotUsableError: it is gone, or is not to be read.
        """

    def set_aside(self, key: str, message: str) -> None:
        """Put a file that a person must look at where such files are, with the message; it can still be loaded.

        Nothing happens where the file is gone or is there already.
        """


@runtime_checkable
class RecordsTaxReport(Protocol):
    """What an adapter has besides, that can keep in the ERP what a tax authority knows of a document."""

    def record_tax_report(self, key: str, report: RemoteTaxReport) -> None:
        """Write id, state, verification address and QR of a report; writing the same again changes nothing.

        A document may have several reports, one for each authority and correction; the last call counts.

        Raises:
            WriteBackRefusedError: the document is gone, or the ERP does not keep the values.
        """


# --- the register of VAT numbers -------------------------------------------------------------------------


class VatRegister(Protocol):
    """Who knows which VAT numbers exist. Used from several threads; raises nothing foreseeable."""

    def ask(self, number: str) -> bool | None:
        """Return whether a number, with its prefix, is registered; None where no clear answer came in time."""


# --- B2Brouter -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTax:
    """One entry of `taxes` in an answer. Names are display texts: match by percent and base."""

    percent: Decimal
    base: Decimal | None
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInvoice:
    """An invoice as B2Brouter shows it. None where the answer did not say."""

    id: str
    type: str | None = None
    number: str | None = None
    series: str | None = None
    state: str | None = None  # raw, never mapped
    issue_date: date | None = None
    currency: str | None = None
    subtotal: Decimal | None = None
    total: Decimal | None = None
    taxes: tuple[RemoteTax, ...] | None = None
    is_credit_note: bool | None = None
    file_reference: str | None = None
    contact_id: str | None = None
    contact_tax_number: str | None = None
    account_id: str | None = None
    legal_url: str | None = None  # where the file is that was delivered; usually a path
    errors: tuple[str, ...] = ()  # not empty: stored, but it will not be delivered
    attachments: tuple[str, ...] | None = None  # their names; "" for one whose name is not shown
    state_changed_at: datetime | None = None  # aware UTC
    state_note: str | None = None  # why it was refused or could not be delivered
    tax_report_ids: tuple[str, ...] = ()
    deleted: bool = False  # shown all the same
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTaxReport:
    """What was told to a tax authority about a document, as B2Brouter shows it."""

    id: str
    reference: str | None = None  # of the document
    kind: str | None = None  # verifactu, tbai, dgfip …, in lower case
    label: str | None = None
    state: str | None = None  # raw
    changed_at: datetime | None = None
    url: str | None = None  # where anybody can verify it
    qr: str | None = None  # the same as a picture, PNG in base 64
    problem: str | None = None  # what the authority finds wrong
    corrects: bool | None = None  # whether it corrects or annuls an earlier one
    corrected_by: str | None = None  # id of the one that corrects or annuls it


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteContact:
    """A contact as B2Brouter shows it."""

    id: str
    name: str | None = None
    tax_number: str | None = None
    legal_ids: tuple[tuple[str, str], ...] = ()  # (scheme, value)
    address: tuple[str, str] | None = None  # (scheme, value): where documents go, which people may choose
    country: str | None = None
    email: str | None = None
    integration_code: str | None = None
    parent_id: str | None = None  # of a unit: the contact of its body
    is_public_body: bool = False
    transport: str | None = None  # as a person or the directory chose it
    document: str | None = None  # of what type its documents are, so chosen
    request_id: str | None = None

    @property
    def numbers(self) -> tuple[tuple[str, str], ...]:
        """All that it is known by beside its tax number."""
        return (*self.legal_ids, *((self.address,) if self.address else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAccount:
    """The issuing account as B2Brouter shows it."""

    id: str
    identifier: str | None = None
    name: str | None = None
    tax_number: str | None = None
    country: str | None = None
    rounding_method: str | None = None
    round_before_sum: bool | None = None
    apply_taxes_per_line: bool | None = None
    archived: bool = False
    transactions_count: int | None = None
    transactions_limit: int | None = None

    @property
    def arithmetic(self) -> Way | None:
        """How the account calculates; None where it does not say."""
        return way(self.rounding_method, self.round_before_sum, self.apply_taxes_per_line)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteReportSetting:
    """How an account reports to a tax authority."""

    code: str  # verifactu, tbai, dgfip …, in lower case
    start_date: date | None = None
    enabled: bool = True


class Remote(Protocol):
    """One account at B2Brouter. Used from several threads.

    Reads are repeated a few times by themselves; writes never are.

    Raises everywhere: `NotSentError`, `OutcomeUnknownError` (writes), `RefusedError`,
    `MisconfiguredError`. A read that fails raises `NotSentError`: reading has no effect.
    """

    account_id: str
    environment: str
    api_version: str
    """For which bodies are written."""

    def read_account(self, *, once: bool = False) -> RemoteAccount:
        """`GET /accounts/{account}`; with `once` it is not repeated when it fails: a probe."""

    def contact_payload(
        self, buyer: Party, integration_code: str, *, unit: Unit | None = None, parent_id: str | None = None
    ) -> bytes:
        """Return what the ERP says of a customer, or of its unit: the same arguments give the same bytes."""

    def usual_delivery(self, buyer: Party, unit: Unit | None = None) -> Delivery | None:
        """Return the only way that leads to a public body; None where the directory or the account decides.

        Where several transports lead there, the account may be asked which of them it has (`GET …/transports`).
        """

    def new_contact_payload(self, payload: bytes, delivery: Delivery | None) -> bytes:
        """Return the body that creates a contact: what the ERP says, and what is left to people afterwards."""

    def without_tax_number(self, payload: bytes) -> bytes:
        """Return the body of a contact without the number that another one has already."""

    def delivery_payload(self, delivery: Delivery) -> bytes:
        """Return the body that tells a contact how documents reach it, and nothing else."""

    def contact_changes(self, before: bytes, after: bytes) -> bytes | None:
        """Return the body that tells what the ERP changed, and nothing else; None where that is nothing."""

    def find_contacts(
        self, *, integration_code: str | None = None, text: str | None = None
    ) -> Sequence[RemoteContact]:
        """`GET /accounts/{account}/contacts`, all pages.

        Args:
            integration_code: only those that show exactly this code.
            text: searched in names, addresses and numbers.
        """

    def read_contact(self, contact_id: str) -> RemoteContact | None:
        """`GET /contacts/{id}`; None where it does not exist (404)."""

    def create_contact(self, payload: bytes) -> RemoteContact:
        """`POST /accounts/{account}/contacts`."""

    def update_contact(self, contact_id: str, payload: bytes) -> RemoteContact:
        """`PUT /contacts/{id}`: repeating it changes nothing more.

        Raises:
            RefusedError: `remote_missing` where it does not exist; `contact_taken` where another one has the number.
        """

    def look_up_directory(self, country: str, value: str, *, scheme: str | None = None) -> Delivery | None:
        """`GET /directory/{country}/{scheme}/{value}`, some seconds at most; None: not there.

        Raises:
            NotSentError: no answer in time.
        """

    def invoice_payload(self, invoice: Invoice, *, contact_id: str, file_reference: str) -> bytes:
        """Return the body that creates the invoice, unsent: the same arguments give the same bytes."""

    def sheet(self, invoice: Invoice) -> Sheet:
        """Return the figures that the body of an invoice tells: what the server calculates with."""

    def create_invoice(self, payload: bytes) -> RemoteInvoice:
        """`POST /accounts/{account}/invoices`: the document exists afterwards, unsent.

        Raises:
            RefusedError: reason `number_taken` where the number exists already.
        """

    def import_invoice(self, content: bytes, *, number: str, delivery: Delivery | None = None) -> RemoteInvoice:
        """`POST /accounts/{account}/invoices/import`: the file is a document of ours afterwards, unsent.

        Args:
            content: of the file.
            number: of the document.
            delivery: how its contact, which is found by the file or made, is reached from now on; None: as before.

        Raises:
            RefusedError: reason `number_taken` where the number exists already.
        """

    def read_original(self, reference: str) -> bytes | None:
        """`GET /invoices/{id}/as/original`: the file that a document was imported from; None where there is none."""

    def find_invoices(self, number: str, *, issued_on: date | None = None) -> Sequence[RemoteInvoice]:
        """`GET /accounts/{account}/invoices?number=`: documents with exactly this number, all pages."""

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        """`GET /invoices/{id}`; None where it does not exist (404)."""

    def add_attachment(self, reference: str, name: str, content: bytes, *, is_view: bool = False) -> None:
        """`POST /invoices/{id}/add_attachment`: repeating it may leave the file there twice.

        Args:
            reference: of an unsent document.
            name: of the file.
            content: its bytes, as they are.
            is_view: whether recipients see it in place of B2Brouter's own PDF.

        Raises:
            RefusedError: also `remote_missing` where the document is gone.
        """

    def send_invoice(self, reference: str) -> str | None:
        """`POST /invoices/send_invoice/{id}`: queued for delivery, not delivered.

        Returns:
            The state that the answer shows, if it shows one.

        Raises:
            RefusedError: reason `send_refused` where the state does not allow it (409, 422).
        """

    def delete_invoice(self, reference: str) -> None:
        """`DELETE /invoices/{id}`; a document that is not there (404) counts as deleted."""

    def guarded(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the block, call `check` immediately before the bytes of a request of this thread leave.

        What it raises stops the call: nothing was sent.
        """

    def last_request_id(self) -> str | None:
        """Return the request id of this thread's last answer, for the timeline."""

    def last_answer(self) -> bytes | None:
        """Return the body of this thread's last answer as it came, for the evidence; None where there was none."""


class RemoteNews(Protocol):
    """What following asks of one account at B2Brouter. Raises as `Remote` does."""

    def read_news(self, reference: str) -> RemoteInvoice | None:
        """`GET /invoices/{id}`: id, state, its time and why, reports; None where it does not exist (404)."""

    def last_request_id(self) -> str | None:
        """Return the request id of this thread's last answer, for the timeline."""

    def changed_invoices(self, since: date) -> Iterator[Sequence[RemoteInvoice]]:
        """`GET /accounts/{account}/invoices?state_updated_at_from=`: what changed its state that day or later.

        Page by page, some documents perhaps twice; of each what `read_news` reads.
        """

    def changed_reports(self, since: date) -> Iterator[Sequence[RemoteTaxReport]]:
        """`GET /accounts/{account}/tax_reports?updated_at_from=`: tax reports that changed that day or later."""

    def read_report(self, id_: str) -> RemoteTaxReport | None:
        """`GET /tax_reports/{id}`: one tax report; None where it does not exist (404)."""

    def told_report(self, fields: Mapping[str, object]) -> RemoteTaxReport | None:
        """Read the tax report that a webhook contains; None where it contains none."""

    def acknowledge(self, reference: str) -> None:
        """`POST /invoices/{id}/ack`: set the marker that the document was taken note of; repeating it is harmless."""

    def mark_as(self, reference: str, state: str) -> None:
        """`POST /invoices/{id}/mark_as`: relabel the document; nothing is delivered, repeating it is harmless."""
