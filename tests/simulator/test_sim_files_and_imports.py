"""Files: what is made of an invoice, and invoices that come as files."""

from base64 import b64encode
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from connector.simulator import World
from tests.simulator.client import Api, code

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"


def party(name: str, tin: str, endpoint: str = "") -> str:
    return (
        f"<cac:Party>{endpoint}<cac:PostalAddress><cac:Country><cbc:IdentificationCode>ES</cbc:IdentificationCode>"
        f"</cac:Country></cac:PostalAddress><cac:PartyTaxScheme><cbc:CompanyID>{tin}</cbc:CompanyID>"
        f"</cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName>"
        "</cac:PartyLegalEntity></cac:Party>"
    )


def ubl(number: str = "U-1", seller: str = "ESB76543214", buyer: str = "ESB00000000", kind: str = "Invoice") -> bytes:
    """An invoice of 100.00 whose tax, 21.01, is a cent more than the server would make it."""
    quantity = "InvoicedQuantity" if kind == "Invoice" else "CreditedQuantity"
    return (
        f'<{kind} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{kind}-2" xmlns:cac="{CAC}"'
        f' xmlns:cbc="{CBC}"><cbc:CustomizationID>x</cbc:CustomizationID><cbc:ID>{number}</cbc:ID>'
        "<cbc:IssueDate>2026-01-10</cbc:IssueDate><cbc:DueDate>2026-02-10</cbc:DueDate>"
        "<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>"
        "<cac:OrderReference><cbc:ID>PO-1</cbc:ID></cac:OrderReference>"
        f"<cac:AccountingSupplierParty>{party('Ibérica', seller)}</cac:AccountingSupplierParty>"
        f"<cac:AccountingCustomerParty>{party('Comprador', buyer)}</cac:AccountingCustomerParty>"
        "<cac:TaxTotal><cbc:TaxAmount>21.01</cbc:TaxAmount><cac:TaxSubtotal>"
        "<cbc:TaxableAmount>100.00</cbc:TaxableAmount><cbc:TaxAmount>21.01</cbc:TaxAmount>"
        "<cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>21</cbc:Percent></cac:TaxCategory>"
        "</cac:TaxSubtotal></cac:TaxTotal><cac:LegalMonetaryTotal>"
        "<cbc:TaxExclusiveAmount>100.00</cbc:TaxExclusiveAmount>"
        "<cbc:TaxInclusiveAmount>121.01</cbc:TaxInclusiveAmount></cac:LegalMonetaryTotal>"
        f"<cac:{kind}Line><cbc:ID>1</cbc:ID><cbc:{quantity}>4</cbc:{quantity}>"
        "<cbc:LineExtensionAmount>100.00</cbc:LineExtensionAmount><cac:Item><cbc:Name>Work</cbc:Name></cac:Item>"
        f"<cac:Price><cbc:PriceAmount>25</cbc:PriceAmount></cac:Price></cac:{kind}Line></{kind}>"
    ).encode()


def load(api: Api, content: bytes, kind: str = "application/octet-stream", **query: Any) -> httpx.Response:
    path = f"/accounts/{api.account}/invoices/import"
    return api.http.post(path, content=content, headers={"Content-Type": kind}, params=query)


