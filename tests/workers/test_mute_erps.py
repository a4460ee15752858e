"""Real processes: hundreds of ERPs that do not answer keep a worker from nothing that can be done."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.demo.stage import Stage
from tests.cli.shop import Shop

MUTE = 160
"""So many that a worker, with ten seconds for each, is not through with them when it is time to begin anew."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Stage(tmp_path, today=datetime.now(UTC).date()) as stage:
        yield Shop(stage)


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Somebody who takes connections and says nothing, as a tunnel does whose other end is away."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as silent:
        yield silent.getsockname()[1]


@pytest.mark.slow
def test_invoices_of_an_erp_that_is_well_leave_while_hundreds_of_others_do_not_answer(
    shop: Shop, mute_port: int, redis_url: str
) -> None:
    sources = [
        f'[sources.a_mute_one{n}]\nadapter = "odoo"\nurl = "postgresql://u:p@127.0.0.1:{mute_port}/x"\n'
        f'account = "spain"\nsince = 2026-01-01\n'
        for n in range(MUTE)
    ]
    config = shop.changed(
        ("discover_every = 1\n", "discover_every = 60\n"),
        extra=f'\n[broker]\nurl = "{redis_url}"\n' + "\n".join(sources),
    )
    assert shop.run("db", "upgrade").status == 0
    silently: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "connector.cli", "--config", str(config)]
    processes = [subprocess.Popen([*command, role], **silently) for role in ("scheduler", "worker")]
    done, end = 0, time.monotonic() + 40
    try:
        while done < 6 and time.monotonic() < end:
            time.sleep(0.5)
            done = sum(job["status"] == "done" for job in shop.run("jobs", "--json").lines)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)

    assert done == 6
