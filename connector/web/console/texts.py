"""The words of the console in every language. They live in `texts.toml`; reasons come from the error catalogue."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from markupsafe import Markup, escape

from connector.domain.catalogue import ENGLISH, LANGUAGES

NAMES: Final[Mapping[str, str]] = {"en": "English", "es": "Español", "fr": "Français", "ca": "Català"}
"""The languages as they call themselves."""

ONE: Final = "_one"
"""Behind the key of a text that has a form of its own for a single thing."""


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Return all texts by key and language."""
    file = resources.files("connector.web.console").joinpath("texts.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def text(key: str, language: str, **blanks: Any) -> Markup:
    """Return one text with its blanks filled in, fit for a page: what fills them is escaped.

    Raises:
        KeyError: there is no such text; the caller has a bug.
    """
    entry = texts()[key]
    return escape(entry.get(language) or entry[ENGLISH]).format(**blanks)


def counted(key: str, number: int, language: str, shown: str) -> Markup:
    """Return a text about so many things, in the singular where it is one (in French also where it is none)."""
    single = number == 1 or (language == "fr" and number == 0)
    return text(key + ONE if single and key + ONE in texts() else key, language, count=shown)


def preferred(header: str) -> str:
    """Return the language that a browser prefers among ours, by its Accept-Language; English else."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wishes.append((-weight, place, name.partition("-")[0].lower()))
    return next((name for weight, _, name in sorted(wishes) if name in LANGUAGES and weight), ENGLISH)
