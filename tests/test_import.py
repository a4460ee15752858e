"""Documents that exist as files: imported in place of created, and everything else as ever."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from connector.adapters.folder import FolderAdapter
from connector.domain.identity import frozen_file
from connector.domain.job import Effect, Stage, Status
from connector.ledger.actions import RETRY
from connector.ledger.records import Job
from connector.ports import RemoteContact
from connector.simulator.documents import Invoice as SimInvoice
from tests.support.clock import FakeClock
from tests.support.files import files, sample
from tests.support.house import House, Opener

IMPORT, SEND, LIST, ORIGINAL = "import_invoice", "send_invoice", "list_invoices", "download_as"
SPRING = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
INVOICE = sample("ubl-invoice.xml")
OTHER = sample("ubl-invoice.xml", ("Montaje en obra", "Montaje nocturno"))
"""The same invoice, with another word in it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "invoices"
    there.mkdir()
    return there


@pytest.fixture
def house(open_house: Opener, folder: Path) -> House:
    """An installation whose ERP is a folder."""
    return open_house(adapter=FolderAdapter(files(folder)), clock=FakeClock(SPRING))


Drop = Callable[..., Path]


@pytest.fixture
def drop(folder: Path) -> Drop:
    def dropped(name: str = "a.xml", content: bytes = INVOICE) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return dropped


def settle(house: House) -> None:
    """Find what is there and work until all of it rests."""
    house.discover()
    house.run()


def retry(house: House, key: str = "a.xml") -> None:
    house.ledger.actions.perform(RETRY, [house.job(key)], who="somebody", note="looked at it")
    house.run()


def at_b2brouter(house: House) -> SimInvoice:
    [there] = house.remote_invoices("F2026-0101")
    return there


def issued(house: House, folder: Path, key: str = "a.xml") -> Job:
    """See that a file was issued once, byte for byte, and moved with its reference."""
    job = house.job(key)
    assert job.status is Status.DONE, f"{job.status} at {job.stage}: {job.message}"
    there = at_b2brouter(house)
    assert (str(there.id), there.sent_times) == (job.reference, 1)
    assert there.original == (folder / "done" / key).read_bytes()
    assert (folder / "done" / f"{key}.b2brouter.json").exists()
    house.assert_nothing_twice()
    return job


def test_the_file_itself_is_imported_unsent_then_sent_and_recorded(house: House, folder: Path, drop: Drop) -> None:
    drop()
    settle(house)
    job = issued(house, folder)
    assert [operation for operation in house.operations() if operation in {IMPORT, "create_invoice", SEND}] == [
        IMPORT,
        SEND,
    ]
    [request] = house.requests(IMPORT)
    assert request.query == "issued=true&send_after_import=false"
    assert [event.effect for event in house.timeline("a.xml") if event.what == "intent"] == [
        Effect.IMPORT,
        Effect.SEND,
    ]
    assert job.payload == frozen_file(house.adapter.load(["a.xml"])["a.xml"].file_digest)  # type: ignore[union-attr, arg-type]


def test_the_contact_is_found_or_made_before_and_the_import_goes_to_it(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    settle(house)
    [contact] = house.remote_contacts()
    assert contact.fields["integration_code"] == "erp:ESB63276174"
    assert at_b2brouter(house).contact_id == contact.id
    assert house.job("a.xml").contact_id == str(contact.id)


def test_rules_hold_a_file_before_anything_leaves_and_it_is_put_aside(house: House, folder: Path, drop: Drop) -> None:
    drop(content=sample("ubl-invoice.xml", ("ESB63276174", "ESB63276175")))
    settle(house)
    assert house.job("a.xml").reason == "vat_number_wrong"
    assert house.requests(IMPORT) == []
    note = (folder / "failed" / "a.xml.b2brouter.txt").read_text()
    assert "ESB63276175" in note
    drop()
    settle(house)
    issued(house, folder)


def lose_the_answer(house: House) -> None:
    """Have the file imported without our hearing of it."""
    house.fault("drop_after", operation=IMPORT)
    house.discover()
    house.drain()
    job = house.job("a.xml")
    assert (job.status, job.open_effect, job.reason) == (Status.PENDING, Effect.IMPORT, "looking_up")


def misread(house: House) -> None:
    """Have B2Brouter take another total out of the file."""
    with house.world.lock:
        there = at_b2brouter(house)
        there.totals = replace(there.totals, total=there.totals.total + 1)


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "garbage", "truncated", "late_commit"])
def test_after_a_lost_answer_the_document_is_known_by_its_file_and_adopted(
    kind: str, house: House, folder: Path, drop: Drop
) -> None:
    drop()
    more = {"error_after": {"status": 502}, "late_commit": {"seconds": 90}}
    house.fault(kind, operation=IMPORT, **more.get(kind, {}))
    settle(house)
    issued(house, folder)
    assert len(house.requests(IMPORT)) == 1
    assert "adopted" in house.told("a.xml")
    assert house.requests(ORIGINAL) != []


