"""The command line tells reasons in the language that one chooses, and groups what is held by its cause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connector.demo.stage import Stage
from connector.domain import catalogue
from tests.cli.shop import Shop, call


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A back office after its first sync; all tests only look."""
    with Stage(tmp_path_factory.mktemp("day"), today=datetime.now(UTC).date()) as stage:
        shop = Shop(stage)
        assert shop.run("sync", "--patience", "8").status == 3
        yield shop


@pytest.fixture(autouse=True)
def _in_english_again() -> Iterator[None]:
    yield
    catalogue.speak(catalogue.ENGLISH)


def messages(shop: Shop, *arguments: str) -> dict[str, str]:
    listed = shop.run(*arguments, "jobs", "--json", "--status", "held").lines
    return {job["reason"]: job["message"] for job in listed}


def test_messages_are_english_unless_one_chooses(day: Shop) -> None:
    assert messages(day)["tax_missing"].startswith("No tax on: ")
    assert messages(day, "--lang", "es")["tax_missing"].startswith("Falta el impuesto en: ")
    assert messages(day)["tax_missing"].startswith("No tax on: ")


def test_the_configuration_chooses_and_the_option_overrides_it(day: Shop) -> None:
    french = day.changed(extra='\n[console]\nlanguage = "fr"\n', name="french.toml")

    listed = day.run("jobs", "--json", "--reason", "tax_missing", config=french).lines
    over = day.run("--lang", "ca", "jobs", "--json", "--reason", "tax_missing", config=french).lines

    assert listed[0]["message"].startswith("Aucune TVA sur : ")
    assert listed[0]["action"].startswith("Mettez une TVA sur chaque ligne")
    assert over[0]["message"].startswith("Falta l'impost a: ")


def test_the_environment_chooses(day: Shop) -> None:
    arguments = ["--config", str(day.config), "jobs", "--json", "--reason", "tax_missing"]
    told = call(*arguments, env={"CONNECTOR_CONSOLE__LANGUAGE": "ca"})

    assert told.lines[0]["message"].startswith("Falta l'impost a: ")


def test_explain_is_told_in_the_language(day: Shop) -> None:
    [job] = day.run("jobs", "--json", "--reason", "tax_missing").lines
    shown = day.run("explain", f"id:{job['id']}", "--lang", "es").out

    assert "Falta el impuesto en: " in shown
    assert "Ponga un impuesto en todas las líneas en el ERP" in shown
    assert "contabilidad" in shown


def test_an_unknown_language_is_refused(day: Shop) -> None:
    assert day.run("--lang", "de", "jobs").status == 2
    wrong = day.run("jobs", config=day.changed(extra='\n[console]\nlanguage = "de"\n', name="german.toml"))

    assert wrong.status == 2
    assert "console.language" in wrong.err


def test_what_is_held_is_listed_by_cause(day: Shop) -> None:
    held = day.run("jobs", "--json", "--status", "held").lines
    causes = day.run("jobs", "--by-cause", "--json").lines

    assert sum(cause["count"] for cause in causes) == len(held)
    assert sorted(number for cause in causes for number in cause["ids"]) == sorted(job["id"] for job in held)
    [cause] = [cause for cause in causes if cause["reason"] == "vat_number_wrong"]
    assert cause["message"].endswith(" – 1 invoice, " + cause["message"].rsplit(", ", 1)[1])
    assert cause["who"] == "accountant"
    assert cause["facts"]["buyer"]  # names may be shared, the ERP's identifier is not
    assert set(cause["sums"]) == {"EUR"}


def test_causes_are_narrowed_and_shown_as_a_table(day: Shop) -> None:
    shown = day.run("jobs", "--by-cause", "--reason", "tax_missing", "--lang", "es").out

    assert shown.splitlines()[0] == "count\toldest\treason\tcause\twhat to do"
    [row] = shown.splitlines()[1:]
    assert row.startswith("1\t")
    assert "\tFalta el impuesto en: " in row
    assert day.run("jobs", "--by-cause", "--status", "skipped").out == "Nothing is held up.\n"
