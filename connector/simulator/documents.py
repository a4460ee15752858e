"""What the service keeps: accounts, contacts, invoices and what hangs on them."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connector.simulator.totals import Adjustment, Line, Tax, Totals

Fields = dict[str, Any]  # writable texts, numbers and flags, under the names of the API


@dataclass(slots=True)
class ApiKey:
    """A key and the group of accounts that it sees."""

    value: str
    accounts: set[int]
    has_group: bool = True  # without one every call answers 403
    expired: bool = False
    default_version: str | None = "2026-03-02"


@dataclass(slots=True)
class Account:
    """A company that issues."""

    id: int
    created_at: datetime
    updated_at: datetime
    name: str
    country: str = "es"
    currency: str = "EUR"
    identifier: str | None = None  # may stand for the id in paths
    tin_scheme: str | None = None
    tin_value: str | None = None
    cin_scheme: str | None = None
    cin_value: str | None = None
    rounding_method: str = "half_up"
    round_before_sum: bool = False
    apply_taxes_per_line: bool = False
    default_transport: str = "peppol"  # where neither contact nor directory says how
    fields: Fields = field(default_factory=dict)  # address, city, email …
    transports: dict[str, Fields] = field(default_factory=dict)
    tax_report_settings: dict[str, Fields] = field(default_factory=dict)
    transactions_count: int = 0
    transactions_limit: int | None = None  # of the plan; none is shown where there is none
    archived: bool = False


@dataclass(slots=True)
class Contact:
    """A recipient, kept inside one account."""

    id: int
    account_id: int
    created_at: datetime
    updated_at: datetime
    fields: Fields
    listed_from: datetime | None = None  # hidden from lists until then
    search_text: str = ""  # lower case; what the list's `name` looks through

    @property
    def name(self) -> str:
        return str(self.fields.get("name") or "")

    @property
    def country(self) -> str:
        return str(self.fields.get("country") or "")

    @property
    def tin_value(self) -> str | None:
        return self.fields.get("tin_value")

    @property
    def cin_value(self) -> str | None:
        return self.fields.get("cin_value")

    @property
    def parent_id(self) -> int | None:
        return self.fields.get("parent_id")


@dataclass(slots=True)
class InvoiceLine:
    """A line as it was sent; what counts for the totals is `figures`."""

    id: int
    quantity: Decimal
    price: Decimal
    base_quantity: Decimal = Decimal(1)
    taxes: list[Tax] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    fields: Fields = field(default_factory=dict)  # description, unit, position, article_code …

    @property
    def figures(self) -> Line:
        return Line(self.quantity, self.price, self.base_quantity, self.taxes, self.adjustments)


@dataclass(slots=True)
class Step:
    """A change of state that will come by itself."""

    due: datetime
    state: str
    note: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Attachment:
    filename: str
    content: bytes
    use_as_pdf_view: bool = False


@dataclass(slots=True)
class Invoice:
    """A document with its state."""

    id: int
    account_id: int
    type: str
    number: str
    issue_date: date
    currency: str
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    series_code: str | None = None
    due_date: date | None = None
    contact_id: int | None = None
    buyer: Fields = field(default_factory=dict)  # of a document without a stored contact
    fields: Fields = field(default_factory=dict)
    lines: list[InvoiceLine] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    state: str = "new"
    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    error_code: str | None = None
    error_message: str | None = None
    refuse_reason: str | None = None
    refuse_reason_code: str | None = None
    ack_at: datetime | None = None
    tax_report_ids: list[int] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    original: bytes | None = None  # of an imported document
    listed_from: datetime | None = None  # hidden from lists until then
    sent_times: int = 0  # how often it was queued for delivery
    deleted_at: datetime | None = None

    @property
    def is_credit_note(self) -> bool:
        return bool(self.fields.get("is_credit_note"))


@dataclass(slots=True)
class TaxReport:
    """What was told to a tax authority about one invoice."""

    id: int
    account_id: int
    invoice_id: int
    code: str  # verifactu, tbai, dgfip …
    created_at: datetime
    updated_at: datetime
    state: str = "processing"
    correction: bool = False
    annullation: bool = False
    corrected_by_id: int | None = None


@dataclass(slots=True)
class WebHook:
    """An address that wants to hear of changes."""

    id: int
    url: str
    secret: str
    accounts: set[int]
    events: list[str] = field(default_factory=lambda: ["issued_invoice.state_change"])
    enabled: bool = True
    description: str | None = None


@dataclass(slots=True)
class Event:
    """One change as it is told to the outside; `id` is the same in every repetition."""

    id: int
    code: str
    account_id: int
    triggered_at: datetime
    subject_id: int
    state: str
    notes: str | None = None
