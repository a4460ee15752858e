"""Who may come in, and what strangers, viewers and other sites are told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from config.sections.web import WebSettings
from connector.domain.errors import UsageError
from connector.domain.people import Role
from connector.operations.people import WRONG_BY_PAIR, add_user
from connector.web.console.sign_in import address_of
from connector.web.server import WebServer
from tests.cli.shop import call
from tests.console.browser import Browser
from tests.console.conftest import PASSWORD, Console

ADDRESSES = (
    "/",
    "/jobs",
    "/jobs/1",
    "/jobs/1/payload",
    "/bulks",
    "/bulks/new",
    "/accounts",
    "/audit",
    "/nowhere",
    "/docs",
    "/openapi.json",
)


@pytest.mark.parametrize("path", ADDRESSES)
def test_strangers_are_sent_to_sign_in_wherever_they_knock(console: Console, path: str) -> None:
    answer = httpx.get(console.address + path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_health_and_the_style_need_no_sign_in(console: Console) -> None:
    assert httpx.get(console.address + "/health/live").status_code == 200
    assert httpx.get(console.address + "/static/console.css").status_code == 200


def test_after_signing_in_one_is_where_one_wanted_to_go_and_never_elsewhere(console: Console) -> None:
    with console.browser() as browser:
        wanted = browser.hidden("/sign-in?target=/jobs%3Fstatus%3Dheld", "/sign-in")
        filled = {**wanted, "name": "vera", "password": PASSWORD}
        assert browser.client.post("/sign-in", data=filled).headers["location"] == "/jobs?status=held"
    for trap in ("https://evil.example/", "//evil.example/", "/\\evil.example", "//["):
        with console.browser() as browser:
            assert browser.sign_in("vera", PASSWORD, target=trap).headers["location"] == "/"


def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(console: Console) -> None:
    with console.browser() as browser:
        cookie = browser.sign_in("ana", PASSWORD).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_nothing_of_another_host_and_no_script_of_a_page_is_run(ana: Browser) -> None:
    policy = ana.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_a_page_that_fails_is_guarded_as_all_are(
    console: Console, ana: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("a bug")

    whole = ana.get("/audit").headers
    monkeypatch.setattr(console.ledger.deeds, "page", fail)
    answer = ana.get("/audit")
    assert answer.status_code == 500
    assert "a bug" not in answer.text
    assert {*whole} == {*answer.headers}
    assert answer.headers["content-security-policy"] == whole["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_session_ends_with_signing_out_also_for_who_kept_the_cookie(console: Console) -> None:
    with console.browser("ana") as browser:
        kept = dict(browser.client.cookies)
        assert browser.send("/sign-out").status_code == 303
    assert httpx.get(console.address + "/", cookies=kept).status_code == 303


def test_guessing_is_slow_and_does_not_tell_who_exists(console: Console) -> None:
    add_user(console.ledger, "gonzalo", Role.VIEWER, PASSWORD)
    with console.browser() as browser:
        wrong = [browser.sign_in("gonzalo", "not my password") for _ in range(WRONG_BY_PAIR)]
        assert {answer.status_code for answer in wrong} == {401}
        assert browser.sign_in("gonzalo", PASSWORD).status_code == 429
        assert browser.sign_in("nobody", "not my password").status_code == 401


@pytest.mark.parametrize("lines", [["6.6.6.6, 203.0.113.9"], ["6.6.6.6", "203.0.113.9"], ["203.0.113.9"]])
def test_the_address_is_the_one_that_the_proxy_added(lines: list[str]) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    services: Any = SimpleNamespace(settings=SimpleNamespace(web=WebSettings(proxy="127.0.0.1")))
    through = Request({"type": "http", "headers": headers, "client": ("127.0.0.1", 1)})
    beside = Request({"type": "http", "headers": headers, "client": ("198.51.100.7", 1)})
    assert address_of(through, services) == "203.0.113.9"
    assert address_of(beside, services) == "198.51.100.7"


def test_a_form_needs_the_key_of_its_session(console: Console, ana: Browser) -> None:
    job = console.job("B-0115")
    for key in ("", "wrong"):
        assert ana.client.post(f"/jobs/{job.id}/retry", data={"form_key": key}).status_code == 403
    with console.browser("ana") as other:
        foreign = other.form_key()
    assert ana.client.post(f"/jobs/{job.id}/retry", data={"form_key": foreign}).status_code == 403
    assert console.job("B-0115").updated_at == job.updated_at


@pytest.mark.parametrize("header", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_form_that_comes_from_another_site_fails(console: Console, ana: Browser, header: dict[str, str]) -> None:
    job = console.job("B-0115")
    answer = ana.client.post(f"/jobs/{job.id}/retry", data={"form_key": ana.form_key()}, headers=header)
    assert answer.status_code == 403
    assert console.job("B-0115").updated_at == job.updated_at


def test_a_viewer_sees_and_cannot_act(console: Console, vera: Browser) -> None:
    job = console.job("B-0115")
    assert "formaction" not in vera.text(f"/jobs/{job.id}")
    addresses = (f"/jobs/{job.id}/retry", "/bulks", "/accounts/spain/pause", "/accounts/check")
    for address in addresses:
        assert vera.send(address, act="retry", note="please", attention="1").status_code == 403
    assert console.job("B-0115").updated_at == job.updated_at
    assert console.ledger.bulks.latest() == []


def test_a_new_password_signs_the_other_browsers_out(console: Console) -> None:
    add_user(console.ledger, "paula", Role.VIEWER, PASSWORD)
    with console.browser("paula") as here, console.browser("paula") as there:
        assert here.send("/password", present="wrong", wanted="four words in a row").status_code == 403
        assert here.send("/password", present=PASSWORD, wanted="short").status_code == 422
        assert here.send("/password", present=PASSWORD, wanted="four words in a row").status_code == 200
        assert here.get("/").status_code == 200
        assert there.get("/").status_code == 303


def test_the_language_of_a_user_stays_theirs(console: Console) -> None:
    with console.browser("ana") as browser:
        browser.client.post("/language", data={"language": "ca", "target": "/jobs"})
        assert '<html lang="ca">' in browser.text("/jobs")
    with console.browser("ana", language="fr") as elsewhere:
        assert '<html lang="ca">' in elsewhere.text("/jobs")
        elsewhere.client.post("/language", data={"language": "en"})


def test_the_web_does_not_listen_for_other_machines_while_nobody_could_sign_in(console: Console) -> None:
    open_to_all = console.services.settings.model_copy(
        update={"web": console.services.settings.web.model_copy(update={"host": "0.0.0.0"})}
    )
    for user in console.ledger.people.users():
        console.ledger.people.remove(user.name)
    console.services.settings = open_to_all
    with pytest.raises(UsageError, match="nobody could sign in"):
        WebServer(console.services)
    add_user(console.ledger, "ana", Role.OPERATOR, PASSWORD)
    WebServer(console.services).stop()


def test_users_are_kept_on_the_command_line_and_no_password_is_an_argument(console: Console) -> None:
    config = str(console.shop.folder / "console.toml")
    nothing = call("--config", config, "users", "add", "otto", stdin="")
    assert (nothing.status, "no password of otto on standard input" in nothing.err) == (2, True)
    weak = call("--config", config, "users", "add", "otto", stdin="short\n")
    assert weak.status == 2
    assert "fewer than 12" in weak.err
    added = call("--config", config, "users", "add", "otto", "--role", "operator", stdin=PASSWORD + "\n")
    assert added.status == 0
    assert f"stands in {console.ledger.database.place}" in added.out  # which need not be the service's
    [otto] = [one for one in call("--config", config, "users", "list", "--json").lines if one["name"] == "otto"]
    assert otto["role"] == "operator"
    assert PASSWORD not in str(otto)
    with console.browser("otto") as browser:
        assert call("--config", config, "users", "password", "otto", stdin="four words in a row\n").status == 0
        assert browser.get("/").status_code == 303
    assert call("--config", config, "users", "remove", "otto").status == 0
    assert call("--config", config, "users", "remove", "otto").status == 2
