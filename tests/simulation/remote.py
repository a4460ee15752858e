"""B2Brouter in memory: a server that keeps what it did, and the port through which one worker sees it.

Answers that are no success pass through the connector's own judgement of outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from connector.b2brouter import outcome, payloads
from connector.b2brouter.outcome import Operation, Reply
from connector.domain.errors import RefusedError
from connector.domain.invoice import Invoice, Party
from connector.domain.recipient import Delivery, Unit, siret_of
from connector.domain.rounding import Sheet
from connector.ports import RemoteAccount, RemoteContact, RemoteInvoice, RemoteTax
from tests.simulation.faults import Done, Fault, Site
from tests.support.builders import invoice, line
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from tests.simulation.world import Process

T = TypeVar("T")

LATENCY = 0.2
CALL_SECONDS = 30.0
ACCOUNT_ID = "1"

_TAKEN = b'{"error":{"code":"parameter_taken","message":"Number has already been taken","param":"number"}}'
_CONTACT_TAKEN = b'{"error":{"code":"parameter_taken","message":"is taken","param":"tin_value"}}'
_WRONG_STATE = b'{"error":{"code":"conflict","message":"the state does not allow it"}}'
_GONE = b'{"error":{"code":"resource_missing","message":"not found"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What kind of server it is, and what the operator decided about it. Times in seconds."""

    name: str
    number_guard: bool = True  # a number is stored once
    contact_guard: bool = True  # a tax number is stored once
    guard_at_arrival: bool = False  # checked when a request comes, not when it is stored: a race
    send_guard: bool = True  # a document that is on its way is not sent again
    list_lag: float = 0.0
    late: float = 60.0  # how long after its arrival a late request is stored
    shows_mark: bool = True  # `file_reference` is in the answers
    keeps_files: bool = True  # what was imported can be read again
    foreign: bool = False  # somebody else's unsent document has our number, and another total
    strangers: bool = False  # lists show look-alikes: another series, another account
    repeat_unknown: bool = True
    death_proven: bool = False  # the sweep sees a dead process at once, not only its lapsed lease


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server says no."""

    status: int
    body: bytes


@dataclass(slots=True)
class Document:
    """One invoice at the server."""

    id: str
    body: bytes
    number: str
    invoice: Invoice
    mark: str | None
    contact_id: str
    stored_at: datetime
    state: str = "new"
    sent_at: list[datetime] = field(default_factory=list)
    is_import: bool = False  # made from a file: it never shows our mark
    stale: bool = False  # sent with other content than the ERP last showed us
    deleted_at: datetime | None = None
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Body:
    """What the body of a contact says."""

    number: str  # a unit's is its body's and its own, so that it counts once
    code: str
    unit: Unit | None
    parent_id: str | None


@dataclass(slots=True)
class Contact:
    """One contact at the server."""

    id: str
    body: bytes
    said: Body
    stored_at: datetime


class Server:
    """What B2Brouter has and did. Nothing is ever forgotten here: it is the history that is judged."""

    def __init__(self, clock: FakeClock, conditions: Conditions) -> None:
        self._clock = clock
        self._conditions = conditions
        self._lag = timedelta(seconds=conditions.list_lag)
        self.documents: dict[str, Document] = {}
        self.contacts: dict[str, Contact] = {}
        self.bodies: dict[bytes, tuple[Invoice, str, str]] = {}  # invoice, mark, contact
        self.parties: dict[bytes, Body] = {}
        self.last_shown: dict[str, Invoice] = {}  # by key: what the ERP last showed to the connector
        self.at_once: dict[str, int] = {}  # by mark: most documents that ever stood here together
        self.contacts_at_once: dict[str, int] = {}
        self._late: list[tuple[datetime, Callable[[], object]]] = []
        self._at: datetime | None = None
        self._next_id = 100
        if conditions.foreign:
            theirs = invoice("1", line("999.00"))
            self.documents["f1"] = Document("f1", b"", theirs.number or "", theirs, None, "9", clock.now())

    def now(self) -> datetime:
        return self._at or self._clock.now()

    def later(self, act: Callable[[], object]) -> None:
        """Store a request when its time has come."""
        due = self._clock.now() + timedelta(seconds=self._conditions.late)
        self._late.append((due, act))

    def land(self) -> None:
        """Store the late requests whose time has come."""
        now = self._clock.now()
        while self._late and self._late[0][0] <= now:
            self._at, act = self._late.pop(0)
            act()
        self._at = None

    def _id(self) -> str:
        self._next_id += 1
        return str(self._next_id)

    # ------------------------------------------------------------ invoices

    def live(self) -> list[Document]:
        return [document for document in self.documents.values() if document.deleted_at is None]

    def create(self, body: bytes, *, number: str | None = None, checked: bool = False) -> Document | Refusal:
        content, mark, contact_id = self.bodies[body]
        number = number or content.number or ""
        refusal = None if checked else self.check_create(body, number=number)
        if refusal is not None:
            return refusal
        document = Document(self._id(), body, number, content, mark, contact_id, self.now())
        if content.file_digest is not None:
            document.is_import, document.contact_id = True, self._contact_of(content)
        self.documents[document.id] = document
        together = sum(1 for other in self.live() if other.mark == mark)
        self.at_once[mark] = max(self.at_once.get(mark, 0), together)
        return document

    def _contact_of(self, content: Invoice) -> str:
        """The contact that a file is given by the number that it names."""
        fitting = (one.id for one in self.contacts.values() if one.said.number == content.buyer.tax_number)
        return next(fitting, "")

    def check_create(self, body: bytes, *, number: str | None = None) -> Refusal | None:
        number = number or self.bodies[body][0].number
        if self._conditions.number_guard and any(one.number == number for one in self.live()):
            return Refusal(422, _TAKEN)
        return None

    def send(self, reference: str) -> Document | Refusal:
        document = self.documents.get(reference)
        if document is None or document.deleted_at is not None:
            return Refusal(404, _GONE)
        if document.state != "new" and self._conditions.send_guard:
            return Refusal(422, _WRONG_STATE)
        document.state = "sending"
        document.sent_at.append(self.now())
        return document

    def attach(self, reference: str, name: str) -> Document | Refusal:
        document = self.documents.get(reference)
        if document is None or document.deleted_at is not None:
            return Refusal(404, _GONE)
        if document.state != "new":
            return Refusal(422, _WRONG_STATE)
        document.files.append(name)
        return document

    def delete(self, reference: str) -> Document | Refusal:
        document = self.documents.get(reference)
        if document is None or document.deleted_at is not None:
            return Refusal(404, _GONE)
        if document.state != "new":
            return Refusal(422, _WRONG_STATE)
        document.deleted_at = self.now()
        return document

    def listed(self, number: str) -> list[RemoteInvoice]:
        seen = self.now() - self._lag
        rows = [self.shown(one) for one in self.live() if one.number == number and one.stored_at <= seen]
        return [*rows, *(self._strangers(number) if self._conditions.strangers else ())]

    def read(self, reference: str) -> RemoteInvoice | None:
        if reference in {"s1", "s2"}:
            return next(row for row in self._strangers("?") if row.id == reference)
        document = self.documents.get(reference)
        return None if document is None or document.deleted_at is not None else self.shown(document)

    def original(self, reference: str) -> bytes | None:
        """The file that a document was imported from, where this server gives it back."""
        document = self.documents.get(reference)
        kept = document is not None and document.is_import and self._conditions.keeps_files
        return document.body if document is not None and kept else None

    def _strangers(self, number: str) -> Iterator[RemoteInvoice]:
        for id_, series, account, mark in (("s1", "B", ACCOUNT_ID, None), ("s2", None, "2", "erp-other")):
            yield RemoteInvoice(
                id=id_,
                type="IssuedInvoice",
                number=number,
                series=series,
                state="sent",
                currency="EUR",
                account_id=account,
                file_reference=mark,
            )

    def shown(self, document: Document) -> RemoteInvoice:
        content = document.invoice
        return RemoteInvoice(
            id=document.id,
            type="IssuedInvoice",
            number=document.number,
            series=content.series,
            state=document.state,
            issue_date=content.issue_date,
            currency=content.currency,
            subtotal=content.totals.net,
            total=content.totals.payable,
            taxes=tuple(
                RemoteTax(percent=entry.tax.percent or content.totals.tax, base=entry.base, amount=entry.amount)
                for entry in content.tax_totals
            ),
            is_credit_note=content.is_credit_note,
            file_reference=document.mark if self._conditions.shows_mark and not document.is_import else None,
            contact_id=document.contact_id,
            contact_tax_number=content.buyer.tax_number,
            account_id=ACCOUNT_ID,
            attachments=tuple(document.files),
        )

    # ------------------------------------------------------------ contacts

    def create_contact(self, body: bytes, *, checked: bool = False) -> Contact | Refusal:
        refusal = None if checked else self.check_contact(body)
        if refusal is not None:
            return refusal
        said = self.parties[body]
        contact = Contact(self._id(), body, said, self.now())
        self.contacts[contact.id] = contact
        together = sum(1 for one in self.contacts.values() if one.said.number == said.number)
        self.contacts_at_once[said.number] = together
        return contact

    def check_contact(self, body: bytes) -> Refusal | None:
        said = self.parties[body]
        taken = any(one.said.number == said.number for one in self.contacts.values())
        # Units of a body share its number, which nobody guards (API reference 17, question 16).
        return Refusal(422, _CONTACT_TAKEN) if self._conditions.contact_guard and taken and not said.unit else None

    def listed_contacts(self, code: str | None, text: str | None) -> list[Contact]:
        seen = self.now() - self._lag
        return [
            one
            for one in self.contacts.values()
            if one.stored_at <= seen and (one.said.code == code or (text is not None and text in one.said.number))
        ]


def _shown_contact(contact: Contact) -> RemoteContact:
    said = contact.said
    number, _, _ = said.number.partition("/")
    return RemoteContact(
        id=contact.id,
        tax_number=number,
        legal_ids=(("0009", number), *([(said.unit.scheme, said.unit.code)] if said.unit else [])),
        integration_code=said.code,
        parent_id=said.parent_id,
    )


class ScriptedRemote:
    """The account as one worker sees it: `ports.Remote`, with faults where the plan has them."""

    account_id = ACCOUNT_ID
    environment = "simulator"
    api_version = "2026-03-02"

    def __init__(self, process: Process, server: Server, conditions: Conditions) -> None:
        self._process = process
        self._server = server
        self._conditions = conditions
        self._check: Callable[[], None] | None = None

    @contextmanager
    def guarded(self, check: Callable[[], None]) -> Iterator[None]:
        before, self._check = self._check, check
        try:
            yield
        finally:
            self._check = before

    def last_request_id(self) -> str | None:
        return None

    def last_answer(self) -> bytes | None:
        return None

    def read_account(self, *, once: bool = False) -> RemoteAccount:
        return RemoteAccount(id=ACCOUNT_ID)

    # ------------------------------------------------------------ bodies

    def contact_payload(
        self, buyer: Party, integration_code: str, *, unit: Unit | None = None, parent_id: str | None = None
    ) -> bytes:
        number = f"{buyer.tax_number or siret_of(buyer)}{f'/{unit}' if unit else ''}"
        body = f"{buyer.name}|{number}|{integration_code}|{parent_id}".encode()
        self._server.parties[body] = Body(number, integration_code, unit, parent_id)
        return body

    def usual_delivery(self, buyer: Party, unit: Unit | None = None) -> None:
        return None

    def new_contact_payload(self, payload: bytes, delivery: Delivery | None) -> bytes:
        return payload

    def without_tax_number(self, payload: bytes) -> bytes:
        return payload

    def delivery_payload(self, delivery: Delivery) -> bytes:
        raise AssertionError("nobody asks the directory here")

    def contact_changes(self, before: bytes, after: bytes) -> bytes | None:
        return after if after != before else None

    def look_up_directory(self, country: str, value: str, *, scheme: str | None = None) -> Delivery | None:
        raise AssertionError("nobody asks the directory here")

    def read_contact(self, contact_id: str) -> RemoteContact | None:
        found = self._read(Operation.READ_CONTACT, lambda: self._server.contacts.get(contact_id))
        return _shown_contact(found) if found else None

    def invoice_payload(self, invoice: Invoice, *, contact_id: str, file_reference: str) -> bytes:
        body = f"{invoice.number}|{file_reference}|{contact_id}|{invoice.fingerprint()}".encode()
        self._server.bodies[body] = (invoice, file_reference, contact_id)
        return body

    def sheet(self, invoice: Invoice) -> Sheet:
        return payloads.sheet(invoice, api_version="2026-03-02")

    # ------------------------------------------------------------ reads

    def find_contacts(
        self, *, integration_code: str | None = None, text: str | None = None
    ) -> Sequence[RemoteContact]:
        rows = self._read(Operation.FIND_CONTACTS, lambda: self._server.listed_contacts(integration_code, text))
        return [_shown_contact(row) for row in rows]

    def find_invoices(self, number: str, *, issued_on: date | None = None) -> Sequence[RemoteInvoice]:
        return self._read(Operation.FIND_INVOICES, lambda: self._server.listed(number))

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        return self._read(Operation.READ_INVOICE, lambda: self._server.read(reference))

    def read_original(self, reference: str) -> bytes | None:
        return self._read(Operation.READ_ORIGINAL, lambda: self._server.original(reference))

    def _read(self, operation: Operation, look: Callable[[], T]) -> T:
        fault = self._process.arrive(operation.value, Site.REMOTE_READ)
        self._process.clock.advance(LATENCY)
        if fault is not None:
            self._fail(operation, fault)
        self._server.land()
        return look()

    # ------------------------------------------------------------ writes

    def create_contact(self, payload: bytes) -> RemoteContact:
        server = self._server
        made = self._write(
            Operation.CREATE_CONTACT,
            lambda: server.create_contact(payload),
            check=lambda: server.check_contact(payload),
            store=lambda: server.create_contact(payload, checked=True),
        )
        return _shown_contact(made)

    def update_contact(self, contact_id: str, payload: bytes) -> RemoteContact:
        contact = self._server.contacts[contact_id]
        return _shown_contact(self._write(Operation.UPDATE_CONTACT, lambda: contact))

    def create_invoice(self, payload: bytes) -> RemoteInvoice:
        return self._make(Operation.CREATE_INVOICE, payload)

    def import_invoice(self, content: bytes, *, number: str, delivery: Delivery | None = None) -> RemoteInvoice:
        return self._make(Operation.IMPORT_INVOICE, content)

    def _make(self, operation: Operation, payload: bytes) -> RemoteInvoice:
        server = self._server
        made = self._write(
            operation,
            lambda: server.create(payload),
            check=lambda: server.check_create(payload),
            store=lambda: server.create(payload, checked=True),
            other=lambda: server.create(payload, number="X-1"),
        )
        return server.shown(made)

    def add_attachment(self, reference: str, name: str, content: bytes, *, is_view: bool = False) -> None:
        self._write(Operation.ADD_ATTACHMENT, lambda: self._server.attach(reference, name))

    def send_invoice(self, reference: str) -> str | None:
        def send() -> Document | Refusal:
            sent = self._server.send(reference)
            if isinstance(sent, Document):
                sent.stale = sent.stale or sent.invoice is not shown
            return sent

        document = self._server.documents.get(reference)
        shown = self._server.last_shown.get(document.invoice.key) if document else None
        return self._write(Operation.SEND_INVOICE, send).state

    def delete_invoice(self, reference: str) -> None:
        try:
            self._write(Operation.DELETE_INVOICE, lambda: self._server.delete(reference))
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise

    def _write(
        self,
        operation: Operation,
        execute: Callable[[], T | Refusal],
        *,
        check: Callable[[], Refusal | None] | None = None,
        store: Callable[[], T | Refusal] | None = None,
        other: Callable[[], T | Refusal] | None = None,
    ) -> T:
        process = self._process
        fault = process.arrive(operation.value, Site.REMOTE_WRITE)
        if self._check is not None:
            self._check()
        if fault is not None and fault.gap:
            process.pause(fault.pause)
            fault = None
        process.clock.advance(LATENCY)
        self._server.land()
        if fault is None:
            return self._success(operation, execute())
        if fault.other_number and other is not None:
            made = other()
            assert not isinstance(made, Refusal)
            differs = {"reference": getattr(made, "id", "?"), "differences": "number X-1"}
            raise RefusedError("remote_differs", differs)
        if fault.done is Done.STORED:
            execute()
        elif fault.done is Done.LATE:
            self._store_late(execute, check, store)
        if fault.kill:
            process.die()
        self._fail(operation, fault)
        raise AssertionError(f"{fault} is no fault of {operation}")

    def _store_late(
        self,
        execute: Callable[[], T | Refusal],
        check: Callable[[], Refusal | None] | None,
        store: Callable[[], T | Refusal] | None,
    ) -> None:
        if self._conditions.guard_at_arrival and check is not None and store is not None:
            if check() is None:
                self._server.later(store)
        else:
            self._server.later(execute)

    def _success(self, operation: Operation, result: T | Refusal) -> T:
        if not isinstance(result, Refusal):
            return result
        self._judge(operation, result.status, result.body)
        raise AssertionError("a refusal was judged to be a success")

    def _fail(self, operation: Operation, fault: Fault) -> None:
        clock = self._process.clock
        if fault.broken is not None:
            slow = fault.broken in {outcome.Fault.READ_TIME_OUT, outcome.Fault.CONNECT_TIME_OUT}
            clock.advance(CALL_SECONDS - LATENCY if slow else 0.0)
            raise outcome.judge_fault(operation, fault.broken, "", left=fault.left)
        if fault.garbage:
            reply = Reply(status=200, headers={}, content=b"<html>")
            raise outcome.judge_unreadable(operation, reply, "not JSON")
        if fault.status is not None:
            self._judge(operation, fault.status, fault.body, fault.retry_after)

    def _judge(self, operation: Operation, status: int, body: bytes, retry_after: str | None = None) -> None:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        reply = Reply(status=status, headers=headers, content=body)
        error = outcome.judge_reply(operation, reply, now=self._process.clock.now())
        if error is not None:
            raise error
