"""The overview and the accounts of a provider: what is in trouble first, the others by search and by pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connector.domain.rounding import Way
from connector.web.console.texts import text
from tests.console.browser import Browser
from tests.console.conftest import Console

TENANTS = [f"tenant{n}" for n in range(1, 101)]
ERPS = [f"erp{n}" for n in range(1, 61)]
PAUSED = "tenant77"
NOTE = "<b>new key</b> & more"


@pytest.fixture
def many(console: Console, ana: Browser) -> Iterator[Browser]:
    """An operator's browser, with a hundred accounts and sixty sources beside the demo's; two of them are paused."""
    services, ledger = console.services, console.ledger
    before = services.settings
    accounts = {**before.accounts, **dict.fromkeys(TENANTS, before.accounts["spain"])}
    sources = {**before.sources, **dict.fromkeys(ERPS, before.sources["booking"])}
    services.settings = before.model_copy(update={"accounts": accounts, "sources": sources})
    for name in sources:
        ledger.intake.remember(name, discovered_at=services.clock.now())
    for name in (*before.accounts, *TENANTS[:-1]):
        ledger.accounts.learn(name, Way())
    pause(console, PAUSED)
    ledger.sources.pause("erp55", who="vera", note=NOTE, until=None)
    yield ana
    for name in TENANTS:
        ledger.accounts.resume_by_person(name, who="vera", note="")
    ledger.sources.resume("erp55", who="vera", note="")
    services.settings = before


def pause(console: Console, *names: str) -> None:
    for name in names:
        console.ledger.accounts.pause_by_person(name, who="vera", note=NOTE, until=None)


def cards(page: str) -> list[str]:
    return re.findall(r'<section class="card" id="[a-z]+-(.+?)"', page)


def health(page: str) -> str:
    return page[page.index('<ul class="plain health">') :].partition("</section>")[0]


def test_the_overview_shows_what_is_in_trouble_and_counts_the_rest(many: Browser) -> None:
    told = health(many.text("/"))
    assert re.findall(r'<a href="(.+?)"', told) == [
        f"/accounts?name={PAUSED}#account-{PAUSED}",
        "/accounts?name=erp55#source-erp55",
        "/accounts",
    ]
    assert "100 accounts work<" in told
    assert "1 account not used yet<" in told
    assert "60 sources looked into in time<" in told


def test_the_overview_does_not_grow_with_what_is_in_trouble(console: Console, many: Browser) -> None:
    pause(console, *TENANTS[:40])
    told = health(many.text("/"))
    assert told.count('class="dot bad"') == 30 + 1
    assert '<a href="/accounts">11 more are paused, late or have differences for a person</a>' in told


def test_accounts_and_sources_come_in_pages_and_those_in_trouble_first(console: Console, many: Browser) -> None:
    seen, address = list[str](), "/accounts"
    while address:
        page = many.text(address)
        assert len(cards(page)) == (50 if 'rel="next"' in page else 13)
        assert ('<a href="/accounts">First page</a>' in page) == (address != "/accounts")
        seen += cards(page)
        address = "".join(re.findall(r'<a rel="next" href="(.+?)"', page))
    settings = console.services.settings
    assert sorted(seen) == sorted([*settings.accounts, *settings.sources])
    assert seen[0] == PAUSED
    assert "erp55" in seen[:50]


@pytest.mark.parametrize("language", ["en", "es", "fr", "ca"])
def test_a_search_by_name_shows_first_what_is_called_so(console: Console, many: Browser, language: str) -> None:
    pause(console, "tenant10")
    with console.browser("vera", language=language) as vera:
        assert cards(vera.text("/accounts?name=TENANT1"))[:3] == ["tenant1", "tenant10", "tenant11"]
        nothing = vera.text("/accounts?name=%22%3E%3Cscript%3E")
        assert cards(vera.text("/accounts?after=99999999")) == []
        assert cards(vera.text("/accounts?after=x"))[0] == "tenant10"
        assert str(text("more_troubled", language, count=3)) not in vera.text("/")
    assert cards(nothing) == []
    assert text("no_accounts_fit", language) in nothing
    assert 'value="&#34;&gt;&lt;script&gt;"' in nothing


def test_a_page_of_a_search_leads_to_the_next_of_the_same(many: Browser) -> None:
    page = many.text("/accounts?name=tenant")
    assert '<a rel="next" href="/accounts?name=tenant&amp;after=50">' in page
    page = many.text("/accounts?name=tenant&after=50")
    assert len(cards(page)) == 50
    assert 'rel="next"' not in page
    assert '<a href="/accounts?name=tenant">First page</a>' in page


def test_who_acts_on_one_of_many_sees_its_card_again(many: Browser) -> None:
    for act in ("pause", "resume", "compare"):
        page = many.done(f"/accounts/tenant9/{act}", note="month end")
        assert cards(page)[0] == "tenant9"
        assert len(cards(page)) == 11  # tenant90 to tenant99 have it in their names
    refused = many.send("/sources/erp6/pause", note="")
    assert refused.status_code == 422
    assert cards(refused.text) == ["erp6", "erp60"]
