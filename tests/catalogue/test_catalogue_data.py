"""The catalogue is one well-kept file, and the only place where the text of a reason is written."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import connector
from connector.cli.session import LANGUAGES as COMMAND_LINE
from connector.docs import reasons
from connector.domain import catalogue
from connector.domain.catalogue import LANGUAGES, Reason, placeholders
from connector.ledger.causes import COLUMNS

ROOT = Path(connector.__file__).parents[1]
FOLDERS = ("connector", "workers", "config")
SHORT = 24
"""Fewer letters than these may be the same by chance."""

ENTRIES = list(catalogue.reasons().values())
TERMS: dict[str, dict[str, dict[str, str]]] = catalogue._data()["terms"]
NOT_IN_SENTENCES = {
    "buyer",  # the ERP's identifier of the customer
    "code",
    "param",
    *(column.key for column in COLUMNS),
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_every_entry_says_what_makes_it_one_cause(entry: Reason) -> None:
    assert "cause" in catalogue._data()[entry.code]
    assert set(entry.cause) <= entry.facts | NOT_IN_SENTENCES


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_an_entry_has_nothing_that_nobody_reads(entry: Reason) -> None:
    assert set(catalogue._data()[entry.code]) <= {"who", "by_erp", "cause", "says", "cure"}
    assert re.fullmatch("[a-z][a-z0-9_]+", entry.code)
    assert entry.code != "terms"


def phrases() -> list[Any]:
    return [
        pytest.param(key, texts, id=f"{table}.{key}"[:60])
        for table, words in TERMS.items()
        for key, texts in words.items()
    ]


@pytest.mark.parametrize(("key", "texts"), phrases())
def test_every_word_is_there_in_every_language_with_the_same_blanks(key: str, texts: dict[str, str]) -> None:
    assert {*texts, "en"} == set(LANGUAGES)
    for text in texts.values():
        assert text
        assert placeholders(text) == placeholders(key)


def test_every_fact_has_a_name_for_the_documentation_and_no_other_has() -> None:
    used = {name for entry in ENTRIES for name in entry.facts}

    assert used == set(TERMS["fact"])


def test_the_command_line_offers_the_languages_there_are() -> None:
    assert COMMAND_LINE == LANGUAGES


# ---------------------------------------------------------------- nowhere else


def pieces(text: str) -> list[str]:
    """The stretches of a text between its facts that are long enough to be recognised."""
    return [piece.strip(" .:,;()") for piece in re.split(r"{\w+}", text) if len(piece.strip(" .:,;()")) >= SHORT]


def literals(file: Path) -> list[str]:
    """What a module can say: its strings, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
    ]


def test_no_text_of_a_reason_is_written_anywhere_else() -> None:
    known = {
        piece: entry.code
        for entry in ENTRIES
        for texts in (entry.sentences, entry.cures)
        for text in texts.values()
        for piece in pieces(text)
    }
    assert len(known) > 300
    again = [
        f"{file.relative_to(ROOT)}: {code}: {piece}"
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for literal in literals(file)
        for piece, code in known.items()
        if piece in literal
    ]

    assert again == []


# ---------------------------------------------------------------- the pages


def test_there_is_a_page_for_every_language_and_an_anchor_for_every_reason() -> None:
    pages = reasons.pages()

    assert len(pages) == len(LANGUAGES)
    for text in pages.values():
        assert re.findall("^### (.*)$", text, re.MULTILINE).count("vat_number_wrong") == 1
        assert set(re.findall("^### (.*)$", text, re.MULTILINE)) == set(catalogue.reasons())
        assert "{" not in text
