"""What the calls of one account have in common: the way, the account's own settings, and lists page by page."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import quote

from connector.b2brouter import answers
from connector.b2brouter.outcome import Operation
from connector.b2brouter.transport import Call, Guard, Transport
from connector.domain.errors import MisconfiguredError, NotSentError, RefusedError
from connector.ports import RemoteAccount, RemoteContact, RemoteInvoice, RemoteReportSetting, RemoteTaxReport

Row = TypeVar("Row", RemoteContact, RemoteInvoice)
Extra = TypeVar("Extra")
Item = TypeVar("Item", RemoteContact, RemoteInvoice, RemoteTaxReport)

_PAGE: Final = 500
"""Rows asked for at once: the most that the API gives (API reference 2.2)."""


class AccountCalls:
    """The way to one account, and what is read of the account itself."""

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

    def guarded(self, check: Guard) -> contextlib.AbstractContextManager[None]:
        """Have `check` called at the last moment before each request of this thread leaves."""
        return self._transport.guarded(check)

    def last_answer(self) -> bytes | None:
        """Return the body of this thread's last answer as it came."""
        return self._transport.last_answer()

    def last_request_id(self) -> str | None:
        """Return the request id of this thread's last answer."""
        return self._transport.last_request_id()

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
            path=f"/accounts/{segment(self.account_id)}{path}",
            params=params or {},
            body=body,
            facts={"account_id": self.account_id},
        )


def segment(identifier: str) -> str:
    """Return an id as one piece of a path. An empty one, or dots, would make the path mean something else."""
    if not identifier.strip("."):
        raise ValueError(f"{identifier!r} is no identifier")
    return quote(identifier, safe="")
