"""The pages, as a person without JavaScript sees them."""

from __future__ import annotations

import re

import pytest

from tests.console.browser import Browser
from tests.console.conftest import Console

PAGES = (
    "/",
    "/jobs",
    "/jobs?attention=1",
    "/bulks",
    "/bulks/new?act=retry&attention=1",
    "/accounts",
    "/audit",
    "/password",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["en", "es", "fr", "ca"])
def test_every_page_is_there_in_every_language_with_its_band(console: Console, page: str, language: str) -> None:
    with console.browser("vera", language=language) as browser:
        text = browser.text(page)
    assert f'<html lang="{language}">' in text
    assert 'class="env-simulator"' in text


def test_the_overview_groups_what_needs_a_person_by_cause(ana: Browser) -> None:
    text = ana.text("/")
    assert "Needs a person" in text
    assert "8 invoices" in text


def test_a_list_shows_what_its_address_says(console: Console, ana: Browser) -> None:
    text = ana.text("/jobs?status=held&reason=iban_wrong")
    assert "B-0103" in text
    assert "B-0101" not in text


def test_the_page_of_a_job_has_reason_cure_timeline_and_fitting_acts_alone(console: Console, ana: Browser) -> None:
    held = console.job("B-0103")
    text = ana.text(f"/jobs/{held.id}")
    assert held.message is not None
    assert "Found in the ERP" in text
    assert re.findall(rf'formaction="/jobs/{held.id}/(\w+)"', text) == ["retry", "skip"]
    issued = ana.text(f"/jobs/{console.job('B-0101').id}")
    assert "formaction" not in issued
