"""The calls about recipients: contacts, and the directory that knows how invoices reach somebody."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from connector.b2brouter import answers, payloads
from connector.b2brouter.account import AccountCalls, segment
from connector.b2brouter.outcome import Operation
from connector.b2brouter.transport import Call
from connector.domain.channels import ways_beside
from connector.domain.errors import MisconfiguredError, NotSentError, RefusedError
from connector.domain.invoice import Party
from connector.domain.recipient import Delivery, Unit
from connector.ports import RemoteContact

_ACCEPTED: Final = 202
_DIRECTORY_PAUSES: Final = (0.0, 0.4, 0.8, 1.2, 1.6)
"""Seconds before each question to the directory; one client saw answers after some 5 s (API reference 6.1)."""
_DIRECTORY_SECONDS: Final = 5.0
"""Longest single question to it: nobody's invoice waits long for what can be asked again later."""


class ContactCalls(AccountCalls):
    """The contacts of one account."""

    _transports_on: frozenset[str] = frozenset()  # as far as the account has said so

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
            path=f"/contacts/{segment(contact_id)}",
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
            RefusedError: `remote_missing` where it does not exist; `contact_taken` where another one has the number.
        """
        call = Call(
            operation=Operation.UPDATE_CONTACT,
            method="PUT",
            path=f"/contacts/{segment(contact_id)}",
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
            path="/directory/" + "/".join(map(segment, pieces)),
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
