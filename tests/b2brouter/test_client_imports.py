"""Files handed in and read again: what leaves, and what each answer means."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.domain.errors import MisconfiguredError, NotSentError, OutcomeUnknownError, RefusedError, StepError
from connector.simulator import SimulatorServer
from tests.support.files import NAMES, sample

IMPORT = "import_invoice"
NUMBER = "F2026-0101"
FRENCH = frozenset(name for name in NAMES if name.startswith("cii"))


@pytest.fixture
def simulator() -> Iterator[SimulatorServer]:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def client(simulator: SimulatorServer) -> Iterator[B2BrouterClient]:
    yield from connected(simulator, "1")


@pytest.fixture
def french(simulator: SimulatorServer) -> Iterator[B2BrouterClient]:
    yield from connected(simulator, "2")


def connected(simulator: SimulatorServer, account: str) -> Iterator[B2BrouterClient]:
    transport = Transport(
        simulator.base_url, api_key="test_key", api_version="2026-03-02", timeout=5, sleep=lambda seconds: None
    )
    yield B2BrouterClient(account_id=account, environment="simulator", transport=transport, api_version="2026-03-02")
    transport.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_each_format_becomes_an_unsent_document_and_comes_back_byte_for_byte(
    name: str, client: B2BrouterClient, french: B2BrouterClient
) -> None:
    remote = french if name in FRENCH else client
    numbers = {"ubl-i": NUMBER, "ubl-c": "R2026-0007", "cii-i": "FA-2026-31", "cii-c": "AV-2026-4"}
    facturae = {"facturae-3.2.xml": "0044", "facturae-3.2.1.xml": "0043", "facturae-3.2.2-signed.xsig": "0042"}
    number = numbers.get(name[:5]) or facturae.get(name) or "0003"

    made = remote.import_invoice(sample(name), number=number)

    assert (made.type, made.number, made.state) == ("IssuedInvoice", number, "new")
    assert [row.id for row in remote.find_invoices(number)] == [made.id]
    assert remote.read_original(made.id) == sample(name)


def test_credit_notes_are_told_by_the_flag_or_by_amounts_below_zero(client: B2BrouterClient) -> None:
    flagged = client.import_invoice(sample("ubl-credit-note.xml"), number="R2026-0007")
    below = client.import_invoice(sample("facturae-3.2.2-corrective.xml"), number="0003")
    assert (flagged.is_credit_note, str(flagged.total)) == (True, "169.95")
    assert (below.is_credit_note, str(below.total), below.series) == (False, "-106.00", "R26")


def test_a_document_that_was_not_imported_has_no_original(
    simulator: SimulatorServer, client: B2BrouterClient
) -> None:
    assert client.read_original("4711") is None
    made = client.import_invoice(sample("ubl-invoice.xml"), number=NUMBER)
    with simulator.world.lock:
        simulator.world.invoices[int(made.id)].original = None
    assert client.read_original(made.id) is None


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"<Order/>", RefusedError, "refused_by_b2brouter"),  # unknown format
        (sample("ubl-invoice.xml", ("ESB76543214", "ESA28000000")), RefusedError, "refused_by_b2brouter"),
        (sample("ubl-invoice.xml", (NUMBER, "F9")), RefusedError, "remote_differs"),
    ],
)
def test_what_is_refused(content: bytes, error: type[StepError], reason: str, client: B2BrouterClient) -> None:
    with pytest.raises(error) as refused:
        client.import_invoice(content, number=NUMBER)
    assert refused.value.reason == reason


def test_a_number_that_is_taken_is_told_apart(client: B2BrouterClient) -> None:
    client.import_invoice(sample("ubl-invoice.xml"), number=NUMBER)
    with pytest.raises(RefusedError) as refused:
        client.import_invoice(sample("ubl-invoice.xml"), number=NUMBER)
    assert refused.value.reason == "number_taken"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop_after", OutcomeUnknownError),
        ("drop_before", OutcomeUnknownError),
        ("unavailable_before", OutcomeUnknownError),
        ("garbage", OutcomeUnknownError),
        ("rate_limit", NotSentError),
        ("unauthorized", MisconfiguredError),
    ],
)
def test_what_an_answer_or_its_absence_proves(
    fault: str, error: type[StepError], simulator: SimulatorServer, client: B2BrouterClient
) -> None:
    simulator.world.faults.add(fault, operation=IMPORT)
    with pytest.raises(error):
        client.import_invoice(sample("ubl-invoice.xml"), number=NUMBER)
    made = [entry for entry in simulator.world.journal if entry.operation == IMPORT]
    assert len(made) == 1


def test_an_original_that_cannot_be_read_is_not_absent(simulator: SimulatorServer, client: B2BrouterClient) -> None:
    made = client.import_invoice(sample("ubl-invoice.xml"), number=NUMBER)
    simulator.world.faults.add("unavailable_before", operation="download_as", times=10)
    with pytest.raises(NotSentError):
        client.read_original(made.id)
