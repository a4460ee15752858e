"""Contacts on the whole way: bodies and units, customers that share one, the directory, what people decide."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.clock import SystemClock
from connector.discovery import Discovery, Source
from connector.domain.breaker import Breaker
from connector.domain.decision import Policy
from connector.domain.errors import RefusedError
from connector.domain.invoice import Invoice, LegalId, Party, Payment, Tax
from connector.domain.job import Stage, Status
from connector.journey import Desk, Journey
from connector.ledger import Ledger, schema
from connector.ledger.actions import RETRY
from connector.ports import RemoteContact
from connector.simulator import SimulatorServer
from connector.simulator import contacts as simulated_contacts
from connector.simulator import invoices as simulated_invoices
from connector.simulator.documents import Contact
from connector.simulator.problems import ApiProblem
from connector.steps.case import DirectoryRules, Rules
from connector.validation import levels_of
from tests.support.builders import CUSTOMER, NOON, OTHER_CUSTOMER, invoice, line
from tests.support.erp import Erp
from tests.support.house import ACCOUNT, SOURCE, House, Opener, opened

CREATE = "create_invoice"
SEND = "send_invoice"
MAKE = "create_contact"
CHANGE = "update_contact"
LOOK = "list_contacts"
ASK = "look_up"

SERVICE: Final = "ESR_MISSION_FACTURES_DEPLACEMENTS"
SIRET: Final = "13001533200013"
UNIVERSITY: Final = Party(
    key="9",
    name="UNIVERSITE D AIX MARSEILLE",
    legal_ids=(LegalId(scheme="0009", value="130 015 332 00013"),),
    country="FR",
    address="58 BD CHARLES LIVON",
    city="MARSEILLE 7",
    postal_code="13007",
    language="en",
    is_public_body=True,
)
SELLER: Final = Party(key="1", name="Ateliers Lumière SAS", tax_number="FR44732829320", country="FR")
TVA: Final = Tax(percent=Decimal(10), category="S", source_name="TVA 10%")
COUNCIL: Final = Party(
    key="3",
    name="Ayuntamiento de Madrid",
    country="ES",
    tax_number="P2807900B",
    city="Madrid",
    is_public_body=True,
    dir3_codes=(("01", "L01280796"), ("02", "L01280797"), ("03", "L01280798")),
)


def for_university(key: str = "1", service: str | None = SERVICE, **changes: Any) -> Invoice:
    """An invoice as in the guide to Chorus Pro."""
    catering = line(
        "25", quantity="135", description="Cocktail Dinatoire", unit="DAY", article_code="14", taxes=(TVA,)
    )
    values: dict[str, Any] = {
        "seller": SELLER,
        "buyer": UNIVERSITY,
        "buyer_reference": service,
        "purchase_order": "0123456",
        "payment": Payment(iban="FR7630006000011234567890189"),
        **changes,
    }
    return invoice(key, catering, **values)


@pytest.fixture
def lumiere(open_house: Opener) -> House:
    """A French company's installation."""
    return open_house(account_id="2")


def contacts(house: House, account: int = 1) -> list[Contact]:
    return [contact for contact in house.world.contacts.values() if contact.account_id == account]


def way_of(contact: Contact) -> tuple[Any, Any]:
    return contact.fields.get("transport_type_code"), contact.fields.get("document_type_code")


def done(house: House, *keys: str) -> None:
    for key in keys:
        job = house.job(key)
        assert job.status is Status.DONE, f"{key}: {job.reason}: {job.message}"
    house.assert_nothing_twice()


def writes(house: House) -> list[str]:
    return [entry.operation or "?" for entry in house.requests() if entry.method != "GET"]


def body(house: House, operation: str, place: int = 0) -> Mapping[str, Any]:
    found = house.requests(operation)[place].body
    assert found is not None
    return found


def retry(house: House, key: str = "1") -> None:
    assert house.ledger.actions.perform(RETRY, [house.job(key)], who="Ana", note="chose at B2Brouter")


# ---------------------------------------------------------------- Chorus Pro


GUIDE_MAIN: Final[dict[str, Any]] = {
    "language": "en",
    "is_client": True,
    "is_provider": True,
    "terms": "custom",
    "public_sector": True,
    "name": "UNIVERSITE D AIX MARSEILLE",
    "address": "58 BD CHARLES LIVON",
    "city": "MARSEILLE 7",
    "postalcode": "13007",
    "country": "fr",
    "currency": "EUR",
    "transport_type_code": "fr.chorus",
    "document_type_code": "xml.ubl.invoice.chorus",
    "cin_value": SIRET,
    "cin_scheme": "0009",
}
GUIDE_UNIT: Final[dict[str, Any]] = {
    "address": "58 BD CHARLES LIVON",
    "city": "MARSEILLE 7",
    "postalcode": "13007",
    "country": "fr",
    "cin1_scheme": "8017",
    "cin1_value": SERVICE,
}
GUIDE_INVOICE: Final[dict[str, Any]] = {
    "type": "IssuedInvoice",
    "bank_account": {"type": "iban", "iban": "FR7630006000011234567890189"},
    "terms": "custom",
    "invoice_lines_attributes": [
        {
            "unit": 5,
            "quantity": 135,
            "price": 25,
            "description": "Cocktail Dinatoire",
            "taxes_attributes": [{"name": "TVA", "category": "S", "percent": 10}],
            "article_code": "14",
            "position": 1,
        }
    ],
    "number": "00002",
    "date": "2025-06-18",
    "due_date": "2025-07-18",
    "currency": "EUR",
    "ponumber": "0123456",
    "buyer_reference": SERVICE,
}
"""The samples of the guide to Chorus Pro, without their ids and the unit's own name, which no ERP tells."""


def test_the_calls_of_the_guide_to_chorus_pro_field_by_field(lumiere: House) -> None:
    lumiere.world.switches.journal_bodies = True
    dates: dict[str, Any] = {"number": "00002", "issue_date": date(2025, 6, 18), "due_date": date(2025, 7, 18)}

    lumiere.issue(for_university(**dates))

    done(lumiere, "1")
    main, unit = contacts(lumiere, 2)
    # The guide sends with the create; here the unsent document is compared first, and sent by a call of its own.
    assert writes(lumiere) == [MAKE, MAKE, CREATE, SEND]
    ours = {"integration_code": "erp:9"}
    assert body(lumiere, MAKE, 0)["contact"] == GUIDE_MAIN | ours
    ours = {"integration_code": f"0009:{SIRET}/8017:{SERVICE}", "name": "UNIVERSITE D AIX MARSEILLE"}
    assert body(lumiere, MAKE, 1)["contact"] == GUIDE_UNIT | ours | {"parent_id": main.id}
    sent = body(lumiere, CREATE)
    assert sent["send_after_import"] is False
    mark = {"file_reference": sent["invoice"]["file_reference"], "payment_method": 4}
    texts = {
        "payment_method_text": "Virement",
        "payment_terms": "Échéance : 18/07/2025",
        "remittance_information": "00002",
    }
    assert sent["invoice"] == GUIDE_INVOICE | mark | texts | {"contact_id": unit.id}


@pytest.mark.parametrize("api_version", ["2026-03-02", "2026-04-20", "2026-06-26"])
def test_a_unit_says_nothing_of_its_bodys_tax_number(open_house: Opener, api_version: str) -> None:
    house = open_house(account_id="2", api_version=api_version)
    house.world.switches.journal_bodies = True

    house.issue(for_university(buyer=replace(UNIVERSITY, tax_number="FR84130015332")))

    done(house, "1")
    assert body(house, MAKE, 0)["contact"]["tin_value"] == "FR84130015332"
    assert not {"tin_value", "tin_scheme"} & set(body(house, MAKE, 1)["contact"])


