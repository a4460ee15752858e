"""An installation whose webhooks arrive at a real receiver, when the test lets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.domain.notice import notice
from connector.simulator import notice as network_says
from tests.support.builders import invoice
from tests.support.house import ACCOUNT, House, Opener


class Delivery:
    """What B2Brouter tells of the documents of a house, by hand and out of order if the test wants it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._event = 0

    def tell(
        self,
        reference: str,
        state: str,
        *,
        ago: float = 0,
        event: int | None = None,
        address: str = ACCOUNT,
        **data: Any,
    ) -> bool:
        """Have an event arrive, at an account's address, that was made so many seconds ago; return if it was new."""
        self._event = self._event + 1 if event is None else event
        at = int(self.house.clock.now().timestamp() - ago)
        told = {"invoice_id": int(reference), "event_id": self._event, "state": state, **data}
        body = json.dumps({"code": "issued_invoice.state_change", "triggered_at": at, "data": told}).encode()
        return self.house.ledger.inbox.put(address, notice(body))

    def happens(self, reference: str, state: str, note: str | None = None, code: str | None = None) -> None:
        """Have the network report a state; nobody is told."""
        network_says(self.house.world, int(reference), state, note, code)


@pytest.fixture
def sent(open_house: Opener) -> House:
    """A house with one document that was just sent and stands in the ERP."""
    house = open_house()
    house.stamp()
    house.issue(invoice("1"))
    house.forget_requests()
    return house


@pytest.fixture
def delivery(sent: House) -> Delivery:
    return Delivery(sent)
