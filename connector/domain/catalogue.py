"""The error catalogue: for every reason who must act, what happened in one sentence, and the cure.

The texts live in `catalogue.toml` and nowhere else, in every language of `LANGUAGES`; a translation that is
missing is English. Whoever is addressed chooses the language: `speak` for all that is told from here on, or the
`language` argument for one sentence. What is stored or logged is English.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import resources
from string import Formatter
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from connector.domain.invoice import money

Language = Literal["en", "es", "fr", "ca"]

LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

ENGLISH: Final[Language] = "en"

DIFFERENT: Final = "…"
"""Stands for a fact that is not the same in all the cases that a sentence sums up."""

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


class Who(StrEnum):
    """Who must act on a reason."""

    ITSELF = "itself"
    ACCOUNTANT = "accountant"
    OPERATOR = "operator"
    NOBODY = "nobody"


def speak(language: str) -> None:
    """Choose the language of all that is told from here on, in this thread or task; see `LANGUAGES`."""
    _spoken.set(language)


def spoken() -> str:
    """Return the language that was chosen; English until then."""
    return _spoken.get()


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of the catalogue."""

    code: str
    who: Who
    sentences: Mapping[str, str]  # by language
    cures: Mapping[str, str]
    by_erp: bool = False
    cause: tuple[str, ...] = ()  # the facts that make several cases one cause

    @property
    def says(self) -> str:
        """The sentence in English, with its {names}."""
        return self.sentences[ENGLISH]

    @property
    def cure(self) -> str:
        """The cure in English, with its {names}."""
        return self.cures[ENGLISH]

    @property
    def facts(self) -> frozenset[str]:
        """The names in sentence and cure."""
        return placeholders(self.says) | placeholders(self.cure)

    def title(self, language: str | None = None) -> str:
        """Return the sentence that all its cases have in common."""
        return self.message(dict.fromkeys(self.facts, DIFFERENT), language).rstrip(".")

    def message(self, details: Mapping[str, str], language: str | None = None) -> str:
        """Return the sentence with the facts filled in; a fact that is not known shows as a question mark.

        `language` is by default the one that was chosen with `speak`.
        """
        return _told(self.sentences, details, language)

    def advice(self, details: Mapping[str, str], language: str | None = None) -> str:
        """Return the cure with the facts filled in; see `message`."""
        return _told(self.cures, details, language)


@cache
def reasons() -> Mapping[str, Reason]:
    """Return the whole catalogue by code."""
    return MappingProxyType({code: _entry(code, data) for code, data in _data().items() if code != _TERMS})


def reason(code: str) -> Reason:
    """Return one entry.

    Raises:
        KeyError: the code is not in the catalogue; the caller has a bug.
    """
    return reasons()[code]


def cured_by_erp() -> Collection[str]:
    """Return the codes that a change in the ERP may cure."""
    return [code for code, entry in reasons().items() if entry.by_erp]


