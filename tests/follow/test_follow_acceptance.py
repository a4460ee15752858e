"""Against a B2Brouter whose webhooks come twice, in disorder, late, wrongly signed or never: ledger and ERP end up
as the service has it within one interval, and never show an older state over a newer one on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.job import Status
from connector.simulator.states import FAILING_GLN, REFUSING_GLN, REGISTERING_GLN, notice
from connector.web.server import WebServer
from tests.support.builders import invoice
from tests.support.house import ACCOUNT, House, Opener

SECRET = "whsec_test"
DOCUMENTS = 30
LOOK_EVERY = 300


@pytest.fixture
def told(open_house: Opener) -> Iterator[House]:
    """A house whose receiver is told everything twice."""
    house = open_house()
    house.stamp()
    settings = {
        "ledger": {"url": str(house.ledger.database.url)},
        "web": {"port": 0},
        "accounts": {ACCOUNT: {"account_id": "1", "api_key": "test_key", "webhook_secret": SECRET}},
    }
    services = Services(Settings(**settings))  # type: ignore[arg-type]
    services.ledger = house.ledger
    server = WebServer(services).start()
    hook = {"url": f"{server.address}/webhooks/b2brouter/{ACCOUNT}", "secret": SECRET}
    house.plant(web_hooks=[hook, hook])
    yield house
    server.stop()


def pass_time(house: House, seconds: int, *, step: int = 5) -> None:
    """Let time pass, with the daemon's rounds."""
    for _ in range(0, seconds, step):
        house.advance(step)
        assert house.server.wait_for_webhooks()
        house.follow()


def history(house: House, reference: str) -> list[str]:
    """The states that a document took at the service, in order."""
    effects = [effect for entry in house.world.journal for effect in entry.effects]
    return [e["after"] for e in effects if e["action"] == "state" and str(e["id"]) == reference]


def is_subsequence(shown: list[str], taken: list[str]) -> bool:
    rest = iter(taken)
    return all(state in rest for state in shown)


def test_ledger_and_erp_end_up_as_the_service_has_it(told: House) -> None:
    told.world.faults.chance.seed(7)
    for kind, probability in (("drop", 0.1), ("reorder", 0.2), ("bad_signature", 0.05), ("early", 0.2)):
        told.fault(f"webhook_{kind}", probability=probability, times=None)
    told.fault("webhook_delay", seconds=1200, probability=0.1, times=None)
    told.take_in(*(invoice(str(n)) for n in range(DOCUMENTS)))
    told.run(seconds=1)
    pass_time(told, 60)
    outcomes = ("refused", "accepted", "paid", "annotated", "error", "teleported")
    for number, there in enumerate(told.remote_invoices()):
        notice(told.world, there.id, outcomes[number % len(outcomes)], "because")
    assert told.server.wait_for_webhooks()
    pass_time(told, 1300, step=20)
    pass_time(told, LOOK_EVERY, step=60)

    for there in told.remote_invoices():
        job = next(job for job in told.jobs() if job.reference == str(there.id))
        shown = [one.state for one in told.erp.shown[job.key]]
        assert (job.status, job.remote_state, shown[-1]) == (Status.DONE, there.state, there.state)
        assert is_subsequence(shown, history(told, str(there.id))), shown
        times = [one.changed_at for one in told.erp.shown[job.key]]
        assert times == sorted(times)
        assert (job.reason is not None) == (there.state in {"refused", "annotated", "error"})
    told.assert_nothing_twice()
    looks = [entry for entry in told.requests("list_invoices") if "number" not in entry.query]
    assert len(looks) <= 8


@pytest.mark.parametrize(
    ("gln", "state", "reason", "says"),
    [
        (REGISTERING_GLN, "registered", None, ""),
        (REFUSING_GLN, "refused", "refused_by_receiver", "Refused by the receiver"),
        (FAILING_GLN, "error", "delivery_failed", "not registered in Peppol"),
    ],
)
def test_what_the_sandbox_makes_of_its_receivers(
    told: House, gln: str, state: str, reason: str | None, says: str
) -> None:
    told.know_customer(invoice("1"))
    for contact in told.remote_contacts():
        contact.fields |= {"pin_scheme": "0088", "pin_value": gln, "transport_type_code": "peppol"}
    told.take_in(invoice("1"))
    told.run(seconds=1)
    pass_time(told, 30)
    job = told.job()
    assert (job.status, job.remote_state, job.reason) == (Status.DONE, state, reason)
    assert says in (job.message or "")
    assert told.ledger.queries.cases() == (0 if reason is None else 1)


def test_events_are_believed_among_accounts_with_one_key(tmp_path: Path) -> None:
    keys = {"spain": "key-1", "madrid": "key-1", "france": "key-2"}
    accounts = {name: {"account_id": name, "api_key": key} for name, key in keys.items()}
    services = Services(Settings(ledger={"url": f"sqlite:///{tmp_path}/ledger.db"}, accounts=accounts))

    assert services.have_one_key("spain", "madrid")
    assert not services.have_one_key("spain", "france")
    assert not services.have_one_key("spain", "nobody")
    services.close()
