"""`connector support-bundle`: what a helper needs, and not a word about anybody."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from config.secrets import secret_options
from connector.demo import cases
from connector.operations.scrubbing import scrubbed, scrubbed_settings
from tests.cli.shop import Shop

CANARY = "CANARY8f3a77"


def parts_of(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_says_how_the_installation_fares_and_nothing_of_anybody(played: Shop, tmp_path: Path) -> None:
    jobs = played.run("jobs", "--json").lines
    held = next(job for job in jobs if job["reason"] == "vat_number_wrong")
    events: list[dict[str, Any]] = [
        {
            "time": "2026-03-01T12:00:00Z",
            "level": "error",
            "logger": "connector.crew",
            "message": f"{CANARY} refused",
        },
        {"level": "info", "message": f"job {held['id']} held at found: {held['message']}"},
        {"level": "info", "message": f"{held['customer']} ana@example.com ES9121000418450200051332", "error": CANARY},
    ]
    log = tmp_path / "connector.log"
    log.write_text("\n".join(map(json.dumps, events)) + f"\nplain {CANARY} line\n", encoding="utf-8")
    config = played.changed(
        ('api_key = "test_key"', f'api_key = "test_{CANARY}"\nwebhook_secret = "whsec_{CANARY}"'),
        extra=f'\n[broker]\nurl = "redis://ana:{CANARY}@127.0.0.1:1/0"\n[notifications.recipients.ops]\n'
        f'address = "mailtos://{CANARY}:{CANARY}@smtp.example.com?to=ana@example.com"\n',
    )
    file = tmp_path / "bundle.zip"

    done = played.run("support-bundle", str(file), "--log", str(log), config=config)

    assert done.status == 0, done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    parts = parts_of(file)
    everything = "\n".join(parts.values())
    assert CANARY not in everything
    for personal in ("ana@", "smtp.example", "ES91", *(job["number"] for job in jobs), cases.WRONG_IBAN):
        assert personal not in everything
    for job in jobs:
        assert not job["customer"] or job["customer"] not in everything
    told = {entry["id"]: entry for entry in json.loads(parts["jobs.json"])}
    assert told[held["id"]]["reason"] == "vat_number_wrong"
    assert {row["name"]: row["status"] for row in json.loads(parts["checks.json"])}["broker"] == "failed"
    assert json.loads(parts["configuration.json"])["accounts"]["spain"]["account_id"] == "1"
    assert json.loads(parts["ledger.json"])["jobs_by_status"]["held"] == 8
    assert json.loads(parts["versions.json"])["ledger"] == {"kind": "sqlite", "schema": "0001"}
    assert parts["log-1.txt"].splitlines()[0].startswith('{"time": "2026-03-01T12:00:00Z", "level": "error"')
    assert f"job {held['id']} held at found" in parts["log-1.txt"]


def test_options_of_adapter_and_archive_keep_their_secrets(played: Shop, tmp_path: Path) -> None:
    options = f'account_key = "{CANARY}-1"\nconnection_string = "{CANARY}-2"\nprivate_key = "{CANARY}-3"\n'
    config = played.changed(
        extra=f'\n[archive]\nurl = "s3://files"\n[archive.options]\n{options}key = "{CANARY}-4"\n'
        f'[archive.options.client_kwargs]\ntoken = "{CANARY}-5"\nregion_name = "eu-west-3"\n'
    )
    log = tmp_path / "connector.log"
    log.write_text(f"botocore signs with {CANARY}-1 and {CANARY}-5\n", encoding="utf-8")
    file = tmp_path / "bundle.zip"

    assert played.run("support-bundle", str(file), "--log", str(log), config=config).status == 0

    everything = "\n".join(parts_of(file).values())
    assert CANARY not in everything
    assert "eu-west-3" in everything


def test_it_goes_through_pipes_where_the_command_may_not_read_or_write_files(played: Shop) -> None:
    log = json.dumps({"level": "info", "logger": "connector.daemon", "message": "the daemon works"})
    command = [
        sys.executable,
        "-m",
        "connector.cli",
        "--config",
        str(played.config),
        "support-bundle",
        "-",
        "--log",
        "-",
    ]
    done = subprocess.run(command, input=log.encode(), capture_output=True, timeout=60, check=True)
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        assert "the daemon works" in archive.read("log-1.txt").decode()
    refused = played.run("support-bundle", "-", "--json")
    assert (refused.status, refused.json["error"]["action"]) == (2, "Name a file.")


def test_it_writes_over_nothing_and_works_without_a_ledger(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    assert shop.run("support-bundle", str(file), "--json").json["file"] == str(file)
    assert json.loads(parts_of(file)["ledger.json"]) == {"error": "There is none yet."}
    again = shop.run("support-bundle", str(file))
    assert (again.status, "is there already" in again.err) == (2, True)


def test_dates_stay_and_what_tells_of_people_goes() -> None:
    assert scrubbed("2026-03-01T12:00:00.123Z B76543214 +34 600 123 456 'Ana' 12345678Z RSSMRA85T10A562S 1234") == (
        "2026-03-01T12:00:00.123Z [number] +[number] [text] [number] [number] 1234"
    )


def test_of_a_command_that_tells_a_secret_only_its_program_is_shown() -> None:
    command = ["/usr/bin/curl", "-H", f"X-Vault-Token: {CANARY}", "vault.example"]
    told = scrubbed_settings({"accounts": {"main": {"api_key_command": command}}, "token_command": ["pass"]})
    assert told == {"accounts": {"main": {"api_key_command": ["/usr/bin/curl", "…"]}}, "token_command": ["pass"]}


@pytest.mark.parametrize(
    "name", ["dsn", "pwd", "DB_PWD", "apikey", "X-Api-Key", "Authorization", "proxy-authorization"]
)
def test_options_of_any_adapter_that_hide_something_are_neither_shown_nor_logged(name: str) -> None:
    options = {"limit": "3", "headers": {name: CANARY}}
    assert scrubbed_settings(options) == {"limit": "3", "headers": {name: "…"}}
    assert list(secret_options(options)) == [CANARY]


def test_who_lets_people_in_and_who_is_traced_to_is_not_shown() -> None:
    told = scrubbed_settings(
        {
            "oidc": {
                "issuer": f"https://{CANARY}/x",
                "client_id": CANARY,
                "operators": [CANARY],
                "viewers": [CANARY],
            },
            "tracing": {"endpoint": f"http://{CANARY}:4318"},
            "web": {"host": "0.0.0.0"},
        }
    )
    assert CANARY not in json.dumps(told)
    assert told["oidc"]["issuer"] == "https:…"
    assert told["web"] == {"host": "0.0.0.0"}
