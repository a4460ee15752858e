"""What goes wrong outside is one clear sentence: the right exit status, no traceback, no secret."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from config import settings
from config.addresses import passwords_of
from connector.cli.secrets import secrets_of
from connector.domain.errors import UsageError
from connector.operations.brokers import known_kind
from tests.cli.shop import Outcome, Shop, call

CANARY = "CANARY8f3a77"
KEY = f"test_{CANARY}"


def sentence(outcome: Outcome) -> str:
    """The one sentence that was said, without anything that must not be."""
    everything = outcome.out + outcome.err
    assert "Traceback" not in everything
    assert CANARY not in everything
    errors = [line for line in everything.splitlines() if line.startswith(("Error: ", "Failed: "))]
    assert len(set(errors)) == 1, everything
    return errors[0]


def test_a_wrong_key(shop: Shop) -> None:
    only_spain = [', "2" = "france"', ""]
    config = shop.changed(('api_key = "test_key"', f'api_key = "{KEY}"'), (only_spain[0], only_spain[1]))
    done = shop.run("sync", config=config)
    assert done.status == 1
    assert "refuses the API key of account spain (status 401)" in sentence(done)


def test_a_key_that_no_header_can_carry_is_named_while_nothing_is_due(played: Shop) -> None:
    done = played.run("sync", config=played.changed(('api_key = "test_key"', f'api_key = "test {CANARY}"')))
    assert done.status == 2
    assert "accounts.spain: The API key is empty or has characters that no key has" in sentence(done)


def test_a_wrong_account(shop: Shop) -> None:
    config = shop.changed(('account_id = "2"', 'account_id = "777"'))
    done = shop.run("sync", config=config)
    assert done.status == 1
    assert "B2Brouter does not know the account 777" in sentence(done)


@pytest.fixture
def away(shop: Shop) -> Path:
    """A configuration whose simulator is not there."""
    return shop.changed(
        (shop.stage.simulator.base_url, "http://127.0.0.1:1"),
        (', "2" = "france"', ""),
        ("[retry]", "[retry]\nattempts = 1"),
    )


RUN_AGAIN = "Run this again later; where the daemon runs, it tries again by itself."


@pytest.mark.parametrize("command", ["sync", "check"])
def test_where_b2brouter_cannot_be_reached_a_command_that_ends_promises_nothing(
    shop: Shop, away: Path, command: str
) -> None:
    done = shop.run(command, config=away)
    assert done.status == 1
    assert f"Start it with: connector simulator. {RUN_AGAIN}" in done.out
    assert "It is tried again by itself" not in done.out
    assert "goes on by itself" not in done.out
    if command == "sync":
        assert "B2Brouter" in sentence(done)


def test_a_simulator_that_answers_is_not_to_be_started(shop: Shop) -> None:
    shop.world.faults.add("unavailable_before", times=None)
    done = shop.run("check")
    assert done.status == 1
    assert RUN_AGAIN in done.out
    assert "connector simulator" not in done.out


def test_what_a_person_must_do_about_an_account_stands_as_it_is(shop: Shop) -> None:
    config = shop.changed(('api_key = "test_key"', f'api_key = "{KEY}"'))
    done = shop.run("check", config=config)
    assert "Check the key" in done.out
    assert RUN_AGAIN not in done.out


@pytest.mark.parametrize("command", ["sync", "preview"])
def test_an_unreachable_erp(shop: Shop, command: str) -> None:
    url = f"postgresql+psycopg://erp:{CANARY}@127.0.0.1:1/erp"
    config = shop.changed((f"sqlite:///{shop.stage.erp}", url))
    done = shop.run(command, config=config)
    assert done.status == 1
    assert "The database of source booking cannot be used now" in sentence(done)


@pytest.mark.postgres
def test_an_erp_that_refuses_the_password(shop: Shop, postgres_url: str) -> None:
    host = postgres_url.rpartition("@")[2] or postgres_url.partition("://")[2]
    url = f"postgresql+psycopg://nobody_{CANARY.lower()}:{CANARY}@{host}"
    done = shop.run("preview", config=shop.changed((f"sqlite:///{shop.stage.erp}", url)))
    assert done.status == 1
    assert "source booking" in sentence(done)


@pytest.mark.parametrize("command", ["sync", "preview"])
def test_a_missing_table(shop: Shop, command: str) -> None:
    shop.erp("ALTER TABLE task RENAME TO work")
    shop.erp("ALTER TABLE project RENAME TO undertaking")
    done = shop.run(command)
    assert done.status == 1
    assert "has no table project" in sentence(done)


@pytest.mark.parametrize("command", ["worker", "scheduler"])
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_an_unreachable_broker(shop: Shop, command: str, scheme: str) -> None:
    config = shop.changed(extra=f'\n[broker]\nurl = "{scheme}://me:{CANARY}@127.0.0.1:1/0"\n')
    done = shop.run(command, config=config)
    assert done.status == 1
    assert "The broker" in sentence(done)
    assert "cannot be reached" in sentence(done)


@pytest.mark.rabbitmq
def test_a_broker_that_refuses_the_password(shop: Shop, rabbitmq_url: str) -> None:
    address = rabbitmq_url.rpartition("@")[2]
    config = shop.changed(extra=f'\n[broker]\nurl = "amqp://me:{CANARY}@{address}"\n')
    done = shop.run("worker", config=config)
    assert done.status == 1
    assert "The broker" in sentence(done)


def test_bad_toml(shop: Shop) -> None:
    done = shop.run("sync", config=shop.changed(("[retry]", "[retry")))
    assert done.status == 2
    assert "is not valid TOML" in sentence(done)
    assert "line" in sentence(done)


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [
        ("quiet_time", "quiet_tme", "quiet_time"),
        ("[retry]", "[retri]", "retry"),
        ("key_type", "keytype", "key_type"),
    ],
)
def test_an_unknown_key_names_the_nearest(shop: Shop, old: str, new: str, nearest: str) -> None:
    done = shop.run("sync", config=shop.changed((old, new)))
    assert done.status == 2
    assert sentence(done).endswith(f"did you mean {nearest}?")


def test_no_configuration(tmp_path: Path) -> None:
    done = call("--config", str(tmp_path / "none.toml"), "check")
    assert done.status == 2
    assert "There is no configuration file" in sentence(done)


def test_a_variable_that_cannot_be_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_ACCOUNTS", CANARY)
    done = shop.run("check")
    assert done.status == 2
    assert "CONNECTOR_ACCOUNTS cannot be read" in sentence(done)


def test_a_key_of_another_environment(shop: Shop) -> None:
    file = shop.folder / "key"
    file.write_text(KEY)
    config = shop.changed(
        ('environment = "simulator"', 'environment = "production"'),
        (f'base_url = "{shop.stage.simulator.base_url}"\n', ""),
        ('api_key = "test_key"', f'api_key_file = "{file}"'),
    )
    done = shop.run("sync", config=config)
    assert done.status == 2
    assert "has a sandbox key" in sentence(done)


def test_a_key_file_that_is_missing(shop: Shop) -> None:
    done = shop.run("sync", config=shop.changed(('api_key = "test_key"', 'api_key_file = "/nowhere/key"')))
    assert done.status == 2
    assert "api_key_file /nowhere/key cannot be read" in sentence(done)


@pytest.mark.parametrize("command", ["sync", "run"])
@pytest.mark.parametrize("place", ["/proc/connector.db", "/nowhere/connector.db"])
def test_an_unwritable_ledger(shop: Shop, command: str, place: str) -> None:
    done = shop.run(command, config=shop.changed((str(shop.ledger_file), place)))
    assert done.status == 1
    assert place in sentence(done)


def test_a_database_in_a_file_that_cannot_be_opened_is_told_by_its_whole_path(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.folder)
    for place, kind in ((shop.stage.erp, "erp"), (shop.ledger_file, "ledger")):
        (shop.folder / f"no_{kind}").mkdir()  # a folder cannot be opened as a file
        config = shop.changed((f"sqlite:///{place}", f"sqlite:///no_{kind}"))
        for command in ("sync", "check"):
            done = shop.run(command, config=config)
            assert done.status == 1
            assert f"{shop.folder / f'no_{kind}'}" in done.out + done.err
            assert "our user may read and write" in " ".join((done.out + done.err).split())
            assert "host, port" not in done.out + done.err


def test_a_ledger_that_can_only_be_read(shop: Shop) -> None:
    shop.run("db", "upgrade")
    read_only = f"sqlite:///file:{shop.ledger_file}?mode=ro&uri=true"
    done = shop.run("sync", config=shop.changed((f"sqlite:///{shop.ledger_file}", read_only)))
    assert done.status == 1
    assert "ledger" in sentence(done)


@pytest.mark.parametrize("command", [["sync"], ["jobs"], ["db", "upgrade"], ["explain", "x"]])
def test_a_ledger_that_cannot_be_reached(shop: Shop, command: Sequence[str]) -> None:
    url = f"postgresql+psycopg://ledger:{CANARY}@127.0.0.1:1/ledger"
    done = shop.run(*command, config=shop.changed((f"sqlite:///{shop.ledger_file}", url)))
    assert done.status == 1
    assert "The ledger" in sentence(done)


def test_a_ledger_of_another_environment(played: Shop) -> None:
    config = played.changed(('account_id = "2"', 'account_id = "777"'))
    played.run("retry", "--status", "held")
    played.erp("UPDATE project SET invoice_number = 'B-9' WHERE id = 112")
    played.erp("INSERT INTO project SELECT 900, office_id, customer_id, title, status, document, 'B-900',"
               " invoice_date, due_date, currency, customer_order, NULL, total_net, total_vat, total_payable,"
               " pay_to, NULL, NULL, '2099-01-01 00:00:00' FROM project WHERE id = 112")  # fmt: skip
    done = played.run("sync", config=config, stdin="")
    assert done.status == 1
    assert "belongs to account 2 in simulator" in sentence(done)


def test_errors_as_json_go_to_standard_output(shop: Shop) -> None:
    for arguments, status in ((["sync", "--source", "x"], 2), (["jobs", "--bogus"], 2), (["bogus"], 2)):
        done = shop.run(*arguments, "--json")
        assert done.status == status
        assert set(done.json["error"]) >= {"message", "action", "kind"}
        assert done.err == ""


def test_a_reader_that_leaves_early_is_no_error(day: Shop) -> None:
    process = day.process("jobs")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.wait(timeout=20) == 0
    assert process.stderr.read() == ""


# ---------------------------------------------------------------- secrets

COMMANDS = (
    ["check"], ["preview"], ["sync", "--patience", "0"], ["sync", "--dry-run"], ["jobs"], ["explain", "B-0101"],
    ["retry", "--status", "held"], ["hold", "--status", "pending", "--note", "x"], ["release", "--status", "held"],
    ["skip", "--reason", "iban_wrong", "--note", "x"], ["link", "B-0109", "1", "--note", "x"], ["worker"],
    ["scheduler"], ["adapters", "list"], ["db", "upgrade"],
)  # fmt: skip


@pytest.mark.parametrize("form", [[], ["--json"], ["--log-level", "debug"]])
def test_no_command_ever_prints_a_secret(shop: Shop, form: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    config = shop.changed(
        ('api_key = "test_key"', f'api_key = "{KEY}"\nwebhook_secret = "whsec_{CANARY}"'),
        (f"sqlite:///{shop.stage.erp}", f"postgresql+psycopg://u:{CANARY}@127.0.0.1:1/erp?password={CANARY}"),
        extra=f'\n[broker]\nurl = "redis://:{CANARY}@127.0.0.1:1/0"\n',
    )
    for command in COMMANDS:
        done = shop.run(*command, *form, config=config)
        assert CANARY not in done.out + done.err, command
    ledger = shop.changed(
        (f"sqlite:///{shop.ledger_file}", f"postgresql+psycopg://u:{CANARY}@127.0.0.1:1/l?password={CANARY}")
    )
    for command in COMMANDS:
        done = shop.run(*command, *form, config=ledger)
        assert CANARY not in done.out + done.err, command


HALVES = ("Qfr7x", "Zbk9y")
"""Of a password; too short to be struck out."""


@pytest.mark.parametrize("between", ["@", "@/", "@?", "@#", "@:", "/@", "?@", "12:@", ";"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:{}@127.0.0.1:1/db",
        "postgresql://u@127.0.0.1:1/db?password={}",
        "mysql://u:{}@127.0.0.1:1/db",
    ],
)
def test_no_part_of_a_password_is_told_that_is_not_encoded(
    shop: Shop, url: str, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    for place in (shop.stage.erp, shop.ledger_file):
        config = shop.changed((f"sqlite:///{place}", url.format(between.join(HALVES))))
        for command in (["check"], ["check", "--json"], ["sync", "--patience", "0"], ["jobs"]):
            done = shop.run(*command, config=config)
            assert not any(half in done.out + done.err for half in HALVES), command
            assert "unexpected" not in done.err + done.out, command


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://:{between.join(HALVES)}@127.0.0.1:1/0" for between in ("@", "@/", "@#", "@:", ";", "/", "[")),
        *(f"amqp://u:12{between.join(HALVES)}@127.0.0.1:1//" for between in ("@/", "@:", ";", ";@", "/", "?")),
        *(f"{scheme}://u:{''.join(HALVES)}" for scheme in ("redis", "amqp")),  # no host
    ],
)
def test_no_part_of_a_brokers_password_is_told_that_is_not_encoded(
    shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    config = shop.changed(extra=f'\n[broker]\nurl = "{url}"\n')
    for command in (["check"], ["sync", "--patience", "0"], ["worker"]):
        done = shop.run(*command, config=config)
        assert not any(half.lower() in (done.out + done.err).lower() for half in HALVES), command
        assert "unexpected" not in done.err + done.out, command


@pytest.mark.parametrize("url", ["postgresql://u:secret/db", "postgresql://u@h:port/db", "no url"])
def test_an_address_that_cannot_be_read_is_the_users_mistake(shop: Shop, url: str) -> None:
    ledger = shop.changed((f"sqlite:///{shop.ledger_file}", url))
    erp = shop.changed((f"sqlite:///{shop.stage.erp}", url), name="erp.toml")
    for command, config in (("check", ledger), ("jobs", ledger), ("check", erp)):
        done = shop.run(command, config=config)
        assert done.status == 2, command
        assert "is not a database URL" in done.out + done.err, command


def test_a_secret_in_a_wrong_setting_is_not_repeated(shop: Shop) -> None:
    for old, new in (
        ('account_id = "2"', f"account_id = [\"{CANARY}\"]"),
        ("timeout = 2", f'timeout = "{CANARY}"'),
        (f"sqlite:///{shop.ledger_file}", f"{CANARY}"),
        (f"sqlite:///{shop.stage.erp}", f"nosuch://u:{CANARY}@h/d"),
    ):  # fmt: skip
        assert sentence(shop.run("sync", config=shop.changed((old, new))))


def test_where_secrets_are(shop: Shop) -> None:
    key, url = shop.folder / "key", shop.folder / "url"
    key.write_text("test_from_file\n")
    url.write_text("postgresql://me:p%40ss-word@host/erp\n")
    config = shop.changed(
        (
            'account_id = "1"\napi_key = "test_key"',
            f'account_id = "1"\napi_key_file = "{key}"\nwebhook_secret = "whsec_1"',
        ),
        (f'url = "sqlite:///{shop.stage.erp}"', f'url_file = "{url}"'),
    )
    assert {"test_from_file", "whsec_1", "test_key", "p%40ss-word", "p@ss-word"} <= set(
        secrets_of(settings.load(config))
    )
    key.unlink()
    assert "test_from_file" not in set(secrets_of(settings.load(config)))


@pytest.mark.parametrize(
    ("url", "passwords"),
    [
        ("redis://:one@host/0", {"one"}),
        ("postgresql:///db?password=two&sslmode=require", {"two"}),
        ("postgresql://bob:pw[x@host/db?password=four+four%2F4", {"pw[x", "four+four%2F4", "four four/4"}),
        ("postgresql://bob:p%40ss@host/db", {"p%40ss", "p@ss"}),
        ("postgresql://bob:a/b@host/db", {"a/b"}),  # as SQLAlchemy reads it
        ("amqp://bob:a@b@host//", {"a@b", "a"}),  # as urlsplit and SQLAlchemy do
        ("https://host/hook?token=six#end", {"six#end", "six"}),
        ("postgresql://bob@host:5432/db", set()),
        ("http://[broken", set()),
    ],
)
def test_passwords_of_urls(url: str, passwords: set[str]) -> None:
    assert set(passwords_of(url)) == passwords


@pytest.mark.parametrize("url", ["redis", "foo://x", "amqp://", "redis://h:port/0"])
def test_a_url_of_no_broker(url: str) -> None:
    with pytest.raises(UsageError):
        known_kind(url)


@pytest.mark.parametrize("name", ["password", "hostname", "port", "virtual_host", "db", "ssl", "socket_timeout"])
@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_a_parameter_that_a_broker_cannot_be_told_is_named(scheme: str, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        known_kind(f"{scheme}://host/0?ssl_ca_certs=/ca.pem&{name}={CANARY}")
    assert f"parameter {name} " in refused.value.message
    assert CANARY not in refused.value.message + refused.value.action


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h/0?ssl_ca_cert=/ca.pem",  # without the s
        "rediss://h/0?ssl_min_version=TLSv1_2",
        "redis://h/0?ssl_cert_reqs=none",
        "amqps://h//?ssl_certfile=/us.pem",
        "amqp://h//?ssl_ca_certs=/ca.pem",
    ],
)
def test_what_the_transport_of_a_broker_would_stumble_over_is_named(url: str) -> None:
    with pytest.raises(UsageError, match="a parameter ssl_"):
        known_kind(url)


def test_an_unknown_level_of_verification_is_named() -> None:
    with pytest.raises(UsageError, match="ssl_cert_reqs that is not known"):
        known_kind("rediss://h/0?ssl_cert_reqs=nonsense")


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=none",
        "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED&ssl_certfile=/us.pem&ssl_keyfile=/key.pem",
        "amqps://h?login_method=EXTERNAL",
        "amqps://h//?ssl_ca_certs=/ca.pem",
    ],
)
def test_parameters_that_a_broker_can_be_told(url: str) -> None:
    known_kind(url)


def test_a_copied_ledger_sends_nothing_until_a_person_says_that_it_is_the_original(day: Shop) -> None:
    day.run("sync")
    shutil.copy(day.ledger_file, day.folder / "copy.db")
    config = day.changed(("connector.db", "copy.db"))
    calls = len(day.world.journal)

    refused = day.run("sync", config=config)

    assert refused.status == 1
    assert "This ledger is a copy" in refused.err
    assert "connector db rebind" in refused.err
    assert len(day.world.journal) == calls
    bound = day.run("db", "rebind", "--note", "moved", config=config)
    assert bound.status == 0
    assert "copy.db" in bound.out
    assert day.run("sync", config=config).status == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["adapters list", "--help", "jobs --json"])
def test_an_output_that_finds_no_room(command: str, tmp_path: Path) -> None:
    """The last one fails for want of a configuration, and has no room to say so."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "connector.cli", *command.split()],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
    first, *_ = done.stderr.splitlines()
    assert (done.returncode, first) == (1, "Error: The output cannot be written: No space left on device.")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