class TestImport:
    def test_number_parties_and_totals_are_those_of_the_file(self, api: Api) -> None:
        answer = load(api, ubl())
        invoice = answer.json()["invoice"]
        assert (answer.status_code, invoice["state"], invoice["number"]) == (201, "new", "U-1")
        assert (invoice["subtotal"], invoice["taxes"][0]["amount"], invoice["total"]) == (100, 21.01, 121.01)
        assert (invoice["due_date"], invoice["ponumber"]) == ("2026-02-10", "PO-1")
        assert api.get("/accounts/1/contacts", name="ESB00000000").json()["contacts"][0]["name"] == "Comprador"

    def test_a_data_uri_says_the_same(self, api: Api) -> None:
        uri = b"data:text/xml;name=invoice.xml;base64," + b64encode(ubl())
        assert load(api, uri).json()["invoice"]["number"] == "U-1"
        assert code(load(api, b"data:text/xml;base64,A")) == (400, "invalid_request_params")

    @pytest.mark.parametrize("kind", ["application/pdf", "application/xml", "application/json"])
    def test_other_content_types_are_not_accepted(self, api: Api, kind: str) -> None:
        assert load(api, ubl(), kind).status_code == 406

    @pytest.mark.parametrize(
        "content",
        [b"", b"%PDF-1.4", b"<Invoice/>", b"<Invoice", b'<!DOCTYPE x [<!ENTITY a "b">]>' + ubl()],
    )
    def test_what_is_no_invoice_has_an_unknown_format(self, api: Api, content: bytes) -> None:
        answer = load(api, content)
        assert (answer.status_code, answer.json()["error"]["message"]) == (422, "Unknown format")

    def test_the_seller_must_be_the_account(self, api: Api) -> None:
        assert load(api, ubl(seller="ESA28000000")).status_code == 422
        assert load(api, ubl(), issued="false").status_code == 422

    def test_where_the_account_buys_the_document_is_received(self, api: Api) -> None:
        received = load(api, ubl(seller="ESA28000000", buyer="ESB76543214")).json()["invoice"]
        assert (received["type"], received["contact"]["name"]) == ("ReceivedInvoice", "Ibérica")
        assert api.numbers(type="ReceivedInvoice") == ["U-1"]

    def test_the_number_is_guarded_as_in_a_create(self, api: Api) -> None:
        api.invoice("U-1")
        assert code(load(api, ubl())) == (422, "parameter_taken")

    def test_a_credit_note_is_recognised(self, api: Api) -> None:
        assert load(api, ubl(kind="CreditNote")).json()["invoice"]["is_credit_note"] is True

    def test_it_is_sent_at_once_on_request(self, api: Api) -> None:
        assert load(api, ubl(), send_after_import="true").json()["invoice"]["state"] == "sending"

    def test_the_recipient_is_matched_and_told_how_to_receive(self, api: Api) -> None:
        known = api.contact()
        invoice = load(api, ubl(), transport_type_code_for_contact="email").json()["invoice"]
        assert invoice["contact"]["id"] == known["id"]
        contact = api.get(f"/contacts/{known['id']}").json()["contact"]
        assert contact["transport_type_code"] == "email"

    def test_its_lines_cannot_be_edited(self, api: Api) -> None:
        invoice = load(api, ubl()).json()["invoice"]
        path = f"/invoices/{invoice['id']}"
        assert api.put(path, {"invoice": {"ponumber": "PO-2"}}).json()["invoice"]["total"] == 121.01
        edit = {"invoice": {"invoice_lines_attributes": [{"quantity": 1, "price": 1}]}}
        assert code(api.put(path, edit)) == (409, "conflict")

    def test_the_original_comes_back_byte_for_byte(self, api: Api) -> None:
        invoice = load(api, ubl()).json()["invoice"]
        assert api.get(f"/invoices/{invoice['id']}/as/original").content == ubl()

    def test_a_file_can_be_checked_without_storing_it(self, api: Api) -> None:
        assert api.http.post("/documents/validate", content=ubl()).status_code == 200
        assert api.http.post("/documents/validate", content=b"<x/>").status_code == 400
        assert api.numbers() == []


class TestFiles:
    def test_the_legal_file_exists_once_the_document_was_sent(self, api: Api) -> None:
        invoice = api.invoice()
        path = f"/invoices/{invoice['id']}"
        assert invoice["download_legal_url"] is None
        assert code(api.get(f"{path}/as/legal")) == (404, "resource_missing")
        url = api.send(invoice["id"]).json()["invoice"]["download_legal_url"]
        legal = api.get(url)
        assert legal.headers["content-type"] == "application/xml"
        assert legal.content == api.get(f"{path}/as/legal").content
        root = ET.fromstring(legal.content)
        assert root.findtext(f"{{{CBC}}}ID") == "F-1"
        assert root.findtext(f"{{{CAC}}}LegalMonetaryTotal/{{{CBC}}}TaxInclusiveAmount") == "121.00"

    def test_the_legal_file_of_an_import_is_what_was_imported(self, api: Api) -> None:
        invoice = load(api, ubl(), send_after_import="true").json()["invoice"]
        assert api.get(f"/invoices/{invoice['id']}/as/legal").content == ubl()

    def test_a_document_made_from_json_has_no_original(self, api: Api) -> None:
        assert code(api.get(f"/invoices/{api.invoice()['id']}/as/original")) == (404, "resource_missing")

    def test_the_pdf_is_not_ready_at_once(self, api: Api, world: World) -> None:
        path = f"/invoices/{api.invoice('F-(1)')['id']}/as/pdf.invoice"
        assert api.get(path).status_code == 404
        world.advance(1)
        pdf = api.get(path)
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF-")
        assert b"F-\\(1\\)" in pdf.content

    def test_a_ticket_gets_its_pdf_by_being_sent(self, api: Api, world: World) -> None:
        ticket = api.invoice(type="IssuedSimplifiedInvoice", contact={"name": "Walk-in"})
        world.advance(60)
        path = f"/invoices/{ticket['id']}/as/pdf.invoice"
        assert api.get(path).status_code == 404
        api.send(ticket["id"])
        assert api.get(path).status_code == 200

    def test_an_unknown_format_is_refused(self, api: Api) -> None:
        assert code(api.get(f"/invoices/{api.invoice()['id']}/as/docx")) == (422, "parameter_inclusion")

    def test_attachments_are_kept(self, api: Api) -> None:
        path = f"/invoices/{api.invoice()['id']}"
        added = api.http.post(f"{path}/add_attachment", content=b"\x00\x01", params={"filename": "a.bin"})
        assert added.status_code == 204
        uri = b"data:text/plain;name=b.txt;base64," + b64encode(b"hello")
        api.http.post(f"{path}/add_attachment", content=uri, params={"filename": "b.txt"})
        rows = api.get(path).json()["invoice"]["attachments"]
        assert [row["filename"] for row in rows] == ["a.bin", "b.txt"]
        assert [api.get(row["link"]).content for row in rows] == [b"\x00\x01", b"hello"]
        assert api.http.post(f"{path}/add_attachment", content=b"x").status_code == 422
        assert api.get(f"/attachments/{rows[0]['link'].split('/')[2]}/9").status_code == 404
