"""Lists of invoices: what is shown, in which order, and how much of it."""

import pytest

from connector.simulator import World, notice, plant
from tests.simulator.client import Api, code


def test_the_newest_comes_first(api: Api, world: World) -> None:
    for number in ("A", "B", "C"):
        api.invoice(number)
    assert api.numbers() == ["C", "B", "A"]
    world.switches.list_order = "oldest"
    assert api.numbers() == ["A", "B", "C"]


def test_pages_have_25_rows_and_at_most_500(api: Api, world: World) -> None:
    plant(world, {"invoices": [{"number": f"P-{position}"} for position in range(510)]})
    assert len(api.numbers()) == 25
    page = api.get("/accounts/1/invoices", limit=1000, offset=5).json()
    assert page["meta"] == {"total_count": 510, "offset": 5, "limit": 500}
    assert len(page["invoices"]) == 500
    assert len(api.numbers(limit=500, offset=500)) == 10


def test_rows_are_thinner_than_a_single_document(api: Api) -> None:
    api.invoice(beside={"ack": True})
    [row] = api.get("/accounts/1/invoices").json()["invoices"]
    assert "account" not in row
    assert row["ack_at"] is None
    assert row["contact"]["name"] == "Example Customer"


@pytest.mark.parametrize(
    ("mode", "asked", "found"),
    [
        ("exact", "F-1", ["F-1"]),
        ("exact", "f-1", []),
        ("prefix", "F-1", ["F-10", "F-1"]),
        ("contains", "-1", ["F-10", "F-1"]),
        ("contains", "F-2,10", ["F-2", "F-10"]),
    ],
)
def test_how_the_number_filter_matches_is_disputed(
    api: Api, world: World, mode: str, asked: str, found: list[str]
) -> None:
    world.switches.set({"number_filter": mode})
    for number in ("F-1", "F-10", "F-2"):
        api.invoice(number)
    assert api.numbers(number=asked) == found


def test_the_type_is_issued_invoices_unless_asked_otherwise(api: Api) -> None:
    api.invoice("F-1")
    api.invoice("T-1", type="IssuedSimplifiedInvoice", contact={"name": "Walk-in"})
    assert api.numbers() == ["F-1"]
    assert api.numbers(type="IssuedSimplifiedInvoice") == ["T-1"]
    assert code(api.get("/accounts/1/invoices", type="Ticket"))[0] == 422


def test_dates_are_those_of_the_document_both_ends_included(api: Api) -> None:
    for day in ("09", "10", "11"):
        api.invoice(f"F-{day}", date=f"2026-01-{day}", due_date=f"2026-02-{day}")
    assert api.numbers(date_from="2026-01-10", date_to="2026-01-11") == ["F-11", "F-10"]
    assert api.numbers(due_date_from="2026-02-09", due_date_to="2026-02-09") == ["F-09"]
    assert code(api.get("/accounts/1/invoices", date_from="soon")) == (400, "invalid_request_params")


def test_state_flags_keep_or_leave_out(api: Api, world: World) -> None:
    ids = {number: api.invoice(number)["id"] for number in ("A", "B", "C")}
    notice(world, ids["B"], "paid")
    notice(world, ids["C"], "refused")
    assert api.numbers(paid="1", refused="true") == ["C", "B"]
    assert api.numbers(new="0") == ["C", "B"]
    assert api.numbers(new="0", refused="1") == ["C"]


def test_changes_of_state_are_found_by_their_time(api: Api, world: World) -> None:
    first = api.invoice("A")
    api.invoice("B")
    world.advance(60)
    notice(world, first["id"], "paid")
    assert api.numbers(state_updated_at_from="2026-01-15T12:00:30Z") == ["A"]
    assert api.numbers(state_updated_at_from="2026-01-15") == ["B", "A"]
    assert api.numbers(state_updated_at_from="2026-01-16") == []
    world.switches.state_filter_by = "date"
    assert api.numbers(state_updated_at_from="2026-01-15T12:00:30Z") == ["B", "A"]


def test_a_change_of_state_is_no_update_unless_switched_on(api: Api, world: World) -> None:
    invoice = api.invoice()
    world.advance(60)
    notice(world, invoice["id"], "paid")
    assert api.numbers(updated_at_from="2026-01-15T12:00:30Z") == []
    world.switches.state_change_updates = True
    notice(world, invoice["id"], "closed")
    assert api.numbers(updated_at_from="2026-01-15T12:00:30Z") == ["F-1"]


def test_the_recipients_tax_number_is_searched_by_query_or_taxcode(api: Api) -> None:
    other = api.contact(tin_value="ESA28000000")
    api.invoice("A", contact_id=other["id"])
    api.invoice("B", contact_id=api.contact()["id"])
    assert api.numbers(query="tin_value=ES A28000000") == ["A"]
    assert api.version("2025-10-13").numbers(taxcode="ESA28000000") == ["A"]
    assert api.numbers(taxcode="ESA28000000") == ["B", "A"]
    assert code(api.get("/accounts/1/invoices", query="colour=red")) == (400, "invalid_request_params")


def test_a_new_document_may_show_later_but_is_read_at_once(api: Api, world: World) -> None:
    world.switches.list_lag = 5
    invoice = api.invoice()
    assert api.numbers(number="F-1") == []
    assert api.state(invoice["id"]) == "new"
    world.advance(5)
    assert api.numbers(number="F-1") == ["F-1"]


def test_received_documents_hide_once_they_are_acknowledged(api: Api, world: World) -> None:
    plant(world, {"invoices": [{"number": number, "type": "ReceivedInvoice"} for number in ("R-1", "R-2")]})
    [second, _] = api.get("/accounts/1/invoices", type="ReceivedInvoice").json()["invoices"]
    api.post(f"/invoices/{second['id']}/ack")
    assert api.numbers(type="ReceivedInvoice") == ["R-1"]
    assert api.numbers(type="ReceivedInvoice", ack="true") == ["R-2"]
