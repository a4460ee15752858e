"""Bad requests by the thousand at the webhooks of the daemon: its invoices hardly notice."""

from __future__ import annotations

import logging
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.conftest import Installer
from tests.e2e.erp import Erp
from tests.e2e.installation import Installation, Running, until

log = logging.getLogger(__name__)

A_MINUTE: Final = 10_000
TOGETHER: Final = 20
ROUNDS: Final = 5

FLOOD: Final = """
import asyncio, os, sys, time
host, port = sys.argv[1], int(sys.argv[2])
callers = 24
every = callers / 200  # 12,000 requests a minute
done = 0

def bad(number):
    kind, body = number % 5, os.urandom(1000)
    path = "nobody" if kind == 0 else "main"
    signature = {2: "t=1,s=" + "0" * 64, 3: f"t={int(time.time())},s=" + "0" * 64}.get(kind, "")
    head = f"POST /webhooks/b2brouter/{path} HTTP/1.1\\r\\nHost: x\\r\\nX-B2Brouter-Signature: {signature}\\r\\n"
    return f"{head}Content-Length: {len(body)}\\r\\n\\r\\n".encode() + body

async def caller():
    global done
    due = time.monotonic()
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for number in range(200):
                writer.write(bad(number))
                head = await reader.readuntil(b"\\r\\n\\r\\n")
                assert head.startswith(b"HTTP/1.1 4"), head
                length = head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0]
                await reader.readexactly(int(length))
                done += 1
                due += every
                await asyncio.sleep(max(0, due - time.monotonic()))
                if b"connection: close" in head.lower():
                    break
        finally:
            writer.close()

async def flood():
    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    assert not any(task.done() for task in tasks), tasks
    print(done, flush=True)
    os._exit(0)

asyncio.run(flood())
"""


def daemon(it: Installation) -> Running:
    """A daemon that knows the secret of its webhooks, and has nothing left to do."""
    text = it.config.read_text(encoding="utf-8")
    it.config.write_text(text.replace('"test_key"', '"test_key"\nwebhook_secret = "whsec_test"'), encoding="utf-8")
    started = it.start("run")
    until(lambda: it.at_rest(1), within=120)
    return started


def seconds_of_a_batch(it: Installation, erp: Erp, name: str) -> float:
    """How long so many new invoices take from their confirmation until the last one is done."""
    before = it.counts()["done"]
    began = time.monotonic()
    erp.confirm_copies(erp.named("INV01")["id"], [f"{name}/{n:04}" for n in range(TOGETHER)])
    until(lambda: it.counts()["done"] >= before + TOGETHER, within=120)
    return time.monotonic() - began


class Flood:
    """What refused requests came to, in all the times that they came."""

    def __init__(self, host: str, port: str) -> None:
        self._command = [sys.executable, "-c", FLOOD, host, port]
        self._refused = 0
        self._seconds = 0.0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        with subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as callers:
            began = time.monotonic()
            yield
            self._refused += int(callers.communicate("\n")[0])
            self._seconds += time.monotonic() - began

    @property
    def a_minute(self) -> float:
        return self._refused / self._seconds * 60


@pytest.mark.slow
def test_10_000_bad_webhooks_a_minute_do_not_disturb_the_daemon(
    b2brouter: SimulatorServer, erp19: Erp, install: Installer
) -> None:
    it = install(b2brouter.base_url, erp19.url)
    said = daemon(it)
    place = re.search(r"http://([\d.]+):(\d+)", said.said)
    assert place is not None, said.said
    flood = Flood(*place.groups())
    quiet, flooded = [], []
    for number in range(ROUNDS):  # in turn, for others may use the machine too
        quiet.append(seconds_of_a_batch(it, erp19, f"QUIET{number}"))
        with flood.flowing():
            flooded.append(seconds_of_a_batch(it, erp19, f"FLOOD{number}"))
    before, during = statistics.median(quiet), statistics.median(flooded)
    log.info("%.0f refused a minute; a batch takes %.2f s, and %.2f s meanwhile", flood.a_minute, before, during)

    assert flood.a_minute >= A_MINUTE
    assert during <= 1.5 * before + 0.5
    assert it.ledger("SELECT count(*) FROM inbox") == [(0,)]
    assert said.said.count("requests refused") <= ROUNDS