def test_a_second_invoice_to_the_same_unit_costs_two_calls(lumiere: House) -> None:
    lumiere.issue(for_university("1"))
    lumiere.forget_requests()

    lumiere.issue(for_university("2"))

    done(lumiere, "2")
    assert lumiere.operations() == [CREATE, SEND]


def test_another_unit_of_the_body_is_one_more_contact(lumiere: House) -> None:
    lumiere.issue(for_university("1"))
    lumiere.forget_requests()

    lumiere.issue(for_university("2", "FCM_ROP_CADRE_A2"))

    done(lumiere, "2")
    assert writes(lumiere) == [MAKE, CREATE, SEND]
    main, first, second = contacts(lumiere, 2)
    assert first.parent_id == second.parent_id == main.id
    assert second.fields["cin1_value"] == "FCM_ROP_CADRE_A2"


def test_without_a_service_code_the_body_itself_is_billed(lumiere: House) -> None:
    lumiere.issue(for_university(service=None))

    done(lumiere, "1")
    [main] = contacts(lumiere, 2)
    assert lumiere.job().contact_id == str(main.id)
    assert writes(lumiere) == [MAKE, CREATE, SEND]


def test_a_service_that_the_customer_carries_is_named_on_the_invoice(lumiere: House) -> None:
    lumiere.world.switches.journal_bodies = True
    usual = replace(UNIVERSITY, legal_ids=(*UNIVERSITY.legal_ids, LegalId(scheme="8017", value=SERVICE)))

    lumiere.issue(for_university(service=None, buyer=usual))

    done(lumiere, "1")
    assert body(lumiere, CREATE)["invoice"]["buyer_reference"] == SERVICE
    _, unit = contacts(lumiere, 2)
    assert lumiere.job().contact_id == str(unit.id)


def test_units_that_people_made_are_found_and_left_as_they_are(lumiere: House) -> None:
    [main] = lumiere.plant(contacts=[{**GUIDE_MAIN, "account": 2, "name": "AMU"}])["contacts"]
    [unit] = lumiere.plant(contacts=[{**GUIDE_UNIT, "account": 2, "name": "Factures", "parent_id": main}])["contacts"]
    lumiere.forget_requests()

    lumiere.issue(for_university())

    done(lumiere, "1")
    assert writes(lumiere) == [CREATE, SEND]
    assert lumiere.job().contact_id == str(unit)
    assert {contact.name for contact in contacts(lumiere, 2)} == {"AMU", "Factures"}


def test_establishments_that_share_a_tax_number_are_contacts_of_their_own(lumiere: House) -> None:
    site = replace(
        UNIVERSITY, key="10", tax_number="FR84130015332", legal_ids=(LegalId(scheme="0009", value="13001533200054"),)
    )
    lumiere.issue(for_university("1", None, buyer=replace(UNIVERSITY, tax_number="FR84130015332")))
    lumiere.issue(for_university("2", None, buyer=site))

    done(lumiere, "1", "2")
    assert [contact.cin_value for contact in contacts(lumiere, 2)] == [SIRET, "13001533200054"]
    assert [contact.tin_value for contact in contacts(lumiere, 2)] == ["FR84130015332", None]
    lumiere.forget_requests()
    lumiere.issue(for_university("3", None, buyer=site))
    assert lumiere.operations() == [CREATE, SEND]


def test_establishments_that_get_their_one_tax_number_later_are_billed_all_the_same(lumiere: House) -> None:
    """Only one contact can have it; the other is told what else changed."""
    site = replace(UNIVERSITY, key="10", legal_ids=(LegalId(scheme="0009", value="13001533200054"),))
    lumiere.issue(for_university("1", None), for_university("2", None, buyer=site))

    numbered: dict[str, Any] = {"tax_number": "FR84130015332"}
    lumiere.issue(for_university("3", None, buyer=replace(UNIVERSITY, **numbered)))
    lumiere.issue(for_university("4", None, buyer=replace(site, **numbered)))
    lumiere.issue(for_university("5", None, buyer=replace(site, **numbered, address="1 PLACE NEUVE")))

    done(lumiere, "1", "2", "3", "4", "5")
    assert [(one.tin_value, one.fields["address"]) for one in contacts(lumiere, 2)] == [
        ("FR84130015332", UNIVERSITY.address),
        (None, "1 PLACE NEUVE"),
    ]


@pytest.mark.parametrize("lost", [0, 1], ids=["main", "unit"])
@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_makes_neither_body_nor_unit_twice(lumiere: House, kind: str, lost: int) -> None:
    lumiere.fault(kind, operation=MAKE, skip=lost)

    lumiere.issue(for_university("1"), for_university("2"))

    done(lumiere, "1", "2")
    assert len(contacts(lumiere, 2)) == 2
    assert len(lumiere.requests(MAKE)) == (2 if kind == "drop_after" else 3)


def test_a_body_that_moved_moves_its_unit_and_makes_no_second_one(lumiere: House) -> None:
    lumiere.issue(for_university("1"))
    lumiere.forget_requests()
    lumiere.world.switches.journal_bodies = True

    lumiere.issue(for_university("2", buyer=replace(UNIVERSITY, address="1 PLACE NEUVE")))

    done(lumiere, "2")
    assert writes(lumiere) == [CHANGE, CHANGE, CREATE, SEND]
    assert [entry.body for entry in lumiere.requests(CHANGE)] == [{"contact": {"address": "1 PLACE NEUVE"}}] * 2
    assert len(contacts(lumiere, 2)) == 2


def remove_contacts(house: House, count: int) -> None:
    """Have somebody delete all contacts at B2Brouter, of which there are so many."""
    with house.world.lock:
        for contact in contacts(house, count):
            house.world.remove_contact(contact)


def test_a_body_that_was_deleted_at_b2brouter_is_made_anew_with_its_unit(lumiere: House) -> None:
    lumiere.issue(for_university("1"))
    remove_contacts(lumiere, 2)

    lumiere.issue(for_university("2", "OTHER"))

    done(lumiere, "2")
    main, unit = contacts(lumiere, 2)
    assert unit.parent_id == main.id


