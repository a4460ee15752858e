"""Writes extra fields of invoices through Dolibarr's REST API, which runs triggers and permissions.

`PUT /invoices/{id}` stores all extra fields anew, and older versions empty those that are not named: so all of them
are read first and sent back with ours, as the form of an invoice does. `tms` may move, so that discovery sees the
document once more and finds it unchanged. Dolibarr works for one company at a time, by default that of the key's
user: each call names the document's.
Source: `htdocs/compta/facture/class/api_invoices.class.php` and `CommonObject::insertExtraFields` of Dolibarr.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from connector.adapters.checks import failed, ok
from connector.adapters.database import plain
from connector.adapters.rows import BIG_INTEGER, row_id
from connector.adapters.web_api import Answer, WebApi
from connector.adapters.writeback import Fields
from connector.adapters.writeback.rules import Values
from connector.domain.errors import ConnectorError, WriteBackRefusedError
from connector.ports import CheckRow

_PREFIX: Final = "options_"
"""What the API puts before the codes of extra fields."""
_ENTITY: Final = "DOLAPIENTITY"
"""Header that names the company for which Dolibarr answers."""


class Api:
    """Extra fields of invoices, written by Dolibarr itself."""

    def __init__(self, api: WebApi, fields: Fields, *, entity_of: Callable[[int], int | None]) -> None:
        """Write by `api`; `entity_of` tells the company of a document, None where there is no such document."""
        self._api = api
        self._fields = fields
        self._entity_of = entity_of

    @contextmanager
    def opened(self, key: str) -> Iterator[ApiSlot]:
        """Return a document's fields. Dolibarr's API has no locks that outlast a call."""
        number = row_id(key, BIG_INTEGER)
        if number is None:
            raise WriteBackRefusedError(f"There is no document {key} in the ERP.")
        yield ApiSlot(self._api, self._fields.names, number, self._entity_of(number))

    def check(self) -> CheckRow:
        """Ask for the version: address and key are tried by that."""
        try:
            answer = self._api.call("GET", "status")
            if answer.status != 200:
                raise _refusal(self._api, answer)
        except ConnectorError as error:
            return failed("write-back", error.message, error.action)
        success = answer.body.get("success") if isinstance(answer.body, dict) else None
        version = success.get("dolibarr_version") if isinstance(success, dict) else None
        return ok(
            "write-back", f"through the API of Dolibarr {version or ''} at {self._api.place}".replace("  ", " ")
        )

    def close(self) -> None:
        """Give back connections."""
        self._api.close()


class ApiSlot:
    """Our fields of one document, among all its extra fields."""

    def __init__(self, api: WebApi, names: tuple[str, ...], number: int, entity: int | None) -> None:
        self._api = api
        self._names = names
        self._number = number
        self._headers = {} if entity is None else {_ENTITY: str(entity)}
        self._every: dict[str, Any] = {}  # as the last read found them

    def read(self) -> Values:
        """Ask for the document."""
        document = self._called("GET")
        fields = document.get("array_options")
        self._every = dict(fields) if isinstance(fields, dict) else {}  # PHP's empty one is a list
        return {name: plain(self._every.get(_PREFIX + name)) for name in self._names}

    def write(self, values: Values) -> None:
        """Send all extra fields with ours."""
        ours = {_PREFIX + name: value or "" for name, value in values.items()}
        self._called("PUT", {"array_options": {**self._every, **ours}})

    def _called(self, method: str, body: Any = None) -> Mapping[str, Any]:
        answer = self._api.call(method, f"invoices/{self._number}", body, headers=self._headers)
        if answer.status == 404 and "invoice" in _said(answer).lower():
            raise WriteBackRefusedError(
                f"Document {self._number} is not in the ERP any more: {self._api.told(_said(answer))}.",
                action="Look for it in Dolibarr; it was issued.",
            )
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise _refusal(self._api, answer)
        return answer.body


def _said(answer: Answer) -> str:
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _refusal(api: WebApi, answer: Answer) -> ConnectorError:
    return api.refusal(answer, _said(answer))
