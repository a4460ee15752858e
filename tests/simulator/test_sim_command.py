"""The simulator in the foreground: its options, and the line that each request leaves."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.simulator import UnknownSwitchError
from connector.simulator.main import serve
from tests.simulator.client import HEADERS, Api, connect
from tests.simulator.test_sim_state_file import await_answers
from tests.support.ports import own_port

PROGRAM = "import json, sys; from connector.simulator.main import serve; serve(**json.loads(sys.argv[1]))"
ROOT = Path(__file__).parents[2]


@contextmanager
def command(**options: Any) -> Iterator[tuple[subprocess.Popen[str], Api]]:
    port = own_port()
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps({"port": port} | options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        await_answers(port)
        headers = HEADERS | {"X-B2B-API-Key": options.get("api_key", "test_key")}
        with connect(f"http://127.0.0.1:{port}", headers=headers) as http:
            yield running, Api(http)
    finally:
        running.kill()
        running.communicate()


def test_each_request_leaves_a_line_at_once_and_a_signal_ends_it_quietly() -> None:
    with command() as (running, api):
        assert running.stdout is not None
        assert "http://127.0.0.1:" in running.stdout.readline()
        api.invoice("F-1")
        api.add_invoice("F-1")
        lines = [running.stdout.readline() for _ in range(6)]
        assert "GET    /accounts 200" in lines[0]
        assert "POST   /accounts/1/invoices 201 F-1" in lines[3]
        assert "POST   /accounts/1/invoices 422 F-1 parameter_taken" in lines[5]
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=10)
        assert (running.returncode, errors) == (0, "")


def test_shares_of_faults_are_in_force() -> None:
    with command(drop_after=0.2, drop_before=0.1, error_503=0.1, error_429=0.1, seed=3) as (_, api):
        faults = api.get("/_simulator/faults").json()["faults"]
        shares = {rule["kind"]: (rule["method"], rule["probability"], rule["times"]) for rule in faults}
        assert shares == {
            "drop_after": ("POST", 0.2, None),
            "drop_before": ("POST", 0.1, None),
            "unavailable_before": (None, 0.1, None),
            "rate_limit": (None, 0.1, None),
        }


def test_account_key_switches_faults_and_webhook_are_taken_over() -> None:
    options = {
        "api_key": "my_key",
        "accounts": [{"id": 1, "name": "My Company", "tin_value": "ESB00000000"}],
        "number_guard": False,
        "latency": 0.01,
        "speed": 5,
        "switches": {"number_filter": "prefix"},
        "faults": [{"kind": "html", "operation": "read_account"}],
        "webhook_url": "http://127.0.0.1:9/",
    }
    with command(**options) as (_, api):
        assert api.get("/accounts/1").headers["content-type"] == "text/html"
        assert api.get("/accounts/1").json()["account"]["name"] == "My Company"
        switches = api.get("/_simulator/switches").json()["switches"]
        chosen = {name: switches[name] for name in ("number_guard", "latency", "speed", "number_filter")}
        assert chosen == {"number_guard": False, "latency": 0.01, "speed": 5, "number_filter": "prefix"}


def test_the_key_sees_the_accounts_that_are_added() -> None:
    added = [{"id": 12, "name": "Twelve"}, {"name": "Numbered here"}]
    with command(api_key="my_key", accounts=added) as (_, api):
        names = [account["name"] for account in api.get("/accounts").json()["accounts"]]
        assert {"Twelve", "Numbered here"} < set(names)
        assert len(names) == 4
        assert api.get("/accounts/12").json()["account"]["name"] == "Twelve"


def test_the_key_sees_accounts_that_are_added_to_what_a_file_holds(tmp_path: Path) -> None:
    kept = {"state_file": str(tmp_path / "state.db")}
    with command(**kept) as (_, api):
        assert api.get("/accounts/12").status_code == 404
    with command(**kept, accounts=[{"id": 12, "name": "Twelve"}]) as (_, api):
        assert api.get("/accounts/12").status_code == 200
    with command(**kept) as (_, api):
        assert api.get("/accounts/12").status_code == 200


def test_an_option_that_makes_no_sense_is_refused_before_serving() -> None:
    with pytest.raises(UnknownSwitchError):
        serve(port=0, switches={"colour": "red"})


def test_a_port_that_is_taken_is_an_error() -> None:
    with command() as (_, api), pytest.raises(OSError, match="in use"):
        serve(port=int(str(api.http.base_url.port)), quiet=True)
