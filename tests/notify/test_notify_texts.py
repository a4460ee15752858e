"""Alarms and the words around them, in every language with the same facts; each alarm has its entry in the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connector.domain import catalogue
from connector.domain.alarms import Alarm, alarms
from connector.domain.catalogue import ENGLISH, LANGUAGES, placeholders
from connector.notify.texts import _phrases

ROOT = Path(__file__).parents[2]
ALL = list(alarms().values())


@pytest.mark.parametrize("alarm", ALL, ids=lambda alarm: alarm.code)
def test_an_alarm_is_told_in_every_language_with_the_same_facts(alarm: Alarm) -> None:
    for texts in (alarm.lasting.sentences, alarm.lasting.cures, alarm.over.sentences):
        assert set(texts) == set(LANGUAGES)
        assert len(set(texts.values())) == len(LANGUAGES)
        for text in texts.values():
            assert placeholders(text) == placeholders(texts[ENGLISH])
            assert text == " ".join(text.split())
            assert text.endswith((".", "}"))
        assert not re.search(r"[^\s][:;!?](\s|$)", texts["fr"]), "French puts a space before : ; ! ?"
    assert alarm.tell


@pytest.mark.parametrize("phrase", _phrases())
def test_a_phrase_is_there_in_every_language(phrase: str) -> None:
    texts = _phrases()[phrase]
    assert set(texts) == set(LANGUAGES)
    assert {placeholders(text) for text in texts.values()} == {placeholders(texts[ENGLISH])}
    assert not re.search(r"[^\s][:;!?](\s|$)", texts["fr"])


def test_an_alarm_about_a_reason_tells_its_cure_first() -> None:
    facts = {"account": "main", **catalogue.within("why", "access_refused", {"status": "401", "message": "no"})}
    inner = catalogue.reason("access_refused").advice({"status": "401", "message": "no"}, "es")

    advice = alarms()["account_stopped"].advice(facts, "es")

    assert advice.startswith(inner)
    assert advice.endswith("connector check --account main dice cómo está.")


@pytest.mark.parametrize("alarm", ALL, ids=lambda alarm: alarm.code)
def test_an_alarm_about_one_account_or_source_has_that_one_checked(alarm: Alarm) -> None:
    for cure in alarm.lasting.cures.values():
        for subject in alarm.lasting.facts & {"account", "source"}:
            assert cure.count("connector check") == cure.count(f"connector check --{subject} {{{subject}}}")


def test_every_alarm_has_its_entry_in_the_manual_and_no_other_has() -> None:
    manual = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    entries = re.split(r"^### ", manual.partition("## Alarms")[2].partition("\n## ")[0], flags=re.MULTILINE)[1:]

    assert {entry.split()[0] for entry in entries} == set(alarms())
    for entry in entries:
        assert all(f"**{part}.**" in entry for part in ("Means", "Look at", "Cure")), entry.split()[0]
        assert "`connector " in entry


def test_every_alarm_is_raised_somewhere() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "connector").rglob("*.py"))

    assert [alarm.code for alarm in ALL if f'"{alarm.code}"' not in code] == []
