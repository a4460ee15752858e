"""Writes through Odoo's external API, which keeps Odoo's access rules, log and caches.

JSON-2 (`POST /json/2/<model>/<method>`, Odoo 19 and later) wants a key alone; JSON-RPC (`POST /jsonrpc`, to Odoo 21)
wants a user and a database, too. Each call is a transaction of its own: both values go in one `write`. Odoo moves
`write_date` itself, so that discovery sees the document once more and finds it unchanged.
Source: Odoo documentation, External JSON-2 API and External RPC API; tried by its authors on a posted invoice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from connector.adapters.checks import failed, ok
from connector.adapters.database import plain
from connector.adapters.rows import row_id
from connector.adapters.web_api import Answer, WebApi
from connector.adapters.writeback import Fields
from connector.adapters.writeback.rules import Values
from connector.domain.errors import (
    ConnectorError,
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    WriteBackRefusedError,
)
from connector.ports import CheckRow

MODEL: Final = "account.move"
_DENIED: Final = ("AccessError", "AccessDenied", "Unauthorized", "Forbidden")
_REFUSED: Final = ("UserError", "ValidationError", "RedirectWarning", "MissingError")


class Calls(Protocol):
    """A way of calling methods of Odoo's models."""

    api: WebApi

    def call(self, method: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> Any:
        """Call a method of `account.move` on some records, or on none; return its result."""


class Json2:
    """Odoo 19 and later."""

    def __init__(self, source: str, url: str, *, key: str, timeout: float, database: str | None) -> None:
        headers = {"Authorization": f"bearer {key}"}
        if database:
            headers["X-Odoo-Database"] = database
        self.api = WebApi(source, url, key=key, timeout=timeout, headers=headers)

    def call(self, method: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> Any:
        """Call a method with named arguments."""
        body = {**({"ids": list(ids)} if ids else {}), **arguments}
        answer = self.api.call("POST", f"json/2/{MODEL}/{method}", body)
        if answer.status == 200:
            return answer.body
        error = answer.body if isinstance(answer.body, dict) else {}
        raise _refusal(self.api, answer, str(error.get("name", "")), str(error.get("message", "")))


class JsonRpc:
    """Odoo to 21."""

    def __init__(self, source: str, url: str, *, key: str, timeout: float, database: str, user: str) -> None:
        self.api = WebApi(source, url, key=key, timeout=timeout, headers={})
        self._key = key
        self._database = database
        self._user = user
        self._uid: int | None = None

    def call(self, method: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> Any:
        """Call a method with the record ids first and all other arguments by name."""
        if self._uid is None:
            self._uid = self._log_in()
        login = [self._database, self._uid, self._key]
        return self._rpc("object", "execute_kw", [*login, MODEL, method, [list(ids)] if ids else [], dict(arguments)])

    def _log_in(self) -> int:
        uid = self._rpc("common", "authenticate", [self._database, self._user, self._key, {}])
        if not isinstance(uid, int) or isinstance(uid, bool):
            raise SourceNotPermittedError(
                f"The API of source {self.api.source} at {self.api.place} does not let {self._user} in.",
                action="Check api_user, api_database and api_key.",
            )
        return uid

    def _rpc(self, service: str, method: str, arguments: Sequence[Any]) -> Any:
        parameters = {"service": service, "method": method, "args": list(arguments)}
        body = {"jsonrpc": "2.0", "method": "call", "params": parameters, "id": 1}
        answer = self.api.call("POST", "jsonrpc", body)
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise self.api.refusal(answer)
        if "error" in answer.body:  # errors come with the status 200
            data = answer.body["error"].get("data") or {}
            raise _refusal(self.api, answer, str(data.get("name", "")), str(data.get("message", "")))
        return answer.body.get("result")


class Api:
    """Fields of the model account.move, written by Odoo itself."""

    def __init__(self, calls: Calls, fields: Fields) -> None:
        self._calls = calls
        self._fields = fields

    @contextmanager
    def opened(self, key: str) -> Iterator[ApiSlot]:
        """Return a document's fields. Odoo's API has no locks that outlast a call."""
        number = row_id(key)
        if number is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        yield ApiSlot(self._calls, self._fields.names, number)

    def check(self) -> CheckRow:
        """Read the fields of no document: key, rights and fields are tried by that."""
        try:
            _read(self._calls, self._fields.names, 0)
        except ConnectorError as error:
            return failed("write-back", error.message, error.action)
        return ok("write-back", f"through Odoo's API at {self._calls.api.place}")

    def close(self) -> None:
        """Give back connections."""
        self._calls.api.close()


class ApiSlot:
    """Our fields of one document."""

    def __init__(self, calls: Calls, names: tuple[str, ...], number: int) -> None:
        self._calls = calls
        self._names = names
        self._number = number

    def read(self) -> Values:
        """Ask for them."""
        rows = _read(self._calls, self._names, self._number)
        if not rows:
            raise WriteBackRefusedError(
                f"Document {self._number} is not in the ERP any more, or the API's user may not see it.",
                action="Look for it in Odoo, and at the companies of the API's user; it was issued.",
            )
        return {name: plain(rows[0].get(name) or None) for name in self._names}  # an empty text is False

    def write(self, values: Values) -> None:
        """Write them by one call, which is one transaction."""
        self._calls.call("write", [self._number], {"vals": {name: value or False for name, value in values.items()}})


def _read(calls: Calls, names: Sequence[str], number: int) -> Sequence[Mapping[str, Any]]:
    """Search, for reading a record that is gone would be an error of Odoo's."""
    rows = calls.call("search_read", [], {"domain": [["id", "=", number]], "fields": list(names)})
    if not isinstance(rows, list):
        raise SourceUnavailableError(
            f"The API of source {calls.api.source} at {calls.api.place} gives no list of records.",
            action="Check that api_url leads to Odoo.",
        )
    return rows


def _refusal(api: WebApi, answer: Answer, name: str, message: str) -> ConnectorError:
    """Return the error for an exception of Odoo's, by its name."""
    kind = name.rpartition(".")[2]
    what = f"Odoo's API at {api.place} says: {api.told(message) or kind}"
    if kind in _DENIED:
        return SourceNotPermittedError(f"{what}.", action="Check api_key, and the rights of its user on invoices.")
    if kind in {"ValueError", "KeyError"} and "field" in message.lower():
        return SchemaChangedError(
            f"{what}.", action="Make the fields in Odoo (Settings, Technical, Fields), or name others."
        )
    if kind in _REFUSED:
        return WriteBackRefusedError(f"{what}.", action="Look at the document in Odoo; it was issued.")
    return api.refusal(answer, message or kind)
