"""The web as a process, and within the daemon's."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request

import pytest

from tests.cli.shop import Shop
from tests.support.ports import own_port


def address(process: subprocess.Popen[str]) -> str:
    """Read from the log where the web answers."""
    assert process.stderr is not None
    for line in process.stderr:
        words = json.loads(line)["message"]
        if words.startswith("the web answers at "):
            return str(words.removeprefix("the web answers at "))
    raise AssertionError("it never said where it answers")


def warned(process: subprocess.Popen[str]) -> str:
    """Read from the log what it warns of first."""
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["level"] == "warning":
            return str(json.loads(line)["message"])
    raise AssertionError("it warned of nothing")


def is_alive(base: str) -> bool:
    with urllib.request.urlopen(f"{base}/health/live", timeout=20) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize("role", ["run", "web"])
def test_it_answers_until_a_signal_comes(shop: Shop, role: str) -> None:
    process = shop.process(role)
    base = address(process)
    assert is_alive(base)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert [line for line in err.splitlines() if json.loads(line)["level"] != "info"] == []
    with pytest.raises(OSError, match="refused"):
        is_alive(base)


def test_a_port_that_is_taken_is_said_in_one_sentence(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shop.run("web", config=shop.changed(extra=f"\n[web]\nport = {port}\n"))
    assert done.status == 1
    assert f"The web cannot listen on 127.0.0.1:{port}: " in done.err
    assert "Traceback" not in done.err


def test_a_second_daemon_with_the_same_port_works_and_takes_the_port_over(shop: Shop) -> None:
    port = own_port()
    first, second = shop.process("run", CONNECTOR_WEB__PORT=str(port)), None
    try:
        assert address(first) == f"http://127.0.0.1:{port}"
        second = shop.process("run", CONNECTOR_WEB__PORT=str(port))
        assert "The invoices go on without it" in warned(second)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0
        assert is_alive(address(second))
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.communicate()