def test_where_b2brouter_does_not_give_the_file_back_all_that_can_be_compared_decides(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    lose_the_answer(house)
    with house.world.lock:
        at_b2brouter(house).original = None
    house.run()
    assert (house.job("a.xml").status, at_b2brouter(house).sent_times) == (Status.DONE, 1)
    assert len(house.requests(IMPORT)) == 1


def test_without_the_file_another_total_is_no_proof(house: House, drop: Drop) -> None:
    drop()
    lose_the_answer(house)
    with house.world.lock:
        at_b2brouter(house).original = None
    misread(house)
    house.run(seconds=60)
    assert house.job("a.xml").open_effect is Effect.IMPORT  # as long as it may be on its way
    house.run()
    for _ in range(2):
        job = house.job("a.xml")
        assert (job.status, job.reason) == (Status.HELD, "already_exists")
        retry(house)
        house.run()
    assert len(house.requests(IMPORT)) == 1
    house.assert_nothing_sent()


def test_a_request_that_never_arrived_is_made_again_after_the_quiet_time(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    house.fault("drop_before", operation=IMPORT)
    settle(house)
    issued(house, folder)
    first, second = house.requests(IMPORT)
    assert (second.at - first.at).total_seconds() >= 180
    assert first.body_sha256 == second.body_sha256


def test_totals_that_b2brouter_reads_otherwise_are_never_sent(house: House, folder: Path, drop: Drop) -> None:
    drop()
    lose_the_answer(house)
    misread(house)
    house.run()
    job = house.job("a.xml")
    assert (job.status, job.reason, job.stage) == (Status.HELD, "totals_differ", Stage.CREATED)
    assert "169.95 (ERP) / 170.95 (B2Brouter)" in (job.message or "")
    assert "?" not in f"{job.message}{job.cure}"
    assert "correct the file" in (job.cure or "")
    assert (folder / "failed" / "a.xml").exists()
    house.assert_nothing_sent()


def test_a_file_that_is_replaced_before_it_is_sent_takes_the_place_of_the_first(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    lose_the_answer(house)
    misread(house)
    house.run()
    drop(content=OTHER)
    settle(house)
    issued(house, folder)
    assert at_b2brouter(house).original == OTHER
    assert len(house.world.deleted_invoices) == 1


def test_a_file_that_is_replaced_while_the_outcome_is_unknown_leads_to_one_document(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    lose_the_answer(house)
    drop(content=OTHER)
    settle(house)
    issued(house, folder)
    assert at_b2brouter(house).original == OTHER
    assert [invoice.sent_times for invoice in house.world.deleted_invoices.values()] == [0]


def test_a_file_that_is_taken_away_is_held_and_goes_on_when_it_is_back(
    house: House, folder: Path, drop: Drop
) -> None:
    path = drop()
    house.discover()
    path.rename(folder.parent / "a.xml")
    house.run()
    assert house.job("a.xml").reason == "erp_deleted"
    (folder.parent / "a.xml").rename(path)
    settle(house)
    issued(house, folder)


class TestSecondMemories:
    """What tells that a file was issued when the ledger does not."""

    @pytest.fixture
    def forgotten(self, house: House, folder: Path, drop: Drop) -> House:
        """It was issued, the ledger was lost, and the file stands in the folder again."""
        drop()
        settle(house)
        issued(house, folder)
        with house.ledger.database.write() as connection:
            for table in ("event", "number_claim", "job", "source"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        (folder / "done" / "a.xml").rename(folder / "a.xml")
        house.forget_requests()
        return house

    def test_the_side_car_file(self, forgotten: House, folder: Path) -> None:
        settle(forgotten)
        issued(forgotten, folder)
        assert (forgotten.requests(IMPORT), forgotten.requests(SEND)) == ([], [])

    def test_the_number_and_the_file_at_b2brouter(self, forgotten: House, folder: Path) -> None:
        (folder / "done" / "a.xml.b2brouter.json").unlink()
        settle(forgotten)
        issued(forgotten, folder)
        assert (len(forgotten.requests(IMPORT)), forgotten.requests(SEND)) == (1, [])

    def test_another_file_under_the_side_car_file_of_an_issued_one_is_held(
        self, forgotten: House, folder: Path, drop: Drop
    ) -> None:
        drop(content=OTHER)
        settle(forgotten)
        assert forgotten.job("a.xml").reason == "erp_reference_exists"
        assert (forgotten.requests(IMPORT), forgotten.requests(SEND)) == ([], [])


def by_hand(house: House, content: bytes) -> None:
    """Have somebody else hand in a file."""
    made = house.remote.import_invoice(content, number="F2026-0101")
    assert made.state == "new"


def test_the_same_file_that_somebody_handed_in_by_hand_is_this_document(
    house: House, folder: Path, drop: Drop
) -> None:
    by_hand(house, INVOICE)
    drop()
    settle(house)
    issued(house, folder)


def test_another_file_that_somebody_handed_in_under_that_number_is_not(
    house: House, folder: Path, drop: Drop
) -> None:
    by_hand(house, OTHER)
    drop()
    settle(house)
    assert house.job("a.xml").reason == "already_exists"
    house.assert_nothing_sent()
    assert (folder / "failed" / "a.xml").exists()


def test_another_file_of_a_name_that_was_issued_opens_a_case_and_stays(
    house: House, folder: Path, drop: Drop
) -> None:
    drop()
    settle(house)
    first = issued(house, folder)
    drop(content=sample("ubl-invoice.xml", ("F2026-0101", "F2026-0102")))
    settle(house)
    job = house.job("a.xml")
    assert (job.status, job.reason, job.reference) == (Status.DONE, "changed_after_issue", first.reference)
    assert "number: F2026-0101 (issued) / F2026-0102 (ERP now)" in (job.message or "")
    assert (folder / "a.xml").exists()
    assert len(house.requests(IMPORT)) == 1


def test_a_file_that_our_user_may_not_read_is_held_alone_and_goes_on_when_it_may(
    house: House, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("b.xml", sample("ubl-invoice.xml", ("F2026-0101", "F2026-0102")))
    drop()
    real = Path.open

    def open_(path: Path, *rest: Any, **options: Any) -> Any:
        if path.name == "b.xml":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **options)

    with monkeypatch.context() as forbidden:
        forbidden.setattr(Path, "open", open_)
        settle(house)
    assert house.job("a.xml").stage is Stage.RECORDED
    held = house.job("b.xml")
    assert (held.status, held.reason) == (Status.HELD, "document_not_usable")
    assert held.details["message"] == "The file b.xml may not be read by our user."

    settle(house)
    assert house.job("b.xml").stage is Stage.RECORDED


def test_files_that_were_done_with_may_be_put_away(house: House, folder: Path, drop: Drop) -> None:
    drop()
    settle(house)
    issued(house, folder)
    for path in (folder / "done").iterdir():
        path.unlink()
    house.advance(90_000)
    settle(house)
    assert (house.job("a.xml").status, house.job("a.xml").reason) == (Status.DONE, None)


def test_a_failure_on_the_way_does_not_put_a_file_aside(house: House, folder: Path, drop: Drop) -> None:
    drop()
    house.fault("rate_limit", operation=IMPORT, times=50)
    settle(house)
    assert house.job("a.xml").reason == "retries_exhausted"
    assert (folder / "a.xml").exists()
    house.world.faults.clear()
    retry(house)
    issued(house, folder)


def test_a_file_that_is_held_for_good_reason_goes_on_from_where_it_lies(
    house: House, folder: Path, drop: Drop
) -> None:
    by_hand(house, OTHER)
    drop()
    settle(house)
    house.remote.delete_invoice(str(at_b2brouter(house).id))
    assert (folder / "failed" / "a.xml").exists()
    retry(house)
    issued(house, folder)
    assert not (folder / "failed" / "a.xml.b2brouter.txt").exists()


BY_EFACT: Final = {"transport_type_code": "es.efact", "document_type_code": "xml.facturae.3.2.1"}


class TestPublicBodies:
    """Whom a file goes to, B2Brouter reads in it: the way that leads there is told with the import."""

    @pytest.fixture
    def autumn(self, open_house: Opener, folder: Path) -> House:
        clock = FakeClock(datetime(2026, 11, 4, 12, tzinfo=UTC))
        return open_house(adapter=FolderAdapter(files(folder)), clock=clock)

    @pytest.mark.parametrize(("name", "number"), [("facturae-3.2.xml", "0044"), ("facturae-3.2.1.xml", "0043")])
    def test_a_facturae_that_names_its_offices_goes_by_face_and_no_office_is_to_be_entered(
        self, name: str, number: str, autumn: House, drop: Drop
    ) -> None:
        drop(content=sample(name))
        settle(autumn)
        job, [there] = autumn.job("a.xml"), autumn.remote_invoices(number)
        assert (job.status, job.contact_id) == (Status.DONE, str(there.contact_id))
        assert _way_of(autumn, there.contact_id) == ("es.face", "xml.facturae.3.2.2")
        assert [contact.parent_id for contact in autumn.remote_contacts()] == [None, None]
        assert "warned" not in autumn.told("a.xml")

    def test_a_contact_that_b2brouter_finds_by_the_files_number_is_the_jobs(self, autumn: House, drop: Drop) -> None:
        council = {"account": 1, "name": "Ayuntamiento", "tin_value": "P2807900B"}
        [known] = autumn.plant(contacts=[council])["contacts"]
        drop(content=sample("facturae-3.2.xml"))
        settle(autumn)
        assert autumn.job("a.xml").contact_id == str(known)
        assert _way_of(autumn, known) == ("es.face", "xml.facturae.3.2.2")

    @pytest.mark.parametrize("number", ["P2807900B", "ESP2807900B"])
    def test_the_way_that_people_chose_among_those_that_lead_there_stays(
        self, number: str, autumn: House, drop: Drop
    ) -> None:
        council = {"account": 1, "name": "Ayuntamiento", "tin_value": number, **BY_EFACT}
        [known] = autumn.plant(contacts=[council])["contacts"]
        autumn.world.accounts[1].transports = {
            code: {"enabled": True, "reception": False} for code in ("es.face", "es.efact")
        }
        drop(content=sample("facturae-3.2.xml"))
        settle(autumn)
        assert autumn.job("a.xml").status is Status.DONE
        assert _way_of(autumn, known) == tuple(BY_EFACT.values())

    def test_that_way_is_found_by_the_spelling_that_b2brouter_has(self, autumn: House, drop: Drop) -> None:
        """Should its list know whole words alone."""
        find = autumn.remote.find_contacts

        def by_whole_words(**what: str) -> Sequence[RemoteContact]:
            return [one for one in find(**what) if what.get("text") in {None, one.tax_number}]

        autumn.remote.find_contacts = by_whole_words  # type: ignore[method-assign,assignment]
        council = {"account": 1, "name": "Ayuntamiento", "tin_value": "ESP2807900B", **BY_EFACT}
        [known] = autumn.plant(contacts=[council])["contacts"]
        autumn.world.accounts[1].transports = {
            code: {"enabled": True, "reception": False} for code in ("es.face", "es.efact")
        }
        drop(content=sample("facturae-3.2.xml", ("P2807900B", "ESP2807900B")))
        settle(autumn)
        assert (autumn.job("a.xml").status, autumn.job("a.xml").contact_id) == (Status.DONE, str(known))
        assert _way_of(autumn, known) == tuple(BY_EFACT.values())

    def test_no_file_sets_back_the_way_that_people_chose_after_the_first(self, autumn: House, drop: Drop) -> None:
        drop("a.xml", sample("facturae-3.2.xml"))
        settle(autumn)
        contact = autumn.world.contacts[int(autumn.job("a.xml").contact_id or 0)]
        with autumn.world.lock:
            autumn.world.change_contact(contact, contact.fields | BY_EFACT)
        drop("b.xml", sample("facturae-3.2.xml", ("0044", "0045")))
        settle(autumn)
        assert autumn.job("b.xml").contact_id == str(contact.id)
        assert _way_of(autumn, contact.id) == tuple(BY_EFACT.values())

    def test_a_way_that_leads_to_no_public_body_gives_way_to_the_files(self, autumn: House, drop: Drop) -> None:
        council = {"account": 1, "name": "Ayuntamiento", "tin_value": "P2807900B", "transport_type_code": "email"}
        [known] = autumn.plant(contacts=[council])["contacts"]
        drop(content=sample("facturae-3.2.xml"))
        settle(autumn)
        assert autumn.job("a.xml").status is Status.DONE
        assert _way_of(autumn, known) == ("es.face", "xml.facturae.3.2.2")

    def test_a_file_for_a_body_of_chorus_goes_by_chorus(self, house: House, drop: Drop) -> None:
        drop(content=for_establishment("13001533200013"))
        settle(house)
        job, there = house.job("a.xml"), at_b2brouter(house)
        assert (job.status, job.contact_id) == (Status.DONE, str(there.contact_id))
        assert _way_of(house, there.contact_id) == ("fr.chorus", "xml.ubl.invoice.chorus")

    def test_a_contact_that_shows_no_establishment_may_be_the_one_that_the_file_names(
        self, house: House, drop: Drop
    ) -> None:
        body = {"account": 1, "name": "CCI France", "country": "fr", "tin_value": "FR84130015332"}
        house.plant(contacts=[body])
        drop(content=for_establishment("13001533200013"))
        settle(house)
        assert house.job("a.xml").status is Status.DONE

    def test_a_file_that_b2brouter_gives_to_another_establishment_of_the_body_is_not_sent(
        self, house: House, drop: Drop
    ) -> None:
        house.plant(
            contacts=[
                {
                    "account": 1,
                    "name": "Faculté",
                    "country": "fr",
                    "tin_value": "FR84130015332",
                    "cin_scheme": "0009",
                    "cin_value": "13001533200021",
                }
            ]
        )
        drop(content=for_establishment("13001533200013"))
        settle(house)
        job = house.job("a.xml")
        assert (job.status, job.reason) == (Status.HELD, "remote_differs")
        assert "13001533200013" in (job.message or "")
        house.assert_nothing_sent()


def _way_of(house: House, contact_id: int | None) -> tuple[str | None, str | None]:
    fields = house.world.contacts[contact_id or 0].fields
    return fields.get("transport_type_code"), fields.get("document_type_code")


_CUSTOMER = re.compile(r"<cac:AccountingCustomerParty>.*?</cac:AccountingCustomerParty>", re.DOTALL)
_UNIVERSITY = """<cac:AccountingCustomerParty><cac:Party>
<cbc:EndpointID schemeID="0009">{siret}</cbc:EndpointID>
<cac:PartyIdentification><cbc:ID schemeID="0009">{siret}</cbc:ID></cac:PartyIdentification>
<cac:PostalAddress><cbc:StreetName>58 BD CHARLES LIVON</cbc:StreetName><cbc:CityName>MARSEILLE 7</cbc:CityName>
<cbc:PostalZone>13007</cbc:PostalZone><cac:Country><cbc:IdentificationCode>FR</cbc:IdentificationCode></cac:Country>
</cac:PostalAddress>
<cac:PartyTaxScheme><cbc:CompanyID>FR84130015332</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>
</cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>UNIVERSITE D AIX MARSEILLE</cbc:RegistrationName>
<cbc:CompanyID schemeID="0002">130015332</cbc:CompanyID></cac:PartyLegalEntity>
</cac:Party></cac:AccountingCustomerParty>"""


def for_establishment(siret: str) -> bytes:
    """The invoice for an establishment of a French university."""
    return _CUSTOMER.sub(_UNIVERSITY.format(siret=siret), INVOICE.decode()).encode()
