"""The words of the console: in every language, with the same blanks, all of them used."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from connector.domain.catalogue import LANGUAGES, placeholders
from connector.web.console.texts import counted, preferred, text, texts

FOLDER = resources.files("connector.web.console")


def sources() -> str:
    """All templates and modules of the console, as one text."""
    files = [*FOLDER.joinpath("templates").iterdir(), *FOLDER.iterdir()]
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.name.endswith((".html", ".py")))


@pytest.mark.parametrize("key", sorted(texts()))
def test_a_text_is_there_in_every_language_with_the_same_blanks(key: str) -> None:
    entry = texts()[key]
    assert set(entry) == set(LANGUAGES)
    assert len({placeholders(value) for value in entry.values()}) == 1
    assert all(value.strip() == value and value for value in entry.values())


def test_every_text_that_a_page_asks_for_is_there() -> None:
    asked = set(re.findall(r"""\b(?:t|n)\(["']([a-z0-9_]+)["'][,)]""", sources()))
    assert len(asked) > 150
    assert asked <= set(texts())


def test_blanks_are_filled_with_text_and_not_with_markup() -> None:
    assert text("stopped_by", "en", who="<b>ana</b>") == "stopped by &lt;b&gt;ana&lt;/b&gt;"


@pytest.mark.parametrize(
    ("language", "number", "told"),
    [("en", 0, "0 invoices"), ("en", 1, "1 invoice"), ("fr", 0, "0 facture"), ("es", 2, "2 facturas")],
)
def test_numbers_have_their_form(language: str, number: int, told: str) -> None:
    assert counted("invoices", number, language, str(number)) == told


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ca,es;q=0.8", "ca"),
        ("de,fr-CA;q=0.7,en;q=0.3", "fr"),
        ("", "en"),
        ("de", "en"),
        ("es;q=0,fr", "fr"),
        (";;q", "en"),
    ],
)
def test_a_browser_is_answered_in_the_language_it_prefers(header: str, language: str) -> None:
    assert preferred(header) == language
