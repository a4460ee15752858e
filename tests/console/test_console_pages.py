"""The pages, as a person without JavaScript sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from connector.archive.storage import Folder, sha256
from connector.domain import catalogue
from connector.domain.archive import Piece
from connector.domain.catalogue import term
from connector.ledger.actions import RETRY
from connector.ledger.queries import Filter
from connector.ledger.tables import JobRow
from connector.web.console.overview import address_of
from tests.console.browser import Browser
from tests.console.conftest import Console

PAGES = (
    "/",
    "/jobs",
    "/jobs?attention=1",
    "/bulks",
    "/bulks/new?act=retry&attention=1",
    "/accounts",
    "/audit",
    "/password",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["en", "es", "fr", "ca"])
def test_every_page_is_there_in_every_language_with_its_band(console: Console, page: str, language: str) -> None:
    with console.browser("vera", language=language) as browser:
        text = browser.text(page)
    assert f'<html lang="{language}">' in text
    assert 'class="env-simulator"' in text


HUGE = "9" * 25

ODD = json.dumps(["vat_number_wrong", *("\ud800" for _ in catalogue.reason("vat_number_wrong").cause)])


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"/jobs?after={HUGE}", 422),
        (f"/jobs?after=2026-01-15_{HUGE}", 422),
        ("/jobs?after=-1", 422),
        (f"/bulks/{HUGE}", 404),
        (f"/comparisons/-{HUGE}", 404),
        (f"/audit?before={HUGE}", 200),
        (f"/audit?before={'9' * 5000}", 200),
        (f"/jobs?{urlencode({'cause': ODD})}", 200),
        (f"/bulks/new?{urlencode({'act': 'skip', 'cause': ODD})}", 200),
    ],
)
def test_an_address_that_nobody_was_given_is_answered_too(ana: Browser, address: str, status: int) -> None:
    assert ana.get(address).status_code == status


def test_pages_of_a_bulk_end_at_its_last_item(console: Console, ana: Browser) -> None:
    bulk_id = console.ledger.bulks.begin(
        RETRY, Filter(source="none"), chosen={}, who="ana", note="for its page", pace=None
    )
    assert ana.get(f"/bulks/{bulk_id}?after={HUGE}").status_code == 200
    assert ana.send(f"/bulks/{HUGE}/stop").status_code == 404


def test_the_overview_groups_what_needs_a_person_by_cause(ana: Browser) -> None:
    text = ana.text("/")
    assert "Needs a person" in text
    assert "8 invoices" in text


def test_few_accounts_and_sources_are_all_shown_without_search_and_pages(console: Console, ana: Browser) -> None:
    settings = console.services.settings
    names = [*settings.accounts, *settings.sources]
    assert re.findall(r'<a href="/accounts#[a-z]+-(.+?)"', ana.text("/")) == names
    page = ana.text("/accounts")
    assert re.findall(r'<section class="card" id="[a-z]+-(.+?)"', page) == names
    assert 'class="filter"' not in page
    assert 'class="pages"' not in page


def test_a_file_that_the_archive_has_is_handed_out_to_who_is_signed_in(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = console.job("B-0101")
    keep(console, Folder(tmp_path / "archive"), Piece.LEGAL, b"<x/>", monkeypatch)
    address = f"/jobs/{job.id}/files/legal"
    with console.browser("vera") as browser:
        assert re.findall(rf'href="(/jobs/{job.id}/files/\w+)"', browser.text(f"/jobs/{job.id}")) == [address]
        answer = browser.get(address)
        assert browser.get(f"/jobs/{job.id}/files/pdf").status_code == 404
    assert answer.content == b"<x/>"
    assert answer.headers["content-disposition"] == 'attachment; filename="B-0101-legal.xml"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert console.address_without_sign_in(address).status_code == 303


def test_what_was_sent_is_handed_out_to_operators_alone_and_the_audit_tells(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, sent = console.job("B-0101"), b'{"iban": "ES9121000418450200051332"}'
    keep(console, Folder(tmp_path / "archive"), Piece.ORIGINAL, sent, monkeypatch)
    address = f"/jobs/{job.id}/files/original"
    with console.browser("vera") as browser:
        assert address not in browser.text(f"/jobs/{job.id}")
        assert browser.get(address).status_code == 403
        assert "took what was sent of" not in browser.text("/audit")
    with console.browser("ana") as browser:
        assert address in browser.text(f"/jobs/{job.id}")
        assert browser.get(address).content == sent
        assert "took what was sent of" in browser.text("/audit")
    [deed] = console.ledger.deeds.page(before=None, limit=9, what="take_original")
    assert (deed.who, deed.subject, deed.job_id) == ("ana", "B-0101", job.id)


def keep(console: Console, place: Folder, piece: Piece, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the archive hold one file of an invoice."""
    job, archive, name = console.job("B-0101"), console.ledger.archive, f"files/aa/{piece}"
    monkeypatch.setitem(console.services.__dict__, "storage", place)
    archive.enrol(job.account, list(Piece))
    wanted = [one.file for one in archive.claim(job.account, 1000, seconds=0)]
    [file] = [file for file in wanted if (file.job_id, file.piece) == (job.id, piece)]
    place.put(name, content)
    archive.storing(file, name=name, sha256=sha256(content), size=len(content))
    archive.kept(file)


