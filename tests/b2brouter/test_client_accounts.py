"""What is read of an account beside its own fields, in the forms in which it may come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from connector.b2brouter import answers
from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.exactjson import UnreadableError
from connector.b2brouter.transport import Transport
from connector.domain.errors import MisconfiguredError, NotSentError
from connector.simulator import SimulatorServer
from tests.support.clock import FakeClock
from tests.support.house import emptied


@pytest.fixture
def client(simulator: SimulatorServer) -> Iterator[B2BrouterClient]:
    emptied(simulator, FakeClock())
    transport = Transport(simulator.base_url, api_key="test_key", api_version="2026-03-02", sleep=lambda _: None)
    yield B2BrouterClient(account_id="2", environment="simulator", transport=transport, api_version="2026-03-02")
    transport.close()


def test_enabled_transports_are_read(client: B2BrouterClient, simulator: SimulatorServer) -> None:
    assert client.read_transports() == frozenset({"peppol", "fr.chorus"})
    simulator.world.accounts[2].transports["fr.chorus"]["enabled"] = False
    assert client.read_transports() == frozenset({"peppol"})


def test_report_settings_are_read(client: B2BrouterClient, simulator: SimulatorServer) -> None:
    assert client.read_report_settings() == []
    simulator.world.accounts[2].tax_report_settings["dgfip"] = {"code": "DGFiP", "start_date": "2026-09-01"}
    [setting] = client.read_report_settings() or []
    assert (setting.code, setting.start_date, setting.enabled) == ("dgfip", date(2026, 9, 1), True)


@pytest.mark.parametrize("answer", ["missing", "forbidden"])
def test_a_plan_without_them_is_none(client: B2BrouterClient, simulator: SimulatorServer, answer: str) -> None:
    simulator.world.switches.set({"account_extras": answer})
    assert client.read_transports() is None
    assert client.read_report_settings() is None


def test_a_failure_is_not_the_same_as_nothing_offered(client: B2BrouterClient, simulator: SimulatorServer) -> None:
    simulator.world.faults.add("error_before", operation="list_transports", status=500, times=None)
    with pytest.raises(NotSentError):
        client.read_transports()
    simulator.world.faults.clear()
    simulator.world.faults.add("unauthorized", operation="list_transports", times=None)
    with pytest.raises(MisconfiguredError):
        client.read_transports()


def test_the_use_of_the_plan_may_be_said_or_not() -> None:
    said = answers.account({"account": {"id": 1, "transactions_count": "80", "transactions_limit": 100}})
    assert (said.transactions_count, said.transactions_limit, said.archived) == (80, 100, False)
    silent = answers.account({"id": 1, "transactions_limit": None, "archived": True})
    assert (silent.transactions_count, silent.transactions_limit, silent.archived) == (None, None, True)


def test_an_entry_without_code_makes_the_list_unreadable() -> None:
    with pytest.raises(UnreadableError):
        answers.transport({"enabled": True})
    with pytest.raises(UnreadableError):
        answers.report_setting({"code": "dgfip", "start_date": "soon"})
