"""`connector link`."""

from __future__ import annotations

import pytest

from connector.simulator import plant
from tests.cli.shop import Shop


def by_hand(shop: Shop) -> str:
    """The id of the document that somebody made at B2Brouter."""
    return next(str(one.id) for one in shop.world.invoices.values() if one.number == "B-0109")


def test_an_equal_document_is_tied_and_the_next_sync_records_it(played: Shop) -> None:
    reference = by_hand(played)
    shown = played.run("link", "B-0109", reference, "--note", "typed in by Ana")
    assert shown.status == 0
    told = played.run("explain", "B-0109", "--json").json
    assert (told["stage"], told["status"], told["reference"]) == ("created", "pending", reference)

    before = len(played.writes())
    played.run("sync", "--patience", "8")
    told = played.run("explain", "B-0109", "--json").json
    assert (told["stage"], told["status"]) == ("recorded", "done")
    assert played.erp("SELECT reference, project_xref FROM project WHERE id = 109") == [
        (reference, f"b2brouter:simulator:1:{reference}")
    ]
    assert len(played.writes()) == before  # it had been sent: nothing is sent again


def test_one_that_is_unsent_is_sent_by_the_next_sync(played: Shop) -> None:
    lines = [
        {
            "description": "Interpreting",
            "quantity": 2,
            "price": 400,
            "taxes_attributes": [{"name": "IVA", "category": "S", "percent": 21}],
        }
    ]
    issued = played.erp("SELECT invoice_date FROM project WHERE id = 103")[0][0]
    contact = next(one.id for one in played.world.contacts.values() if one.fields.get("tin_value") == "ESA58818501")
    invoice = {"account": 1, "contact_id": contact, "number": "B-0103", "date": issued}
    reference = str(
        plant(played.world, {"invoices": [{**invoice, "invoice_lines_attributes": lines}]})["invoices"][0]
    )
    assert played.run("link", "B-0103", reference, "--note", "made by hand", "--json").json["state"] == "new"
    played.run("sync", "--patience", "8")
    assert played.run("explain", "B-0103", "--json").json["status"] == "done"
    assert played.world.invoices[int(reference)].sent_times == 1


def test_a_different_document_is_refused_with_the_differences(day: Shop) -> None:
    shown = day.run("link", "B-0103", by_hand(day), "--note", "x")
    assert shown.status == 1
    assert "number\tB-0103\tB-0109" in shown.out
    assert "differ: number B-0103 (ERP) / B-0109 (B2Brouter)" in shown.err
    as_json = day.run("link", "B-0103", by_hand(day), "--note", "x", "--json").json["error"]
    assert as_json["kind"] == "differs"
    assert {"field": "number", "erp": "B-0103", "remote": "B-0109"} in as_json["differences"]
    assert day.run("explain", "B-0103", "--json").json["reference"] is None


def test_a_document_for_another_customer_is_refused(played: Shop) -> None:
    """Same number, date and amounts: only the recipient tells the two apart."""
    played.erp("UPDATE project SET customer_id = 12 WHERE id = 109")
    played.run("sync", "--patience", "0")
    shown = played.run("link", "B-0109", by_hand(played), "--note", "x")
    assert shown.status == 1
    assert "recipient\tDE136695976\tESA58818501" in shown.out


def test_a_document_of_another_invoice_is_refused(day: Shop) -> None:
    taken = day.run("explain", "B-0101", "--json").json["reference"]
    shown = day.run("link", "B-0109", taken, "--note", "x")
    assert shown.status == 2
    assert f"The document {taken} belongs to B-0101" in shown.err


@pytest.mark.parametrize(
    ("number", "reference", "says", "status"),
    [
        ("B-0101", "1", "it is done", 2),
        ("B-0106", "1", "is tied to the document", 2),
        ("B-0109", "999999", "B2Brouter has no document 999999", 1),
        ("B-4711", "1", "There is no invoice B-4711", 2),
    ],
)
def test_what_cannot_be_tied_is_said(day: Shop, number: str, reference: str, says: str, status: int) -> None:
    shown = day.run("link", number, reference, "--note", "x")
    assert shown.status == status
    assert says in shown.err


def test_the_document_must_still_be_confirmed_in_the_erp(played: Shop) -> None:
    played.erp("UPDATE project SET status = 'quoted' WHERE id = 109")
    assert "not confirmed" in played.run("link", "B-0109", by_hand(played), "--note", "x").err
    played.erp("DELETE FROM project WHERE id = 109")
    assert "no longer in the ERP" in played.run("link", "B-0109", by_hand(played), "--note", "x").err


def test_a_wrong_key_is_said_in_the_words_of_the_account(played: Shop) -> None:
    config = played.changed(('api_key = "test_key"', 'api_key = "test_CANARY"'))
    shown = played.run("link", "B-0109", by_hand(played), "--note", "x", config=config)
    assert shown.status == 1
    assert "refuses the API key of account spain" in shown.err
    assert "CANARY" not in shown.err + shown.out


def test_a_note_is_needed(day: Shop) -> None:
    assert day.run("link", "B-0109", "1").status == 2


def test_nothing_is_tied_by_what_another_database_says(played: Shop) -> None:
    shown = played.run("link", "B-0109", by_hand(played), "--note", "x", config=played.copied_erp())
    assert shown.status == 1
    assert "The ledger knows the source booking as sqlite:" in shown.err
    assert played.run("explain", "B-0109", "--json").json["reference"] is None