def placeholders(text: str) -> frozenset[str]:
    """Return the {names} in a text of the catalogue."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)


def within(name: str, code: str, details: Mapping[str, str]) -> dict[str, str]:
    """Return the facts that let one sentence contain another, as `name`, in whatever language it is told.

    Args:
        name: how the containing sentence calls it.
        code: of the contained reason.
        details: its facts.
    """
    told = {name: reason(code).message(details, ENGLISH), f"{name}{_CODE}": code}
    return told | {f"{name}.{fact}": value for fact, value in details.items()}


def contained(name: str, details: Mapping[str, str]) -> tuple[Reason, dict[str, str]] | None:
    """Return the reason whose sentence is the fact `name`, with its own facts; None where it is no sentence."""
    inner = reasons().get(details.get(name + _CODE, ""))
    if inner is None:
        return None
    start = f"{name}."
    return inner, {key.removeprefix(start): value for key, value in details.items() if key.startswith(start)}


def term(table: str, word: str, language: str | None = None, **blanks: str) -> str:
    """Return a word or phrase of the terms, such as `term("acts", "accountant", "fr")`; itself if it is none."""
    entry = _terms().get(table, {}).get(word)
    return _fill(_chosen(entry.texts, language) if entry else word, blanks.__getitem__)


def titles(codes: str, language: str | None = None) -> str:
    """Return what all cases of some reasons have in common; their codes are listed as in a fact."""
    told = [reasons()[code].title(language) if code in reasons() else code for code in codes.split(", ")]
    return "; ".join(told)


def translated(fact: str, value: str, language: str | None = None) -> str:
    """Return the value of a fact as the sentences tell it, such as `translated("field", "tax 21 %", "fr")`."""
    return _translated(fact, value, language or spoken())


def summed_up(
    code: str, facts: Mapping[str, str], count: int, sums: Mapping[str, Decimal], language: str | None = None
) -> str:
    """Return one sentence about many cases of one cause, such as "… lacks: DIR3 codes – 38 invoices, 12,340.00 EUR".

    Args:
        code: of their reason.
        facts: what they have in common; `DIFFERENT` where they have not.
        count: how many.
        sums: by currency.
        language: see `Reason.message`.
    """
    return f"{reason(code).message(facts, language).rstrip('.')} – {counted(count, sums, language)}"


def counted(count: int, sums: Mapping[str, Decimal], language: str | None = None) -> str:
    """Return how many invoices, and their sums by currency, such as "38 invoices, 12,340.00 EUR"."""
    number = _grouped(f"{count}", language)
    many = term("count", "1 invoice" if count == 1 else "{count} invoices", language, count=number)
    return ", ".join([many, *(_amount(value, currency, language) for currency, value in sorted(sums.items()))])


# ---------------------------------------------------------------- the file

_TERMS: Final = "terms"


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("connector.domain").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _entry(code: str, data: Mapping[str, Any]) -> Reason:
    return Reason(
        code=code,
        who=Who(data["who"]),
        sentences=_texts(data["says"]),
        cures=_texts(data["cure"]),
        by_erp=data.get("by_erp", False),
        cause=tuple(data.get("cause", ())),
    )


def _texts(value: str | Mapping[str, str]) -> Mapping[str, str]:
    return {ENGLISH: value} if isinstance(value, str) else value


def _chosen(texts: Mapping[str, str], language: str | None) -> str:
    return texts.get(language or spoken()) or texts[ENGLISH]


# ---------------------------------------------------------------- sentences and their facts

_CODE: Final = "_reason"
"""Behind the name of a fact that is a sentence itself: holds its code. Its facts are called `name.fact`."""


def _told(texts: Mapping[str, str], details: Mapping[str, str], language: str | None) -> str:
    language = language or spoken()
    return _fill(_chosen(texts, language), lambda name: _fact(name, details, language))


def _fact(name: str, details: Mapping[str, str], language: str) -> str:
    inner = contained(name, details)
    if inner is not None:
        entry, own = inner
        return entry.message(own, language)
    return _translated(name, details[name], language) if name in details else "?"


class _Blanks(dict[str, str]):
    def __init__(self, fact: Callable[[str], str]) -> None:
        self._fact = fact

    def __missing__(self, key: str) -> str:
        return self._fact(key)


def _fill(template: str, fact: Callable[[str], str]) -> str:
    return Formatter().vformat(template, (), _Blanks(fact))


# ---------------------------------------------------------------- facts that are words


@dataclass(frozen=True, slots=True)
class _Term:
    """A word that a fact may consist of, or a phrase with {blanks}."""

    texts: Mapping[str, str]
    pattern: re.Pattern[str] | None = field(default=None)


_SAME: Final = {"there": "state"}
"""Facts that consist of the words of another one."""


@cache
def _terms() -> Mapping[str, Mapping[str, _Term]]:
    tables = _data().get(_TERMS, {})
    return {
        table: {
            key: _Term({ENGLISH: key, **texts}, re.compile(_pattern(key, tables), re.DOTALL) if "{" in key else None)
            for key, texts in words.items()
        }
        for table, words in tables.items()
    }


def _pattern(phrase: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    """A blank that has terms of its own prefers them, for they may consist of several words."""
    parts = []
    for literal, name, _, _ in Formatter().parse(phrase):
        parts.append(re.escape(literal))
        if name:
            known = [re.sub(r"\\{\w+\\}", ".+?", re.escape(word)) for word in tables.get(name, ())]
            parts.append(f"(?P<{name}>{'|'.join([*known, '.+?'])})")
    return "".join(parts)


def _translated(name: str, value: str, language: str) -> str:
    """Say a fact in a language as far as it consists of our own words; everything else stays as it came."""
    words = _terms().get(_SAME.get(name, name))
    if not words:
        return value
    return "; ".join(_list(words, part, language) for part in value.split("; "))


def _list(words: Mapping[str, _Term], value: str, language: str) -> str:
    whole = _phrase(words, value, language)
    if whole is not None:
        return whole
    return ", ".join(_phrase(words, part, language) or part for part in value.split(", "))


def _phrase(words: Mapping[str, _Term], value: str, language: str) -> str | None:
    exact = words.get(value)
    if exact is not None:
        return _chosen(exact.texts, language)
    for entry in words.values():
        match = entry.pattern.fullmatch(value) if entry.pattern else None
        if match:
            blanks = {name: _translated(name, text, language) for name, text in match.groupdict().items()}
            return _fill(_chosen(entry.texts, language), blanks.__getitem__)
    return None


# ---------------------------------------------------------------- amounts

_SEPARATORS: Final[Mapping[str, Sequence[str]]] = {
    "en": (",", "."),
    "es": (".", ","),
    "fr": ("\N{NARROW NO-BREAK SPACE}", ","),
    "ca": (".", ","),
}
"""Between thousands, and before decimals."""


def _amount(value: Decimal, currency: str, language: str | None) -> str:
    digits = max(money(currency).digits, -int(value.as_tuple().exponent))
    return f"{_grouped(f'{value:.{digits}f}', language)} {currency}"


def _grouped(number: str, language: str | None) -> str:
    thousands, point = _SEPARATORS.get(language or spoken(), _SEPARATORS[ENGLISH])
    whole, _, decimals = number.partition(".")
    grouped = f"{int(whole):,}" if whole.lstrip("-").strip("0") else whole
    return grouped.replace(",", thousands) + (point + decimals if decimals else "")
