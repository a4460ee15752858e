"""Real processes tell people: the daemon by itself, and workers at the scheduler's bell."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.demo.stage import Stage
from tests.cli.shop import Shop
from tests.support.mail import MailServer

LONG = 60.0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Stage(tmp_path, today=datetime.now(UTC).date()) as stage:
        yield Shop(stage)


def told(shop: Shop, mail: MailServer, broker: str = "memory://") -> Path:
    """An account with a wrong key, and somebody who is told so."""
    tables = f"""
[broker]
url = "{broker}"

[notifications.recipients.ops]
address = "{mail.address("ops@example.com")}"
"""
    config = shop.changed(extra=tables)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('api_key = "', 'api_key = "x', 1), encoding="utf-8")
    return config


@contextmanager
def running(*processes: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        errors = [process.communicate(timeout=LONG)[1] for process in processes]
        assert "canary-smtp-password" not in "".join(errors)
        assert [process.returncode for process in processes] == [0] * len(processes)


def wait_for_mail(mail: MailServer) -> None:
    end = time.monotonic() + LONG
    while not mail.mails and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)  # a second one would be wrong


def test_the_daemon_tells(shop: Shop, mail: MailServer) -> None:
    with running(shop.process("run", "--log-level", "debug", config=told(shop, mail))):
        wait_for_mail(mail)

    [subject] = mail.subjects()
    assert subject.startswith("[TEST simulator] Alarm: Account spain is paused")


@pytest.mark.slow
def test_a_worker_tells_at_the_scheduler_s_bell(shop: Shop, mail: MailServer, redis_url: str) -> None:
    config = told(shop, mail, redis_url)
    shop.run("db", "upgrade", config=config)
    with running(shop.process("scheduler", config=config), shop.process("worker", config=config)):
        wait_for_mail(mail)

    [subject] = mail.subjects()
    assert subject.startswith("[TEST simulator] Alarm: Account spain is paused")
