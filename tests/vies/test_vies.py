"""The register of VAT numbers: a clear no counts, silence stops nothing, and it is not asked more than needed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.job import Status
from connector.steps.case import VatCheck
from connector.vies import PAUSE, Vies
from tests.support.builders import CUSTOMER, OTHER_CUSTOMER, invoice
from tests.support.house import House

GOOD = {"isValid": True, "userError": "VALID"}
BAD = {"isValid": False, "userError": "INVALID"}
BUSY = {"isValid": False, "userError": "MS_MAX_CONCURRENT_REQ"}


class Register:
    """A stand-in for VIES: answers as it was told, and counts."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.status = 200
        self.asked: list[str] = []
        self.drip = False
        register = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                register.asked.append(self.path)
                body = register.answers.get(self.path, GOOD)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(register.status)
                self.end_headers()
                for piece in [data[i : i + 1] for i in range(len(data))] if register.drip else [data]:
                    try:
                        self.wfile.write(piece)
                    except OSError:
                        return
                    if register.drip:
                        time.sleep(0.1)

            @override
            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def register() -> Iterator[Register]:
    register = Register()
    yield register
    register.close()


@pytest.fixture
def vies(register: Register) -> Vies:
    return Vies(register.url + "/", timeout=2)


FRENCH = "/ms/FR/vat/40303265045"


def test_a_number_is_asked_by_its_country_and_the_rest(vies: Vies, register: Register) -> None:
    assert vies.ask("FR40303265045") is True
    assert register.asked == [FRENCH]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (GOOD, True),
        ({"isValid": True}, True),
        (BAD, False),
        ({"isValid": False}, None),
        ({"isValid": False, "userError": "INVALID_INPUT"}, None),
        *[
            ({"isValid": False, "userError": error}, None)
            for error in (
                "MS_UNAVAILABLE",
                "SERVICE_UNAVAILABLE",
                "TIMEOUT",
                "GLOBAL_MAX_CONCURRENT_REQ",
                "IP_BLOCKED",
            )
        ],
        ({"isValid": True, "userError": "MS_UNAVAILABLE"}, None),
        ({"isValid": "yes"}, None),
        ([], None),
        (b"<html>", None),
    ],
)
def test_nothing_but_a_clear_yes_or_no_counts(
    vies: Vies, register: Register, answer: Any, verdict: bool | None
) -> None:
    register.answers[FRENCH] = answer

    assert vies.ask("FR40303265045") is verdict


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_an_error_is_no_answer(vies: Vies, register: Register, status: int) -> None:
    register.status = status

    assert vies.ask("FR40303265045") is None


def test_nobody_there_is_no_answer() -> None:
    assert Vies("http://127.0.0.1:9", timeout=1).ask("FR40303265045") is None


def test_one_byte_after_the_other_ends_with_the_time_out(register: Register) -> None:
    register.drip = True
    began = time.monotonic()

    assert Vies(register.url, timeout=0.4).ask("FR40303265045") is None
    assert time.monotonic() - began < 1.5


def test_a_silent_register_is_left_alone_for_a_while(register: Register) -> None:
    now = [100.0]
    vies = Vies(register.url, timeout=2, clock=lambda: now[0])
    register.status = 503
    assert [vies.ask("FR40303265045"), vies.ask("DE136695976")] == [None, None]
    assert len(register.asked) == 1

    now[0] += PAUSE
    register.status = 200

    assert vies.ask("DE136695976") is True


# ---------------------------------------------------------------- on the way of an invoice


def ask(house: House, register: Register, **changes: Any) -> None:
    """Have an installation look up its customers' numbers."""
    values = {
        "register": Vies(register.url, timeout=2),
        "blocks": True,
        "domestic": False,
        "keep": timedelta(days=30),
    }
    check = VatCheck(**{**values, **changes})
    desk = house.desk
    house.desk = lambda account: replace(desk(account), vat_check=check)  # type: ignore[method-assign]
    house.journey._desk_of = house.desk


