"""Every call of the client against the simulator, in each of the forms that the API is known to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.domain.breaker import FAILURES, Breaker
from connector.domain.correction import remote_sign
from connector.domain.errors import (
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    StepError,
)
from connector.domain.invoice import AllowanceCharge, Invoice, Original, Payment, Tax
from connector.domain.recipient import Delivery
from connector.ports import Remote, RemoteInvoice
from connector.simulator import SimulatorServer
from tests.b2brouter.samples import (
    CUSTOMER,
    FRENCH_SELLER,
    IRPF,
    IVA,
    RE,
    UNIVERSITY,
    credit_note,
    invoice,
    line,
)

VERSIONS = ["2025-10-13", "2026-03-02", "2026-04-20", "2026-06-26"]
FORMS: list[dict[str, Any]] = [
    {},
    {
        "wrapped": False,
        "amounts": "strings",
        "ids": "strings",
        "send_answer": "empty",
        "delete_answer": "empty",
    },
    {"number_filter": "contains", "accounts_envelope": "meta", "list_order": "oldest"},
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorServer]:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def connect() -> Iterator[Callable[..., B2BrouterClient]]:
    """Makes clients that do not wait between repeated reads."""
    made: list[Transport] = []

    def make(server: SimulatorServer, *, version: str = "2026-03-02", **options: Any) -> B2BrouterClient:
        account, key = options.pop("account_id", "1"), options.pop("key", server.api_key)
        made.append(Transport(server.base_url, key, version, sleep=lambda _: None, **options))
        return B2BrouterClient(
            account_id=account,
            environment="simulator",
            transport=made[-1],
            api_version=version,
            amend_reason="R1",
        )

    yield make
    for each in made:
        each.close()


@pytest.fixture
def fresh(simulator: SimulatorServer) -> SimulatorServer:
    """The simulator as new, for faults and switches."""
    simulator.reset()
    return simulator


@pytest.fixture
def client(fresh: SimulatorServer, connect: Callable[..., B2BrouterClient]) -> B2BrouterClient:
    return connect(fresh)


def contact_of(client: B2BrouterClient) -> str:
    return client.create_contact(client.contact_payload(CUSTOMER, "erp:7")).id


def create(client: B2BrouterClient, document: Invoice, contact_id: str) -> RemoteInvoice:
    payload = client.invoice_payload(document, contact_id=contact_id, file_reference="erp-mark")
    return client.create_invoice(payload)


def test_the_client_is_the_remote_of_the_core(client: B2BrouterClient) -> None:
    remote: Remote = client
    assert (remote.account_id, remote.environment) == ("1", "simulator")


@pytest.mark.parametrize("form", FORMS, ids=["plain", "bare", "meta"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_way_of_an_invoice(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient], version: str, form: dict[str, Any]
) -> None:
    fresh.world.switches.set(form)
    client = connect(fresh, version=version)

    contact = client.create_contact(client.contact_payload(CUSTOMER, "erp:7"))
    assert (contact.tax_number, contact.integration_code) == ("ESB00000000", "erp:7")

    made = create(client, invoice(line("2", "10")), contact.id)
    assert (made.type, made.number, made.state) == ("IssuedInvoice", "INV-0001", "new")
    assert (made.subtotal, made.total, made.file_reference) == (Decimal(20), Decimal("24.20"), "erp-mark")
    assert made.request_id == client.last_request_id()

    [found] = client.find_invoices("INV-0001", issued_on=date(2026, 1, 21))
    assert (found.id, found.state) == (made.id, "new")

    assert client.send_invoice(made.id) in {None, "sending"}
    read = client.read_invoice(made.id)
    assert read is not None
    assert read.state in {"sending", "sent"}
    assert read.account_id == "1"
    assert read.contact_id == contact.id


def test_the_account_tells_how_it_calculates(client: B2BrouterClient) -> None:
    account = client.read_account()
    assert (account.id, account.tax_number, account.rounding_method) == ("1", "ESB76543214", "half_up")


def test_an_account_may_be_called_by_its_identifier(
    simulator: SimulatorServer, connect: Callable[..., B2BrouterClient]
) -> None:
    assert connect(simulator, account_id="lumiere").read_account().id == "2"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.read_account(),
        lambda client: client.find_contacts(text="x"),
        lambda client: client.find_invoices("x"),
        lambda client: client.create_contact(client.contact_payload(CUSTOMER, "x")),
        lambda client: create(client, invoice(), "1"),
    ],
)
def test_an_account_that_the_key_does_not_see_stops_everything(
    simulator: SimulatorServer,
    connect: Callable[..., B2BrouterClient],
    call: Callable[[B2BrouterClient], object],
) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        call(connect(simulator, account_id="4711"))
    assert (caught.value.reason, caught.value.details["account_id"]) == ("account_unknown", "4711")


def test_a_wrong_key_stops_everything(simulator: SimulatorServer, connect: Callable[..., B2BrouterClient]) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        connect(simulator, key="wrong_key_0123").read_account()
    assert (caught.value.reason, caught.value.details["status"]) == ("access_refused", "401")


@pytest.mark.parametrize("version", ["2025-01-01", "2031-01-01"])
def test_a_version_that_is_not_spoken_stops_everything(
    simulator: SimulatorServer, connect: Callable[..., B2BrouterClient], version: str
) -> None:
    with pytest.raises(MisconfiguredError) as caught:
        connect(simulator, version=version).read_account()
    assert caught.value.reason == "version_refused"


# ---------------------------------------------------------------- contacts


def test_a_contact_is_found_by_our_code_and_by_its_tax_number(client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    assert [row.id for row in client.find_contacts(integration_code="erp:7")] == [contact_id]
    assert [row.id for row in client.find_contacts(text="ESB00000000")] == [contact_id]
    assert client.find_contacts(integration_code="erp:70") == []


def test_a_second_contact_with_the_same_tax_number_is_taken(client: B2BrouterClient) -> None:
    contact_of(client)
    with pytest.raises(RefusedError) as caught:
        client.create_contact(client.contact_payload(CUSTOMER, "erp:8"))
    assert caught.value.reason == "contact_taken"
    assert caught.value.request_id


def test_a_contact_can_be_changed_again_and_again(client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    renamed = client.contact_payload(replace(CUSTOMER, name="New Name"), "erp:7")
    assert [client.update_contact(contact_id, renamed).name for _ in range(2)] == ["New Name"] * 2


def test_a_contact_that_is_gone_is_missing(client: B2BrouterClient) -> None:
    with pytest.raises(RefusedError) as caught:
        client.update_contact("999999", client.contact_payload(CUSTOMER, "erp:7"))
    assert (caught.value.reason, caught.value.details["reference"]) == ("remote_missing", "999999")


def test_a_contact_that_lacks_everything_is_refused_with_the_servers_words(client: B2BrouterClient) -> None:
    with pytest.raises(RefusedError) as caught:
        client.create_contact(client.contact_payload(replace(CUSTOMER, tax_number=None), "erp:7"))
    assert caught.value.reason == "refused_by_b2brouter"
    assert "tin_value" in caught.value.details["message"]


def test_a_french_public_body_is_reached_through_chorus_pro(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient]
) -> None:
    client = connect(fresh, account_id="2")
    body = client.new_contact_payload(client.contact_payload(UNIVERSITY, "erp:9"), client.usual_delivery(UNIVERSITY))
    made = client.create_contact(body)
    assert (made.legal_ids, made.transport) == ((("0009", "13001533200013"),), "fr.chorus")
    [stored] = fresh.world.contacts.values()
    assert stored.fields["transport_type_code"] == "fr.chorus"
    assert stored.fields["document_type_code"] == "xml.ubl.invoice.chorus"


# ---------------------------------------------------------------- the directory


B2BROUTER = Delivery("b2brouter", "xml.facturae.3.2.2")


def test_the_directory_knows_how_invoices_reach_a_recipient(client: B2BrouterClient) -> None:
    assert client.look_up_directory("ES", "ESB63276174") == B2BROUTER
    assert client.look_up_directory("FR", "13001533200013", scheme="0009") == Delivery(
        "fr.chorus", "xml.ubl.invoice.chorus"
    )


@pytest.mark.parametrize("value", ["ESB99999999", "+++"])
def test_a_recipient_that_the_directory_does_not_know_is_not_there(client: B2BrouterClient, value: str) -> None:
    assert client.look_up_directory("ES", value) is None


@pytest.mark.parametrize(("polls", "asked"), [(1, 2), (3, 4)])
def test_an_answer_that_comes_later_is_waited_for(
    fresh: SimulatorServer, client: B2BrouterClient, polls: int, asked: int
) -> None:
    fresh.world.switches.set({"directory_mode": "asynchronous", "directory_polls": polls})
    assert client.look_up_directory("ES", "ESB63276174") == B2BROUTER
    assert client.look_up_directory("ES", "ESB99999999") is None
    assert len(list(fresh.world.journal)) - 1 == 2 * asked  # beside the seed


def test_it_is_not_waited_for_without_end(fresh: SimulatorServer) -> None:
    pauses: list[float] = []
    fresh.world.switches.set({"directory_mode": "asynchronous", "directory_polls": 99})
    transport = Transport(fresh.base_url, fresh.api_key, "2026-03-02", sleep=pauses.append)
    client = B2BrouterClient(account_id="1", environment="x", transport=transport, api_version="2026-03-02")
    with pytest.raises(NotSentError, match="remote_unavailable"):
        client.look_up_directory("ES", "ESB63276174")
    transport.close()
    assert sum(pauses) < 6


def test_a_directory_that_fails_is_asked_once_and_says_nothing_about_the_account(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient]
) -> None:
    breaker = Breaker()
    client = connect(fresh, watch=breaker.note)
    fresh.world.switches.directory_mode = "failing"
    for _ in range(FAILURES):
        with pytest.raises(NotSentError):
            client.look_up_directory("ES", "ESB63276174")
    assert breaker.opened is None
    assert len([entry for entry in fresh.world.journal if entry.operation == "look_up"]) == FAILURES


def test_one_contact_can_be_read(client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    found = client.read_contact(contact_id)
    assert found is not None
    assert (found.id, found.tax_number, found.parent_id, found.transport) == (contact_id, "ESB00000000", None, None)
    assert client.read_contact("999999") is None


# ---------------------------------------------------------------- invoices


def test_a_number_is_taken_once(client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    create(client, invoice(), contact_id)
    with pytest.raises(RefusedError) as caught:
        create(client, invoice(), contact_id)
    assert caught.value.reason == "number_taken"


def test_a_document_that_does_not_exist_reads_as_none(client: B2BrouterClient) -> None:
    assert client.read_invoice("999999") is None


def test_sending_twice_is_refused(fresh: SimulatorServer, client: B2BrouterClient) -> None:
    made = create(client, invoice(), contact_of(client))
    client.send_invoice(made.id)
    for answer in ("422", "409"):
        fresh.world.switches.set({"second_send": answer})
        with pytest.raises(RefusedError) as caught:
            client.send_invoice(made.id)
        assert (caught.value.reason, caught.value.details["status"]) == ("send_refused", answer)


def test_sending_what_is_not_there_is_told(client: B2BrouterClient) -> None:
    with pytest.raises(RefusedError) as caught:
        client.send_invoice("999999")
    assert caught.value.reason == "remote_missing"


def test_an_unsent_document_is_deleted_once_and_for_all(client: B2BrouterClient) -> None:
    made = create(client, invoice(), contact_of(client))
    client.delete_invoice(made.id)
    client.delete_invoice(made.id)
    assert client.read_invoice(made.id) is None


def test_a_sent_document_is_not_deleted(client: B2BrouterClient) -> None:
    made = create(client, invoice(), contact_of(client))
    client.send_invoice(made.id)
    with pytest.raises(RefusedError) as caught:
        client.delete_invoice(made.id)
    assert (caught.value.reason, caught.value.details["reference"]) == ("withdrawal_refused", made.id)


def test_the_number_is_compared_letter_by_letter_whatever_the_server_matches(
    fresh: SimulatorServer, client: B2BrouterClient
) -> None:
    fresh.world.switches.set({"number_filter": "contains"})
    contact_id = contact_of(client)
    for number in ("F-1", "F-10", "AF-1", "f-1"):
        create(client, invoice(number=number), contact_id)
    assert [row.number for row in client.find_invoices("F-1")] == ["F-1"]


def test_the_same_number_of_another_year_is_another_document(client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    ids = [create(client, invoice(issue_date=day), contact_id).id for day in (date(2025, 12, 31), date(2026, 1, 1))]
    assert {row.id for row in client.find_invoices("INV-0001")} == set(ids)
    assert [row.id for row in client.find_invoices("INV-0001", issued_on=date(2026, 6, 1))] == ids[1:]


# ---------------------------------------------------------------- sums

EXEMPT = Tax(percent=Decimal(0), category="E", reason="E1")
SUMS = {
    "a price that was rounded": invoice(line("3", "33.33", "100.00")),
    "a discount": invoice(line("3", "9.99", "27.98", allowances=(AllowanceCharge(amount=Decimal("1.99")),))),
    "a deduction": invoice(line("2", "50"), line("1", "-30", "-30")),
    "surcharge and withholding": invoice(line("1", "100", taxes=(IVA, RE, IRPF))),
    "a zero rate": invoice(line(), line(taxes=(EXEMPT,))),
    "an allowance of the document": invoice(
        line("1", "100"), allowances=(AllowanceCharge(amount=Decimal(10), taxes=(IVA,)),)
    ),
    "one under two taxes": invoice(
        line("1", "100", taxes=(IVA, RE)), allowances=(AllowanceCharge(amount=Decimal(10), taxes=(IVA, RE)),)
    ),
    "a Spanish correction": credit_note(
        line("3", "9.99", "27.98", allowances=(AllowanceCharge(amount=Decimal("1.99")),)),
        line("-1", "5", "-5"),
        original=Original(key="1", number="INV-0000", date=date(2026, 1, 1)),
        allowances=(AllowanceCharge(amount=Decimal(2), taxes=(IVA,)),),
    ),
    "yen": invoice(line("3", "33.5", "101"), currency="JPY"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", SUMS.values(), ids=list(SUMS))
def test_the_server_arrives_at_the_erps_sum(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient], document: Invoice, version: str
) -> None:
    client = connect(fresh, version=version)
    made = create(client, document, contact_of(client))
    allowances = sum((entry.amount for entry in document.allowances), Decimal(0))
    expected = remote_sign(document) * (document.totals.net - allowances)
    assert (made.subtotal, made.errors) == (expected, ())
    assert made.is_credit_note in {None, False}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_french_credit_note_is_flagged_and_positive(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient], version: str
) -> None:
    client = connect(fresh, account_id="2", version=version)
    contact_id = client.create_contact(client.contact_payload(UNIVERSITY, "erp:9")).id
    original = Original(key="1", number="INV-0000", date=date(2026, 1, 1))
    document = credit_note(
        line("1", "100"), seller=FRENCH_SELLER, original=original, payment=Payment(terms="30 jours")
    )
    made = create(client, document, contact_id)
    assert (made.is_credit_note, made.subtotal, made.total) == (True, Decimal(100), Decimal(121))


def test_files_are_attached_as_they_are_and_shown_by_name(fresh: SimulatorServer, client: B2BrouterClient) -> None:
    made = create(client, invoice(), contact_of(client))
    assert made.attachments == ()

    client.add_attachment(made.id, "Factura nº 1 & más.pdf", b"%PDF\x00\xff", is_view=True)
    client.add_attachment(made.id, "a.csv", b"{not json")

    read = client.read_invoice(made.id)
    assert read is not None
    assert read.attachments == ("Factura nº 1 & más.pdf", "a.csv")
    kept = fresh.world.invoices[int(made.id)].attachments
    assert [(file.filename, file.content, file.use_as_pdf_view) for file in kept] == [
        ("Factura nº 1 & más.pdf", b"%PDF\x00\xff", True),
        ("a.csv", b"{not json", False),
    ]


def test_a_file_for_an_invoice_that_is_gone_is_refused(client: B2BrouterClient) -> None:
    with pytest.raises(RefusedError) as caught:
        client.add_attachment("999999", "a.pdf", b"%PDF")
    assert (caught.value.reason, caught.value.details["file"]) == ("remote_missing", "a.pdf")


# ---------------------------------------------------------------- faults

WRITES: dict[str, Callable[[B2BrouterClient, str, str], object]] = {
    "create_contact": lambda client, *_: client.create_contact(
        client.contact_payload(replace(CUSTOMER, tax_number="ESA00000000"), "erp:8")
    ),
    "update_contact": lambda client, contact_id, _: client.update_contact(
        contact_id, client.contact_payload(CUSTOMER, "erp:7")
    ),
    "create_invoice": lambda client, contact_id, _: create(client, invoice(number="F-2"), contact_id),
    "send_invoice": lambda client, _, reference: client.send_invoice(reference),
    "delete_invoice": lambda client, _, reference: client.delete_invoice(reference),
    "add_attachment": lambda client, _, reference: client.add_attachment(reference, "a.pdf", b"%PDF"),
}
UNKNOWN: list[dict[str, Any]] = [
    {"kind": "drop_before"},
    {"kind": "drop_before", "reset": True},
    {"kind": "drop_after"},
    {"kind": "drop_after", "reset": True},
    {"kind": "unavailable_before"},
    {"kind": "unavailable_after"},
    {"kind": "error_before", "status": 500},
    {"kind": "error_after", "status": 502},
    {"kind": "error_after", "status": 504},
    {"kind": "hang_after", "seconds": 3.0},
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: "-".join(map(str, fault.values())))
def test_no_clear_answer_to_a_write_is_an_unknown_outcome_and_asked_once(
    fresh: SimulatorServer, connect: Callable[..., B2BrouterClient], write: str, fault: dict[str, Any]
) -> None:
    client = connect(fresh, timeout=0.4 if "seconds" in fault else 5.0)
    contact_id = contact_of(client)
    reference = create(client, invoice(), contact_id).id
    rule = fresh.world.faults.add(**fault, times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        WRITES[write](client, contact_id, reference)
    assert caught.value.reason == "outcome_unknown"
    assert rule.struck == 1


@pytest.mark.parametrize("kind", ["garbage", "html", "truncated", "drop_midway"])
def test_a_create_that_succeeded_unreadably_is_an_unknown_outcome(
    fresh: SimulatorServer, client: B2BrouterClient, kind: str
) -> None:
    contact_id = contact_of(client)
    fresh.world.faults.add(kind)
    with pytest.raises(OutcomeUnknownError):
        create(client, invoice(), contact_id)
    assert len(client.find_invoices("INV-0001")) == 1


def test_an_answer_about_another_number_is_not_ours(fresh: SimulatorServer, client: B2BrouterClient) -> None:
    contact_id = contact_of(client)
    fresh.world.faults.add("wrong_number")
    with pytest.raises(RefusedError) as caught:
        create(client, invoice(), contact_id)
    assert caught.value.reason == "remote_differs"
    assert caught.value.details["reference"]
    assert "instead of INV-0001" in caught.value.details["differences"]


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_came_too_often_may_be_repeated(
    fresh: SimulatorServer, client: B2BrouterClient, write: str
) -> None:
    contact_id = contact_of(client)
    reference = create(client, invoice(), contact_id).id
    fresh.world.faults.add("rate_limit", retry_after="9")
    with pytest.raises(NotSentError) as caught:
        WRITES[write](client, contact_id, reference)
    assert (caught.value.reason, caught.value.retry_after) == ("rate_limited", 9.0)
    WRITES[write](client, contact_id, reference)


READS: dict[str, Callable[[B2BrouterClient, str], object]] = {
    "read_account": lambda client, _: client.read_account(),
    "find_contacts": lambda client, _: client.find_contacts(integration_code="erp:7"),
    "find_invoices": lambda client, _: client.find_invoices("INV-0001"),
    "read_invoice": lambda client, reference: client.read_invoice(reference),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "fault",
    [
        *UNKNOWN[:-1],
        *({"kind": kind} for kind in ("garbage", "html", "truncated", "drop_midway", "rate_limit")),
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_read_survives_two_faults_and_gives_up_after_three(
    fresh: SimulatorServer, client: B2BrouterClient, read: str, fault: dict[str, Any]
) -> None:
    reference = create(client, invoice(), contact_of(client)).id
    fresh.world.faults.add(**fault, times=2)
    assert READS[read](client, reference)
    rule = fresh.world.faults.add(**fault, times=None)
    with pytest.raises(NotSentError) as caught:
        READS[read](client, reference)
    assert caught.value.reason in {"remote_unavailable", "rate_limited"}
    assert rule.struck == 3


def test_every_error_can_be_told_by_the_catalogue(fresh: SimulatorServer, client: B2BrouterClient) -> None:
    fresh.world.faults.add("unauthorized")
    with pytest.raises(StepError) as caught:
        client.read_account()
    assert {"status", "code", "message", "account_id"} <= set(caught.value.details)


def test_the_guard_of_the_transport_is_the_clients_too(client: B2BrouterClient) -> None:
    asked: list[str] = []
    guard: AbstractContextManager[None] = client.guarded(lambda: asked.append("lease"))
    with guard:
        client.read_account()
    assert asked == ["lease"]
