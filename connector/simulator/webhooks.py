"""Telling the outside of changes: signed, in order, again when not received, and wrong on request.

Form and signature: the vendor's guide to webhooks. Whether and when the real service repeats an
event is not known; here the switches say.
"""

import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Queue
from secrets import token_hex
from threading import Condition, Thread
from typing import Any, Final
from urllib.parse import urlsplit

from connector.simulator.calls import Answer, Call, single
from connector.simulator.documents import Event, WebHook
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.problems import blank, not_allowed
from connector.simulator.world import World

SIGNATURE_HEADER: Final = "X-B2Brouter-Signature"
EVENT_CODES: Final = ("issued_invoice.state_change", "tax_report.state_change")
_KEPT: Final = 100_000  # deliveries
_TIMEOUT: Final = 10.0  # seconds that a receiver has
_REORDER_WAIT: Final = 2.0  # seconds after which an event that waits for a later one goes all the same


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to tell one address; `answer` is its status, or what went wrong."""

    at: datetime
    event_id: int
    url: str
    body: str
    attempt: int
    answer: int | str
    fault: str | None = None

    @property
    def received(self) -> bool:
        return isinstance(self.answer, int) and 200 <= self.answer < 300


@dataclass(frozen=True, slots=True)
class _Letter:
    hook: WebHook
    event: Event
    attempt: int = 1
    fault: str | None = None


def signature(secret: str, stamp: int, body: bytes) -> str:
    """The header's value: HMAC-SHA256 with the secret over `stamp.body`, in lower-case hex."""
    message = f"{stamp}.".encode() + body
    return f"t={stamp},s={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def create_web_hook(call: Call) -> Answer:
    """Subscribe an address; the secret is told this once."""
    values, world = call.wrapped("web_hook", "events"), call.world
    if not values.get("url"):
        raise blank("url")
    events = values.get("events") or list(EVENT_CODES[:1])
    if not isinstance(events, list) or not set(events) <= set(EVENT_CODES):
        raise not_allowed("events")
    hook = WebHook(
        world.next_id("web_hook"),
        str(values["url"]),
        f"whsec_{token_hex(16)}",
        set(call.key.accounts),
        events,
        bool(values.get("enabled", True)),
        values.get("description"),
    )
    world.add_hook(hook)
    view = {
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "enabled": hook.enabled,
        "description": hook.description,
        "signing_secret": hook.secret,
    }
    return single(call, "web_hook", view, 201)


class Postman:
    """Delivers events, one after the other, from a thread of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._letters: Queue[_Letter | None] = Queue()
        self._held: deque[_Letter] = deque()  # waiting for a later event to pass
        self._quiet = Condition()
        self._open = 0
        self._thread: Thread | None = None
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT)
        world.publish = self.publish

    def start(self) -> None:
        self._thread = Thread(target=self._work, name="simulator-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._letters.put(None)
            self._thread.join(timeout=1)
            self._thread = None

    def wait_idle(self, seconds: float = 10.0) -> bool:
        """Wait until everything handed over so far has been delivered or given up."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._open == 0, seconds)

    # --------------------------------------------------------------- handing over

    def publish(self, event: Event) -> None:
        """Send an event to everybody who wants it, as the faults in force will have it."""
        hooks = [hook for hook in self._world.hooks.values() if _wants(hook, event)]
        if not hooks:
            return
        fault = self._world.faults.strike("POST", "", event.code, self._number(event), webhook=True)
        for hook in hooks:
            self._dispatch(_Letter(hook, event, fault=fault.kind if fault else None), fault)

    def _dispatch(self, letter: _Letter, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind is FaultKind.WEBHOOK_DROP:
            self._note(letter, "dropped")
        elif fault is not None and kind is FaultKind.WEBHOOK_DELAY:
            self._world.after(fault.seconds, lambda: self._hand_over(letter))
        elif kind is FaultKind.WEBHOOK_REORDER:
            self._held.append(letter)
            self._world.after(_REORDER_WAIT, self._release)
        else:
            self._hand_over(letter)
            if kind is FaultKind.WEBHOOK_DUPLICATE:
                self._hand_over(letter)
            self._release()

    def _release(self) -> None:
        while self._held:
            self._hand_over(self._held.popleft())

    def _hand_over(self, letter: _Letter) -> None:
        with self._quiet:
            self._open += 1
        self._letters.put(letter)

    def _number(self, event: Event) -> str | None:
        invoice = self._world.invoices.get(event.subject_id)
        return invoice.number if invoice is not None else None

    # ------------------------------------------------------------------ delivering

    def _work(self) -> None:
        while True:
            letter = self._letters.get()
            if letter is None:
                return
            try:
                self._deliver(letter)
            finally:
                with self._quiet:
                    self._open -= 1
                    self._quiet.notify_all()

    def _deliver(self, letter: _Letter) -> None:
        delivery = self._note(letter, self._post(letter))
        switches = self._world.switches
        if not delivery.received and letter.attempt <= switches.webhook_retries:
            again = _Letter(letter.hook, letter.event, letter.attempt + 1, letter.fault)
            self._world.after(switches.webhook_retry_seconds, lambda: self._hand_over(again))

    def _post(self, letter: _Letter) -> int | str:
        body = self._body(letter.event).encode()
        secret = letter.hook.secret + ("-wrong" if letter.fault == FaultKind.WEBHOOK_BAD_SIGNATURE else "")
        stamp = int(self._world.clock.signing_time().timestamp())
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature(secret, stamp, body)}
        url = urlsplit(letter.hook.url)
        connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = connect(url.hostname or "", url.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", url.path + (f"?{url.query}" if url.query else ""), body, headers)
            return connection.getresponse().status
        except (OSError, HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def _body(self, event: Event) -> str:
        reports = event.code == "tax_report.state_change"
        data: dict[str, Any] = {
            "tax_report_id" if reports else "invoice_id": event.subject_id,
            "event_id": event.id,
            "state": event.state,
            "notes": event.notes,
        }
        body = {"code": event.code, "triggered_at": int(event.triggered_at.timestamp()), "data": data}
        if reports:
            body["id"] = event.id
            data["object"] = {"id": event.subject_id, "state": event.state}
        return json.dumps(body, separators=(",", ":"))

    def _note(self, letter: _Letter, answer: int | str) -> Delivery:
        delivery = Delivery(
            self._world.clock.now(),
            letter.event.id,
            letter.hook.url,
            self._body(letter.event),
            letter.attempt,
            answer,
            letter.fault,
        )
        self.deliveries.append(delivery)
        return delivery


def _wants(hook: WebHook, event: Event) -> bool:
    return hook.enabled and event.account_id in hook.accounts and event.code in hook.events