def abroad(key: str) -> Any:
    return invoice(key, buyer=OTHER_CUSTOMER)


def test_a_number_that_is_not_registered_holds_the_invoice_and_the_right_one_releases_it(
    house: House, register: Register
) -> None:
    ask(house, register)
    register.answers[FRENCH] = BAD

    house.issue(abroad("1"))

    job = house.job()
    assert (job.status, job.reason) == (Status.HELD, "vat_number_not_registered")
    assert "FR40303265045 of Boulangerie Dupont SARL" in (job.message or "")
    assert house.requests("create_contact") == []
    house.erp.alter("1", silently=True, buyer=replace(OTHER_CUSTOMER, tax_number="FR83404833048"))
    house.discover()
    house.run()
    house.assert_issued("1")


def test_a_register_that_is_silent_stops_nothing_and_the_timeline_says_so(house: House, register: Register) -> None:
    ask(house, register)
    register.answers[FRENCH] = BUSY

    house.issue(abroad("1"))

    house.assert_issued("1")
    assert [event.reason for event in house.timeline() if event.what == "warned"] == ["vat_register_silent"]


def test_where_it_only_warns_the_invoice_goes(house: House, register: Register) -> None:
    ask(house, register, blocks=False)
    register.answers[FRENCH] = BAD

    house.issue(abroad("1"))

    house.assert_issued("1")
    assert [event.reason for event in house.timeline() if event.what == "warned"] == ["vat_number_not_registered"]


def test_a_yes_is_believed_for_its_time_and_a_no_for_an_hour(house: House, register: Register) -> None:
    ask(house, register)
    house.issue(abroad("1"), abroad("2"))
    assert register.asked == [FRENCH]
    house.advance(timedelta(days=31).total_seconds())
    register.answers[FRENCH] = BAD

    house.issue(abroad("3"), abroad("4"))
    assert len(register.asked) == 2
    register.answers[FRENCH] = GOOD
    house.advance(3601)
    house.issue(abroad("5"))

    assert len(register.asked) == 3
    assert house.job("5").status is Status.DONE


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"buyer": replace(CUSTOMER, tax_number="12-3456789", country="US")},
        {"buyer": replace(CUSTOMER, tax_number="CHE-116.281.710 MWST", country="CH")},
    ],
    ids=["at home", "in the United States", "in Switzerland"],
)
def test_others_than_customers_in_other_member_states_are_not_asked_about(
    house: House, register: Register, changes: dict[str, Any]
) -> None:
    ask(house, register)

    house.issue(invoice("1", **changes))

    assert register.asked == []


def test_customers_at_home_are_asked_about_where_the_operator_wants_it(house: House, register: Register) -> None:
    ask(house, register, domestic=True)

    house.issue(invoice("1"))

    assert register.asked == ["/ms/ES/vat/A28015865"]


def test_a_number_of_another_member_state_is_asked_about_there(house: House, register: Register) -> None:
    ask(house, register)

    house.issue(invoice("1", buyer=replace(CUSTOMER, tax_number="PT 501 964 843")))

    house.assert_issued("1")
    assert register.asked == ["/ms/PT/vat/501964843"]


def test_a_number_of_home_is_asked_no_more_because_the_address_is_abroad(house: House, register: Register) -> None:
    ask(house, register)

    house.issue(invoice("1", buyer=replace(OTHER_CUSTOMER, tax_number=CUSTOMER.tax_number)))

    house.assert_issued("1")
    assert register.asked == []


# ---------------------------------------------------------------- settings


def made(**vies: Any) -> Services:
    values: dict[str, Any] = {"accounts": {"main": {"account_id": "1", "api_key": "test_key"}}, "vies": vies}
    return Services(Settings(**values))


def test_it_is_off_by_default_and_wired_by_the_settings() -> None:
    assert made()._vat_check is None

    check = made(unregistered="warn", keep_days=2)._vat_check

    assert check is not None
    assert (check.blocks, check.domestic, check.keep) == (False, False, timedelta(days=2))
