"""Secrets: from a command, sealed, and never told."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from config import secrets
from config.logging import redaction
from config.sections.accounts import AccountSettings
from config.sections.b2brouter import B2BrouterSettings
from config.sections.broker import BrokerSettings
from config.sections.sources import SourceSettings
from config.settings import Settings
from connector.bootstrap.erps import Erps
from connector.bootstrap.remotes import Remotes
from connector.cli import main
from connector.domain.errors import UsageError
from connector.meter import Meter
from connector.operations.preflight import check_account

CANARY = "prod-canary-0815"


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (secrets.KEY, f"{secrets.KEY}_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    secrets._told_by.clear()
    yield
    secrets._told_by.clear()
    redaction.forget()


def vault(folder: Path, program: str) -> list[str]:
    """A command that runs a line of Python and notes that it ran."""
    note = f"open({str(folder / 'calls')!r}, 'a').write('x'); "
    return [sys.executable, "-c", f"import sys; {note}{program}"]


def account(command: list[str]) -> AccountSettings:
    table = {"account_id": "1", "api_key_command": command}
    return Settings.model_validate({"accounts": {"main": table}}).accounts["main"]


def test_a_command_is_asked_once_and_its_word_is_struck_out_from_then_on(tmp_path: Path) -> None:
    main_account = account(vault(tmp_path, f"print('  {CANARY} ')"))
    assert [main_account.key(), main_account.key()] == [CANARY, CANARY]
    assert (tmp_path / "calls").read_text() == "x"
    assert redaction.clean(f"key {CANARY}!") == "key ***!"


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        (f"print('{CANARY}'); sys.exit('{CANARY}')", "ended with status 1"),
        ("print()", "tells nothing"),
        ("sys.stdout.buffer.write(bytes([255]))", "tells no UTF-8 text"),
        ("import time; time.sleep(60)", "does not end within 0.2 seconds"),
    ],
)
def test_a_command_that_fails_is_named_without_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, fault: str
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.2 if "sleep" in program else 30)
    with pytest.raises(UsageError) as caught:
        account(vault(tmp_path, program)).key()
    assert caught.value.message == f"accounts.main.api_key_command: {sys.executable} {fault}."


class Slow:
    """A vault that does not answer before it may."""

    def __init__(self, folder: Path) -> None:
        self.asked, self._may = folder / "calls", folder / "may"
        waits = f"while not os.path.exists({str(self._may)!r}): time.sleep(0.05)"
        self.command = vault(folder, f"import os, time\n{waits}\nprint('postgresql://host/slow')")

    @contextmanager
    def asked_by(self, ask: Callable[[], object]) -> Iterator[None]:
        with begun(ask) as asking:
            limit = time.monotonic() + 10
            while not self.asked.exists():
                assert time.monotonic() < limit
                time.sleep(0.02)
            yield
            assert asking.is_alive()
            self._may.touch()


@contextmanager
def begun(act: Callable[[], object]) -> Iterator[Thread]:
    thread = Thread(target=act, daemon=True)
    thread.start()
    yield thread
    thread.join(5)
    assert not thread.is_alive()


def test_a_slow_command_for_one_account_s_key_keeps_no_other_account_waiting(tmp_path: Path) -> None:
    general = B2BrouterSettings(environment="simulator", base_url="http://127.0.0.1:1")
    remotes = Remotes(general, BrokerSettings(), ledger=Mock(), meter=Meter(Mock()), stop=Event(), only_looking=True)
    slow, plain = Slow(tmp_path), AccountSettings(account_id="2", api_key="test_plain")
    with (
        slow.asked_by(lambda: remotes.line("slow", account(slow.command))),
        begun(lambda: remotes.line("plain", plain)),
    ):
        pass


def test_a_slow_command_for_one_source_s_address_keeps_no_other_source_waiting(tmp_path: Path) -> None:
    erps, slow = Erps(), Slow(tmp_path)
    late = SourceSettings(adapter="odoo", account="main", url_command=slow.command)
    plain = SourceSettings(adapter="odoo", account="main", url="postgresql://host/plain")
    with slow.asked_by(lambda: erps.adapter("slow", late)), begun(lambda: erps.adapter("plain", plain)):
        pass


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"api_key_command: /no/vault cannot be run: No such file or directory\."):
        account(["/no/vault", CANARY]).key()


def test_what_a_command_told_stays_in_force_when_it_fails_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(CANARY)
    main_account = account(vault(tmp_path, f"print(open({str(file)!r}).read())"))
    assert main_account.key() == CANARY
    file.write_text("another-one")
    secrets.forget_told()
    assert main_account.key() == "another-one"
    file.unlink()
    secrets.forget_told()
    with caplog.at_level(logging.WARNING):
        assert main_account.key() == "another-one"
    assert "ended with status 1. What it told before stays in force." in caplog.text


def test_a_command_that_never_told_anything_rests_before_it_is_asked_again(tmp_path: Path) -> None:
    fails = vault(tmp_path, "sys.exit(1)")
    for name in ("api_key", "webhook_secret", "api_key"):
        with pytest.raises(UsageError, match=f"{name}_command: .* ended with status 1"):
            secrets.reveal(name, None, None, fails)
    assert (tmp_path / "calls").read_text() == "x"
    secrets.forget_told()
    with pytest.raises(UsageError):
        secrets.reveal("api_key", None, None, fails)
    assert (tmp_path / "calls").read_text() == "xx"


def test_a_file_and_a_command_for_one_secret_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="give either api_key_file or api_key_command"):
        AccountSettings.model_validate({"account_id": "1", "api_key_file": "f", "api_key_command": ["c"]})


def sealed_by_command_line(text: str, key: str) -> str:
    run = CliRunner(env={secrets.KEY: key}).invoke(main, ["secrets", "seal"], input=text, standalone_mode=False)
    assert run.exception is None
    assert CANARY not in run.output
    return run.output.strip()


def test_what_is_sealed_is_opened_with_its_key_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = secrets.new_key()
    sealed = sealed_by_command_line(CANARY + "\n", key)
    file = tmp_path / "key"
    file.write_text(key)
    monkeypatch.setenv(f"{secrets.KEY}_FILE", str(file))
    holder = tmp_path / "api_key"
    holder.write_text(sealed)
    assert AccountSettings(account_id="1", api_key_file=holder).key() == CANARY
    source = SourceSettings.model_validate(
        {"adapter": "odoo", "account": "main", "url": sealed, "options": {"api_key": sealed, "limit": 3}}
    )
    assert source.address() == CANARY
    assert source.opened_options() == {"api_key": CANARY, "limit": 3}
    assert redaction.clean(f"{CANARY} {key}") == "*** ***"


@pytest.mark.parametrize(("key", "fits"), [("test_key", True), ("live_key", False)])
def test_a_sealed_key_is_judged_once_it_is_opened(monkeypatch: pytest.MonkeyPatch, key: str, fits: bool) -> None:
    monkeypatch.setenv(secrets.KEY, secrets.new_key())
    account = {"account_id": "1", "api_key": secrets.sealed(key)}
    settings = Settings.model_validate({"b2brouter": {"environment": "sandbox"}, "accounts": {"main": account}})

    with nullcontext() if fits else pytest.raises(UsageError, match="has no sandbox key"):
        check_account(settings, "main")


def test_keys_are_changed_by_sealing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = secrets.new_key(), secrets.new_key()
    sealed = sealed_by_command_line(CANARY, old)
    anew = sealed_by_command_line(sealed, f"{new},{old}")
    monkeypatch.setenv(secrets.KEY, new)
    assert secrets.unsealed("x", anew) == CANARY
    with pytest.raises(UsageError, match=r"accounts\.main\.api_key is sealed, and no key of CONNECTOR_SEAL_KEY"):
        secrets.unsealed("accounts.main.api_key", sealed)


def test_without_a_key_nothing_is_sealed_or_opened() -> None:
    for call in (secrets.sealed, lambda text: secrets.unsealed("x", f"sealed:{text}")):
        with pytest.raises(UsageError, match="There is no key to seal or open secrets with"):
            call("text")
