"""`connector notify`, what `check` says of recipients, and that no address is ever shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shop import Shop, call
from tests.support.mail import MailServer

SECRET = "canary-smtp-password"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer().start()
    yield server
    server.stop()


def told(shop: Shop, mail: MailServer, extra: str = "") -> Path:
    """The configuration with two recipients, one of whose addresses is in a file."""
    file = shop.folder / "address"
    file.write_text(mail.address("acc@example.com") + "\n", encoding="utf-8")
    recipients = f"""
[notifications]
time_zone = "Europe/Madrid"

[notifications.recipients.ops]
for = "operators"
address = "{mail.address("ops@example.com")}"

[notifications.recipients.acc]
for = "accountants"
language = "es"
address_file = "{file}"
{extra}"""
    return shop.changed(extra=recipients, name="told.toml")


def with_a_wrong_key(config: Path) -> Path:
    """Have B2Brouter refuse the key of the account spain."""
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('api_key = "', 'api_key = "x', 1), encoding="utf-8")
    return config


def rows(shop: Shop, config: Path) -> dict[str, tuple[str, str]]:
    checks = shop.run("check", "--json", config=config).json["checks"]
    return {row["name"]: (row["status"], row["message"]) for row in checks}


def test_a_test_message_goes_to_each_or_to_one(shop: Shop, mail: MailServer) -> None:
    config = told(shop, mail)
    both = shop.run("notify", "test", config=config)
    assert (both.status, len(both.out.splitlines())) == (0, 2)
    assert [one.to for one in mail.mails] == ["ops@example.com", "acc@example.com"]
    assert mail.subjects() == [
        "[TEST simulator] A test: this message reached ops",
        "[PRUEBA simulator] Una prueba: este mensaje ha llegado a acc",
    ]

    assert shop.run("notify", "test", "acc", "--json", config=config).json == {"recipient": "acc", "sent": True}
    assert len(mail.mails) == 3


def test_a_message_that_is_not_taken_is_a_failure_outside_and_shows_no_address(shop: Shop, mail: MailServer) -> None:
    config = told(shop, mail)
    mail.stop()
    failed = shop.run("--log-level", "debug", "notify", "test", config=config)

    assert failed.status == 1
    assert "ops: not taken" in failed.out
    assert SECRET not in failed.out + failed.err
    assert "ops@example.com" not in failed.out + failed.err


def test_who_is_not_there_is_said(shop: Shop, mail: MailServer) -> None:
    nobody = shop.run("notify", "test")
    assert nobody.status == 2
    assert "There are no recipients" in nobody.err

    stranger = shop.run("notify", "preview", "boss", config=told(shop, mail))
    assert stranger.status == 2
    assert "There is no recipient boss. " in stranger.err.replace("\n", " ")
    assert "There are: ops, acc." in stranger.err


def test_the_preview_is_the_digest_that_would_go_and_sends_nothing(shop: Shop, mail: MailServer) -> None:
    config = told(shop, mail)
    empty = shop.run("notify", "preview", config=config)
    assert empty.out == "ops: there is nothing to tell.\nacc: there is nothing to tell.\n"
    assert not shop.ledger_file.exists()

    assert shop.run("sync", "--patience", "8").status == 3
    for _ in range(2):
        [operators, accountants] = shop.run("notify", "preview", "--json", config=config).lines
        assert accountants["subject"].startswith("[PRUEBA simulator] Requiere a una persona: ")
        assert "Qué hacer: " in accountants["text"]
        assert operators["recipient"] == "ops"
    assert mail.mails == []


def test_check_tells_who_is_told_and_which_alarms_last(shop: Shop, mail: MailServer) -> None:
    config = told(shop, mail)
    found = rows(shop, config)
    assert found["recipient ops"] == ("ok", "operators, in en; alarms at once, digests at 08:00 (Europe/Madrid)")
    assert found["recipient acc"] == ("ok", "accountants, in es; alarms at once, digests at 08:00 (Europe/Madrid)")
    assert rows(shop, shop.config)["notifications"][1] == (
        "there are no recipients: nobody is told when something is wrong"
    )

    shop.run("sync", "--patience", "0", config=with_a_wrong_key(config))
    status, message = rows(shop, config)["alarm account_stopped spain"]
    assert status == "warning"
    assert "Account spain is paused" in message


@pytest.mark.parametrize(
    ("address", "said"),
    [("nonsense", "The address is none that Apprise knows."), ("", "address_file")],
)
def test_check_finds_addresses_that_are_none(shop: Shop, mail: MailServer, address: str, said: str) -> None:
    config = told(shop, mail)
    (shop.folder / "address").write_text(address, encoding="utf-8")

    status, message = rows(shop, config)["recipient acc"]

    assert status == "failed"
    assert said in message


def test_a_message_that_waits_is_seen_by_check(shop: Shop, mail: MailServer) -> None:
    mail.stop()
    shop.run("sync", "--patience", "0", config=with_a_wrong_key(told(shop, mail)))

    status, message = rows(shop, told(shop, mail))["recipient ops"]

    assert status == "warning"
    assert message.startswith("1 message could not be delivered since ")


def test_a_sync_tells_people_too(shop: Shop, mail: MailServer) -> None:
    shop.run("sync", "--patience", "0", config=with_a_wrong_key(told(shop, mail)))
    shop.run("sync", "--patience", "0", config=shop.folder / "told.toml")

    [subject] = mail.subjects()
    assert subject.startswith("[TEST simulator] Alarm: Account spain is paused")


def test_the_help_knows_it() -> None:
    assert "preview" in call("notify", "--help").out
