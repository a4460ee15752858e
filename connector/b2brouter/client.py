"""One account at B2Brouter: a method per call that we make. Implements `connector.ports.Remote`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from connector.b2brouter import answers, payloads
from connector.b2brouter.account import segment
from connector.b2brouter.contacts import ContactCalls
from connector.b2brouter.exactjson import UnreadableError
from connector.b2brouter.outcome import Operation
from connector.b2brouter.transport import Call
from connector.domain.archive import Piece, is_file
from connector.domain.errors import NotSentError, RefusedError
from connector.domain.invoice import REMOTE_TYPE, Invoice
from connector.domain.recipient import Delivery
from connector.domain.rounding import Sheet
from connector.ports import RemoteInvoice, RemoteTaxReport

_OK: Final = 200
_FILES: Final = {Piece.ORIGINAL: "original", Piece.LEGAL: "legal", Piece.PDF: "pdf.invoice"}


class B2BrouterClient(ContactCalls):
    """The calls of one account. Used from several threads.

    Every method may raise `NotSentError` (`remote_unavailable`, `rate_limited`) and `MisconfiguredError`
    (`access_refused`, `version_refused`, `account_unknown`, `account_refused`, `misdirected`); those that write also
    `OutcomeUnknownError` (`outcome_unknown`); any may raise `RefusedError` (`refused_by_b2brouter`).
    """

    def invoice_payload(self, invoice: Invoice, *, contact_id: str, file_reference: str) -> bytes:
        """Return the body that creates the invoice, unsent: the same arguments give the same bytes."""
        return payloads.invoice_payload(
            invoice,
            contact_id=contact_id,
            file_reference=file_reference,
            api_version=self.api_version,
            amend_reason=self._amend_reason,
        )

    def sheet(self, invoice: Invoice) -> Sheet:
        """Return the figures that the body of an invoice tells: what the server calculates with."""
        return payloads.sheet(invoice, api_version=self.api_version)

    def create_invoice(self, payload: bytes) -> RemoteInvoice:
        """Create the invoice, unsent (API reference 7.1). An answer counts if it has an id and our number.

        Raises:
            RefusedError: `number_taken` where the number exists already; `remote_differs` where the document
                was made under another number (details: `reference`, `differences`).
            OutcomeUnknownError: also where the answer is a success that shows no id or no number.
        """
        number = payloads.number_of(payload)
        call = self._of_account(Operation.CREATE_INVOICE, "POST", "/invoices", body=payload)
        return self._made(call, number)

    def import_invoice(self, content: bytes, *, number: str, delivery: Delivery | None = None) -> RemoteInvoice:
        """Hand in a file as a document of ours, unsent (API reference 7.2), under the number that it has.

        Args:
            content: of the file.
            number: what the answer must show.
            delivery: how its contact is reached from now on, which B2Brouter finds by the file, or makes; None: as
                the contact says, the directory, or the account.

        Raises:
            RefusedError, OutcomeUnknownError: as `create_invoice`.
        """
        way = {"transport_type_code": delivery.transport, "document_type_code": delivery.document} if delivery else {}
        call = self._of_account(
            Operation.IMPORT_INVOICE,
            "POST",
            "/invoices/import",
            params={
                "issued": "true",
                "send_after_import": "false",
                **{f"{name}_for_contact": code for name, code in way.items()},
            },
            body=content,
        )
        # Other content types are refused in places, whatever the guides say.
        return self._made(replace(call, body_type="application/octet-stream"), number)

    def _made(self, call: Call, number: str) -> RemoteInvoice:
        made = self._transport.fetch(call, self._numbered)
        if made.number != number:
            differences = f"number {made.number} instead of {number}"
            details = {"status": "", "code": "number_differs", "message": differences}
            details |= {"reference": made.id, "differences": differences}
            raise RefusedError("remote_differs", details, request_id=made.request_id)
        return made

    def find_invoices(self, number: str, *, issued_on: date | None = None) -> Sequence[RemoteInvoice]:
        """List the documents with exactly this number (API reference 7.4).

        The server's own filter is not trusted to be exact, nor to be honoured at all.

        Args:
            number: compared letter by letter.
            issued_on: only documents of this day's year: a number is taken once in a year (API reference
                13.1), and the same one in another year is another document.
        """
        params = {"type": REMOTE_TYPE, "number": number}
        if issued_on:
            # A server that leaves out the first and the last day, or shifts them, must not hide a document.
            params |= {"date_from": f"{issued_on.year - 1:04}-12-25", "date_to": f"{issued_on.year + 1:04}-01-07"}
        call = self._of_account(Operation.FIND_INVOICES, "GET", "/invoices", params=params)

        def reader(body: Any) -> RemoteInvoice:
            named = answers.named(body)  # nothing that is wrong with another document hides ours
            return self._invoice(body) if named.number == number else named

        rows = self._all(call, "invoices", reader)
        return [row for row in rows if row.number == number and _of_year(row, issued_on) and not row.deleted]

    def read_invoice(self, reference: str) -> RemoteInvoice | None:
        """Read one invoice and its recipient (API reference 7.3); None where it does not exist."""
        return self._one_invoice(reference, self._invoice)

    def read_news(self, reference: str) -> RemoteInvoice | None:
        """Read how one invoice fares, and nothing else of it; None where it does not exist."""
        return self._one_invoice(reference, self._news)

    def _one_invoice(self, reference: str, reader: Callable[[Any], RemoteInvoice]) -> RemoteInvoice | None:
        call = _of_invoice(Operation.READ_INVOICE, "GET", "/invoices/", reference)
        call = replace(call, params={"include": "buyer"})
        try:
            found = self._transport.fetch(call, reader)
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            return None
        return None if found.deleted else found

    def read_original(self, reference: str) -> bytes | None:
        """Read the file that a document was imported from (API reference 7.9); None where there is none.

        Raises:
            NotSentError: also where it is not ready.
        """
        call = _of_invoice(Operation.READ_ORIGINAL, "GET", "/invoices/", reference)
        try:
            content = self._transport.download(replace(call, path=f"{call.path}/as/original"))
        except RefusedError as error:
            if error.details["status"] not in {"404", "422"}:
                raise
            return None
        if not self._is_whole(Piece.ORIGINAL, content):
            details = {**call.facts, "status": "", "code": "unreadable", "message": "the original is not ready"}
            raise NotSentError("remote_unavailable", details, request_id=self.last_request_id())
        return content

    def add_attachment(self, reference: str, name: str, content: bytes, *, is_view: bool = False) -> None:
        """Attach one file to an unsent invoice (API reference 7.10); the same again may stand there twice.

        Raises:
            RefusedError: also `remote_missing` where the invoice is gone.
        """
        call = Call(
            operation=Operation.ADD_ATTACHMENT,
            method="POST",
            path=f"/invoices/{segment(reference)}/add_attachment",
            params={"filename": name, **({"use_as_pdf_view": "true"} if is_view else {})},
            body=content,
            body_type="application/octet-stream",
            facts={"reference": reference, "file": name},
        )
        self._transport.fetch(call, _ignored)

    def send_invoice(self, reference: str) -> str | None:
        """Queue an invoice for delivery (API reference 7.8): a normal return means queued, not delivered.

        Returns:
            The state that the answer shows, if it shows one; an empty answer is a success.

        Raises:
            RefusedError: `send_refused` where the state does not allow it, `remote_missing` where it is gone.
        """
        call = _of_invoice(Operation.SEND_INVOICE, "POST", "/invoices/send_invoice/", reference)
        return self._transport.fetch(call, answers.state)

    def delete_invoice(self, reference: str) -> None:
        """Delete an invoice that was never sent (API reference 7.6); one that is not there counts as deleted.

        Raises:
            RefusedError: `withdrawal_refused` where the state does not allow it.
        """
        call = _of_invoice(Operation.DELETE_INVOICE, "DELETE", "/invoices/", reference)
        try:
            self._transport.fetch(call, _ignored)
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise

    def issued_invoices(self, start: date | None, end: date | None) -> Iterator[Sequence[RemoteInvoice]]:
        """List the invoices of a period by their day, both included, page by page (API reference 7.4)."""
        days = {"date_from": start, "date_to": end}
        params = {"type": REMOTE_TYPE} | {name: day.isoformat() for name, day in days.items() if day is not None}
        call = self._of_account(Operation.LIST_INVOICES, "GET", "/invoices", params=params)
        pages = self._pages(call, "invoices", self._invoice)
        return ([row for row in rows if not row.deleted] for rows in pages)

    def read_file(self, reference: str, piece: Piece) -> bytes | None:
        """Fetch a file of an invoice (API reference 7.9); None while there is none, or what comes is none yet.

        Where the legal file is not found by its kind, the address that the invoice names is tried.

        Raises:
            RefusedError: `download_elsewhere` where an answer leads to another host: our key must not go there.
        """
        call = _of_invoice(Operation.READ_FILE, "GET", "/invoices/", reference)
        found = self._file(piece, replace(call, path=f"{call.path}/as/{_FILES[piece]}"))
        if found is not None or piece is not Piece.LEGAL:
            return found
        invoice = self.read_invoice(reference)
        if invoice is None or invoice.legal_url is None:
            return None
        return self._file(piece, replace(call, path=self._transport.path_of(invoice.legal_url, call)))

    def _file(self, piece: Piece, call: Call) -> bytes | None:
        try:
            content = self._transport.download(call)
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            return None
        return content if self._is_whole(piece, content) else None

    def _is_whole(self, piece: Piece, content: bytes) -> bool:
        """Whether the file that was just fetched is there: others may be answered with a promise, or a page."""
        return self._transport.last_status() == _OK and is_file(piece, content)

    def changed_invoices(self, since: date) -> Iterator[Sequence[RemoteInvoice]]:
        """List how those fare that changed their state that day or later, page by page (API reference 7.4).

        A day, for the service may not look at the time; of the type that we create.
        """
        params = {"type": REMOTE_TYPE, "state_updated_at_from": since.isoformat()}
        call = self._of_account(Operation.CHANGED_INVOICES, "GET", "/invoices", params=params)
        return self._pages(call, "invoices", self._news)

    def changed_reports(self, since: date) -> Iterator[Sequence[RemoteTaxReport]]:
        """List the tax reports that changed that day or later, page by page (API reference 11)."""
        params = {"updated_at_from": since.isoformat()}
        call = self._of_account(Operation.CHANGED_REPORTS, "GET", "/tax_reports", params=params)
        return self._pages(call, "tax_reports", answers.tax_report)

    def read_report(self, id_: str) -> RemoteTaxReport | None:
        """Read one tax report (API reference 11); None where it does not exist."""
        call = Call(operation=Operation.READ_REPORT, method="GET", path=f"/tax_reports/{segment(id_)}")
        try:
            return self._transport.fetch(call, answers.tax_report)
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            return None

    def told_report(self, fields: Mapping[str, object]) -> RemoteTaxReport | None:
        """Read the tax report that a webhook contains (API reference 10.2); None where it contains none."""
        try:
            return answers.tax_report(fields)
        except UnreadableError:
            return None

    def acknowledge(self, reference: str) -> None:
        """Set the marker that a document was taken note of (API reference 7.8).

        Raises:
            RefusedError: `remote_missing` where it does not exist.
        """
        call = _of_invoice(Operation.ACKNOWLEDGE, "POST", "/invoices/", reference)
        self._transport.fetch(replace(call, path=call.path + "/ack", status_says_all=True), _ignored)

    def mark_as(self, reference: str, state: str) -> None:
        """Relabel a document (API reference 7.8); nothing is delivered.

        Raises:
            RefusedError: the state is none that can be given.
        """
        call = _of_invoice(Operation.MARK_AS, "POST", "/invoices/", reference)
        body = json.dumps({"state": state}).encode()
        self._transport.fetch(replace(call, path=call.path + "/mark_as", body=body, status_says_all=True), _ignored)

    def register_webhook(self, url: str, events: Sequence[str]) -> str:
        """Have events told to an address (API reference 10.1); return the secret that signs them, told this once.

        Raises:
            OutcomeUnknownError: also where the answer is a success that shows no secret.
        """
        hook = {"url": url, "events": list(events), "enabled": True, "description": "B2Brouter connector"}
        body = json.dumps({"web_hook": hook}).encode()
        call = Call(operation=Operation.REGISTER_WEBHOOK, method="POST", path="/web_hooks", body=body)
        return self._transport.fetch(call, answers.signing_secret)

    def _invoice(self, body: Any) -> RemoteInvoice:
        return answers.invoice(body, request_id=self.last_request_id())

    def _news(self, body: Any) -> RemoteInvoice:
        return answers.news(body, request_id=self.last_request_id())

    def _numbered(self, body: Any) -> RemoteInvoice:
        made = self._invoice(body)
        if made.number is None:
            raise UnreadableError("a document without number")
        return made


def _of_invoice(operation: Operation, method: str, path: str, reference: str) -> Call:
    return Call(operation=operation, method=method, path=path + segment(reference), facts={"reference": reference})


def _of_year(row: RemoteInvoice, day: date | None) -> bool:
    return day is None or row.issue_date is None or row.issue_date.year == day.year


def _ignored(_: Any) -> None:
    """Take nothing from the answer: that it came is all."""
