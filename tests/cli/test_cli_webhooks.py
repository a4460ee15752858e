"""`connector webhooks`: made at B2Brouter where its interface can, listed, and tried against our own receiver."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.shop import Shop
from tests.cli.test_cli_web import address
from tests.support.ports import own_port

URL = "https://erp.example.com"


def with_secret(shop: Shop, secret: str, extra: str = "") -> Path:
    wanted = 'account_id = "1"'
    return shop.changed((wanted, f'{wanted}\nwebhook_secret = "{secret}"'), extra=extra, name=f"{secret}.toml")


def test_register_makes_the_webhook_and_tells_the_secret_once(shop: Shop) -> None:
    done = shop.run("webhooks", "register", "spain", "--url", URL)
    [hook] = shop.world.hooks.values()
    assert done.status == 0
    assert (hook.url, set(hook.events)) == (
        f"{URL}/webhooks/b2brouter/spain", {"issued_invoice.state_change", "tax_report.state_change"},
    )  # fmt: skip
    assert hook.secret in done.out
    assert "webhook_secret_file" in done.out


def test_register_for_machines(shop: Shop) -> None:
    told = shop.run("webhooks", "register", "spain", "--url", f"{URL}/webhooks/b2brouter/spain", "--json").json
    [hook] = shop.world.hooks.values()
    assert (told["url"], told["signing_secret"]) == (hook.url, hook.secret)


def test_where_the_interface_does_not_make_it_the_way_by_hand_is_told(shop: Shop) -> None:
    shop.world.faults.add("drop_after", operation="create_web_hook")
    done = shop.run("webhooks", "register", "spain", "--url", URL)
    assert done.status == 1
    assert f"Make it by hand at B2Brouter, Developers, Webhooks: address {URL}/webhooks/b2brouter/spain" in " ".join(
        done.err.split()
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("register", "nobody", "--url", URL), "There is no account nobody"),
        (("register", "spain", "--url", "erp.example.com"), "is no address"),
        (("test", "spain"), "has no webhook_secret"),
    ],
)
def test_wrong_usage(shop: Shop, arguments: tuple[str, ...], says: str) -> None:
    done = shop.run("webhooks", *arguments)
    assert done.status == 2
    assert says in done.err


def test_list_shows_where_they_arrive_and_whether_they_do(shop: Shop) -> None:
    spain, france = shop.run("webhooks", "list", "--json", config=with_secret(shop, "whsec_1")).lines
    assert (spain["account"], spain["path"], spain["secrets"]) == ("spain", "/webhooks/b2brouter/spain", 1)
    assert (spain["last_received"], spain["proved_at"]) == (None, None)
    assert france["secrets"] == 0
    assert "never" in shop.run("webhooks", "list").out


def test_test_sends_one_that_is_taken_and_one_that_is_refused(shop: Shop) -> None:
    web = f"\n[web]\nport = {own_port()}\n"
    config = with_secret(shop, "whsec_right", extra=web)
    process = shop.process("web", config=config, CONNECTOR_WEB__PORT=web.rsplit(maxsplit=1)[-1])
    try:
        base = address(process)
        done = shop.run("webhooks", "test", "spain", config=config)
        assert (done.status, done.out) == (
            0, f"{base}/webhooks/b2brouter/spain takes what is signed rightly and refuses what is not.\n",
        )  # fmt: skip
        [spain, _] = shop.run("webhooks", "list", "--json", config=config).lines
        assert spain["last_received"] is not None
        wrong = shop.run("webhooks", "test", "spain", config=with_secret(shop, "whsec_wrong", extra=web))
        assert wrong.status == 1
        assert "401 to what is signed rightly" in wrong.err
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    gone = shop.run("webhooks", "test", "spain", config=config)
    assert gone.status == 1
    assert "cannot be reached" in gone.err
