"""What people do in the console, without JavaScript."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from connector.domain.job import Status
from connector.ledger.queries import Filter
from connector.ledger.tables import JobRow
from tests.console.browser import Browser
from tests.console.conftest import Console


def test_an_operator_skips_one_invoice_with_a_note_and_takes_it_back(console: Console, ana: Browser) -> None:
    job = console.job("B-0114")
    without = ana.decide(f"/jobs/{job.id}", "skip")
    assert "this needs a note" in without
    assert console.job("B-0114").status is Status.HELD

    text = ana.decide(f"/jobs/{job.id}", "skip", note="sent on paper")
    assert console.job("B-0114").status is Status.SKIPPED
    assert "by ana: sent on paper" in text
    ana.decide(f"/jobs/{job.id}", "release", note="a mistake")
    assert console.job("B-0114").status is Status.PENDING

    audit = ana.text("/audit")
    assert audit.index("a mistake") < audit.index("sent on paper")
    assert ana.text("/audit?who=vera").count("sent on paper") == 0


def test_a_correction_goes_without_its_original_by_a_decision_with_a_note(console: Console, ana: Browser) -> None:
    job = console.job("C-0105")
    assert f'formaction="/jobs/{job.id}/release"' in ana.text(f"/jobs/{job.id}")
    assert "this needs a note" in ana.decide(f"/jobs/{job.id}", "release")
    ana.decide(f"/jobs/{job.id}", "release", note="the original was sent on paper")
    assert console.job("C-0105").status is Status.PENDING


def test_what_does_not_fit_any_more_is_left_alone_and_said(console: Console, ana: Browser) -> None:
    issued = console.job("B-0101")
    text = ana.done(f"/jobs/{issued.id}/hold", note="too late")
    assert "Nothing was changed" in text
    assert console.job("B-0101").status is Status.DONE


def test_a_page_decides_on_the_case_it_shows_and_on_no_later_one(console: Console, ana: Browser) -> None:
    issued = console.job("B-0101")
    page = f"/jobs/{issued.id}"

    def becomes(reason: str | None) -> None:
        with console.ledger.database.write() as connection:
            now = console.services.clock.now()
            values = {"reason": reason, "details": {"message": "?"} if reason else None, "updated_at": now}
            connection.execute(update(JobRow).where(JobRow.id == issued.id).values(values))

    becomes("receiver_remark")
    old = ana.hidden(page)
    becomes("refused_by_receiver")
    text = ana.done(f"{page}/skip", note="a thank-you", **old)
    assert "Nothing was changed" in text
    assert "<code>refused_by_receiver</code>" in text
    assert console.job("B-0101").reason == "refused_by_receiver"
    ana.decide(page, "skip", note="settled by telephone")
    assert console.job("B-0101").reason is None


def test_a_customer_called_like_a_script_shows_as_text(console: Console, ana: Browser) -> None:
    job = console.job("B-0116")
    with console.ledger.database.write() as connection:
        connection.execute(update(JobRow).where(JobRow.id == job.id).values(customer="<script>alert(1)</script>"))
    page = ana.text(f"/jobs/{console.job('B-0116').id}")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in ana.text("/jobs")


def test_many_are_previewed_begun_watched_and_stopped(console: Console, ana: Browser) -> None:
    preview = ana.text("/bulks/new?act=retry&status=held")
    meant = int(re.search(r"<strong>(\d+) invoices</strong>", preview)[1])  # type: ignore[index]
    assert meant > 2
    refused = ana.send("/bulks", act="retry", status="held")
    assert refused.status_code == 422
    assert "this needs a note" in refused.text

    begun = ana.begin("act=retry&status=held", note="settings corrected", pace="30")
    assert f"0 / {meant}" in begun
    assert console.ledger.bulks.work(0) == 1  # at thirty a minute, one at a time
    [bulk] = console.ledger.bulks.latest(1)
    assert f"1 / {meant}" in ana.text(f"/bulks/{bulk.id}")
    assert "stopped by ana" in ana.done(f"/bulks/{bulk.id}/stop")
    assert console.ledger.bulks.work(0) == 0
    audit = ana.text("/audit")
    assert "retried many" in audit
    assert "stopped a bulk action" in audit


def test_the_preview_tells_how_many_issued_ones_would_be_let_be(console: Console, ana: Browser) -> None:
    case = update(JobRow).where(JobRow.number == "B-0101")
    with console.ledger.database.write() as connection:
        connection.execute(case.values(reason="refused_by_receiver", details={"message": "no"}))
    everything, retried = (ana.text(f"/bulks/new?act={act}&attention=1") for act in ("skip", "retry"))
    form = ana.hidden("/bulks/new?act=skip&attention=1", "/bulks")
    fewer = ana.send("/bulks", **{**form, "cases": "0"}, note="sent on paper")
    with console.ledger.database.write() as connection:
        connection.execute(case.values(reason=None, details=None))
    assert "1 of them is issued: it stays issued, and its case is closed." in everything
    assert "issued" not in retried.partition("Left alone")[0].partition("Preview")[2]
    assert fewer.status_code == 422


def test_what_was_not_counted_is_not_taken(console: Console, ana: Browser) -> None:
    before = ana.hidden("/bulks/new?act=retry&status=held", "/bulks")
    another = update(JobRow).where(JobRow.number == "B-0101")
    now = console.ledger.database.clock.now()
    with console.ledger.database.write() as connection:
        connection.execute(another.values(status=Status.HELD, updated_at=now))
    answer = ana.send("/bulks", **before, note="settings corrected")
    with console.ledger.database.write() as connection:
        connection.execute(another.values(status=Status.DONE))
    assert answer.status_code == 303
    [bulk] = console.ledger.bulks.latest(1)
    assert bulk.total == int(before["count"])
    ana.done(f"/bulks/{bulk.id}/stop")


@pytest.mark.parametrize("said", [{"count": "1"}, {"last": "1"}, {"count": "9" * 5000}, {"changed": "?"}])
def test_what_is_not_what_was_counted_is_shown_before_it_is_begun(
    console: Console, ana: Browser, said: dict[str, str]
) -> None:
    before = ana.hidden("/bulks/new?act=retry&status=held", "/bulks")
    answer = ana.send("/bulks", **{**before, **said}, note="settings corrected")
    assert answer.status_code == 422
    assert "there are others than were counted" in answer.text
    assert f"<strong>{before['count']} invoices</strong>" in answer.text


def test_a_form_that_is_sent_twice_begins_one(console: Console, ana: Browser) -> None:
    form = {**ana.hidden("/bulks/new?act=retry&status=held", "/bulks"), "note": "sent in haste"}
    first, second = (ana.send("/bulks", **form) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert [bulk.note for bulk in console.ledger.bulks.latest()].count("sent in haste") == 1


def test_a_script_that_shows_nobody_a_page_is_taken_at_its_word(console: Console, ana: Browser) -> None:
    for note in ("by a script", "by a script again"):
        assert ana.send("/bulks", act="retry", status="held", note=note).status_code == 303
    assert [bulk.note for bulk in console.ledger.bulks.latest(2)] == ["by a script again", "by a script"]
    held = next(job for job in console.ledger.queries.jobs(Filter(status=Status.HELD)))
    ana.done(f"/jobs/{held.id}/retry")
    assert console.job(held.number or "").status is Status.PENDING


def test_a_paused_account_waits_for_who_paused_it(console: Console, ana: Browser) -> None:
    text = ana.done("/accounts/spain/pause", note="month end")
    assert "ana paused the account spain: month end" in text
    console.shop.run("sync", "--patience", "0")
    assert console.ledger.accounts.get("spain").paused_reason == "paused_by_person"  # type: ignore[union-attr]
    ana.done("/accounts/spain/resume")
    assert console.ledger.accounts.get("spain").paused_reason is None  # type: ignore[union-attr]


def test_a_source_is_paused_with_a_note_and_resumed(console: Console, ana: Browser) -> None:
    assert ana.send("/sources/booking/pause").status_code == 422
    until = (datetime.now() + timedelta(days=1)).isoformat(timespec="minutes")  # noqa: DTZ005  # as a browser says it
    text = ana.done("/sources/booking/pause", note="the ERP moves", until=until)
    assert "ana paused the source booking: the ERP moves" in text
    assert set(console.ledger.sources.paused()) == {"booking"}
    assert "paused since" in ana.text("/")
    ana.done("/sources/booking/resume")
    assert not console.ledger.sources.paused()
    assert "paused the source" in ana.text("/audit")


def test_a_comparison_is_asked_for_and_read_difference_by_difference(console: Console, ana: Browser) -> None:
    assert "asked for" in ana.done("/accounts/spain/compare")
    console.shop.run("reconcile", "--account", "spain")  # as the scheduler will
    [address] = set(re.findall(r"/comparisons/\d+", ana.text("/accounts")))
    text = ana.text(address)
    assert "<code>connector " in text
    [reason, *_] = re.findall(rf"{address}\?reason=(\w+)", text)
    assert ana.text(f"{address}?reason={reason}").count('<th scope="row">') >= 1
    assert ana.get("/comparisons/99999").status_code == 404


def test_alarms_that_last_stand_on_the_overview_with_their_cure(console: Console, ana: Browser) -> None:
    assert "Alarms that last" not in ana.text("/")
    console.ledger.alarms.begin("work_stalled", "spain", {"account": "spain", "since": "2026-01-02T03:04:05+00:00"})
    text = ana.text("/")
    assert "Invoices of account spain have been due since 2 Jan 2026" in text
    assert "connector run, or connector worker" in text
    console.ledger.alarms.end("work_stalled", "spain")
    assert "Alarms that last" not in ana.text("/")


def test_charts_have_their_figures_as_a_table(ana: Browser) -> None:
    text = ana.text("/")
    assert text.count("Figures as a table") == 2
    assert 'role="img" aria-label="Invoices sent in each of the last 24 hours"' in text
    assert "under 1 hour" in text


def test_the_end_of_a_pause_lies_ahead(ana: Browser) -> None:
    refused = ana.send("/accounts/spain/pause", note="month end", until="2020-01-01T00:00")
    assert refused.status_code == 422
    assert "The end of the pause" in refused.text


def test_the_checkup_is_the_one_of_the_command_line(ana: Browser) -> None:
    answer = ana.send("/accounts/check")
    assert answer.status_code == 200
    assert "account spain" in answer.text


def test_bank_accounts_show_their_last_digits_alone(console: Console, ana: Browser) -> None:
    page = ana.text(f"/jobs/{console.job('B-0101').id}/payload")
    payload = console.job("B-0101").payload
    assert payload is not None
    iban = re.search(rb"[A-Z]{2}\d{20,}", payload)
    assert iban is not None
    assert iban[0].decode() not in page
    assert f"…{iban[0][-4:].decode()}" in page


def test_totals_stand_side_by_side(console: Console, ana: Browser) -> None:
    text = ana.text(f"/jobs/{console.job('B-0106').id}/totals")
    assert "24.28" in text
    assert "24.27" in text


def test_a_filter_that_means_nothing_is_said(ana: Browser) -> None:
    for part in ("status=nonsense", "since=yesterday", "at_least=much", "after=there", "reason=none_such"):
        answer = ana.get(f"/jobs?{part}")
        assert answer.status_code == 422
        assert "cannot be understood" in answer.text


def test_a_search_finds_by_number_name_and_reference(console: Console, ana: Browser) -> None:
    issued = console.job("B-0101")
    assert ana.get("/jobs?q=B-0101").headers["location"] == f"/jobs/{issued.id}"
    assert ana.get(f"/jobs?q={issued.reference}").headers["location"] == f"/jobs/{issued.id}"
    for typed in ("b-010", "editorial", "FARO", issued.tax_number):
        assert "B-0101" in ana.text(f"/jobs?q={typed}&source=booking")
    assert "No invoice fits" in ana.text("/jobs?q=zzz")


def test_amounts_and_periods_narrow(ana: Browser) -> None:
    text = ana.text("/jobs?at_least=1.000,50&at_most=1400.58&since=2000-01-01")
    assert "B-0101" in text
    assert "B-0106" not in text
