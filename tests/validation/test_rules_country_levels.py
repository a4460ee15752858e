"""Levels at work: what only warns is sent, and its timeline says what was wrong, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import load
from connector.bootstrap import Services
from connector.domain.errors import UsageError
from connector.domain.invoice import Payment
from connector.domain.job import Status
from connector.validation import Level
from tests.support.builders import invoice
from tests.support.house import House

WRONG_BIC = Payment(iban="ES9121000418450200051332", bic="CAIXA")


def warnings(house: House) -> list[tuple[str | None, dict[str, str]]]:
    events = house.ledger.queries.timeline(house.job().id)
    return [(event.reason, event.details) for event in events if event.what == "warned"]


def test_what_only_warns_is_sent_and_said_once(house: House) -> None:
    house.rules = replace(house.rules, levels={"bic_wrong": Level.WARN})
    house.fault("rate_limit", operation="create_invoice", times=2)  # judged three times

    house.issue(invoice("1", payment=WRONG_BIC))

    house.assert_issued("1")
    assert warnings(house) == [("bic_wrong", {"bic": "CAIXA"})]


def test_what_blocks_is_held(house: House) -> None:
    house.issue(invoice("1", payment=WRONG_BIC))

    assert (house.job().status, house.job().reason) == (Status.HELD, "bic_wrong")
    house.assert_nothing_sent()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Path]:
    def write(account: str) -> Path:
        path = tmp_path / "connector.toml"
        path.write_text(f'[accounts.main]\naccount_id = "1"\napi_key = "test_key"\n{account}\n')
        return path

    return write


def test_levels_and_the_policy_of_totals_are_settings(configured: Callable[[str], Path]) -> None:
    path = configured('allow_difference = "0.01"\n[accounts.main.rules]\niban_wrong = "warn"')
    account = load(path).accounts["main"]

    assert account.rules == {"iban_wrong": "warn"}
    assert str(account.allow_difference) == "0.01"


@pytest.mark.parametrize(("environment", "level"), [("production", None), ("sandbox", Level.WARN)])
def test_accounts_for_trials_may_issue_for_companies_that_do_not_own_them(
    configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, environment: str, level: Level | None
) -> None:
    path = configured("")
    monkeypatch.setenv("CONNECTOR_B2BROUTER__ENVIRONMENT", environment)
    if environment == "production":
        path.write_text(path.read_text().replace("test_key", "prod_key"))

    assert Services(load(path)).levels("main").get("issuer_differs") is level


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[accounts.main.rules]\nibn_wrong = "warn"', "did you mean iban_wrong"),
        ('[accounts.main.rules]\ntax_missing = "warn"', "always block"),
        ('[accounts.main.rules]\niban_wrong = "perhaps"', "rules.iban_wrong"),
        ('totals = "block"\nallow_difference = "0.01"', "either totals or allow_difference"),
        ('allow_difference = "5"', "allow_difference"),
        ('totals = "guess"', "totals"),
    ],
)
def test_a_wrong_setting_stops_the_start_in_one_sentence(
    configured: Callable[[str], Path], text: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(configured(text))

    assert told in caught.value.message
