"""`connector sync`."""

from __future__ import annotations

import json
import signal
import time

import pytest

from connector.cli.ending import failure_of
from connector.cli.signals import stopping
from connector.domain.errors import NotSentError
from connector.simulator import FaultKind
from tests.cli.shop import Shop, call

FIELDS = {
    *("found", "pending", "running", "waiting", "held", "done", "skipped"),
    *("issued", "already_sent", "seconds", "faults"),
}


def test_the_result_as_json_is_one_object(shop: Shop) -> None:
    done = shop.run("sync", "--json", "--patience", "8")
    assert done.status == 3
    result = done.json
    assert set(result) >= FIELDS
    assert (result["found"], result["done"], result["held"], result["issued"]) == (14, 6, 8, 6)
    assert result["faults"] == []
    assert done.err == ""


def test_a_second_sync_issues_nothing_and_writes_nothing(played: Shop) -> None:
    before = len(played.writes())
    again = played.run("sync", "--json").json
    assert (again["found"], again["issued"]) == (0, 0)
    assert len(played.writes()) == before


def test_what_was_sent_before_the_ledger_was_lost_is_told_apart_from_what_is_sent_now(played: Shop) -> None:
    played.ledger_file.unlink()
    played.erp("UPDATE project SET pay_to = 'ES9121000418450200051332' WHERE id = 103")

    done = played.run("sync", "--patience", "8")

    assert "14 new invoices found, 7 issued, 6 of them sent before and taken over, in " in done.out


def test_what_the_connector_sent_counts_as_such_though_the_answer_was_lost(shop: Shop) -> None:
    shop.world.faults.add(FaultKind.DROP_AFTER, operation="create_invoice", number="B-0101")
    shop.world.faults.add(FaultKind.DROP_AFTER, operation="send_invoice", number="B-0101")

    result = shop.run("sync", "--json", "--patience", "8").json

    assert (result["issued"], result["already_sent"]) == (6, 0)


def test_everything_issued_is_status_0(shop: Shop) -> None:
    shop.erp("UPDATE project SET status = 'quoted' WHERE id NOT IN (101, 104)")
    done = shop.run("sync", "--patience", "8")
    assert done.status == 0
    assert "2 new invoices found, 2 issued" in done.out
    assert "2 done" in done.out


def test_held_invoices_are_told_by_reason_and_give_status_3(shop: Shop) -> None:
    done = shop.run("sync", "--patience", "8")
    assert done.status == 3
    assert "vat_number_wrong\t1\tB-0102" in done.out
    assert "connector explain" in done.out


def test_a_fault_outside_weighs_more_than_held_invoices(played: Shop) -> None:
    played.stage.erp.rename(played.folder / "gone.db")
    done = played.run("sync")
    assert done.status == 1
    assert "Failed: " in done.out
    assert "8 held" in done.out


def test_a_fault_is_in_the_json(shop: Shop) -> None:
    shop.stage.erp.rename(shop.folder / "gone.db")
    done = shop.run("sync", "--json")
    assert done.status == 1
    assert [fault["kind"] for fault in done.json["faults"]] == ["source_unavailable"]


def test_what_was_cured_beside_the_document_is_issued_by_the_next_sync_without_a_person(shop: Shop) -> None:
    unmapped = shop.changed(("v.category, v.reason", "NULLIF(v.category, 'AE') AS category, v.reason"), name="a.toml")
    shop.run("sync", "--patience", "8", config=unmapped)
    held = {job["number"]: job["reason"] for job in shop.run("jobs", "--status", "held", "--json").lines}
    assert (held["B-0102"], held["B-0103"], held["B-0110"]) == ("vat_number_wrong", "iban_wrong", "tax_unmapped")
    stamps = shop.erp("SELECT id, updated_at FROM project ORDER BY id")

    shop.erp("UPDATE customer SET vat_number = 'ESB12345674' WHERE id = 11")
    shop.erp("UPDATE project SET pay_to = 'ES9121000418450200051332' WHERE id = 103")
    ended = shop.run("sync", "--patience", "8", "--json")  # with the tax mapped by the configuration

    assert ended.json["issued"] == 3
    issued = {job["number"] for job in shop.run("jobs", "--status", "done", "--json").lines}
    assert issued >= {"B-0102", "B-0103", "B-0110"}
    assert shop.erp("SELECT id, updated_at FROM project ORDER BY id") == stamps


