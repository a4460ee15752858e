"""Every reason is told in every language, with the same facts; words among the facts are told in it too."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest

from connector.domain import catalogue
from connector.domain.catalogue import ENGLISH, LANGUAGES, Reason, Who, placeholders, reason, term
from connector.domain.job import Effect
from connector.domain.remote_state import STANDINGS

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
ENTRIES = list(catalogue.reasons().values())


@pytest.fixture(autouse=True)
def _in_english_again() -> Iterator[None]:
    yield
    catalogue.speak(ENGLISH)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_every_entry_is_there_in_every_language(entry: Reason, language: str) -> None:
    assert entry.sentences.get(language), f"{entry.code}: says.{language} is missing"
    assert entry.cures.get(language), f"{entry.code}: cure.{language} is missing"
    assert set(entry.sentences) == set(entry.cures) == set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_the_facts_are_the_same_in_every_language(entry: Reason, language: str) -> None:
    assert placeholders(entry.sentences.get(language, entry.says)) == placeholders(entry.says)
    assert placeholders(entry.cures.get(language, entry.cure)) == placeholders(entry.cure)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)
def test_a_text_is_a_sentence_without_loose_ends(entry: Reason, language: str) -> None:
    for text in (entry.sentences.get(language, entry.says), entry.cures.get(language, entry.cure)):
        assert text == " ".join(text.split())
        assert text[0].isupper() or text.startswith("{")
        assert text.endswith((".", "}", ".)"))
        if language == "fr":
            assert not re.search(r"[^\s][:;!?](\s|$)", text), "French puts a space before : ; ! ?"


def test_nothing_but_the_spelling_of_fiscal_terms_is_the_same_as_in_english() -> None:
    same = [
        (entry.code, language)
        for entry in ENTRIES
        for language in OTHERS
        if entry.sentences.get(language) == entry.says or entry.cures.get(language) == entry.cure
    ]

    assert same == []


@pytest.mark.parametrize(
    ("language", "credit_note", "tax_number"),
    [
        ("es", "factura rectificativa", "NIF"),
        ("fr", "avoir", "numéro de TVA"),
        ("ca", "factura rectificativa", "NIF"),
    ],
)
def test_fiscal_terms_are_those_of_the_country(language: str, credit_note: str, tax_number: str) -> None:
    assert credit_note in reason("original_missing").message({}, language)
    assert tax_number in reason("vat_number_wrong").message({}, language)


def test_a_sentence_in_four_languages() -> None:
    facts = {"number": "ESB1", "party": "Norte {x}"}
    told = [reason("vat_number_wrong").message(facts, language) for language in LANGUAGES]

    assert told == [
        "The tax number ESB1 of Norte {x} is not valid.",
        "El NIF (o NIF-IVA) ESB1 de Norte {x} no es válido.",
        "Le numéro de TVA ou d'identification fiscale ESB1 de Norte {x} n'est pas valide.",
        "El NIF (o NIF-IVA) ESB1 de Norte {x} no és vàlid.",
    ]


def test_a_missing_translation_is_english() -> None:
    entry = Reason("x", Who.NOBODY, {"en": "Only {a} in English."}, {"en": "Translate it."})

    assert entry.message({"a": "here"}, "fr") == "Only here in English."
    assert entry.advice({}, "xx") == "Translate it."


def test_the_chosen_language_is_spoken_until_another_one_is() -> None:
    entry = reason("lines_missing")
    assert entry.message({}) == "The document has no lines."

    catalogue.speak("ca")

    assert catalogue.spoken() == "ca"
    assert entry.message({}) == "El document no té línies."
    assert entry.advice({}) == "Afegiu almenys una línia a l'ERP."
    assert entry.message({}, "en") == "The document has no lines."


# ---------------------------------------------------------------- facts that are words


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_effect_has_a_word(effect: Effect, language: str) -> None:
    assert term("effect", effect, language) != effect


@pytest.mark.parametrize("who", Who)
@pytest.mark.parametrize("language", LANGUAGES)
def test_everybody_who_acts_has_a_name(who: Who, language: str) -> None:
    assert term("acts", who, language) != who or (who, language) == (Who.NOBODY, "en")
    assert term("page", who, language) != who


@pytest.mark.parametrize("state", STANDINGS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_at_b2brouter_has_words(state: str, language: str) -> None:
    word = term("state", state, language)
    assert "_" not in word
    assert language == ENGLISH or word != state


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_title_without_facts_of_a_case(language: str) -> None:
    titles = [entry.title(language) for entry in ENTRIES]
    assert not any("{" in title or title.endswith(".") for title in titles)


def test_reasons_that_a_fact_lists_are_told_by_their_titles() -> None:
    assert catalogue.titles("lines_missing, tax_missing, of_another_version", "es") == (
        "El documento no tiene líneas; Falta el impuesto en: …; of_another_version"
    )


@pytest.mark.parametrize(
    ("code", "facts", "told"),
    [
        ("not_arrived", {"effect": "send"}, "Esta operación no llegó a B2Brouter: envío."),
        (
            "buyer_incomplete",
            {"party": "(no name)", "fields": "name, country"},
            "Al cliente (sin nombre) le falta: nombre, país.",
        ),
        ("currency_unknown", {"currency": "(none)"}, "La moneda (ninguna) no es un código ISO 4217."),
        (
            "totals_differ",
            {
                "differences": "total 121.00 (ERP) / not stated (B2Brouter); tax 5.2 % 5.20 (ERP) / 5.21 (B2Brouter)",
                "line": "2 (Tornillos)",
                "used": "rounding_method = half_up",
            },
            (
                "B2Brouter calcula un importe distinto del ERP: total 121.00 (ERP) / no consta (B2Brouter); "
                "impuesto del 5.2 % 5.20 (ERP) / 5.21 (B2Brouter). Está en la línea: 2 (Tornillos). "
                "La cuenta calcula con: rounding_method = half_up."
            ),
        ),
        (
            "remote_differs",
            {"reference": "7", "differences": "credit note True (ERP) / False (B2Brouter)"},
            (
                "El documento de B2Brouter (id 7) no coincide con el del ERP: "
                "factura rectificativa sí (ERP) / no (B2Brouter)."
            ),
        ),
        (
            "totals_do_not_add_up",
            {"sum": "the taxes add up to 21.00, not 22.00"},
            "Los totales del propio ERP no cuadran: los impuestos suman 21.00, no 22.00.",
        ),
        (
            "company_unmapped",
            {"company": "Sur (no tax number)", "account": "main", "owner": "an unknown company"},
            "El documento lo emitió Sur (sin NIF), pero la cuenta main es de una empresa desconocida.",
        ),
    ],
)
def test_words_among_the_facts_are_translated(code: str, facts: dict[str, str], told: str) -> None:
    assert reason(code).message(facts, "es") == told


@pytest.mark.parametrize("message", ["Name, country", "country; a, b", "{0} is bad", "total 1 (ERP) / 2 (B2Brouter)"])
def test_what_b2brouter_says_stays_as_it_came(message: str) -> None:
    assert (
        reason("refused_by_b2brouter").message({"message": message}, "es") == f"B2Brouter lo ha rechazado: {message}"
    )


def test_names_of_people_and_taxes_are_not_taken_for_words() -> None:
    facts = {"tax": "total", "line": "name, country", "party": "create"}

    assert reason("tax_absolute").message(facts, "fr") == (
        "La taxe total est un montant fixe et non un pourcentage, sur : name, country."
    )


def test_a_sentence_within_a_sentence_is_told_in_the_same_language() -> None:
    inner = catalogue.within("last", "not_arrived", {"effect": "send"})
    facts = {"attempts": "5", **inner}

    assert inner["last"] == "The sending did not reach B2Brouter."
    assert reason("retries_exhausted").message(facts, "en") == (
        "Given up after 5 attempts: The sending did not reach B2Brouter."
    )
    assert reason("retries_exhausted").message(facts, "fr") == (
        "Abandonné après 5 tentatives : Cette opération n'est pas arrivée chez B2Brouter : envoi."
    )


def test_sentences_may_be_nested_twice() -> None:
    outage = {"count": "1", **catalogue.within("message", "remote_unavailable", {"message": "refused"})}
    paused = {"account": "main", **catalogue.within("why", "outage", outage)}

    told = reason("account_paused").message(paused, "es")

    assert told.startswith("La cuenta main está en pausa: B2Brouter no responde")
    assert "No se puede contactar con B2Brouter: refused" in told


def test_facts_stored_before_sentences_knew_their_parts_are_told_as_they_are() -> None:
    facts = {"attempts": "5", "last": "The ERP cannot be reached: no route"}

    assert reason("retries_exhausted").message(facts, "es") == (
        "Abandonado tras 5 intentos: The ERP cannot be reached: no route"
    )


# ---------------------------------------------------------------- many cases in one sentence


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The customer Ajuntament lacks: country – 1,038 invoices, 12,340.00 EUR, 1,234,567 JPY"),
        ("es", "Al cliente Ajuntament le falta: país – 1.038 facturas, 12.340,00 EUR, 1.234.567 JPY"),
        (
            "fr",
            (
                "Il manque au client Ajuntament : pays – "
                "1\u202f038 factures, 12\u202f340,00 EUR, 1\u202f234\u202f567 JPY"
            ),
        ),
        ("ca", "Al client Ajuntament li falta: país – 1.038 factures, 12.340,00 EUR, 1.234.567 JPY"),
    ],
)
def test_a_cause_is_summed_up(language: str, told: str) -> None:
    sums = {"JPY": Decimal(1234567), "EUR": Decimal("12340")}
    facts = {"party": "Ajuntament", "fields": "country"}

    assert catalogue.summed_up("buyer_incomplete", facts, 1038, sums, language) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [("0", "0.00 EUR"), ("-0.5", "-0.50 EUR"), ("-1234.125", "-1,234.125 EUR"), ("999", "999.00 EUR")],
)
def test_amounts_keep_every_digit(value: str, told: str) -> None:
    summed = catalogue.summed_up("lines_missing", {}, 1, {"EUR": Decimal(value)}, "en")

    assert summed == f"The document has no lines – 1 invoice, {told}"


# ---------------------------------------------------------------- quickly


def test_the_catalogue_is_read_only_when_a_reason_is_told() -> None:
    seen = "import sys; from connector.cli import main; print('connector.domain.catalogue' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"
