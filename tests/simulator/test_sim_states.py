"""The life of an invoice after it was handed over."""

import pytest

from connector.simulator import World, notice, plant
from connector.simulator.states import FAILING_GLN, REFUSING_GLN, REGISTERING_GLN
from tests.simulator.client import Api, code

SENDING, NETWORK = 2.0, 3.0  # the default waits, in seconds


def seen(api: Api, world: World, invoice_id: int) -> list[str]:
    """The states from now until nothing more happens."""
    states = [api.state(invoice_id)]
    for _ in range(20):
        world.advance(1)
        state = api.state(invoice_id)
        if state != states[-1]:
            states.append(state)
    return states


def sent(api: Api, **contact: str) -> int:
    """The id of an invoice that was just queued for a contact of this kind."""
    invoice = api.invoice(contact_id=api.contact(**contact)["id"])
    assert api.send(invoice["id"]).status_code == 200
    return int(invoice["id"])


def test_a_sent_invoice_is_on_its_way_then_delivered_then_registered(api: Api, world: World) -> None:
    invoice_id = sent(api)
    assert api.state(invoice_id) == "sending"
    world.advance(SENDING)
    assert api.state(invoice_id) == "sent"
    world.advance(NETWORK)
    assert api.state(invoice_id) == "registered"


def test_the_speed_divides_the_waits(api: Api, world: World) -> None:
    world.switches.speed = 10
    invoice_id = sent(api)
    world.advance((SENDING + NETWORK) / 10)
    assert api.state(invoice_id) == "registered"


@pytest.mark.parametrize(
    ("gln", "states"),
    [
        (REGISTERING_GLN, ["sending", "sent", "registered"]),
        (REFUSING_GLN, ["sending", "sent", "registered", "refused"]),
        (FAILING_GLN, ["sending", "sent", "error"]),
        ("9501101020016", ["sending", "sent", "registered"]),
    ],
)
def test_in_peppol_the_receivers_gln_decides(api: Api, world: World, gln: str, states: list[str]) -> None:
    invoice_id = sent(api, transport_type_code="peppol", cin_scheme="0088", cin_value=gln)
    assert seen(api, world, invoice_id) == states


@pytest.mark.parametrize(
    ("transport", "states"),
    [
        ("email", ["sending", "sent"]),
        ("b2brouter", ["sending", "sent"]),
        ("fr.chorus", ["sending", "sent", "registered"]),
        ("unheard-of", ["sending", "sent", "registered"]),  # falls to the account's default
        ("download", ["sending", "error"]),
    ],
)
def test_the_way_of_delivery_decides_how_far_it_goes(
    api: Api, world: World, transport: str, states: list[str]
) -> None:
    assert seen(api, world, sent(api, transport_type_code=transport)) == states


def test_other_networks_may_stay_silent_as_in_the_sandbox(api: Api, world: World) -> None:
    world.switches.networks_confirm = False
    assert seen(api, world, sent(api, transport_type_code="es.face")) == ["sending", "sent"]


def test_without_a_choice_the_directory_decides(api: Api, world: World) -> None:
    assert seen(api, world, sent(api, tin_value="ESB63276174")) == ["sending", "sent"]


def test_the_download_transport_issues_what_it_reports(api: Api, world: World) -> None:
    settings = {"tax_report_settings": {"verifactu": {"code": "verifactu", "enabled": True}}}
    plant(world, {"accounts": [{"id": 1, **settings}]})
    invoice_id = sent(api, transport_type_code="download")
    assert seen(api, world, invoice_id) == ["sending", "issued"]
    [report_id] = api.get(f"/invoices/{invoice_id}").json()["invoice"]["tax_report_ids"]
    report = api.get(f"/tax_reports/{report_id}").json()["tax_report"]
    assert (report["state"], report["invoice_number"]) == ("registered", "F-1")
    rows = api.get("/accounts/1/tax_reports", invoice_id=invoice_id).json()["tax_reports"]
    assert [row["id"] for row in rows] == [report_id]


def test_a_failure_says_why(api: Api, world: World) -> None:
    invoice_id = sent(api, cin_scheme="0088", cin_value=FAILING_GLN)
    world.advance(60)
    invoice = api.version("2026-06-26").get(f"/invoices/{invoice_id}").json()["invoice"]
    assert invoice["error_code"] == "PEPPOL_NO_RECEIVER"
    assert invoice["errors"] == [invoice["error_message"]]


def test_a_refusal_says_why(api: Api, world: World) -> None:
    invoice_id = sent(api, cin_scheme="0088", cin_value=REFUSING_GLN)
    world.advance(60)
    invoice = api.get(f"/invoices/{invoice_id}").json()["invoice"]
    assert (invoice["refuse_reason_code"], invoice["errors"]) == ("REFUSED_BY_RECEIVER", [])


