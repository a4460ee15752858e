"""Five questions to a B2Brouter environment whose answers no document gives (docs/reliability.md).

Asked only where nothing is fiscal: sandbox, staging, simulator. What is found is stored with the account and
decides what happens to a lost create that is not found again: repeating the same bytes is safe only where a
number is refused the second time.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from connector.clock import Clock
from connector.domain.errors import OutcomeUnknownError, RefusedError, StepError
from connector.domain.invoice import Invoice, Kind, LegalId, Line, Party, Tax, TaxTotal, Totals
from connector.ports import Remote, RemoteInvoice

_CODE = "connector-probe"
_PATIENCE = 30.0
"""Seconds that a document may take to appear in the list before it counts as never appearing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the environment does."""

    number_guard: bool  # a number that exists is refused
    race_guard: bool  # also when two requests come at once
    list_delay: float | None  # seconds until a created document is listed; None: not within the patience
    second_send: str  # refused or accepted
    request_id: bool  # answers carry an id to quote to support


def probe(remote: Remote, *, seller: Party, today: date, clock: Clock, sleep: Callable[[float], None]) -> Findings:
    """Ask all five questions with made-up documents; what was not sent is deleted again.

    Args:
        remote: the account.
        seller: our company, for country and name.
        today: issue date of the documents.
        clock: measures the list's delay.
        sleep: waits so many seconds.

    Raises:
        StepError: the environment does not let the questions be asked.
    """
    prober = _Prober(remote, seller=seller, today=today)
    try:
        return Findings(
            list_delay=prober.list_delay(clock, sleep),
            number_guard=prober.number_guard(),
            race_guard=prober.race_guard(),
            second_send=prober.second_send(),
            request_id=remote.last_request_id() is not None,
        )
    finally:
        prober.tidy_up()


class _Prober:
    def __init__(self, remote: Remote, *, seller: Party, today: date) -> None:
        self._remote = remote
        self._seller = seller
        self._today = today
        self._made: list[RemoteInvoice] = []
        self._contact = self._find_contact()

    def _find_contact(self) -> str:
        # A GLN of the sandbox's own: its documents reach a good end (API reference 1.5).
        buyer = Party(
            key=_CODE,
            name="Connector probe",
            country=self._seller.country or "ES",
            legal_ids=(LegalId(scheme="0088", value="9508397101047"),),
            email="probe@example.com",
        )
        found = self._remote.find_contacts(integration_code=_CODE)
        if found:
            return found[0].id
        return self._remote.create_contact(self._remote.contact_payload(buyer, _CODE)).id

    def list_delay(self, clock: Clock, sleep: Callable[[float], None]) -> float | None:
        number = self._number()
        self._create(number)
        began = clock.monotonic()
        while (waited := clock.monotonic() - began) < _PATIENCE:
            if self._remote.find_invoices(number, issued_on=self._today):
                return round(waited, 1)
            sleep(0.5)
        return None

    def number_guard(self) -> bool:
        number = self._number()
        self._create(number)
        return not self._accepted(number)

    def race_guard(self) -> bool:
        number = self._number()
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(self._accepted, [number, number])) <= 1

    def second_send(self) -> str:
        made = self._create(self._number())
        self._remote.send_invoice(made.id)
        try:
            self._remote.send_invoice(made.id)
        except (RefusedError, OutcomeUnknownError):
            return "refused"
        return "accepted"

    def tidy_up(self) -> None:
        """Delete what is still unsent; what cannot be deleted is of no consequence here."""
        for made in self._made:
            try:
                self._remote.delete_invoice(made.id)
            except StepError:
                continue

    def _accepted(self, number: str) -> bool:
        try:
            self._create(number)
        except RefusedError as error:
            if error.reason != "number_taken":
                raise
            return False
        return True

    def _create(self, number: str) -> RemoteInvoice:
        payload = self._remote.invoice_payload(
            self._document(number), contact_id=self._contact, file_reference=f"probe-{number}"
        )
        made = self._remote.create_invoice(payload)
        self._made.append(made)
        return made

    def _number(self) -> str:
        return f"PROBE-{uuid.uuid4().hex[:12].upper()}"

    def _document(self, number: str) -> Invoice:
        tax = Tax(percent=Decimal(21), category="S")
        return Invoice(
            key=number,
            company="",
            confirmed=True,
            kind=Kind.INVOICE,
            number=number,
            issue_date=self._today,
            due_date=self._today,
            currency="EUR",
            seller=self._seller,
            buyer=Party(name="Connector probe"),
            lines=(
                Line(
                    description="Probe",
                    quantity=Decimal(1),
                    net_price=Decimal(1),
                    net_amount=Decimal(1),
                    taxes=(tax,),
                ),
            ),
            tax_totals=(TaxTotal(tax=tax, base=Decimal(1), amount=Decimal("0.21")),),
            totals=Totals(net=Decimal(1), tax=Decimal("0.21"), payable=Decimal("1.21")),
        )
