"""One account at B2Brouter: a method per call that we make. Implements `connector.ports.Remote`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import quote

from connector.b2brouter import answers, payloads
from connector.b2brouter.exactjson import UnreadableError
from connector.b2brouter.outcome import Operation
from connector.b2brouter.transport import Call, Guard, Transport
from connector.domain.archive import Piece, is_file
from connector.domain.channels import ways_beside
from connector.domain.errors import MisconfiguredError, NotSentError, RefusedError
from connector.domain.invoice import REMOTE_TYPE, Invoice, Party
from connector.domain.recipient import Delivery, Unit
from connector.domain.rounding import Sheet
from connector.ports import RemoteAccount, RemoteContact, RemoteInvoice, RemoteReportSetting, RemoteTaxReport

Row = TypeVar("Row", RemoteContact, RemoteInvoice)
Extra = TypeVar("Extra")
Item = TypeVar("Item", RemoteContact, RemoteInvoice, RemoteTaxReport)

_PAGE: Final = 500
"""Rows asked for at once: the most that the API gives (API reference 2.2)."""
_OK: Final = 200
_ACCEPTED: Final = 202
_DIRECTORY_PAUSES: Final = (0.0, 0.4, 0.8, 1.2, 1.6)
"""Seconds before each question to the directory; one client saw answers after some 5 s (API reference 6.1)."""
_DIRECTORY_SECONDS: Final = 5.0
"""Longest single question to it: nobody's invoice waits long for what can be asked again later."""
_FILES: Final = {Piece.ORIGINAL: "original", Piece.LEGAL: "legal", Piece.PDF: "pdf.invoice"}