def test_only_the_chosen_source_is_looked_into(shop: Shop) -> None:
    assert shop.run("sync", "--source", "booking", "--json", "--patience", "8").json["found"] == 14


def test_an_unknown_source_is_wrong_usage(shop: Shop) -> None:
    done = shop.run("sync", "--source", "bookings")
    assert done.status == 2
    assert "There is no source bookings" in done.err


def test_without_any_source_there_is_nothing_to_do_and_that_is_said(shop: Shop) -> None:
    path = shop.folder / "bare.toml"
    path.write_text('[accounts.main]\naccount_id = "1"\napi_key = "test_key"\n')
    done = call("--config", str(path), "sync")
    assert done.status == 2
    assert "There is no source" in done.err


def test_a_dry_run_shows_the_pass_and_touches_nothing(shop: Shop) -> None:
    before, seen = shop.erp_hash(), len(shop.world.journal)
    done = shop.run("sync", "--dry-run", "--json")
    assert done.status == 0
    assert done.json["dry_run"]
    assert (done.json["found"], done.json["issued"], done.json["with_problems"]) == (14, 0, 6)
    assert not shop.ledger_file.exists()
    assert shop.erp_hash() == before
    assert len(shop.world.journal) == seen


def test_a_dry_run_counts_what_is_due_in_the_ledger(played: Shop) -> None:
    played.run("retry", "--reason", "iban_wrong")
    content = played.ledger_file.read_bytes()
    done = played.run("sync", "--dry-run")
    assert "1 invoice to send: 0 new, 1 under way." in done.out
    assert "7 held" in done.out
    assert played.ledger_file.read_bytes() == content


def test_a_lost_answer_and_two_503_are_recovered_within_the_patience(shop: Shop) -> None:
    shop.world.faults.add(FaultKind.DROP_AFTER, operation="create_invoice", number="B-0101")
    shop.world.faults.add(FaultKind.UNAVAILABLE_BEFORE, operation="create_invoice", number="B-0111")
    assert shop.run("sync", "--json", "--patience", "8").json["done"] == 6


def test_sigterm_ends_it_after_the_invoices_in_hand(shop: Shop) -> None:
    shop.world.switches.set({"latency": 0.2})
    config = shop.changed(("[retry]", "[worker]\nthreads = 1\n\n[retry]"))
    process = shop.process("sync", "--json", config=config)
    limit = time.monotonic() + 20
    while not shop.writes() and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    result = json.loads(out)
    assert result["stopped"]
    assert result["running"] == 0
    assert result["done"] < 6
    assert process.returncode in {0, 3}
    assert err == ""

    shop.world.switches.set({"latency": 0.0})
    assert shop.run("sync", "--json", "--patience", "8", config=config).json["done"] == 6


def test_a_second_signal_ends_it_at_once_but_its_echo_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with stopping() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.wait(10)
        signal.raise_signal(signal.SIGTERM)  # the parent process passes it on
        now += 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_interruption_is_said_in_one_word(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("connector.foreground.Pass.run", interrupt)
    done = shop.run("sync")
    assert (done.status, done.err.strip()) == (130, "Error: Interrupted.")


def test_an_unexpected_error_is_one_sentence_with_the_place_of_the_log(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise ZeroDivisionError("CANARY")

    monkeypatch.setattr("connector.foreground.Pass.run", fail)
    done = shop.run("sync", "--json")
    assert done.status == 1
    assert done.json["error"]["kind"] == "unexpected"
    file = done.json["error"]["action"].split()[-1]
    with open(file, encoding="utf-8") as log:  # noqa: PTH123
        assert "ZeroDivisionError: CANARY" in json.loads(log.read())["error"]
    assert "Traceback" not in done.err

    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    assert "ZeroDivisionError: CANARY" in shop.run("sync").err


def test_a_bug_in_the_work_on_one_invoice_is_logged_and_mentioned(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(case: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("connector.journey.walk", fail)
    done = shop.run("sync", "--patience", "0")
    assert "were logged; please report them: " in done.out
    assert done.err == ""


def test_a_step_error_has_the_sentence_of_the_catalogue() -> None:
    failure = failure_of(NotSentError("remote_unavailable", {"message": "gone fishing"}))
    assert failure.message == "B2Brouter cannot be reached: gone fishing"
    assert (failure.kind, failure.status) == ("remote_unavailable", 1)
