"""The state file: a killed simulator comes back with everything that it had confirmed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest

from connector.simulator import ManualClock, SimulatorServer, audit
from tests.simulator.client import HEADERS, Api, connect
from tests.support.ports import own_port

PROGRAM = """
import sys
from connector.simulator.main import serve
serve(port=int(sys.argv[1]), state_file=sys.argv[2])
"""
ROOT = Path(__file__).parents[2]


@contextmanager
def process(port: int, state_file: Path) -> Iterator[subprocess.Popen[str]]:
    """A simulator in a process of its own, to be killed."""
    command = [sys.executable, "-c", PROGRAM, str(port), str(state_file)]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        await_answers(port)
        yield running
    finally:
        running.kill()
        running.communicate()


def await_answers(port: int) -> None:
    limit = monotonic() + 20
    while monotonic() < limit:
        try:
            httpx.get(f"http://127.0.0.1:{port}/accounts", headers=HEADERS)
        except httpx.ConnectError:
            sleep(0.02)
        else:
            return
    raise AssertionError("the simulator did not start")


@contextmanager
def client(port: int) -> Iterator[Api]:
    with connect(f"http://127.0.0.1:{port}", 5) as http:
        yield Api(http)


def test_after_kill_9_documents_and_journal_are_there(tmp_path: Path) -> None:
    port, state_file = own_port(), tmp_path / "state.db"
    with process(port, state_file) as running, client(port) as api:
        first = api.invoice("F-1")
        api.send(first["id"])
        api.post("/_simulator/faults", {"kind": "drop_after", "operation": "create_invoice"})
        with pytest.raises(httpx.RemoteProtocolError):
            api.add_invoice("F-2")  # its answer was lost, its document was not
        running.send_signal(signal.SIGKILL)
        running.wait()
    with process(port, state_file), client(port) as api:
        assert api.numbers() == ["F-2", "F-1"]
        assert api.add_invoice("F-1").status_code == 422
        assert api.invoice("F-3")["id"] == first["id"] + 2
        entries = api.get("/_simulator/journal").json()["entries"]
        effects = [effect for entry in entries for effect in entry["effects"]]
        created = [effect["number"] for effect in effects if effect["kind"] == "invoice"]
        assert sorted(set(created)) == ["F-1", "F-2", "F-3"]
        assert [entry["fault"] for entry in entries if entry["number"] == "F-2"] == ["drop_after"]


def test_what_was_on_its_way_goes_on(tmp_path: Path) -> None:
    clock, state_file = ManualClock(), tmp_path / "state.db"
    with SimulatorServer(clock=clock, state_file=state_file) as server:
        with connect(server.base_url) as http:
            invoice_id = Api(http).invoice("F-1", beside={"send_after_import": True})["id"]
        server.world.advance(2)
    with SimulatorServer(clock=clock, state_file=state_file) as server:
        assert server.world.invoices[invoice_id].state == "sent"
        server.world.advance(3)
        assert server.world.invoices[invoice_id].state == "registered"
        assert server.world.invoices[invoice_id].steps == []


def test_every_kind_of_document_comes_back_equal(tmp_path: Path) -> None:
    state_file = tmp_path / "state.db"
    with SimulatorServer(clock=ManualClock(), state_file=state_file) as server:
        with connect(server.base_url) as http:
            api = Api(http)
            api.post("/accounts/1/tax_report_settings", {"tax_report_setting": {"code": "verifactu"}})
            api.post("/web_hooks", {"web_hook": {"url": "http://127.0.0.1:9/"}})
            entry = {"allowance_charge_indicator": "allowance", "percentage": 10}
            kept = api.invoice("F-1", allowance_charges_attributes=[entry], file_reference="X-1")
            http.post(f"/invoices/{kept['id']}/add_attachment", content=b"\x00", params={"filename": "a"})
            api.send(kept["id"])
            gone = api.invoice("F-2")
            api.delete(f"/invoices/{gone['id']}")
        before = server.world
        found = audit(before)
    with SimulatorServer(clock=ManualClock(), state_file=state_file) as server:
        after = server.world
        for kind in (
            "accounts",
            "keys",
            "contacts",
            "invoices",
            "deleted_invoices",
            "tax_reports",
            "hooks",
            "directory",
        ):
            assert getattr(after, kind) == getattr(before, kind), kind
        assert list(after.journal) == list(before.journal)
        assert audit(after) == found


def test_a_reset_clears_the_file_too(tmp_path: Path) -> None:
    state_file = tmp_path / "state.db"
    with SimulatorServer(state_file=state_file) as server:
        with connect(server.base_url) as http:
            Api(http).invoice("F-1")
        server.reset()
    with SimulatorServer(state_file=state_file) as server:
        assert server.world.invoices == {}
        assert set(server.world.accounts) == {1, 2}
