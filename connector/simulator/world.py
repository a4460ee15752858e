"""The state of the stand-in: documents with their indexes, what is due later, and what happened.

One lock guards it. The server holds it while it carries a request out, so that each request acts as
a whole; tests may read and change the same world from their own thread.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from threading import RLock
from typing import Any, Final

from connector.simulator.clock import Clock, SystemClock
from connector.simulator.documents import Account, ApiKey, Contact, Event, Invoice, TaxReport, WebHook
from connector.simulator.faults import Faults
from connector.simulator.identifiers import normalised
from connector.simulator.journal import Effect, Journal
from connector.simulator.storage import Storage
from connector.simulator.switches import Switches

Kept = Account | ApiKey | Contact | Invoice | TaxReport | WebHook

# The list of contacts searches address and tax number too, not the name alone.
_SEARCHED: Final = ("name", "address", "address2", "city", "tin_value", "cin_value")

FIRST_IDS: Final = {
    "account": 1,
    "contact": 5001,
    "invoice": 100001,
    "line": 700001,
    "tax_report": 41,
    "web_hook": 11,
    "event": 380001,
}


class World:
    """Everything that the service knows, without any HTTP."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        switches: Switches | None = None,
        seed: int | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.switches = switches or Switches()
        self.faults = Faults(seed)
        self.journal = Journal()
        self.lock = RLock()
        self.storage = storage
        self.publish: Callable[[Event], None] = lambda event: None  # set by the sender of webhooks
        self._effects: list[Effect] | None = None
        self._outbox: list[Event] = []
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._empty()
        if storage is not None:
            self.journal.on_change = lambda entry: storage.put("Entry", entry.seq, entry)

    def _empty(self) -> None:
        self._ids = dict(FIRST_IDS)
        self.accounts: dict[int, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.contacts: dict[int, Contact] = {}
        self.invoices: dict[int, Invoice] = {}
        self.deleted_invoices: dict[int, Invoice] = {}
        self.tax_reports: dict[int, TaxReport] = {}
        self.hooks: dict[int, WebHook] = {}
        self.directory: dict[str, dict[str, Any]] = {}  # by identifier value
        self.directory_asked: dict[str, int] = defaultdict(int)
        self.contacts_of: dict[int, dict[int, Contact]] = defaultdict(dict)
        self.invoices_of: dict[int, dict[int, Invoice]] = defaultdict(dict)
        self.invoices_numbered: dict[tuple[int, str], list[Invoice]] = defaultdict(list)
        self._contacts_by: dict[tuple[int, str, str], list[Contact]] = defaultdict(list)

    def clear(self) -> None:
        """Forget all documents, the journal, the faults and what was due."""
        with self.lock:
            self._empty()
            self._due.clear()
            self._outbox.clear()
            self.faults.clear()
            self.journal.clear()
            if self.storage is not None:
                self.storage.clear()

    # ------------------------------------------------------------- documents

    def next_id(self, kind: str) -> int:
        """Ids grow over all accounts; the ones of deleted documents never come back."""
        value = self._ids[kind]
        self._ids[kind] = value + 1
        if self.storage is not None:
            self.storage.put("ids", "next", self._ids)
        return value

    def restore_ids(self, following: dict[str, int]) -> None:
        self._ids |= following

    def save(self, document: Kept) -> None:
        """Keep a new or changed document; durable with the next `commit`."""
        if self.storage is not None:
            key = document.value if isinstance(document, ApiKey) else document.id
            self.storage.put(type(document).__name__, key, document)

    def commit(self) -> None:
        """Make everything saved so far survive the end of the process."""
        if self.storage is not None:
            self.storage.commit()

    def add_account(self, account: Account) -> None:
        self.accounts[account.id] = account
        self._ids["account"] = max(self._ids["account"], account.id + 1)
        self.save(account)

    def account_named(self, name: str) -> Account | None:
        """An account by its id or its identifier, as paths give it."""
        for account in self.accounts.values():
            if name in {str(account.id), account.identifier}:
                return account
        return None

    def add_key(self, key: ApiKey) -> None:
        self.keys[key.value] = key
        self.save(key)

    def add_contact(self, contact: Contact) -> None:
        self.contacts[contact.id] = contact
        self.contacts_of[contact.account_id][contact.id] = contact
        self._index_contact(contact)
        self.save(contact)

    def change_contact(self, contact: Contact, fields: dict[str, Any]) -> None:
        self._unindex_contact(contact)
        contact.fields = fields
        contact.updated_at = self.clock.now()
        self._index_contact(contact)
        self.save(contact)

    def remove_contact(self, contact: Contact) -> None:
        self._unindex_contact(contact)
        del self.contacts[contact.id]
        del self.contacts_of[contact.account_id][contact.id]
        if self.storage is not None:
            self.storage.remove("Contact", contact.id)

    def contacts_with(self, account_id: int, field: str, value: str) -> list[Contact]:
        """Contacts of an account by `tin_value`, `cin_value` (spelling aside) or `integration_code`."""
        return list(self._contacts_by.get((account_id, field, _index_form(field, value)), ()))

    def _index_contact(self, contact: Contact) -> None:
        contact.search_text = "\n".join(str(contact.fields.get(name) or "") for name in _SEARCHED).lower()
        for key in _index_keys(contact):
            self._contacts_by[key].append(contact)

    def _unindex_contact(self, contact: Contact) -> None:
        for key in _index_keys(contact):
            self._contacts_by[key].remove(contact)

    def add_invoice(self, invoice: Invoice) -> None:
        if invoice.deleted_at is not None:
            self.deleted_invoices[invoice.id] = invoice
        else:
            self.invoices[invoice.id] = invoice
            self.invoices_of[invoice.account_id][invoice.id] = invoice
            self.invoices_numbered[invoice.account_id, invoice.number].append(invoice)
        self.save(invoice)

    def renumber(self, invoice: Invoice, number: str) -> None:
        self.invoices_numbered[invoice.account_id, invoice.number].remove(invoice)
        invoice.number = number
        self.invoices_numbered[invoice.account_id, number].append(invoice)

    def remove_invoice(self, invoice: Invoice) -> None:
        """Take a document away from every list; audits still see it."""
        invoice.deleted_at = self.clock.now()
        del self.invoices[invoice.id]
        del self.invoices_of[invoice.account_id][invoice.id]
        self.invoices_numbered[invoice.account_id, invoice.number].remove(invoice)
        self.deleted_invoices[invoice.id] = invoice
        self.save(invoice)

    def add_tax_report(self, report: TaxReport) -> None:
        self.tax_reports[report.id] = report
        self.save(report)

    def add_hook(self, hook: WebHook) -> None:
        self.hooks[hook.id] = hook
        self.save(hook)

    def add_directory_entry(self, value: str, entry: dict[str, Any]) -> None:
        self.directory[value] = entry
        if self.storage is not None:
            self.storage.put("directory", value, {"value": value, "entry": entry})

    # ------------------------------------------------------- effects and events

    @contextmanager
    def recorded(self) -> Iterator[list[Effect]]:
        """Collect what is changed inside, for the journal."""
        outer = self._effects
        effects: list[Effect] = []
        self._effects = effects
        try:
            yield effects
        finally:
            self._effects = outer

    def effect(self, kind: str, action: str, document_id: int, **details: Any) -> None:
        if self._effects is not None:
            self._effects.append({"kind": kind, "action": action, "id": document_id, **details})

    def announce(self, code: str, account_id: int, subject_id: int, state: str, notes: str | None = None) -> None:
        """Put an event in the outbox; it leaves with `flush_events`."""
        event = Event(self.next_id("event"), code, account_id, self.clock.now(), subject_id, state, notes)
        self._outbox.append(event)

    def flush_events(self) -> None:
        """Give the events of the outbox to the sender of webhooks."""
        with self.lock:
            events, self._outbox = self._outbox, []
            for event in events:
                self.publish(event)

    # ------------------------------------------------------------ what is due

    def after(self, seconds: float, action: Callable[[], None]) -> datetime:
        """Have something done later; it happens under the lock."""
        due = self.clock.now() + timedelta(seconds=seconds)
        self.at(due, action)
        return due

    def at(self, due: datetime, action: Callable[[], None]) -> None:
        with self.lock:
            heapq.heappush(self._due, (due, next(self._order), action))

    def run_due(self) -> bool:
        """Do everything whose time has come; return whether there was something."""
        if not self._due or self._due[0][0] > self.clock.now():
            return False
        with self.lock:
            while self._due and self._due[0][0] <= self.clock.now():
                _, _, action = heapq.heappop(self._due)
                action()
            self.commit()
        self.flush_events()
        return True

    def advance(self, seconds: float) -> None:
        """Move the clock forward, stopping at each instant at which something is due."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while self._due and self._due[0][0] <= until:
            self.clock.advance(max(0.0, (self._due[0][0] - self.clock.now()).total_seconds()))
            self.run_due()
        self.clock.advance(max(0.0, (until - self.clock.now()).total_seconds()))


def _index_keys(contact: Contact) -> list[tuple[int, str, str]]:
    return [
        (contact.account_id, field, _index_form(field, str(contact.fields[field])))
        for field in ("tin_value", "cin_value", "integration_code")
        if contact.fields.get(field)
    ]


def _index_form(field: str, value: str) -> str:
    return value if field == "integration_code" else normalised(value)
