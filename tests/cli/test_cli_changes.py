"""An issued invoice that is changed in the ERP afterwards, as people see it."""

from __future__ import annotations

import pytest

from tests.cli.shop import Shop


@pytest.fixture
def altered(played: Shop) -> Shop:
    """After the first invoice was issued, somebody raised its price, and the next sync was made."""
    played.erp("UPDATE task SET rate = '600.00', amount = '600.00' WHERE project_id = 101 AND position = 1")
    played.erp("UPDATE project SET total_payable = '999.00', customer_order = 'PO 7' WHERE id = 101")
    return played


def sync(shop: Shop) -> int:
    return int(shop.run("sync", "--patience", "0", "--json").json["attention"])


def test_it_is_counted_listed_and_the_exit_status_says_so(altered: Shop) -> None:
    for number in altered.ids():
        altered.run("skip", number, "--note", "not today")
    ended = altered.run("sync", "--patience", "0", "--json")

    assert (ended.status, ended.json["held"], ended.json["attention"]) == (3, 0, 1)
    (job,) = altered.run("jobs", "--reason", "changed_after_issue", "--json").lines
    assert (job["number"], job["status"], job["stage"], job["who"]) == ("B-0101", "done", "recorded", "accountant")
    (cause,) = altered.run("jobs", "--by-cause", "--json").lines
    assert (cause["reason"], cause["count"]) == ("changed_after_issue", 1)
    shown = altered.run("sync", "--patience", "0").out
    assert "1 issued, and for a person all the same:" in shown


def test_explain_shows_it_field_by_field_with_the_ways_out(altered: Shop) -> None:
    assert sync(altered) == 1

    told = altered.run("explain", "B-0101", "--json").json
    shown = altered.run("explain", "B-0101").out

    changes = {change["field"]: (change["issued"], change["now"]) for change in told["changes"]}
    assert changes["total"][1] == "999.00"
    assert changes["order number"][1] == "PO 7"
    assert "600 = 600.00" in changes["line 1"][1]
    assert "what\tas issued\tnow in the ERP" in shown
    assert f"total\t{changes['total'][0]}\t999.00" in shown
    assert "a credit note and a new invoice" in shown
    assert "Changed after issue: The ERP's document is not as it was issued" in shown
    assert told["events"][-1]["what"] == "changed"


def test_it_is_told_in_the_language_of_the_reader(altered: Shop) -> None:
    assert sync(altered) == 1

    for language, sentence, line in (
        ("es", "El documento del ERP no está como se emitió: total: ", "línea 1\t"),
        ("fr", "Le document de l'ERP n'est plus tel qu'il a été émis : total : ", "ligne 1\t"),
        ("ca", "El document de l'ERP no està com es va emetre: total: ", "línia 1\t"),
    ):
        shown = altered.run("--lang", language, "explain", "B-0101").out
        assert sentence in shown
        assert line in shown


def test_skip_with_a_note_lets_it_be_and_the_document_stays_issued(altered: Shop) -> None:
    assert sync(altered) == 1
    requests = len(altered.writes())

    preview = altered.run("skip", "B-0101", "--note", "x", "--dry-run").out
    assert "1 invoice issued and changed since, would be let be" in preview
    assert "B-0101" in preview
    done = altered.run("skip", "B-0101", "--note", "corrected by C-0200")

    assert "1 invoice issued and changed since, let be." in done.out
    assert sync(altered) == 0
    told = altered.run("explain", "B-0101", "--json").json
    assert (told["status"], told["stage"], told["reason"], told["changes"]) == ("done", "recorded", None, [])
    assert (told["events"][-1]["what"], told["events"][-1]["note"]) == ("dismissed", "corrected by C-0200")
    assert "A person let it be, by " in altered.run("explain", "B-0101").out
    assert len(altered.writes()) == requests


def test_what_was_put_back_closes_by_itself(played: Shop) -> None:
    [(total,)] = played.erp("SELECT total_payable FROM project WHERE id = 101")
    played.erp("UPDATE project SET total_payable = '999.00' WHERE id = 101")
    assert sync(played) == 1

    played.erp("UPDATE project SET total_payable = ? WHERE id = 101", total)

    assert sync(played) == 0
    assert played.run("explain", "B-0101", "--json").json["events"][-1]["what"] == "restored"


def test_cancelled_and_deleted_are_noticed_too(played: Shop) -> None:
    played.erp("UPDATE project SET status = 'cancelled' WHERE id = 101")
    issued = [job["key"] for job in played.run("jobs", "--status", "done", "--json").lines if job["key"] != "101"]
    played.erp("DELETE FROM project WHERE id = ?", issued[0])

    assert sync(played) == 2

    cases = played.run("jobs", "--reason", "changed_after_issue", "--json").lines
    assert {case["key"]: case["message"].rpartition("/ ")[2] for case in cases} == {
        "101": "not confirmed (ERP now).",
        issued[0]: "deleted (ERP now).",
    }