def test_a_body_that_is_not_found_is_about_its_unit_and_not_about_the_account(
    lumiere: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = simulated_contacts._complete

    def known(world: Any, account: Any, fields: dict[str, Any], version: str) -> None:
        if fields.get("parent_id") not in {None, *world.contacts_of[account.id]}:
            raise ApiProblem(404, "resource_missing", "The requested resource was not found")
        complete(world, account, fields, version)

    monkeypatch.setattr(simulated_contacts, "_complete", known)
    lumiere.issue(for_university("1"))
    remove_contacts(lumiere, 2)

    lumiere.issue(for_university("2", "OTHER"))

    done(lumiere, "2")


def test_a_contact_that_the_list_shows_and_that_is_gone_is_no_endless_affair(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is late: it was looked for, found and told without a pause, and nobody heard of it."""
    people_made(house, cin_scheme="0009", cin_value="30326504500017", country="fr")
    asked: list[str] = []

    def gone(contact_id: str, payload: bytes) -> RemoteContact:
        asked.append(contact_id)
        raise RefusedError("remote_missing", {"status": "404", "reference": contact_id, "message": "not found"})

    monkeypatch.setattr(house.remote, "update_contact", gone)
    monkeypatch.setattr(house.remote, "read_contact", lambda contact_id: None)
    house.take_in(invoice("1", buyer=COMPANY))
    house.run()

    assert (house.job().status, house.job().reason) == (Status.HELD, "retries_exhausted")
    assert len(asked) == 5


LEAN: Final[dict[str, Any]] = {"account": 2, "name": "AMU", "country": "fr", "cin_scheme": "0009", "cin_value": SIRET}
"""The university's contact as a person made it, without a way."""

BY_CHORUS: Final = ("fr.chorus", "xml.ubl.invoice.chorus")


@pytest.mark.parametrize("shown", [{}, {"transport_type_code": "b2brouter"}])
@pytest.mark.parametrize("service", [None, SERVICE])
def test_a_body_that_was_there_without_a_way_is_reached_by_chorus_pro(
    lumiere: House, service: str | None, shown: dict[str, str]
) -> None:
    lumiere.plant(contacts=[LEAN | shown])

    lumiere.issue(for_university("1", service))
    done(lumiere, "1")

    body, *units = contacts(lumiere, 2)
    assert way_of(body) == BY_CHORUS
    assert (body.name, body.fields["public_sector"]) == ("AMU", True)
    assert [(unit.parent_id, way_of(unit)) for unit in units] == ([(body.id, (None, None))] if service else [])
    lumiere.forget_requests()
    lumiere.issue(for_university("2", service))
    assert lumiere.operations() == [CREATE, SEND]


@pytest.mark.parametrize("service", [None, SERVICE])
def test_a_customer_that_turns_out_to_be_a_public_body_is_reached_by_chorus_pro(
    lumiere: House, service: str | None
) -> None:
    lumiere.issue(for_university("1", None, buyer=replace(UNIVERSITY, is_public_body=False)))

    lumiere.issue(for_university("2", service))

    done(lumiere, "1", "2")
    assert way_of(contacts(lumiere, 2)[0]) == BY_CHORUS


def test_a_lost_answer_to_the_way_of_a_body_tells_it_again(lumiere: House) -> None:
    lumiere.plant(contacts=[LEAN])
    lumiere.fault("drop_before", operation=CHANGE)

    lumiere.issue(for_university())

    done(lumiere, "1")
    assert way_of(contacts(lumiere, 2)[0]) == BY_CHORUS
    assert len(contacts(lumiere, 2)) == 2


def test_a_contact_whose_way_leads_to_no_public_body_is_a_persons_affair(lumiere: House) -> None:
    """What people chose stays; but an e-mail is not how such a body is billed, and cannot be called back."""
    [known] = lumiere.plant(contacts=[{**LEAN, "transport_type_code": "email"}])["contacts"]
    lumiere.issue(for_university())
    assert (lumiere.job().status, lumiere.job().reason) == (Status.HELD, "contact_way_differs")
    assert writes(lumiere) == []

    with lumiere.world.lock:
        contact = lumiere.world.contacts[known]
        lumiere.world.change_contact(contact, contact.fields | {"transport_type_code": "fr.chorus"})
    retry(lumiere)
    lumiere.run()

    done(lumiere, "1")


def test_another_network_of_the_bodys_country_is_told_and_holds_nothing(lumiere: House) -> None:
    lumiere.plant(contacts=[{**LEAN, "transport_type_code": "fr.another"}])

    lumiere.issue(for_university("1", None))

    done(lumiere, "1")
    assert [event.what for event in lumiere.timeline() if event.reason == "contact_way_differs"] == ["warned"]
    assert way_of(contacts(lumiere, 2)[0])[0] == "fr.another"


def test_the_way_of_a_private_customer_is_not_taken_for_that_of_a_public_body(lumiere: House) -> None:
    lumiere.issue(for_university("1", None, buyer=replace(UNIVERSITY, is_public_body=False)))
    [contact] = contacts(lumiere, 2)
    with lumiere.world.lock:
        lumiere.world.change_contact(contact, contact.fields | {"transport_type_code": "email"})

    for key in "23":
        lumiere.issue(for_university(key, None))
        assert (lumiere.job(key).status, lumiere.job(key).reason) == (Status.HELD, "contact_way_differs")


def test_an_account_may_bill_public_bodies_by_the_way_that_people_chose(lumiere: House) -> None:
    lumiere.rules = replace(lumiere.rules, levels=levels_of({"contact_way_differs": "warn"}))
    [body] = lumiere.plant(contacts=[GUIDE_MAIN | {"account": 2}])["contacts"]
    by_mail = {**GUIDE_UNIT, "account": 2, "name": "Factures", "parent_id": body, "transport_type_code": "email"}
    lumiere.plant(contacts=[by_mail])

    lumiere.issue(for_university())

    done(lumiere, "1")
    [said] = [event for event in lumiere.timeline() if event.reason == "contact_way_differs"]
    assert said.what == "warned"
    assert [way_of(contact)[0] for contact in contacts(lumiere, 2)] == ["fr.chorus", "email"]


# ---------------------------------------------------------------- FACe


def test_each_three_offices_of_a_spanish_body_are_a_contact_of_their_own(house: House) -> None:
    other = replace(COUNCIL, key="4", dir3_codes=(*COUNCIL.dir3_codes[:2], ("03", "L09999999")))

    house.issue(invoice("1", buyer=COUNCIL), invoice("2", buyer=other), invoice("3", buyer=COUNCIL))

    house.assert_issued("1", "2", "3")
    main, *units = contacts(house)
    assert house.job("1").contact_id == house.job("3").contact_id != house.job("2").contact_id
    assert {unit.parent_id for unit in units} == {main.id}
    assert [unit.fields["transport_type_code"] for unit in units] == ["es.face", "es.face"]
    assert units[0].fields["integration_code"] == "tax:ESP2807900B/dir3:L01280796.L01280797.L01280798"


def test_the_accountant_is_told_once_that_the_offices_are_to_be_entered(house: House) -> None:
    house.issue(invoice("1", buyer=COUNCIL))
    house.issue(invoice("2", buyer=COUNCIL))

    [told] = [event for event in house.timeline("1") if event.what == "warned"]
    assert told.reason == "dir3_to_enter"
    assert told.details["codes"] == "L01280796, L01280797, L01280798"
    assert told.details["contact"] == house.job("1").contact_id
    assert "warned" not in house.told("2")


@pytest.mark.parametrize(("way", "told"), [("es.efact", []), (None, ["transport_type_code", "document_type_code"])])
def test_a_contact_that_people_gave_the_code_of_the_offices_is_taken(
    house: House, way: str | None, told: Sequence[str]
) -> None:
    code = "tax:ESP2807900B/dir3:L01280796.L01280797.L01280798"
    theirs = {"account": 1, "name": "Ayto", "country": "es", "tin_value": "ESP2807900B", "integration_code": code}
    [planted] = house.plant(contacts=[theirs | {"transport_type_code": way}])["contacts"]
    house.world.switches.journal_bodies = True

    house.issue(invoice("1", buyer=COUNCIL))

    house.assert_issued("1")
    assert house.job().contact_id == str(planted)
    assert house.requests(MAKE) == []
    assert [name for entry in house.requests(CHANGE) for name in (entry.body or {})["contact"]] == told
    assert way_of(house.world.contacts[planted])[0] == (way or "es.face")


def test_the_accountant_is_told_of_the_offices_although_the_worker_died_when_their_contact_was_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []

    def die(what: str, point: str) -> None:
        passed.append(point)
        if passed.count("after_outcome") == 2:  # the body's contact is kept, and its offices'
            passed.clear()
            raise KeyboardInterrupt

    house.take_in(invoice("1", buyer=COUNCIL))
    monkeypatch.setattr("connector.ledger.contacts.crashpoint", die)
    with pytest.raises(KeyboardInterrupt):
        house.drain()
    monkeypatch.undo()
    house.advance(house.ledger.jobs.lease_seconds + 1)
    house.ledger.jobs.rescue()
    house.run()

    house.assert_issued("1")
    assert [event.reason for event in house.timeline() if event.what == "warned"] == ["dir3_to_enter"]


# ---------------------------------------------------------------- two customers, one tax number


BRANCH: Final = replace(CUSTOMER, key="70", name="Norte, sucursal", address="Calle Sur 2", email="sur@norte.example")


def test_two_customers_with_one_tax_number_do_not_overwrite_one_another(house: House) -> None:
    house.issue(invoice("1"))
    house.forget_requests()

    for number in range(2, 8):
        house.issue(invoice(str(number), buyer=BRANCH if number % 2 else CUSTOMER))

    house.assert_issued(*map(str, range(1, 8)))
    assert house.requests(CHANGE) == house.requests(MAKE) == house.requests(LOOK) == []
    assert [contact.name for contact in contacts(house)] == [CUSTOMER.name]


def test_customers_whose_tax_number_says_that_there_is_none_get_nothing_of_one_another(house: House) -> None:
    acme = replace(CUSTOMER, key="71", name="Acme Inc", country="US", tax_number="N/A")
    globex = replace(CUSTOMER, key="72", name="Globex Corp", country="US", tax_number="n.a.")

    house.issue(invoice("1", buyer=acme), invoice("2", buyer=globex))

    assert [house.job(key).reason for key in ("1", "2")] == ["buyer_identifier_missing"] * 2
    assert contacts(house) == []


ANYBODY: Final = replace(CUSTOMER, key="73", name="Cliente de balcão", country="PT", tax_number="999999990")
ANYBODY_ELSE: Final = replace(ANYBODY, key="74", name="Outro cliente")


def test_the_number_for_nobody_in_particular_goes_on_each_customers_own_contact(house: House) -> None:
    house.world.switches.contact_guard = "off"

    house.issue(invoice("1", buyer=ANYBODY), invoice("2", buyer=ANYBODY_ELSE), invoice("3", buyer=ANYBODY))

    assert {job.status for job in house.jobs()} == {Status.DONE}
    assert [(one.name, one.fields["tin_value"]) for one in contacts(house)] == [
        (ANYBODY.name, "PT999999990"),
        (ANYBODY_ELSE.name, "PT999999990"),
    ]
    assert house.job("1").contact_id == house.job("3").contact_id != house.job("2").contact_id


def test_a_contact_that_another_has_with_the_number_for_nobody_is_never_taken_in_silence(house: House) -> None:
    """Where B2Brouter gives that number to one contact alone, a person decides."""
    house.issue(invoice("1", buyer=ANYBODY))
    house.issue(invoice("2", buyer=ANYBODY_ELSE))

    house.assert_issued("1")
    assert (house.job("2").status, house.job("2").reason) == (Status.HELD, "contact_taken")
    assert [contact.name for contact in contacts(house)] == [ANYBODY.name]


@pytest.mark.parametrize(
    ("enabled", "chosen"),
    [
        ({}, "es.face"),
        ({"peppol": True}, "es.face"),
        ({"es.efact": True}, "es.efact"),
        ({"es.peca": True, "es.face": False}, "es.peca"),
        ({"es.efact": True, "es.face": True}, "es.face"),
    ],
)
def test_offices_are_reached_by_the_first_way_that_the_account_has_enabled(
    house: House, enabled: Mapping[str, bool], chosen: str
) -> None:
    house.world.accounts[1].transports = {code: {"enabled": on, "reception": False} for code, on in enabled.items()}
    house.issue(invoice("1", buyer=COUNCIL))
    unit = contacts(house)[-1]
    assert (unit.fields["transport_type_code"], unit.fields["document_type_code"]) == (chosen, "xml.facturae.3.2.2")
    house.forget_requests()
    house.issue(invoice("2", buyer=COUNCIL))
    assert house.operations() == [CREATE, SEND]


def test_where_the_account_does_not_say_offices_are_reached_by_face(house: House) -> None:
    house.world.accounts[1].transports = {"es.efact": {"enabled": True, "reception": False}}
    house.fault("unavailable_before", operation="list_transports", times=50)
    house.issue(invoice("1", buyer=COUNCIL))
    assert contacts(house)[-1].fields["transport_type_code"] == "es.face"


MAILED: Final = replace(CUSTOMER, email="billing@norte.example")


def known_there(house: House, **fields: Any) -> None:
    """Have people make the customer's contact at B2Brouter."""
    house.plant(contacts=[{"account": 1, "name": "Norte", "tin_value": "ESA28015865", "country": "es", **fields}])


def overrides(house: House, *numbers: str) -> list[Any]:
    return [house.remote_invoices(number)[0].fields.get("contact_email_override") for number in numbers]


@pytest.mark.parametrize("there", ["old@norte.example", None])
def test_the_mail_goes_to_the_erps_address_where_the_contact_that_is_there_has_another(
    house: House, there: str | None
) -> None:
    known_there(house, email=there)
    house.issue(invoice("1", buyer=MAILED))
    house.issue(invoice("2", buyer=MAILED), invoice("3", buyer=replace(MAILED, city="Bilbao")))
    house.issue(invoice("4", buyer=replace(MAILED, city="Bilbao"), buyer_email="chosen@norte.example"))

    house.assert_issued("1", "2", "3", "4")
    assert overrides(house, "F-1", "F-2", "F-3", "F-4") == [MAILED.email] * 3 + ["chosen@norte.example"]
    [contact] = contacts(house)
    assert (contact.name, contact.fields.get("email")) == ("Norte", there)


def test_an_address_that_the_erp_changes_is_told_to_the_contact_and_goes_on_no_document(house: House) -> None:
    known_there(house, email="old@norte.example")
    house.issue(invoice("1", buyer=MAILED))
    house.issue(invoice("2", buyer=replace(MAILED, email="new@norte.example")))

    assert overrides(house, "F-1", "F-2") == [MAILED.email, None]
    assert contacts(house)[0].fields["email"] == "new@norte.example"


@pytest.mark.parametrize("there", ["billing@norte.example", "Billing@Norte.example"])
def test_a_contact_with_the_erps_address_needs_none_on_its_documents(house: House, there: str) -> None:
    known_there(house, email=there)
    house.issue(invoice("1", buyer=MAILED))
    assert overrides(house, "F-1") == [None]


def test_who_shares_a_contact_gets_the_mail_at_its_own_address(house: House) -> None:
    house.issue(invoice("1"), invoice("2", buyer=BRANCH))
    house.issue(invoice("3", buyer=BRANCH, buyer_email="chosen@norte.example"))

    mails = [house.remote_invoices(f"F-{key}")[0].fields.get("contact_email_override") for key in "123"]
    assert mails == [None, "sur@norte.example", "chosen@norte.example"]


def test_the_contact_follows_the_customer_whose_data_it_has_and_no_other(house: House) -> None:
    house.issue(invoice("1"), invoice("2", buyer=BRANCH))
    house.forget_requests()

    house.issue(invoice("3", buyer=replace(BRANCH, address="Calle Sur 3")))
    assert house.requests(CHANGE) == []
    house.issue(invoice("4", buyer=replace(CUSTOMER, address="Gran Vía 30")))

    assert len(house.requests(CHANGE)) == 1
    assert contacts(house)[0].fields["address"] == "Gran Vía 30"


def test_a_new_ledger_sees_by_the_code_whose_data_a_contact_has(house: House) -> None:
    house.issue(invoice("1"))
    with house.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")
    house.forget_requests()

    house.issue(invoice("2", buyer=BRANCH), invoice("3"), invoice("4", buyer=BRANCH))

    house.assert_issued("2", "3", "4")
    assert house.requests(CHANGE) == house.requests(MAKE) == []


def test_a_customer_that_gets_another_tax_number_gets_another_contact(house: House) -> None:
    """What is on its way to the first one, another customer's perhaps, must not arrive under the new number."""
    house.issue(invoice("1"))
    house.fault("rate_limit", operation=SEND, retry_after="90")
    house.take_in(invoice("2", buyer=BRANCH))
    house.drain()
    assert house.job("2").stage is Stage.VERIFIED

    house.issue(invoice("3", buyer=replace(CUSTOMER, tax_number="ESB63276174")))
    house.issue(invoice("4", buyer=replace(CUSTOMER, tax_number="ESB63276174")), invoice("5", buyer=BRANCH))

    first, second = contacts(house)
    assert (first.tin_value, second.tin_value) == ("ESA28015865", "ESB63276174")
    assert [house.job(key).contact_id for key in "12345"] == [
        str(contact.id) for contact in (first, first, second, second, first)
    ]
    assert house.requests(CHANGE) == []


GLN: Final = {"cin_scheme": "0088", "cin_value": "8412345678905"}


def test_a_contact_of_ours_without_a_tax_number_is_told_it(house: House) -> None:
    ours = {"name": "Norte", "country": "es", "integration_code": f"{SOURCE}:{CUSTOMER.key}"}
    house.plant(contacts=[{"account": 1, **ours, **GLN}])

    house.issue(invoice("1", buyer=replace(CUSTOMER, legal_ids=(LegalId(scheme="0088", value="8412345678905"),))))

    house.assert_issued("1")
    [contact] = contacts(house)
    assert contact.tin_value == "ESA28015865"


def test_a_contact_under_a_customers_code_with_no_number_in_common_is_not_renamed(house: House) -> None:
    """Several customers may be one record of the ERP: whose the contact was, an invoice may be on its way to."""
    ours = {"name": "Norte", "country": "es", "integration_code": f"{SOURCE}:{CUSTOMER.key}"}
    house.plant(contacts=[{"account": 1, **ours, **GLN}])

    house.issue(invoice("1"))

    house.assert_issued("1")
    assert [contact.name for contact in contacts(house)] == ["Norte", CUSTOMER.name]
    assert house.requests(CHANGE) == []


def test_what_the_erp_cures_of_a_contact_that_was_refused_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = simulated_invoices._contact_id

    def picky(call: Any, account: Any, value: object) -> int:
        if call.world.contacts[int(str(value))].fields["address"] == CUSTOMER.address:
            raise ApiProblem(422, "parameter_invalid", "Contact address is not valid", "contact.address")
        return known(call, account, value)

    monkeypatch.setattr(simulated_invoices, "_contact_id", picky)
    house.issue(invoice("1"))
    assert (house.job().status, house.job().reason) == (Status.HELD, "refused_by_b2brouter")

    house.erp.alter("1", buyer=replace(CUSTOMER, address="Calle Nueva 1"))
    house.advance(60)
    house.discover()
    house.run()

    house.assert_issued("1")
    assert contacts(house)[0].fields["address"] == "Calle Nueva 1"


# ---------------------------------------------------------------- customers without a key of their own


KVK: Final = LegalId(scheme="0106", value="12345678")
FIRM: Final = replace(CUSTOMER, key="", name="Cliente A", tax_number="B12345674")
DUTCH: Final = Party(name="Klant B", country="NL", legal_ids=(KVK,), address="Dam 1", city="Amsterdam")
OTHER_DUTCH: Final = replace(DUTCH, name="Klant C", legal_ids=(LegalId(scheme="0106", value="87654321"),))
WALK_IN: Final = Party(name="Juan", country="ES", tax_number="00000000T", city="Madrid")
OTHER_WALK_IN: Final = replace(WALK_IN, name="María")


def addressees(house: House, *keys: str) -> list[str]:
    """Return the names of the contacts that documents were issued to, as these are now."""
    return [house.world.contacts[int(house.job(key).contact_id or "0")].name for key in keys]


@pytest.mark.parametrize("key", ["", "SUNDRY"])
@pytest.mark.parametrize("order", ["12345678", "87654321", "31428657"])
def test_no_customers_contact_is_given_to_another_that_has_no_key_or_the_same(
    house: House, key: str, order: str
) -> None:
    """In some ERPs, all that buy over the counter are one record, and who they are stands on the invoice."""
    house.world.switches.contact_guard = "off"
    anonymous = [WALK_IN, OTHER_WALK_IN] if not key else [WALK_IN, WALK_IN]  # which one key cannot tell apart
    buyers = [FIRM, DUTCH, OTHER_DUTCH, replace(FIRM, name="Cliente D", tax_number="A28015865"), *anonymous]
    buyers += [COMPANY, UNIVERSITY]
    documents = {
        number: invoice(number, buyer=replace(buyer, key=key))
        for number, buyer in zip("12345678", buyers, strict=True)
    }

    for number in order:
        house.issue(documents[number])
    house.issue(*(replace(each, key=f"{number}-2", number=f"G-{number}") for number, each in documents.items()))

    keys = [*order, *(f"{number}-2" for number in order)]
    assert {job.status for job in house.jobs()} == {Status.DONE}
    assert addressees(house, *keys) == [documents[number].buyer.name for number in order] * 2
    assert house.requests(CHANGE) == []
    assert len(contacts(house)) == len({buyer.name for buyer in buyers})


def test_a_customer_without_a_key_is_known_again_by_its_number(house: House) -> None:
    house.issue(invoice("1", buyer=FIRM))
    with house.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")
    house.forget_requests()

    house.issue(invoice("2", buyer=replace(FIRM, name="Cliente A, S.L.")))
    house.issue(invoice("3", buyer=replace(FIRM, name="Cliente A, S.L.", city="Getafe")))

    house.assert_issued("2", "3")
    [contact] = contacts(house)
    assert contact.fields["integration_code"] == "erp:tax:ESB12345674"
    assert house.operations() == [LOOK, CREATE, SEND, CHANGE, CREATE, SEND]


def test_a_customer_is_followed_whatever_its_key_is_made_of(house: House) -> None:
    odd = replace(CUSTOMER, key="7\x00")
    house.issue(invoice("1", buyer=odd))
    house.issue(invoice("2", buyer=replace(odd, address="Calle Nueva 1")))

    assert contacts(house)[0].fields["address"] == "Calle Nueva 1"


@pytest.mark.parametrize(
    "buyer",
    [
        replace(CUSTOMER, key="k" * 250, tax_number="00000000T"),
        replace(CUSTOMER, tax_number=None, country="US", legal_ids=(LegalId(scheme="0088", value="9" * 300),)),
        replace(CUSTOMER, tax_number="1234" * 70, country="US"),
    ],
    ids=["key", "registered number", "tax number"],
)
def test_a_number_of_any_length_stops_nobody_elses_invoices(postgres_url: str, buyer: Party) -> None:
    """PostgreSQL takes no text that is longer than its column: the whole ledger seemed to be down."""
    with SimulatorServer() as server, opened(server, postgres_url) as house:
        house.rules = replace(house.rules, directory=DirectoryRules(found_seconds=DAY, missing_seconds=DAY))
        house.issue(invoice("1", buyer=buyer), invoice("2"))

        house.assert_issued("2")
        assert (house.job("1").status, house.job("1").reason) in {
            (Status.DONE, None),
            (Status.HELD, "refused_by_b2brouter"),
        }


def test_a_customer_that_is_given_a_key_keeps_its_contact_and_is_followed(house: House) -> None:
    house.issue(invoice("1", buyer=FIRM))
    house.forget_requests()

    moved = replace(FIRM, key="12", address="Calle Nueva 1")
    house.issue(invoice("2", buyer=moved))
    house.issue(invoice("3", buyer=moved))

    house.assert_issued("1", "2", "3")
    [contact] = contacts(house)
    assert (contact.fields["address"], contact.fields["integration_code"]) == ("Calle Nueva 1", "erp:12")
    assert house.operations() == [CHANGE, CREATE, SEND, CREATE, SEND]


def test_a_new_ledger_knows_by_its_number_whose_the_contact_was_before_it_was_given_a_key(house: House) -> None:
    house.issue(invoice("1", buyer=FIRM))
    with house.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")

    house.issue(invoice("2", buyer=replace(FIRM, key="12")))
    house.issue(invoice("3", buyer=replace(FIRM, key="12", address="Calle Nueva 1")))

    house.assert_issued("2", "3")
    [contact] = contacts(house)
    assert contact.fields["address"] == "Calle Nueva 1"


# ---------------------------------------------------------------- what people made at B2Brouter is found


COMPANY_SIRET: Final = LegalId(scheme="0009", value="303 265 045 00017")
COMPANY: Final = replace(OTHER_CUSTOMER, key="81", legal_ids=(COMPANY_SIRET,))
BY_PEPPOL: Final = {"transport_type_code": "peppol", "document_type_code": "xml.ubl.invoice.bis3"}


def people_made(house: House, **fields: Any) -> int:
    """Have people make a contact at B2Brouter, with a way of its own."""
    [planted] = house.plant(contacts=[{"account": 1, "name": "Theirs", **BY_PEPPOL, **fields}])["contacts"]
    return int(planted)


@pytest.mark.parametrize(
    ("ours", "there"),
    [
        ({}, {"tin_value": "A28015865", "country": "es"}),
        ({"tax_number": "A-28015865"}, {"tin_value": "ESA28015865", "country": "es"}),
        ({"country": "GR", "tax_number": "EL094259216"}, {"tin_value": "094259216", "country": "gr"}),
        ({"country": "GB", "tax_number": "980780684"}, {"tin_value": "980780684", "country": "gb"}),
        ({"tax_number": "PT501964843"}, {"tin_value": "PT501964843", "country": "pt"}),
        ({"country": "US", "tax_number": "12-3456789"}, {"tin_value": "123456789", "country": "us"}),
        ({"country": "RE", "tax_number": "FR40303265045"}, {"tin_value": "FR40303265045", "country": "fr"}),
        ({"country": "FR", "tax_number": "40303265045"}, {"tin_value": "FR40303265045", "country": "es"}),
    ],
    ids=str,
)
def test_a_contact_is_found_however_its_tax_number_is_spelt(
    house: House, ours: dict[str, Any], there: dict[str, str]
) -> None:
    planted = people_made(house, **there)

    house.issue(invoice("1", buyer=replace(CUSTOMER, **ours)))

    house.assert_issued("1")
    assert house.job().contact_id == str(planted)
    assert house.operations() == [LOOK, LOOK, CREATE, SEND]


def test_a_number_without_its_country_is_that_of_the_contacts_own(house: House) -> None:
    """A Danish and a Maltese company have eight digits each: who has the same ones is not the same."""
    people_made(house, tin_value="11679112", country="dk")

    house.issue(invoice("1", buyer=replace(CUSTOMER, country="MT", tax_number="MT11679112")))

    house.assert_issued("1")
    assert [contact.tin_value for contact in contacts(house)] == ["11679112", "MT11679112"]
    assert house.job().contact_id == str(contacts(house)[1].id)


@pytest.mark.parametrize("guard", ["tin_and_cin", "off"])
def test_a_contact_that_shows_a_registered_number_alone_is_found_by_it_and_told_the_tax_number(
    house: House, guard: str
) -> None:
    house.world.switches.set({"contact_guard": guard})
    planted = people_made(house, cin_scheme="0009", cin_value="30326504500017", country="fr")
    house.world.switches.journal_bodies = True

    house.issue(invoice("1", buyer=COMPANY))
    house.issue(invoice("2", buyer=COMPANY))

    house.assert_issued("1", "2")
    [contact] = contacts(house)
    assert (house.job().contact_id, contact.name, way_of(contact)[0]) == (str(planted), "Theirs", "peppol")
    assert contact.tin_value == "FR40303265045"
    assert set(body(house, CHANGE)["contact"]) == {"tin_scheme", "tin_value"}
    assert len(house.requests(CHANGE)) == 1


@pytest.mark.parametrize(
    ("buyer", "there"),
    [
        # Another tax number tells, whatever else is equal.
        (COMPANY, {"tin_value": "FR83404833048", "cin_scheme": "0009", "cin_value": "30326504500017"}),
        (COMPANY, {"tin_value": "PT999999990", "cin_scheme": "0009", "cin_value": "30326504500017"}),
        # Of two establishments of one company, the SIREN is the same.
        (
            replace(COMPANY, legal_ids=(LegalId(scheme="0002", value="303265045"), COMPANY_SIRET)),
            {"cin_scheme": "0002", "cin_value": "303265045", "cin1_scheme": "0009", "cin1_value": "30326504500025"},
        ),
        # Establishments may have one electronic address.
        (
            replace(COMPANY, legal_ids=(COMPANY_SIRET, LegalId(scheme="0225", value="303265045"))),
            {"cin_scheme": "0009", "cin_value": "30326504500025", "pin_scheme": "0225", "pin_value": "303265045"},
        ),
        # Services of different bodies have the same codes.
        (
            replace(COMPANY, legal_ids=(LegalId(scheme="8017", value="FACTURES"),)),
            {"cin_scheme": "0088", "cin_value": "8412345678905", "address": "FACTURES"}
            | {"cin1_scheme": "8017", "cin1_value": "FACTURES"},
        ),
    ],
    ids=["tax number", "nobody's number", "establishment", "address", "service"],
)
def test_a_contact_of_another_with_a_number_in_common_is_not_taken(
    house: House, buyer: Party, there: dict[str, str]
) -> None:
    house.world.switches.contact_guard = "tin"
    planted = people_made(house, country="fr", **there)

    house.issue(invoice("1", buyer=buyer))

    house.assert_issued("1")
    assert house.job().contact_id != str(planted)
    assert house.requests(CHANGE) == []


@pytest.mark.parametrize("code", ["erp:81", None], ids=["our code", "no code"])
@pytest.mark.parametrize(
    ("pin", "ours"),
    [
        ({"pin_scheme": "0225", "pin_value": "303265045_FACT"}, LegalId(scheme="0225", value="303265045")),
        ({"pin_scheme": "0088", "pin_value": "8412345678905"}, LegalId(scheme="0088", value="8499999999991")),
    ],
    ids=["France", "Peppol"],
)
def test_the_electronic_address_that_people_chose_makes_a_contact_nobody_elses(
    house: House, pin: dict[str, str], ours: LegalId, code: str | None
) -> None:
    house.world.switches.contact_guard = "tin"
    coded = {"integration_code": code} if code else {}
    planted = people_made(house, country="fr", cin_scheme="0009", cin_value="30326504500017", **pin, **coded)
    buyer = replace(COMPANY, tax_number=None, legal_ids=(COMPANY_SIRET, ours))

    house.issue(invoice("1", buyer=buyer))

    house.assert_issued("1")
    assert [contact.id for contact in contacts(house)] == [planted]
    assert house.job().contact_id == str(planted)


def test_a_registered_number_whose_tax_number_another_contact_has_is_a_persons_affair(house: House) -> None:
    """The contact of the tax number shows in no list, so that nobody can compare the two."""
    hidden = people_made(house, tin_value="FR40303265045", country="fr")
    house.world.contacts[hidden].listed_from = NOON + timedelta(days=365)
    people_made(house, cin_scheme="0009", cin_value="30326504500017", country="fr")

    house.issue(invoice("1", buyer=COMPANY))

    assert (house.job().status, house.job().reason) == (Status.HELD, "contact_taken")
    assert "erp:81" in (house.job().cure or "")
    assert house.requests(CREATE) == []


def search_whole_words(house: House) -> list[str]:
    """Have the list know whole numbers alone; return what it is asked."""
    find, asked = house.remote.find_contacts, list[str]()

    def by_whole_words(**what: str) -> Sequence[RemoteContact]:
        asked.append(what.get("text", ""))
        shown = [(one, {one.tax_number, *(number for _, number in one.numbers)}) for one in find(**what)]
        return [one for one, numbers in shown if "text" not in what or what["text"] in numbers]

    house.remote.find_contacts = by_whole_words  # type: ignore[method-assign,assignment]
    return asked


@pytest.mark.parametrize("guard", ["tin", "off"])
def test_a_contact_is_looked_for_in_both_spellings_of_its_number_before_one_is_made(house: House, guard: str) -> None:
    """Should the list know whole words alone, the number with its country is another one."""
    house.world.switches.set({"contact_guard": guard})
    asked = search_whole_words(house)
    planted = people_made(house, tin_value="ESA28015865", country="es")

    house.issue(invoice("1"))

    house.assert_issued("1")
    assert house.job().contact_id == str(planted)
    assert house.requests(MAKE) == []
    assert asked == ["", "A28015865", "ESA28015865"]


def test_the_tax_number_decides_before_a_registered_one_that_another_contact_shows_alone(house: House) -> None:
    search_whole_words(house)
    registered = {"country": "fr", "cin_scheme": "0009", "cin_value": "30326504500017"}
    house.world.switches.contact_guard = "off"
    people_made(house, **registered)
    planted = people_made(house, tin_value="FR40303265045", **registered)

    house.issue(invoice("1", buyer=COMPANY))

    house.assert_issued("1")
    assert house.job().contact_id == str(planted)


def test_a_new_customer_costs_one_look_for_each_spelling_of_its_number(house: House) -> None:
    house.issue(invoice("1"))
    house.issue(invoice("2"))

    assert house.operations() == [LOOK, LOOK, LOOK, MAKE, CREATE, SEND, CREATE, SEND]


# ---------------------------------------------------------------- what people changed at B2Brouter


def test_what_people_set_at_b2brouter_stays_when_the_customer_changes_in_the_erp(house: House) -> None:
    theirs = {"account": 1, "name": "Norte (theirs)", "country": "es", "tin_value": "ESA28015865", "phone": "+34 9"}
    theirs |= {"transport_type_code": "email", "document_type_code": "pdf.invoice", "email": "old@norte.example"}
    house.plant(contacts=[theirs])
    house.issue(invoice("1"))

    house.issue(invoice("2", buyer=replace(CUSTOMER, email="new@norte.example")))

    [contact] = contacts(house)
    shown = {name: contact.fields[name] for name in ("name", "phone", "transport_type_code", "document_type_code")}
    assert shown == {name: theirs[name] for name in shown}
    assert contact.fields["email"] == "new@norte.example"


def test_the_way_of_a_body_of_chorus_pro_is_set_once(lumiere: House) -> None:
    lumiere.issue(for_university("1", None))
    [main] = contacts(lumiere, 2)
    with lumiere.world.lock:
        lumiere.world.change_contact(main, main.fields | {"transport_type_code": "email", "language": "fr"})

    lumiere.issue(for_university("2", None, buyer=replace(UNIVERSITY, city="AIX")))

    assert (main.fields["transport_type_code"], main.fields["language"], main.fields["city"]) == (
        "email",
        "fr",
        "AIX",
    )


# ---------------------------------------------------------------- taken, ambiguous


def test_a_taken_number_whose_contact_the_list_shows_late_is_adopted(house: House) -> None:
    [planted] = house.plant(contacts=[{"account": 1, "name": "Norte", "country": "es", "tin_value": "ESA28015865"}])[
        "contacts"
    ]
    house.world.contacts[planted].listed_from = NOON + timedelta(seconds=60)

    house.issue(invoice("1"), invoice("2"))

    house.assert_issued("1", "2")
    assert house.job().contact_id == str(planted)
    assert len(house.requests(MAKE)) == 1


def test_a_contact_is_made_however_long_it_takes_to_look_for_it(house: House) -> None:
    find = house.remote.find_contacts

    def slow(**what: str) -> Sequence[RemoteContact]:
        house.advance(25)
        return find(**what)

    house.remote.find_contacts = slow  # type: ignore[method-assign,assignment]

    house.take_in(invoice("1"))
    house.drain()

    house.assert_issued("1")
    assert len(house.requests("list_contacts")) == 3


def test_whose_job_is_in_other_hands_makes_no_contact_and_keeps_it_from_nobody(house: House) -> None:
    find = house.remote.find_contacts

    def very_slow(**what: str) -> Sequence[RemoteContact]:
        house.advance(house.ledger.jobs.lease_seconds + 1)
        house.ledger.jobs.rescue()
        return find(**what)

    house.remote.find_contacts = very_slow  # type: ignore[method-assign,assignment]
    house.take_in(invoice("1"))
    house.drain(seconds=1)
    assert house.requests("create_contact") == []

    house.remote.find_contacts = find  # type: ignore[method-assign]
    house.drain()

    house.assert_issued("1")


def test_many_invoices_ask_together_for_a_contact_that_no_list_shows_and_a_person_is_told(house: House) -> None:
    [planted] = house.plant(contacts=[{"account": 1, "name": "Norte", "country": "es", "tin_value": "ESA28015865"}])[
        "contacts"
    ]
    house.world.contacts[planted].listed_from = NOON + timedelta(days=365)

    house.issue(*(invoice(str(number)) for number in range(5)))

    assert {(job.status, job.reason) for job in house.jobs()} == {(Status.HELD, "contact_taken")}
    assert len(house.requests(MAKE)) == 1
    assert (house.clock.now() - NOON).total_seconds() < 2 * house.rules.quiet_time

    house.advance(7200)
    with house.world.lock:
        house.world.remove_contact(house.world.contacts[planted])  # a person deleted it
    for number in range(5):
        retry(house, str(number))
    house.run()
    house.assert_issued(*map(str, range(5)))


def test_of_several_fitting_contacts_a_person_chooses_by_our_code_and_retries(house: House) -> None:
    house.world.switches.contact_guard = "off"
    same = {"account": 1, "name": "Norte", "country": "es", "tin_value": "ESA28015865"}
    _, right = house.plant(contacts=[same, same])["contacts"]
    house.issue(invoice("1"), invoice("2"))
    assert {job.reason for job in house.jobs()} == {"contacts_ambiguous"}
    assert "erp:7" in (house.job().cure or "")

    with house.world.lock:
        contact = house.world.contacts[right]
        house.world.change_contact(contact, contact.fields | {"integration_code": "erp:7"})
    for key in "12":
        retry(house, key)
    house.run()

    assert {job.contact_id for job in house.jobs()} == {str(right)}
    assert {job.status for job in house.jobs()} == {Status.DONE}
    assert house.requests(CHANGE) == []


def test_the_units_of_a_body_do_not_make_it_ambiguous(lumiere: House) -> None:
    lumiere.issue(for_university("1"), for_university("2", "OTHER"))
    with lumiere.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")

    lumiere.issue(for_university("3", buyer=replace(UNIVERSITY, key="99")))

    done(lumiere, "3")
    assert len(contacts(lumiere, 2)) == 3


# ---------------------------------------------------------------- the directory


DAY: Final = 86400.0
KNOWN: Final = replace(CUSTOMER, key="20", name="Directorio de Ejemplo, S.L.", tax_number="B63276174")


@pytest.fixture
def asking(house: House) -> House:
    """An installation that asks the directory."""
    house.rules = replace(house.rules, directory=DirectoryRules(found_seconds=30 * DAY, missing_seconds=DAY))
    return house


def ways(house: House) -> list[tuple[str | None, str | None]]:
    return [way_of(contact) for contact in contacts(house)]


@pytest.mark.parametrize("mode", ["direct", "asynchronous"])
def test_a_new_contact_gets_its_way_from_the_directory(asking: House, mode: str) -> None:
    asking.world.switches.set({"directory_mode": mode})

    asking.issue(invoice("1", buyer=KNOWN))

    asking.assert_issued("1")
    assert ways(asking) == [("b2brouter", "xml.facturae.3.2.2")]


def test_a_number_of_another_country_is_looked_up_there_and_kept_on_the_contact(asking: House) -> None:
    elsewhere = replace(CUSTOMER, tax_number="PT501964843")

    asking.issue(invoice("1", buyer=elsewhere))
    asking.issue(invoice("2", buyer=elsewhere))

    asking.assert_issued("1", "2")
    [contact] = contacts(asking)
    assert (contact.tin_value, contact.fields["tin_scheme"], contact.country) == ("PT501964843", "9946", "es")
    assert [entry.path for entry in asking.requests(ASK)] == ["/directory/pt/PT501964843"]


def test_a_known_contact_still_costs_two_calls(asking: House) -> None:
    asking.issue(invoice("1", buyer=KNOWN))
    asking.forget_requests()

    asking.issue(invoice("2", buyer=KNOWN))

    assert asking.operations() == [CREATE, SEND]


def test_an_answer_counts_for_all_customers_of_the_account_as_long_as_was_set(asking: House) -> None:
    asking.issue(invoice("1"))
    with asking.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")
    with asking.world.lock:
        for contact in contacts(asking):
            contact.fields["tin_value"] = "ESB00000000"

    asking.issue(invoice("2", buyer=replace(CUSTOMER, key="71")))
    assert len(asking.requests(ASK)) == 1  # "not there" still counts

    with asking.ledger.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM contact_link")
    with asking.world.lock:
        for contact in contacts(asking):
            contact.fields["tin_value"] = "ESB00000000"
    asking.advance(DAY + 1)
    asking.issue(invoice("3", buyer=replace(CUSTOMER, key="72")))
    assert len(asking.requests(ASK)) == 2


@pytest.mark.parametrize("mode", ["failing", "asynchronous"])
def test_a_silent_directory_holds_nothing_and_is_asked_again_later(asking: House, mode: str) -> None:
    asking.world.switches.set({"directory_mode": mode, "directory_polls": 99})

    asking.issue(invoice("1", buyer=KNOWN))

    asking.assert_issued("1")
    assert ways(asking) == [(None, None)]
    asking.forget_requests()
    asking.issue(invoice("2", buyer=KNOWN))
    assert asking.operations() == [CREATE, SEND]

    asking.world.switches.set({"directory_mode": "direct"})
    asking.advance(3601)
    asking.issue(invoice("3", buyer=KNOWN))

    asking.assert_issued("3")
    assert ways(asking) == [("b2brouter", "xml.facturae.3.2.2")]
    asking.forget_requests()
    asking.issue(invoice("4", buyer=KNOWN))
    assert asking.operations() == [CREATE, SEND]


def test_a_late_answer_does_not_replace_what_people_chose_meanwhile(asking: House) -> None:
    asking.world.switches.directory_mode = "failing"
    asking.issue(invoice("1", buyer=KNOWN))
    [contact] = contacts(asking)
    with asking.world.lock:
        asking.world.change_contact(contact, contact.fields | {"transport_type_code": "email"})
    asking.world.switches.directory_mode = "direct"
    asking.advance(3601)

    asking.issue(invoice("2", buyer=KNOWN))

    asking.assert_issued("2")
    assert contact.fields["transport_type_code"] == "email"
    assert asking.requests(CHANGE) == []


@pytest.mark.parametrize("kind", ["unavailable_before", "garbage", "html", "drop_before"])
def test_no_fault_of_the_directory_holds_an_invoice(asking: House, kind: str) -> None:
    asking.fault(kind, operation=ASK, times=None)

    asking.issue(invoice("1", buyer=KNOWN))

    asking.assert_issued("1")


def test_the_way_to_a_public_body_is_known_without_asking(lumiere: House) -> None:
    lumiere.rules = replace(lumiere.rules, directory=DirectoryRules(found_seconds=DAY, missing_seconds=DAY))

    lumiere.issue(for_university())

    done(lumiere, "1")
    assert lumiere.requests(ASK) == []


# ---------------------------------------------------------------- whatever the concurrency


def documents() -> Sequence[Invoice]:
    """A hundred invoices of one new customer, a body with two services."""
    return [for_university(str(number), SERVICE if number % 2 else "OTHER") for number in range(100)]


def work_off(place: tuple[str, str]) -> None:
    """What one of several worker processes does, ten invoices at once."""
    ledger_url, base_url = place
    clock = SystemClock()
    ledger, erp = Ledger(ledger_url), Erp(clock)
    erp.add(*documents())
    transport = Transport(base_url, "test_key", "2026-03-02")
    remote = B2BrouterClient(account_id="2", environment="simulator", transport=transport, api_version="2026-03-02")
    rules = Rules(
        quiet_time=180.0,
        call_seconds=30.0,
        repeat_unknown=True,
        owner_tax_number=None,
        own_accounts=frozenset({"2"}),
        many_companies=False,
    )
    desk = Desk(remote=remote, adapters={SOURCE: erp}, rules=lambda source: rules, breaker=Breaker())
    journey = Journey(ledger, lambda account: desk, policy=Policy(), clock=clock, threads=10)
    end = clock.monotonic() + 60
    while (due := ledger.jobs.next_due()) is not None and clock.monotonic() < end:
        # What the other process holds counts as due when its lease ends, long after it lets go.
        time.sleep(min(0.2, max(0.0, (due - ledger.database.clock.now()).total_seconds())))
        journey.drain(ACCOUNT, seconds=30)
    transport.close()
    ledger.close()


@pytest.mark.parametrize("contact_guard", [pytest.param("tin_and_cin", marks=pytest.mark.slow), "off"])
def test_two_processes_of_ten_threads_make_body_and_units_once(ledger_url: str, contact_guard: str) -> None:
    clock = SystemClock()
    ledger, erp = Ledger(ledger_url), Erp(clock)
    schema.upgrade(ledger.database)
    erp.add(*documents())
    source = Source(name=SOURCE, adapter=erp, since=None, companies=None, account_of=lambda company: ACCOUNT)
    Discovery(ledger, clock=clock, overlap=900, sweep_every=86400).discover(source)
    with SimulatorServer() as server:
        server.world.switches.set({"latency": 0.02, "contact_guard": contact_guard})
        place = (ledger_url, server.base_url)
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            pool.map(work_off, [place, place], chunksize=1)

        made = [contact for contact in server.world.contacts.values() if contact.account_id == 2]
        issued = [document for document in server.world.invoices.values() if document.account_id == 2]
    ledger.close()
    assert len(made) == 3
    assert len({contact.fields.get("cin1_value") for contact in made}) == 3
    assert [document.sent_times for document in issued] == [1] * 100


# ---------------------------------------------------------------- French reporting


def test_an_account_that_reports_to_the_french_authority_takes_what_an_erp_without_such_texts_issues(
    lumiere: House,
) -> None:
    lumiere.plant(accounts=[{"id": 2, "tax_report_settings": {"dgfip": {"code": "dgfip"}}}])
    lumiere.issue(
        invoice("1", line(taxes=(TVA,)), seller=SELLER, buyer=OTHER_CUSTOMER),
        invoice("2", line(taxes=(TVA,)), seller=SELLER, buyer=OTHER_CUSTOMER, payment=Payment(), due_date=None),
    )
    done(lumiere, "1", "2")