def test_states_and_reasons_are_told_in_words_and_narrow(console: Console) -> None:
    issued, held = console.job("B-0101"), console.job("B-0103")
    with console.browser("vera", language="es") as browser:
        listed = browser.text(f"/jobs?remote_state={issued.remote_state}")
        page = browser.text(f"/jobs/{issued.id}")
        empty = browser.text("/jobs?remote_state=annulled")
    word = term("state", issued.remote_state or "", "es")
    assert f"/jobs/{issued.id}" in listed
    assert f"/jobs/{held.id}" not in listed
    assert f">{word}<" in listed
    assert f'<dd title="{issued.remote_state}">{word}</dd>' in page
    assert "El documento no tiene líneas</option>" in listed
    assert f"/jobs/{issued.id}" not in empty


def test_a_cause_leads_to_its_own_invoices_alone(console: Console, ana: Browser) -> None:
    held = [console.job(number) for number in ("B-0103", "B-0106", "B-0114")]
    with console.ledger.database.write() as connection:
        for job, buyer in zip(held, ("1", "1", "2"), strict=True):
            facts = {"buyer": buyer, "party": "ACME", "number": "X"}
            shown = {"reason": "vat_number_wrong", "details": facts}
            connection.execute(update(JobRow).where(JobRow.id == job.id).values(shown))
    [cause] = [cause for cause in console.ledger.queries.causes() if len(cause.ids) == 2]
    address = address_of(cause)
    text = ana.text(address)
    assert [job.number for job in held if f"/jobs/{job.id}" in text] == ["B-0103", "B-0106"]
    assert "The tax number … of … is not valid · booking · 1 · ACME · X" in text
    preview = ana.text(address.replace("/jobs?", "/bulks/new?act=retry&"))
    assert "<strong>2 invoices</strong>" in preview
    with console.ledger.database.write() as connection:
        for job in held:
            values: dict[str, object] = {"reason": job.reason, "details": job.details}
            connection.execute(update(JobRow).where(JobRow.id == job.id).values(values))


def test_a_list_shows_what_its_address_says(console: Console, ana: Browser) -> None:
    text = ana.text("/jobs?status=held&reason=iban_wrong")
    assert "B-0103" in text
    assert "B-0101" not in text


def test_the_page_of_a_job_has_reason_cure_timeline_and_fitting_acts_alone(console: Console, ana: Browser) -> None:
    held = console.job("B-0103")
    text = ana.text(f"/jobs/{held.id}")
    assert held.message is not None
    assert "Found in the ERP" in text
    assert re.findall(rf'formaction="/jobs/{held.id}/(\w+)"', text) == ["retry", "skip"]
    issued = ana.text(f"/jobs/{console.job('B-0101').id}")
    assert "formaction" not in issued
