"""The failures that the guides of FAST and Protemos warn of, each told from the sync that holds it to its cure.

FAST: a wrong VAT number of the contact; a credit note whose original is not registered. Protemos: no matching
client in B2Brouter; no tax or an absolute tax; an invalid IBAN. Nothing is issued then, and neither reference nor
cross-reference is saved; people are told why, and once the ERP is right, the invoice goes by itself.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from connector.demo.cases import CASES, Case
from connector.demo.stage import Stage
from connector.domain.catalogue import LANGUAGES, reason
from tests.cli.shop import Shop


@dataclass(frozen=True)
class Story:
    """One failure: the document, why it is held, a word that its message must have, and the cure in the ERP."""

    number: str
    reason: str
    names: str
    cure: tuple[str, ...]


NAMED: Final = {
    "B-0102": "ESB12345678",
    "C-0105": "B-0090",
    "B-0116": "Amigos del Camino",
    "B-0114": "STAMP-5",
    "B-0115": "Express",
    "B-0103": "1333",
}
ORIGINAL: Final = next(case for case in CASES if case.number == NAMED["C-0105"])
"""Dated before the start by mistake; once its date is right, it goes, and the credit note after it."""


def story(case: Case) -> Story:
    cure = case.cure or ORIGINAL.cure
    return Story(case.number or "", case.reason or "", NAMED[case.number or ""], cure)


STORIES: Final = {f"{case.guide}: {case.story}": story(case) for case in CASES if case.guide}
ALL: Final = list(STORIES.values())
by_story = pytest.mark.parametrize("story", ALL, ids=list(STORIES))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Stage(tmp_path, today=datetime.now(UTC).date()) as stage:
        yield Shop(stage)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """After a first sync, for tests that only look."""
    with Stage(tmp_path_factory.mktemp("guides"), today=datetime.now(UTC).date()) as stage:
        shop = Shop(stage)
        assert shop.run("sync", "--patience", "8").status == 3
        yield shop


def status(shop: Shop, story: Story) -> tuple[str, str | None] | None:
    """Status and reason; None before it was found."""
    jobs = {job["number"]: (job["status"], job["reason"]) for job in shop.run("jobs", "--json").lines}
    return jobs.get(story.number)


def at_b2brouter(shop: Shop, story: Story) -> list[str]:
    """The documents that were made under this number, sent or not, deleted or not."""
    world = shop.world
    return [
        str(one.id)
        for one in (*world.invoices.values(), *world.deleted_invoices.values())
        if one.number == story.number
    ]


def in_the_erp(shop: Shop, story: Story) -> tuple[str | None, str | None]:
    """Reference and cross-reference."""
    [row] = shop.erp("SELECT reference, project_xref FROM project WHERE invoice_number = ?", story.number)
    return row[0], row[1]


def cure(shop: Shop, *stories: Story) -> None:
    for story in stories:
        for statement in story.cure:
            shop.erp(statement)


def assert_issued(shop: Shop, story: Story) -> None:
    assert status(shop, story) == ("done", None)
    [reference] = at_b2brouter(shop, story)
    assert shop.world.invoices[int(reference)].sent_times == 1
    account = shop.world.invoices[int(reference)].account_id
    assert in_the_erp(shop, story) == (reference, f"b2brouter:simulator:{account}:{reference}")


@by_story
def test_nothing_is_issued_and_neither_reference_nor_xref_is_saved(held: Shop, story: Story) -> None:
    assert status(held, story) == ("held", story.reason)
    assert at_b2brouter(held, story) == []
    assert in_the_erp(held, story) == (None, None)


@by_story
def test_people_are_told_in_their_language_what_is_wrong_and_what_to_do(held: Shop, story: Story) -> None:
    told = {language: held.run("--lang", language, "explain", story.number, "--json").json for language in LANGUAGES}

    assert len({one["message"] for one in told.values()}) == len(LANGUAGES)
    assert all(story.names in one["message"] for one in told.values())
    cures = {language: reason(story.reason).advice({}, language) for language in LANGUAGES}
    shown = {language: held.run("--lang", language, "explain", story.number).out for language in LANGUAGES}
    assert all(told[language]["message"] in shown[language] for language in LANGUAGES)
    assert all(cures[language] in shown[language] for language in LANGUAGES)


@by_story
def test_once_cured_in_the_erp_the_next_sync_issues_it(shop: Shop, story: Story) -> None:
    shop.run("sync", "--patience", "8")

    cure(shop, story)
    shop.run("sync", "--patience", "8")

    assert_issued(shop, story)
    others = [other for other in ALL if other is not story]
    assert {status(shop, other) for other in others} == {("held", other.reason) for other in others}


def test_a_running_daemon_issues_whatever_is_cured_without_a_restart(shop: Shop) -> None:
    config = shop.changed(("discover_every = 1", "discover_every = 0.5"))
    daemon = shop.process("run", config=config)
    try:
        wait_until(lambda: all(status(shop, story) == ("held", story.reason) for story in ALL))
        cure(shop, *ALL)
        wait_until(lambda: all(status(shop, story) == ("done", None) for story in ALL))
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    for story in ALL:
        assert_issued(shop, story)


def wait_until(reached: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.3)


def test_a_client_that_b2brouter_does_not_know_is_made_there(held: Shop) -> None:
    """What Protemos users do by hand: Create, Create contact."""
    assert held.run("explain", "B-0113", "--json").json["status"] == "done"
    names = [contact.name for contact in held.world.contacts.values()]
    assert names.count("Harbor Lights Travel Inc.") == 1
