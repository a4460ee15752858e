"""Every phrase of a timeline is there in every language."""

from __future__ import annotations

import pytest

from connector.domain import catalogue
from connector.operations import timeline

PHRASES = sorted(
    phrase
    for table in (
        timeline._EFFECTS,
        timeline._REACHED,
        timeline._PLAIN,
        timeline._ABOUT_EFFECTS,
        timeline._LET_GO,
    )
    for phrase in table.values()
)


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_is_told_in_every_language_with_its_blanks(phrase: str) -> None:
    blanks = {name: f"<{name}>" for name in catalogue.placeholders(phrase)}
    for language in ("es", "fr", "ca"):
        told = catalogue.term("timeline", phrase, language, **blanks)
        assert told != phrase.format(**blanks)
        assert all(value in told for value in blanks.values())


@pytest.mark.parametrize("how", ["known", "found", "created", "updated"])
def test_how_a_contact_was_come_by_is_told_in_every_language(how: str) -> None:
    assert all(catalogue.translated("how", how, language) != how for language in ("es", "fr", "ca"))