class B2BrouterClient:
    """The calls of one account. Used from several threads.

    Every method may raise `NotSentError` (`remote_unavailable`, `rate_limited`) and `MisconfiguredError`
    (`access_refused`, `version_refused`, `account_unknown`, `account_refused`, `misdirected`); those that write also
    `OutcomeUnknownError` (`outcome_unknown`); any may raise `RefusedError` (`refused_by_b2brouter`).
    """

    def __init__(
        self,
        *,
        account_id: str,
        environment: str,
        transport: Transport,
        api_version: str,
        amend_reason: str | None = None,
    ) -> None:
        """Tie an account to the way that leads to it.

        Args:
            account_id: number or identifier, as in B2Brouter's own list.
            environment: simulator, sandbox, staging or production; for references only.
            transport: the way, with key and version.
            api_version: decides how payloads are written; the transport's.
            amend_reason: R1-R5 for Spanish corrections whose ERP document names no reason.
        """
        self.account_id = account_id
        self.environment = environment
        self._transport = transport
        self.api_version = api_version
        self._amend_reason = amend_reason
        self._transports_on: frozenset[str] = frozenset()

    def guarded(self, check: Guard) -> contextlib.AbstractContextManager[None]:
        """Have `check` called at the last moment before each request of this thread leaves."""
        return self._transport.guarded(check)

    def last_answer(self) -> bytes | None:
        """Return the body of this thread's last answer as it came."""
        return self._transport.last_answer()

    def last_request_id(self) -> str | None:
        """Return the request id of this thread's last answer."""
        return self._transport.last_request_id()

    # ------------------------------------------------------------ account

    def read_account(self, *, once: bool = False) -> RemoteAccount:
        """Read the issuing account with its settings of calculation (API reference 4)."""
        return self._transport.fetch(self._of_account(Operation.READ_ACCOUNT, "GET"), answers.account, once=once)

    def read_transports(self) -> frozenset[str] | None:
        """Return the codes of the enabled transports (API reference 6.3); None where the account offers no list."""

        def reader(body: Any) -> frozenset[str]:
            rows = map(answers.transport, answers.page(body, "transports").rows)
            return frozenset(code for code, enabled in rows if enabled)

        return self._extra(Operation.READ_TRANSPORTS, "/transports", reader)

    def read_report_settings(self) -> Sequence[RemoteReportSetting] | None:
        """Return how the account reports to tax authorities (API reference 11); None where it offers no list."""

        def reader(body: Any) -> Sequence[RemoteReportSetting]:
            return [answers.report_setting(row) for row in answers.page(body, "tax_report_settings").rows]

        return self._extra(Operation.READ_REPORT_SETTINGS, "/tax_report_settings", reader)

    def _extra(self, operation: Operation, path: str, reader: Callable[[Any], Extra]) -> Extra | None:
        call = self._of_account(operation, "GET", path, params={"limit": str(_PAGE)})
        try:
            return self._transport.fetch(call, reader)
        except (RefusedError, MisconfiguredError) as error:
            # Not in the account's plan: the account itself was read with the same key.
            if error.details.get("status") not in {"403", "404"}:
                raise
            return None

    # ------------------------------------------------------------ contacts

    def contact_payload(
        self, buyer: Party, integration_code: str, *, unit: Unit | None = None, parent_id: str | None = None
    ) -> bytes:
        """Return what the ERP says of a customer or of its unit: the same buyer gives the same bytes."""
        return payloads.contact_payload(buyer, integration_code=integration_code, unit=unit, parent_id=parent_id)

    def usual_delivery(self, buyer: Party, unit: Unit | None = None) -> Delivery | None:
        """Return the only way that leads to a public body; None where the directory or the account decides.

        Where several transports lead to such bodies, it goes by the first that the account has enabled; it is asked
        until it has one, and by the usual one where it does not say.
        """
        usual = payloads.usual_delivery(buyer, unit)
        ways = ways_beside(usual.transport) if usual else ()
        if usual is None or len(ways) < 2:
            return usual
        return replace(usual, transport=next(filter(self._enabled(ways).__contains__, ways), usual.transport))

    def _enabled(self, ways: Sequence[str]) -> frozenset[str]:
        if not self._transports_on & set(ways):
            with contextlib.suppress(NotSentError, MisconfiguredError, RefusedError):
                self._transports_on = self.read_transports() or frozenset()
        return self._transports_on

    def new_contact_payload(self, payload: bytes, delivery: Delivery | None) -> bytes:
        """Return the body that creates a contact."""
        return payloads.new_contact_payload(payload, delivery)

    def without_tax_number(self, payload: bytes) -> bytes:
        """Return the body of a contact without the number that another one has already."""
        return payloads.without_tax_number(payload)

    def delivery_payload(self, delivery: Delivery) -> bytes:
        """Return the body that tells a contact how documents reach it."""
        return payloads.delivery_payload(delivery)

    def contact_changes(self, before: bytes, after: bytes) -> bytes | None:
        """Return the body that tells what the ERP changed; None where that is nothing."""
        return payloads.contact_changes(before, after)

    def find_contacts(
        self, *, integration_code: str | None = None, text: str | None = None
    ) -> Sequence[RemoteContact]:
        """List contacts (API reference 5.1).

        Args:
            integration_code: only those that show exactly this code: should the server ignore the filter, a
                stranger must not come back as ours.
            text: searched in names, addresses and numbers; the caller compares.
        """
        wanted = {"integration_code": integration_code, "name": text}
        params = {name: value for name, value in wanted.items() if value is not None}
        call = self._of_account(Operation.FIND_CONTACTS, "GET", "/contacts", params=params)
        rows = self._all(call, "contacts", self._contact)
        return [row for row in rows if integration_code in {None, row.integration_code}]

    def read_contact(self, contact_id: str) -> RemoteContact | None:
        """Read one contact (API reference 5); None where it does not exist."""
        call = Call(
            operation=Operation.READ_CONTACT,
            method="GET",
            path=f"/contacts/{_segment(contact_id)}",
            facts={"reference": contact_id},
        )
        try:
            return self._transport.fetch(call, self._contact)
        except RefusedError as error:
            if error.reason != "remote_missing":
                raise
            return None

    def create_contact(self, payload: bytes) -> RemoteContact:
        """Create a contact (API reference 5).

        Raises:
            RefusedError: `contact_taken` where the tax number exists already.
        """
        call = self._of_account(Operation.CREATE_CONTACT, "POST", "/contacts", body=payload)
        return self._transport.fetch(call, self._contact)

    def update_contact(self, contact_id: str, payload: bytes) -> RemoteContact:
        """Change a contact; repeating it changes nothing more.

        Raises:
            RefusedError: `remote_missing` where it does not exist.
        """
        call = Call(
            operation=Operation.UPDATE_CONTACT,
            method="PUT",
            path=f"/contacts/{_segment(contact_id)}",
            body=payload,
            facts={"reference": contact_id},
        )

        def reader(body: Any) -> RemoteContact:
            return self._contact({"id": contact_id} if body is None else body)

        return self._transport.fetch(call, reader)

    def _contact(self, body: Any) -> RemoteContact:
        return answers.contact(body, request_id=self.last_request_id())

    def look_up_directory(self, country: str, value: str, *, scheme: str | None = None) -> Delivery | None:
        """Ask the directory how invoices reach a recipient (API reference 6.1).

        It may answer "accepted" first (202), and knows after a while at the same address: it is asked a few times,
        for some seconds in all.

        Returns:
            None where it does not know the recipient, or calls the identifier a bad one.

        Raises:
            NotSentError: it gave no answer in time.
        """
        pieces = [country.lower(), *([scheme] if scheme else []), value]
        call = Call(
            operation=Operation.LOOK_UP_DIRECTORY,
            method="GET",
            path="/directory/" + "/".join(map(_segment, pieces)),
            facts={"identifier": value},
        )
        for pause in _DIRECTORY_PAUSES:
            self._transport.sleep(pause)
            try:
                found = self._transport.fetch(call, answers.delivery, once=True, seconds=_DIRECTORY_SECONDS)
            except RefusedError as error:
                if error.details["status"] in {"404", "422"}:
                    return None
                raise
            if self._transport.last_status() != _ACCEPTED:
                return found
        details = {"status": str(_ACCEPTED), "code": "pending", "message": "the directory is still looking"}
        raise NotSentError("remote_unavailable", details, request_id=self.last_request_id())

    # ------------------------------------------------------------ invoices

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
            path=f"/invoices/{_segment(reference)}/add_attachment",
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

    # ------------------------------------------------------------ lists and paths

    def _all(self, call: Call, key: str, reader: Callable[[Any], Row]) -> list[Row]:
        """Collect the rows of all pages, each id once; what grows meanwhile shifts rows into the next page.

        Raises:
            NotSentError: see `_pages`: what is not whole proves nothing absent.
        """
        rows = (row for page in self._pages(call, key, reader) for row in page)
        return list({row.id: row for row in rows}.values())

    def _pages(self, call: Call, key: str, reader: Callable[[Any], Item]) -> Iterator[Sequence[Item]]:
        """Yield page after page. What grows meanwhile shifts rows into the next page, where they come again.

        Raises:
            NotSentError: the list repeats itself before all of it was seen, or goes in circles.
        """
        seen = different = 0
        before: set[str] = set()
        landmark: set[str] = set()  # of the 1st, 2nd, 4th, 8th … page: however large a circle, one comes again
        for number in count(1):
            rows, page = self._page(call, key, reader, offset=seen)
            ids = {row.id for row in rows}
            if rows and ids == before:
                if page.total != different:
                    break
                return  # a server that knows no pages gives all at once, and the same again
            if rows and ids == landmark:
                break
            yield rows
            seen += len(rows)
            different += len(ids - before)
            if page.is_last(seen):
                return
            before = ids
            if number & (number - 1) == 0:
                landmark = ids
        details = {"status": "", "code": "unreadable", "message": f"the list of {key} has no end"}
        raise NotSentError("remote_unavailable", details, request_id=self.last_request_id())

    def _page(
        self, call: Call, key: str, reader: Callable[[Any], Item], *, offset: int
    ) -> tuple[list[Item], answers.Page]:
        def read_page(body: Any) -> tuple[list[Item], answers.Page]:
            page = answers.page(body, key)
            return [reader(row) for row in page.rows], page

        params = {**call.params, "limit": str(_PAGE), "offset": str(offset)}
        return self._transport.fetch(replace(call, params=params), read_page)

    def _of_account(
        self,
        operation: Operation,
        method: str,
        path: str = "",
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Call:
        return Call(
            operation=operation,
            method=method,
            path=f"/accounts/{_segment(self.account_id)}{path}",
            params=params or {},
            body=body,
            facts={"account_id": self.account_id},
        )


def _of_invoice(operation: Operation, method: str, path: str, reference: str) -> Call:
    return Call(operation=operation, method=method, path=path + _segment(reference), facts={"reference": reference})


def _segment(identifier: str) -> str:
    """Return an id as one piece of a path. An empty one, or dots, would make the path mean something else."""
    if not identifier.strip("."):
        raise ValueError(f"{identifier!r} is no identifier")
    return quote(identifier, safe="")


def _of_year(row: RemoteInvoice, day: date | None) -> bool:
    return day is None or row.issue_date is None or row.issue_date.year == day.year


def _ignored(_: Any) -> None:
    """Take nothing from the answer: that it came is all."""
