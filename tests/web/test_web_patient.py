"""The web of the daemon: it waits for its port, and begins anew where it ended by itself."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from uvicorn import Server

from config.settings import Settings
from connector.bootstrap import Services
from connector.web import app as application
from connector.web import server
from connector.web.server import PatientWeb
from tests.e2e.installation import until
from tests.support.ports import own_port
from tests.web.conftest import configuration


@pytest.fixture
def services(embedded_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(server, "_PORT_PAUSE", 0.1)
    services = Services(Settings(**{**configuration(embedded_url), "web": {"port": own_port()}}))
    services.open_ledger()
    yield services
    services.close()


def answers(services: Services) -> bool:
    with suppress(httpx.HTTPError):
        address = f"http://127.0.0.1:{services.settings.web.port}/health/live"
        return httpx.get(address, timeout=2, trust_env=False).status_code == 200
    return False


@pytest.mark.parametrize("end", [RuntimeError("no further thread"), SystemExit(3)], ids=["an error", "an end"])
def test_a_web_that_could_not_begin_is_begun_anew(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, end: BaseException
) -> None:
    make_app, ends = application.make_app, [end]

    def made(of: Services) -> object:
        if ends:
            raise ends.pop()
        return make_app(of)

    monkeypatch.setattr(application, "make_app", made)
    web = PatientWeb(services)
    web.start()
    until(lambda: answers(services), within=30, what="the web does not answer")
    web.stop()

    assert "the web does not answer any more" in caplog.text
    assert "begins anew" in caplog.text
    assert not answers(services)


def test_a_web_that_ended_while_it_served_is_begun_anew(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    serving: list[Server] = []
    run = Server.run

    def noted(one: Server, sockets: list[socket.socket] | None = None) -> None:
        serving.append(one)
        run(one, sockets=sockets)

    monkeypatch.setattr(Server, "run", noted)
    web = PatientWeb(services)
    web.start()
    until(lambda: answers(services), within=30, what="the web does not answer")
    serving[0].should_exit = True
    until(lambda: len(serving) == 2 and answers(services), within=30, what="it was not begun anew")
    web.stop()

    assert "begins anew" in caplog.text


def test_one_that_is_told_to_end_while_its_port_is_taken_ends(services: Services) -> None:
    with socket.create_server(("127.0.0.1", services.settings.web.port)):
        web = PatientWeb(services)
        web.start()
        web.stop()
    assert not answers(services)
