"""Signing in through an OpenID Connect provider: a real one, small, that can be told to lie."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.people import Role
from connector.operations.people import add_user, is_password_of
from connector.web.server import WebServer
from tests.console.browser import Browser
from tests.support.openid import CLIENT, SECRET, OpenIdProvider
from tests.web.conftest import configuration


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as running:
        yield running


class Web:
    def __init__(self, url: str, issuer: str) -> None:
        oidc = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET, "label": "the house"}
        roles = {"operators": ["erp-operators"], "viewers": ["staff"]}
        self.services = Services(Settings(**configuration(url), oidc={**oidc, **roles}))
        self.services.open_ledger()
        self.server = WebServer(self.services).start()

    def come(self, browser: Browser) -> httpx.Response:
        """Go to the provider and back as a browser does; return what the way ends with here."""
        away = browser.get("/sign-in/provider?target=/jobs")
        assert away.status_code == 303, away.text
        back = httpx.get(away.headers["location"]).headers["location"]
        return browser.client.get(back)


@pytest.fixture
def web(embedded_url: str, provider: OpenIdProvider) -> Iterator[Web]:
    provider.claims = {"sub": "007", "preferred_username": "james", "groups": ["erp-operators"]}
    provider.lies, provider.at_userinfo, provider.elsewhere, provider.signs_with = {}, {}, {}, provider.key
    web = Web(embedded_url, provider.issuer)
    yield web
    web.server.stop()
    web.services.close()


@pytest.fixture
def browser(web: Web) -> Iterator[Browser]:
    with Browser(web.server.address) as opened:
        yield opened


def role_of(web: Web, name: str) -> Role | None:
    return {user.name: user.role for user in web.services.ledger.people.users()}.get(name)


def test_one_comes_back_as_an_operator_where_one_wanted_to_go(web: Web, browser: Browser) -> None:
    assert "Sign in with the house" in browser.text("/sign-in")
    answer = web.come(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert "james" in browser.text("/jobs")
    assert role_of(web, "james") is Role.OPERATOR
    assert not is_password_of(web.services.ledger, "james", "three words in a row")
    [deed] = web.services.ledger.deeds.page(before=None, limit=5)
    assert (deed.who, deed.what) == ("james", "sign_in")


def test_the_role_is_what_the_provider_says_now(web: Web, browser: Browser, provider: OpenIdProvider) -> None:
    web.come(browser)
    del provider.claims["groups"]
    provider.at_userinfo = {"sub": "007", "groups": "staff"}
    assert web.come(browser).status_code == 303
    assert role_of(web, "james") is Role.VIEWER
    provider.at_userinfo = {"sub": "008", "groups": "erp-operators"}  # what it says of others does not count
    refused = web.come(browser)
    assert refused.status_code == 403
    assert "have no role here" in refused.text


def test_nobody_takes_the_name_of_another(web: Web, browser: Browser, provider: OpenIdProvider) -> None:
    add_user(web.services.ledger, "ana", Role.OPERATOR, "three words in a row")
    provider.claims["preferred_username"] = "ana"
    assert "has your name" in web.come(browser).text
    provider.claims["preferred_username"] = "james"
    web.come(browser)
    provider.claims["sub"] = "008"
    assert "has your name" in web.come(browser).text


@pytest.mark.parametrize(
    "lie",
    [
        {"aud": "somebody else"},
        {"iss": "https://evil.example"},
        {"nonce": "of another sign-in"},
        {"exp": int(time.time()) - 3600},
        {"azp": "somebody else"},
        {"preferred_username": ""},
    ],
)
def test_what_is_not_proven_lets_nobody_in(
    web: Web, browser: Browser, provider: OpenIdProvider, lie: dict[str, Any]
) -> None:
    provider.lies = lie
    assert web.come(browser).status_code == 403
    assert browser.get("/jobs").status_code == 303  # to sign in
    assert web.services.ledger.people.users() == []


def test_a_token_that_another_signed_lets_nobody_in(web: Web, browser: Browser, provider: OpenIdProvider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert web.come(browser).status_code == 403
    assert web.services.ledger.people.users() == []


def test_an_answer_counts_once_and_in_the_browser_that_asked(web: Web, browser: Browser) -> None:
    back = httpx.get(browser.get("/sign-in/provider").headers["location"]).headers["location"]
    with Browser(web.server.address) as other:
        assert other.client.get(back).status_code == 403
    assert browser.client.get(back + "x").status_code == 403  # another state... and the sign-in is over
    assert browser.client.get(back).status_code == 403


@pytest.mark.parametrize(
    "kept",
    [
        b"[" * 45_000,
        b"[]",
        b"\xff",
        b'{"state": "\\ud800", "nonce": "", "verifier": "", "target": ""}',
        b'{"state": "x", "nonce": "", "verifier": "\\ud800", "target": ""}',
    ],
    ids=["deep", "a list", "no text", "half a character", "another half"],
)
def test_what_a_stranger_says_was_begun_here_was_not(
    web: Web, browser: Browser, kept: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    browser.client.cookies.set("connector_openid", base64.urlsafe_b64encode(kept).decode())
    assert browser.get("/sign-in/callback?state=x&code=y").status_code == 403
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"])
def test_no_address_is_asked_that_others_can_listen_to(
    web: Web, browser: Browser, provider: OpenIdProvider, name: str
) -> None:
    provider.elsewhere = {name: "http://provider.example/"}
    assert browser.get("/sign-in/provider").status_code == 503


def test_a_provider_that_is_away_is_told_and_passwords_still_count(embedded_url: str) -> None:
    web = Web(embedded_url, "http://127.0.0.1:1")
    add_user(web.services.ledger, "ana", Role.OPERATOR, "three words in a row")
    with Browser(web.server.address) as browser:
        answer = browser.get("/sign-in/provider")
        assert answer.status_code == 503
        assert "cannot be reached now" in answer.text
        assert browser.sign_in("ana", "three words in a row").status_code == 303
    web.server.stop()
    web.services.close()


def test_half_a_configuration_is_told(embedded_url: str) -> None:
    for oidc in ({"issuer": "https://x", "operators": ["a"]}, {"issuer": "https://x", "client_id": "c"}):
        with pytest.raises(ValueError, match=r"client_id is missing|nobody could come in"):
            Settings(**configuration(embedded_url), oidc=oidc)
