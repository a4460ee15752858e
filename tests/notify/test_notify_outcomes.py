"""How documents fare after sending: what the network refuses is told once, what it registers is not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from connector.domain.alarms import Audience
from connector.domain.job import Status
from connector.notify.notifier import Notifier
from connector.notify.recipients import Recipient
from connector.notify.texts import Message, Writer
from connector.simulator import notice as network_says
from tests.support.builders import invoice
from tests.support.house import House, Opener

EIGHT = datetime(2026, 1, 16, 8, 0, tzinfo=UTC)


@pytest.fixture
def sent(open_house: Opener) -> House:
    house = open_house()
    house.stamp()
    house.issue(invoice("1", number="GLN-1"))
    return house


def told(house: House, days: int = 14) -> list[Message]:
    """What accounting is told in so many days."""
    messages: list[Message] = []

    def keep(address: str, message: Message) -> bool:
        messages.append(message)
        return True

    accounting = Recipient(
        name="accounting",
        address=lambda: "",
        audiences=frozenset({Audience.ACCOUNTANTS}),
        language="en",
        zone=ZoneInfo("UTC"),
        digest_times=[time(8)],
        digest_days=frozenset(range(7)),
    )
    notifier = Notifier(
        house.ledger,
        clock=house.clock,
        recipients=[accounting],
        writer=Writer(environment="sandbox", console=None),
        accounts_of={},
        repeat=timedelta(hours=4),
        remind=timedelta(days=365),
        send=keep,
    )
    notifier.tell()
    for day in range(days):
        wait = EIGHT + timedelta(days=day) - house.clock.now()
        house.advance(wait.total_seconds())
        house.follow()
        notifier.tell()
    return messages


def test_a_registered_document_is_nobodys_news(sent: House) -> None:
    assert told(sent) == []
    assert (sent.job().remote_state, sent.job().status, sent.job().reason) == ("registered", Status.DONE, None)


@pytest.mark.parametrize("state", ["refused", "error"])
def test_a_refused_document_is_told_once_with_the_reason(sent: House, state: str) -> None:
    sent.advance(300)
    sent.follow()
    assert sent.job().remote_state == "registered"
    network_says(sent.world, int(sent.job().reference or ""), state, "Receiver not found", "B2")

    [message] = told(sent)

    assert sent.job().status is Status.DONE
    assert message.subject == "[TEST sandbox] Needs a person: 1 invoice, 121.00 EUR"
    assert "Receiver not found" in message.text
    assert "Invoices: GLN-1" in message.text
    assert "What to do: " in message.text