class TestSending:
    def test_the_answer_has_a_body_or_not(self, api: Api, world: World) -> None:
        assert api.send(api.invoice("A")["id"]).json()["invoice"]["state"] == "sending"
        world.switches.send_answer = "empty"
        assert api.send(api.invoice("B")["id"]).status_code == 204

    def test_it_can_go_with_the_create(self, api: Api) -> None:
        assert api.invoice("A", beside={"send_after_import": True})["state"] == "sending"

    def test_the_flag_inside_the_invoice_does_nothing(self, api: Api) -> None:
        assert api.invoice("A", send_after_import=True)["state"] == "new"

    @pytest.mark.parametrize(
        ("switch", "refusal"), [("422", (422, "parameter_inclusion")), ("409", (409, "conflict"))]
    )
    def test_a_second_time_is_refused(self, api: Api, world: World, switch: str, refusal: tuple[int, str]) -> None:
        world.switches.set({"second_send": switch})
        invoice_id = sent(api)
        assert code(api.send(invoice_id)) == refusal
        world.advance(60)
        assert code(api.send(invoice_id)) == refusal
        assert world.invoices[invoice_id].sent_times == 1

    def test_a_second_time_may_also_deliver_again(self, api: Api, world: World) -> None:
        world.switches.second_send = "accepted"
        invoice_id = sent(api)
        assert api.send(invoice_id).is_success
        assert world.invoices[invoice_id].sent_times == 2

    def test_what_failed_or_was_refused_may_go_again(self, api: Api, world: World) -> None:
        invoice_id = sent(api)
        world.advance(60)
        notice(world, invoice_id, "refused", "Wrong order number")
        assert api.send(invoice_id).is_success

    def test_what_ended_in_error_may_go_again_with_a_clean_slate(self, api: Api, world: World) -> None:
        invoice_id = sent(api, cin_scheme="0088", cin_value=FAILING_GLN)
        world.advance(60)
        again = api.send(invoice_id).json()["invoice"]
        assert (again["state"], again["errors"]) == ("sending", [])

    def test_a_french_document_in_error_may_not(self, api: Api, world: World) -> None:
        french = api.of(2)
        invoice_id = sent(french, transport_type_code="download")
        world.advance(60)
        assert french.send(invoice_id).status_code == 422
        assert french.delete(f"/invoices/{invoice_id}").is_success

    def test_an_unknown_document_is_missing(self, api: Api) -> None:
        assert code(api.send(1)) == (404, "resource_missing")
        assert code(api.post("/invoices/send_invoice/first")) == (404, "resource_missing")


class TestByHand:
    def test_a_document_is_relabelled_without_being_delivered(self, api: Api, world: World) -> None:
        invoice = api.invoice()
        marked = api.post(f"/invoices/{invoice['id']}/mark_as", {"state": "paid"})
        assert marked.json()["invoice"]["state"] == "paid"
        assert world.invoices[invoice["id"]].sent_times == 0

    def test_a_reason_goes_with_a_refusal(self, api: Api) -> None:
        body = {"state": "refused", "reason": "Wrong price", "reason_code": "R7"}
        marked = api.post(f"/invoices/{api.invoice()['id']}/mark_as", body).json()["invoice"]
        assert (marked["refuse_reason"], marked["refuse_reason_code"]) == ("Wrong price", "R7")

    @pytest.mark.parametrize(
        ("state", "refusal"),
        [("sending", "parameter_inclusion"), ("annotated", "parameter_inclusion"), (None, "parameter_blank")],
    )
    def test_only_the_documented_states_may_be_set(self, api: Api, state: str | None, refusal: str) -> None:
        answer = api.post(f"/invoices/{api.invoice()['id']}/mark_as", {"state": state})
        assert code(answer) == (422, refusal)

    def test_notices_of_the_network_come_in_any_order(self, api: Api, world: World) -> None:
        invoice_id = sent(api)
        notice(world, invoice_id, "accepted")
        assert seen(api, world, invoice_id) == ["accepted", "sent", "registered"]


def test_a_deleted_document_has_no_further_life(api: Api, world: World) -> None:
    world.switches.delete_allowed = "any"
    invoice_id = sent(api)
    api.delete(f"/invoices/{invoice_id}")
    world.advance(60)
    assert world.deleted_invoices[invoice_id].state == "sending"


def test_what_was_registered_with_a_tax_authority_cannot_be_deleted(api: Api, world: World) -> None:
    plant(world, {"accounts": [{"id": 1, "tax_report_settings": {"verifactu": {"code": "verifactu"}}}]})
    invoice_id = sent(api)
    world.advance(60)
    notice(world, invoice_id, "error", "Late failure")
    assert code(api.delete(f"/invoices/{invoice_id}")) == (409, "conflict")


def test_each_send_counts_as_a_transaction(api: Api) -> None:
    sent(api)
    assert api.get("/accounts/1").json()["account"]["transactions_count"] == 1
