"""Webhooks: what is told, how it is signed, and what can go wrong with it."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from connector.simulator import SimulatorServer, World, notice, plant
from connector.simulator.webhooks import signature
from tests.simulator.client import Api, code

SECRET = "whsec_test"


@dataclass
class Receiver:
    """An address that keeps what it is told."""

    url: str = ""
    told: list[tuple[str, bytes]] = field(default_factory=list)  # signature and body
    status: int = 200

    @property
    def states(self) -> list[str]:
        return [json.loads(body)["data"]["state"] for _, body in self.told]

    @property
    def event_ids(self) -> list[int]:
        return [json.loads(body)["data"]["event_id"] for _, body in self.told]


@pytest.fixture
def receiver(world: World) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.told.append((self.headers["X-B2Brouter-Signature"], body))
            self.send_response(found.status)
            self.end_headers()

        @override
        def log_request(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    plant(world, {"web_hooks": [{"url": found.url, "secret": SECRET}]})
    yield found
    server.shutdown()
    server.server_close()


def happen(simulator: SimulatorServer, seconds: float = 0) -> None:
    """Let time pass and all events arrive."""
    simulator.world.advance(seconds)
    assert simulator.wait_for_webhooks()


def test_the_signature_is_that_of_the_vendors_test_vector() -> None:
    expected = "6827743ac0cabb78ceaeaa2e6707fedfda853a1fab38f4bc4c2d72e0fd266515"
    assert signature(SECRET, 1732530076, b'{"a":1}') == f"t=1732530076,s={expected}"


def test_each_change_of_state_is_told_once_in_order(simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
    invoice = api.invoice()
    api.send(invoice["id"])
    happen(simulator, 60)
    assert receiver.states == ["sending", "sent", "registered"]
    assert len(set(receiver.event_ids)) == 3
    body = json.loads(receiver.told[0][1])
    assert body["code"] == "issued_invoice.state_change"
    assert body["data"]["invoice_id"] == invoice["id"]
    assert "account" not in body["data"]


def test_the_raw_body_is_signed_with_the_time_of_sending(
    simulator: SimulatorServer, api: Api, receiver: Receiver
) -> None:
    api.send(api.invoice()["id"])
    happen(simulator)
    header, body = receiver.told[0]
    stamp, _, digest = header.removeprefix("t=").partition(",s=")
    assert int(stamp) == int(simulator.world.clock.now().timestamp())
    assert digest == hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def test_notes_say_why(simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
    notice(simulator.world, api.invoice()["id"], "refused", "Wrong order number")
    happen(simulator)
    assert json.loads(receiver.told[0][1])["data"]["notes"] == "Wrong order number"


def test_creation_and_received_documents_are_not_told(
    simulator: SimulatorServer, api: Api, receiver: Receiver
) -> None:
    api.invoice()
    plant(simulator.world, {"invoices": [{"number": "R-1", "type": "ReceivedInvoice", "state": "paid"}]})
    happen(simulator)
    assert receiver.told == []


def test_tax_reports_are_told_too(simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
    settings = {"verifactu": {"code": "verifactu"}}
    plant(simulator.world, {"accounts": [{"id": 1, "tax_report_settings": settings}]})
    api.send(api.invoice()["id"])
    happen(simulator, 60)
    bodies = [json.loads(body) for _, body in receiver.told]
    [report] = [body for body in bodies if body["code"] == "tax_report.state_change"]
    assert (report["data"]["state"], report["id"]) == ("registered", report["data"]["event_id"])


def test_an_event_that_was_not_received_comes_again_and_is_given_up(
    simulator: SimulatorServer, api: Api, receiver: Receiver
) -> None:
    receiver.status = 500
    notice(simulator.world, api.invoice()["id"], "paid")
    happen(simulator)
    for _ in range(5):
        happen(simulator, simulator.world.switches.webhook_retry_seconds)
    assert receiver.states == ["paid"] * 4
    assert len(set(receiver.event_ids)) == 1
    assert [delivery.attempt for delivery in simulator.postman.deliveries] == [1, 2, 3, 4]


def test_an_address_that_does_not_answer_is_noted(simulator: SimulatorServer, api: Api) -> None:
    plant(simulator.world, {"web_hooks": [{"url": "http://127.0.0.1:9/", "secret": SECRET}]})
    notice(simulator.world, api.invoice()["id"], "paid")
    happen(simulator)
    [delivery] = simulator.postman.deliveries
    assert "ConnectionRefusedError" in str(delivery.answer)


class TestFaults:
    def test_dropped(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_drop")
        api.send(api.invoice()["id"])
        happen(simulator, 60)
        assert receiver.states == ["sent", "registered"]

    def test_doubled(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_duplicate")
        notice(simulator.world, api.invoice()["id"], "paid")
        happen(simulator)
        assert receiver.states == ["paid", "paid"]
        assert len(set(receiver.event_ids)) == 1

    def test_delayed(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_delay", seconds=30)
        notice(simulator.world, api.invoice()["id"], "paid")
        happen(simulator, 29)
        assert receiver.states == []
        happen(simulator, 1)
        assert receiver.states == ["paid"]

    def test_out_of_order(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_reorder")
        invoice = api.invoice()
        for state in ("sent", "registered"):
            notice(simulator.world, invoice["id"], state)
        happen(simulator)
        assert receiver.states == ["registered", "sent"]

    def test_out_of_order_without_a_successor_it_goes_after_a_while(
        self, simulator: SimulatorServer, api: Api, receiver: Receiver
    ) -> None:
        simulator.world.faults.add("webhook_reorder")
        notice(simulator.world, api.invoice()["id"], "paid")
        happen(simulator, 2)
        assert receiver.states == ["paid"]

    def test_badly_signed(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_bad_signature")
        notice(simulator.world, api.invoice()["id"], "paid")
        happen(simulator)
        header, body = receiver.told[0]
        stamp = int(header.removeprefix("t=").partition(",")[0])
        assert header != signature(SECRET, stamp, body)

    def test_before_the_answer_that_it_belongs_to(
        self, simulator: SimulatorServer, api: Api, receiver: Receiver
    ) -> None:
        api.customer()
        simulator.world.faults.add("webhook_early")
        simulator.world.faults.add("hang_after", operation="create_invoice", seconds=0.2)
        answers: list[Any] = []
        sending: dict[str, Any] = {"beside": {"send_after_import": True}, "contact_id": api.customer()}
        client = Thread(target=lambda: answers.append(api.add_invoice("F-1", **sending)))
        client.start()
        while not receiver.told:
            assert client.is_alive(), "the answer came first"
        assert answers == []
        client.join()
        assert json.loads(receiver.told[0][1])["data"]["invoice_id"] == answers[0].json()["invoice"]["id"]

    def test_a_rule_may_be_about_one_invoice(self, simulator: SimulatorServer, api: Api, receiver: Receiver) -> None:
        simulator.world.faults.add("webhook_drop", number="F-2", times=None)
        for number in ("F-1", "F-2"):
            notice(simulator.world, api.invoice(number)["id"], "paid")
        happen(simulator)
        assert len(receiver.told) == 1


class TestSubscribing:
    def test_the_secret_is_told_once_and_signs_from_then_on(
        self, simulator: SimulatorServer, api: Api, receiver: Receiver
    ) -> None:
        body = {"web_hook": {"url": receiver.url, "events": ["issued_invoice.state_change"], "enabled": True}}
        answer = api.post("/web_hooks", body)
        secret = answer.json()["web_hook"]["signing_secret"]
        assert answer.status_code == 201
        notice(simulator.world, api.invoice()["id"], "paid")
        happen(simulator)
        signatures = {header for header, _ in receiver.told}
        stamp = int(simulator.world.clock.now().timestamp())
        assert signature(secret, stamp, receiver.told[0][1]) in signatures

    def test_events_and_address_are_checked(self, api: Api) -> None:
        assert code(api.post("/web_hooks", {"web_hook": {"events": []}})) == (422, "parameter_blank")
        wrong = {"web_hook": {"url": "http://127.0.0.1:9/", "events": ["invoice.created"]}}
        assert code(api.post("/web_hooks", wrong)) == (422, "parameter_inclusion")
