"""The first run of an account, from the terminal and from scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.sections.accounts import AccountSettings
from tests.cli.shop import Shop
from tests.cli.test_cli_terminal import on_a_terminal

SPAIN = '[accounts.spain]\naccount_id = "1"\n'


@pytest.fixture
def steps(shop: Shop) -> Shop:
    """The shop whose Spanish account begins with one invoice, then two; they go one after the other."""
    text = shop.config.read_text(encoding="utf-8").replace(SPAIN, SPAIN + "ramp = [1, 2]\n")
    shop.config.write_text(text + "[worker]\nthreads = 1\n", encoding="utf-8")
    return shop


def sent(shop: Shop) -> int:
    """Documents of the Spanish account that the connector sent."""
    posts = [entry for entry in shop.world.journal if entry.operation == "send_invoice" and entry.account == 1]
    return len(posts)


def waiting(shop: Shop) -> list[str]:
    return [job["number"] for job in shop.run("jobs", "--reason", "ramp_full", "--json").lines]


def test_only_production_has_steps_by_default() -> None:
    account = AccountSettings(account_id="1", api_key="test_key")
    assert list(account.ramp_in("production")) == [1, 10, 100]
    assert [list(account.ramp_in(place)) for place in ("simulator", "sandbox", "staging")] == [[], [], []]
    none = AccountSettings(account_id="1", api_key="test_key", ramp=[])
    assert list(none.ramp_in("production")) == []


def test_a_step_must_let_something_go(shop: Shop) -> None:
    done = shop.run("check", config=shop.changed((SPAIN, SPAIN + "ramp = [0]\n")))
    assert done.status == 2
    assert "accounts.spain.ramp.0" in done.err


def test_the_first_pass_issues_one_and_says_how_it_goes_on(steps: Shop) -> None:
    done = steps.run("sync", "--patience", "30", "--json")
    assert sent(steps) == 1
    [first_run] = done.json["ramp"]
    assert (first_run["account"], first_run["step"], first_run["issued"]) == ("spain", 1, 1)
    assert first_run["waiting"] == len(waiting(steps)) == done.json["waiting"] - followers(steps)
    told = steps.run("sync", "--patience", "0").out
    assert "First run of account spain, step 1 of 2: 1 issued of the 1 that may go" in told
    assert "connector release --ramp --account spain" in told
    assert sent(steps) == 1


def followers(shop: Shop) -> int:
    return len(shop.run("jobs", "--reason", "original_waiting", "--json").lines)


def test_a_script_opens_the_steps_with_a_note(steps: Shop) -> None:
    steps.run("sync", "--patience", "30")
    refused = steps.run("release", "--ramp", "--account", "spain")
    assert refused.status == 2
    assert "--note" in refused.err

    done = steps.run("release", "--ramp", "--account", "spain", "--note", "seen by Ana", "--json")
    assert done.json == {"account": "spain", "step": 1, "released": 2}
    steps.run("sync", "--patience", "30")
    assert sent(steps) == 2  # the draft of B-0106, whose totals differ, has the other place
    assert steps.run("release", "--ramp", "--note", "seen by Ana").status == 0  # the only account with steps
    steps.run("sync", "--patience", "30")
    assert waiting(steps) == []
    assert sent(steps) == 5
    over = steps.run("release", "--ramp", "--note", "again")
    assert over.status == 2
    assert "is in no first run" in over.err


def test_a_dry_run_shows_what_was_issued_and_opens_nothing(steps: Shop) -> None:
    steps.run("sync", "--patience", "30")
    shown = steps.run("release", "--ramp", "--dry-run").out
    assert "B-0101" in shown
    steps.run("sync", "--patience", "0")
    assert sent(steps) == 1


def test_there_must_be_something_to_judge_by(steps: Shop) -> None:
    steps.world.faults.add("unavailable_before", operation="create_invoice", times=None)
    steps.run("sync", "--patience", "0")
    done = steps.run("release", "--ramp", "--note", "too early")
    assert done.status == 2
    assert "nothing to judge by yet" in done.err


def test_options_that_do_not_fit_together(steps: Shop) -> None:
    assert steps.run("release", "--account", "spain").status == 2
    assert steps.run("release", "--ramp", "B-0101", "--note", "x").status == 2
    assert steps.run("release", "--ramp", "--account", "nobody", "--note", "x").status == 2


def test_a_person_types_the_name_of_the_account(steps: Shop) -> None:
    _, out = on_a_terminal(steps, "sync", "--patience", "30", answer="spain\nno\n")
    assert "Type spain to let the next 2 go" in out
    assert "Type spain to let all the others go" in out
    assert sent(steps) == 2
    assert waiting(steps)


def test_the_cure_is_told_with_each_invoice(steps: Shop) -> None:
    steps.run("sync", "--patience", "30")
    told = steps.run("explain", waiting(steps)[0]).out
    assert "connector release --ramp --account spain" in told


def test_the_sample_shows_the_steps(tmp_path: Path) -> None:
    from connector.cli.sample import sample

    assert "# ramp = [1, 10, 100]" in sample("sql")
