"""The catalogue of reasons, for the people who act on them, in their language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from connector.domain import catalogue
from connector.domain.catalogue import ENGLISH, LANGUAGES, Reason, Who, term

_NAMES: Final[Mapping[str, str]] = {"en": "English", "es": "Español", "fr": "Français", "ca": "Català"}

_FILE: Final = "connector/domain/catalogue.toml"

_ORDER: Final = (Who.ACCOUNTANT, Who.OPERATOR, Who.ITSELF, Who.NOBODY)


def pages() -> Mapping[str, str]:
    """Return the pages of all languages by file name."""
    return {_name(language): _reasons(language) for language in LANGUAGES}


def _name(language: str) -> str:
    return "reasons.md" if language == ENGLISH else f"reasons.{language}.md"


def _reasons(language: str) -> str:
    return "\n\n".join(_blocks(language)) + "\n"


def _blocks(language: str) -> Iterator[str]:
    def said(text: str, **blanks: str) -> str:
        return term("page", text, language, **blanks)

    yield f"<!-- {said('This page is made from {file}; change that, then: make docs', file=_FILE)} -->"
    yield f"# {said('Why an invoice does not go on')}"
    yield " · ".join(
        _NAMES[other] if other == language else f"[{_NAMES[other]}]({_name(other)})" for other in LANGUAGES
    )
    yield said(
        "Every reason the connector can give, who acts on it, and what to do. "
        "Words in angle quotes stand for the facts of the case."
    )
    for who in _ORDER:
        entries = [entry for entry in catalogue.reasons().values() if entry.who is who]
        if entries:
            yield f"## {said(who)}"
        for entry in entries:
            yield from _section(entry, language)


def _section(entry: Reason, language: str) -> Iterator[str]:
    """The heading is the code alone, so that links to a reason are the same in every language."""
    yield f"### {entry.code}"
    yield _shown(entry.sentences, language)
    colon = " :" if language == "fr" else ":"
    yield f"**{term('page', 'What to do', language)}{colon}** {_shown(entry.cures, language)}"
    if entry.by_erp:
        yield term("page", "A change in the ERP is enough: the invoice is then tried again by itself.", language)


def _shown(texts: Mapping[str, str], language: str) -> str:
    text = texts.get(language) or texts[ENGLISH]
    return re.sub(r"{(\w+)}", lambda name: f"‹{term('fact', name[1], language)}›", text)
