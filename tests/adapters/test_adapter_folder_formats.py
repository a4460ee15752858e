"""What the files of each format say; and files that nobody should read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connector.adapters.folder.reading import read_invoice
from connector.adapters.folder.xml import UnreadableError
from connector.domain.countries import country_code
from connector.domain.identity import file_digest
from connector.domain.invoice import (
    AllowanceCharge,
    Invoice,
    Kind,
    LegalId,
    Line,
    Original,
    Payment,
    Tax,
    TaxKind,
    Totals,
)
from connector.validation import judge
from tests.support.files import NAMES, sample

D = Decimal
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def read(name: str, *replaced: tuple[str, str]) -> Invoice:
    return read_invoice(sample(name, *replaced), key=name)


def figures(invoice: Invoice) -> list[tuple[TaxKind, Decimal | None, Decimal, Decimal]]:
    return [(total.tax.kind, total.tax.percent, total.base, total.amount) for total in invoice.tax_totals]


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_passes_all_rules_and_bears_the_digest_of_its_bytes(name: str) -> None:
    invoice = read(name)
    assert judge(invoice, now=NOW, levels={}).blocks == ()
    assert (invoice.key, invoice.confirmed) == (name, True)
    assert invoice.file_digest == file_digest(sample(name))


class TestUbl:
    def test_the_head(self) -> None:
        invoice = read("ubl-invoice.xml")
        assert (invoice.kind, invoice.number, invoice.currency) == (Kind.INVOICE, "F2026-0101", "EUR")
        assert (invoice.issue_date, invoice.due_date) == (date(2026, 3, 2), date(2026, 4, 1))
        assert (invoice.buyer_reference, invoice.purchase_order, invoice.sales_order, invoice.contract) == (
            "OT-2044",
            "PED-7781",
            "V-310",
            "C-2026-4",
        )
        assert invoice.note == "Obra 12, fase segunda & remates"
        assert invoice.original is None
        assert invoice.payment == Payment(
            iban="ES9121000418450200051332", bic="CAIXESBBXXX", terms="30 días", reference="F2026-0101"
        )

    def test_the_parties(self) -> None:
        invoice = read("ubl-invoice.xml")
        assert (invoice.company, invoice.seller.name) == ("ESB76543214", "Ibérica de Montajes Aplicados, S.L.")
        buyer = invoice.buyer
        assert (buyer.key, buyer.tax_number, buyer.name) == (
            "ESB63276174",
            "ESB63276174",
            "Directorio de Ejemplo, S.L.",
        )
        assert (buyer.country, buyer.address, buyer.address2, buyer.postal_code, buyer.city) == (
            "ES",
            "Carrer de Mallorca 401",
            "Planta 3",
            "08013",
            "Barcelona",
        )
        assert (buyer.email, buyer.phone) == ("proveedores@directorio.example", "+34 930 000 000")
        assert buyer.legal_ids == ()  # an address of Peppol that is a tax number is no register

    def test_lines_and_totals(self) -> None:
        invoice = read("ubl-invoice.xml")
        work, anchors = invoice.lines
        assert work == Line(
            description="Montaje en obra",
            quantity=D(4),
            net_price=D(25),
            net_amount=D(95),
            unit="HUR",
            article_code="MO-1",
            allowances=(AllowanceCharge(amount=D(5), description="5 %"),),
            taxes=(Tax(percent=D(21), category="S", source_name="S 21 %"),),
        )
        assert (anchors.quantity, anchors.net_price, anchors.base_quantity, anchors.net_amount) == (
            D(200),
            D("30.5"),
            D(100),
            D(61),
        )
        assert [(entry.is_charge, entry.amount) for entry in invoice.allowances] == [(False, D(10))]
        assert invoice.totals == Totals(net=D(146), tax=D("23.95"), payable=D("169.95"))
        assert figures(invoice) == [
            (TaxKind.VAT, D(21), D(85), D("17.85")),
            (TaxKind.VAT, D(10), D(61), D("6.1")),
        ]

    def test_a_credit_note_has_positive_amounts_and_its_original(self) -> None:
        invoice = read("ubl-credit-note.xml")
        assert (invoice.kind, invoice.totals.payable) == (Kind.CREDIT_NOTE, D("169.95"))
        assert invoice.original == Original(key=None, number="F2026-0101", date=date(2026, 3, 2))
        assert invoice.due_date == date(2026, 4, 8)

    def test_a_credit_note_of_several_invoices_names_them_all(self) -> None:
        end = "</cac:InvoiceDocumentReference></cac:BillingReference>"
        another = f"<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>F2026-0099</cbc:ID>{end}"
        last = "</cac:BillingReference>"
        invoice = read("ubl-credit-note.xml", (last, last + 2 * another))
        assert [each.number for each in invoice.originals] == ["F2026-0101", "F2026-0099"]

    def test_an_invoice_whose_type_says_credit_note_is_one(self) -> None:
        assert read("ubl-invoice.xml", (">380<", ">381<")).kind is Kind.CREDIT_NOTE

    def test_a_total_in_the_currency_of_the_books_does_not_count(self) -> None:
        second = '<cac:TaxTotal><cbc:TaxAmount currencyID="GBP">20.10</cbc:TaxAmount></cac:TaxTotal>'
        invoice = read("ubl-invoice.xml", ("<cac:LegalMonetaryTotal>", f"{second}<cac:LegalMonetaryTotal>"))
        assert invoice.totals.tax == D("23.95")

    def test_the_breakdown_of_a_total_in_the_currency_of_the_books_does_not_count_either(self) -> None:
        content = sample("ubl-invoice.xml").decode()
        own = content[content.index("<cac:TaxTotal>") : content.index("</cac:TaxTotal>")] + "</cac:TaxTotal>"
        second = own.replace('"EUR"', '"GBP"')
        for both in (own + second, second + own):
            invoice = read("ubl-invoice.xml", (own, both))
            assert (invoice.tax_totals, invoice.totals) == (
                read("ubl-invoice.xml").tax_totals,
                read("ubl-invoice.xml").totals,
            )
            assert judge(invoice, now=NOW, levels={}).blocks == ()

    def test_what_is_withheld_lowers_what_is_payable(self) -> None:
        withheld = """<cac:WithholdingTaxTotal><cbc:TaxAmount currencyID="EUR">14.60</cbc:TaxAmount><cac:TaxSubtotal>
            <cbc:TaxableAmount currencyID="EUR">146.00</cbc:TaxableAmount>
            <cbc:TaxAmount currencyID="EUR">14.60</cbc:TaxAmount>
            <cac:TaxCategory><cbc:Percent>10</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal>
            </cac:WithholdingTaxTotal>"""
        invoice = read("ubl-invoice.xml", ("<cac:LegalMonetaryTotal>", f"{withheld}<cac:LegalMonetaryTotal>"))
        assert (invoice.totals.withholding, invoice.totals.payable) == (D("-14.6"), D("155.35"))
        assert figures(invoice)[-1] == (TaxKind.WITHHOLDING, D(-10), D(146), D("-14.6"))

    def test_other_prefixes_and_a_zone_behind_the_date_say_the_same(self) -> None:
        other = read(
            "ubl-invoice.xml",
            ("cbc:", "a:"),
            (":cbc=", ":a="),
            ("cac:", "b:"),
            (":cac=", ":b="),
            ("-03-02<", "-03-02Z<"),
        )
        assert (other.issue_date, other.totals, other.lines) == (
            date(2026, 3, 2),
            read("ubl-invoice.xml").totals,
            read("ubl-invoice.xml").lines,
        )

    def test_a_category_without_a_rate_is_charged_at_nothing(self) -> None:
        reverse = read(
            "ubl-invoice.xml", ("<cbc:ID>S</cbc:ID>\n        <cbc:Percent>10</cbc:Percent>", "<cbc:ID>AE</cbc:ID>")
        )
        assert reverse.lines[1].taxes == (Tax(percent=D(0), category="AE", source_name="AE 0 %"),)


class TestCii:
    def test_the_head(self) -> None:
        invoice = read("cii-invoice.xml")
        assert (invoice.kind, invoice.number, invoice.company) == (Kind.INVOICE, "FA-2026-31", "FR44732829320")
        assert (invoice.issue_date, invoice.due_date, invoice.delivery_date) == (
            date(2026, 3, 4),
            date(2026, 4, 4),
            date(2026, 3, 4),
        )
        assert (invoice.buyer_reference, invoice.purchase_order, invoice.note) == (
            "ACHATS",
            "BC-88",
            "Livraison à l'atelier",
        )
        assert invoice.payment == Payment(
            iban="FR7630006000011234567890189", bic="AGRIFRPPXXX", terms="30 jours", reference="FA-2026-31"
        )

    def test_the_parties(self) -> None:
        buyer = read("cii-invoice.xml").buyer
        assert (buyer.tax_number, buyer.legal_ids, buyer.country) == (
            "FR96552100554",
            (LegalId(scheme="0002", value="552100554"),),
            "FR",
        )
        assert (buyer.email, buyer.city) == ("compta@canal.example", "Toulouse")

    def test_amounts_are_before_what_was_prepaid(self) -> None:
        invoice = read("cii-invoice.xml")
        assert invoice.totals == Totals(net=D(170), tax=D(24), payable=D(194))
        assert figures(invoice) == [(TaxKind.VAT, D(20), D(120), D(24)), (TaxKind.VAT, D(0), D(50), D(0))]

    def test_a_reason_that_stands_with_the_totals_is_that_of_the_line(self) -> None:
        lamp, training = read("cii-invoice.xml").lines
        assert (lamp.taxes[0].reason, training.taxes[0].reason) == (None, "VATEX-EU-132-1I")
        assert (lamp.quantity, lamp.net_price, lamp.net_amount, lamp.article_code) == (D(3), D(40), D(120), "LAMPE-9")

    def test_a_credit_note_names_its_original(self) -> None:
        invoice = read("cii-credit-note.xml")
        assert (invoice.kind, invoice.totals.payable) == (Kind.CREDIT_NOTE, D(194))
        assert invoice.original == Original(key=None, number="FA-2026-31", date=date(2026, 3, 4))

    def test_a_credit_note_of_several_invoices_names_them_all(self) -> None:
        end = "</ram:InvoiceReferencedDocument>"
        another = f"<ram:InvoiceReferencedDocument><ram:IssuerAssignedID>FA-2026-30</ram:IssuerAssignedID>{end}"
        invoice = read("cii-credit-note.xml", (end, end + another))
        assert [each.number for each in invoice.originals] == ["FA-2026-31", "FA-2026-30"]

    def test_a_credit_note_written_below_zero_has_positive_amounts_too(self) -> None:
        below = [(f">{n}</ram:{what}", f">-{n}</ram:{what}") for n, what in (
            ("170.00", "TaxBasisTotalAmount"), ("194.00", "GrandTotalAmount"), ("120.00", "BasisAmount"),
            ("50.00", "BasisAmount"), ("24.00", "CalculatedAmount"), ("120.00", "LineTotalAmount"),
            ("50.00", "LineTotalAmount"), ("3.0000", "BilledQuantity"), ("1", "BilledQuantity"),
        )]  # fmt: skip
        turned = read("cii-credit-note.xml", *below, ('EUR">24.00', 'EUR">-24.00'))
        usual = read("cii-credit-note.xml")
        assert (turned.lines, turned.totals, turned.tax_totals) == (usual.lines, usual.totals, usual.tax_totals)


class TestFacturae:
    @pytest.mark.parametrize("name", ["facturae-3.2.xml", "facturae-3.2.1.xml", "facturae-3.2.2-signed.xsig"])
    def test_all_three_versions(self, name: str) -> None:
        invoice = read(name)
        assert (invoice.kind, invoice.series, invoice.currency) == (Kind.INVOICE, "A26", "EUR")
        assert invoice.totals == Totals(net=D(100), tax=D(21), withholding=D(-15), payable=D(106))
        assert figures(invoice) == [
            (TaxKind.VAT, D(21), D(100), D(21)),
            (TaxKind.WITHHOLDING, D(-15), D(100), D(-15)),
        ]
        assert (invoice.due_date, invoice.purchase_order, invoice.contract) == (
            date(2026, 4, 5),
            "PED-19",
            "EXP-300",
        )

    def test_a_public_body_has_its_offices(self) -> None:
        buyer = read("facturae-3.2.2-signed.xsig").buyer
        assert (buyer.key, buyer.name, buyer.country) == ("ESP2807900B", "Ayuntamiento de Ejemplo", "ES")
        assert buyer.dir3_codes == (("01", "L01280796"), ("02", "L01280797"), ("03", "L01280798"))
        assert buyer.is_public_body

    def test_a_line(self) -> None:
        [line] = read("facturae-3.2.2-signed.xsig").lines
        assert line == Line(
            description="Revisión de la instalación",
            quantity=D(2),
            net_price=D("52.5"),
            net_amount=D(100),
            unit="HUR",
            article_code="REV-2",
            allowances=(AllowanceCharge(amount=D(5), description="Acuerdo marco"),),
            taxes=(
                Tax(percent=D(21), category="S", name="IVA", source_name="S 21.00 %"),
                Tax(kind=TaxKind.WITHHOLDING, percent=D(-15), name="IRPF", source_name="IRPF 15.00 %"),
            ),
        )

    def test_a_correction_below_zero_is_a_credit_note_with_positive_amounts(self) -> None:
        invoice = read("facturae-3.2.2-corrective.xml")
        usual = read("facturae-3.2.2-signed.xsig")
        assert (invoice.kind, invoice.number, invoice.series) == (Kind.CREDIT_NOTE, "0003", "R26")
        assert invoice.original == Original(key=None, number="0042", date=date(2026, 3, 6))
        assert (invoice.lines, invoice.totals, invoice.tax_totals) == (usual.lines, usual.totals, usual.tax_totals)

    def test_a_correction_that_raises_is_an_invoice_that_names_an_earlier_one(self) -> None:
        raises = read("facturae-3.2.2-corrective.xml", (">-", ">"))
        assert (raises.kind, raises.original and raises.original.number) == (Kind.INVOICE, "0042")

    def test_the_equivalence_surcharge_is_a_tax_of_its_own(self) -> None:
        before = "</TaxAmount>\n        </Tax>\n      </TaxesOutputs>"
        amount = "<EquivalenceSurchargeAmount><TotalAmount>5.20</TotalAmount></EquivalenceSurchargeAmount>"
        rate = "<EquivalenceSurcharge>5.20</EquivalenceSurcharge>"
        extra = before.replace("</TaxAmount>", f"</TaxAmount>{rate}{amount}")
        assert figures(read("facturae-3.2.xml", (before, extra)))[1] == (
            TaxKind.SURCHARGE,
            D("5.2"),
            D(100),
            D("5.2"),
        )

    def test_what_is_exempt_says_so_and_its_words_are_enough(self) -> None:
        why = "<SpecialTaxableEventReason>Exenta, art. 20 LIVA</SpecialTaxableEventReason>"
        event = (
            f"<SpecialTaxableEvent><SpecialTaxableEventCode>01</SpecialTaxableEventCode>{why}</SpecialTaxableEvent>"
        )
        exempt = [
            ("<TaxRate>21.00<", "<TaxRate>0<"),
            ("<TotalAmount>21.00<", "<TotalAmount>0<"),
            ("<TotalTaxOutputs>21.00<", "<TotalTaxOutputs>0<"),
            ("<InvoiceTotal>106.00<", "<InvoiceTotal>85.00<"),
            ("<ArticleCode>", f"{event}<ArticleCode>"),
        ]
        invoice = read("facturae-3.2.xml", *exempt)
        assert (invoice.lines[0].taxes[0].category, invoice.lines[0].taxes[0].reason) == ("E", "Exenta, art. 20 LIVA")
        assert judge(invoice, now=NOW, levels={}).blocks == ()

    def test_a_discount_over_lines_of_several_rates_needs_no_rate_of_its_own(self) -> None:
        """Facturae tells no tax of it: the bases of the rates are without it."""
        content = sample("facturae-3.2.xml").decode()
        line = content[content.index("<InvoiceLine>") : content.index("</Items>")]
        reduced = line.replace("<TaxRate>21.00<", "<TaxRate>10.00<").replace(
            "<TotalAmount>21.00<", "<TotalAmount>10.00<"
        )
        untaxed = reduced[: reduced.index("<TaxesWithheld>")] + reduced[reduced.index("<TaxesOutputs>") :]
        tax = content[content.index("<TaxesOutputs>") : content.index("</TaxesOutputs>")]
        first = tax.replace(">100.00<", ">90.00<").replace(">21.00</TotalAmount>", ">18.90</TotalAmount>")
        second = tax.removeprefix("<TaxesOutputs>").replace(">100.00<", ">90.00<").replace(">21.00<", ">10.00<")
        second = second.replace(">10.00</TotalAmount>", ">9.00</TotalAmount>")
        discount = "<DiscountReason>Pronto pago</DiscountReason><DiscountAmount>20.00</DiscountAmount>"
        general = f"<GeneralDiscounts><Discount>{discount}</Discount></GeneralDiscounts><TotalGrossAmountBeforeTaxes>"
        invoice = read(
            "facturae-3.2.xml",
            (line, line + untaxed),
            (tax, first + second),
            ("<TotalGrossAmountBeforeTaxes>100.00<", f"{general}180.00<"),
            ("<TotalTaxOutputs>21.00<", "<TotalTaxOutputs>27.90<"),
            ("<InvoiceTotal>106.00<", "<InvoiceTotal>192.90<"),
        )
        assert [(part.description, part.amount) for part in invoice.allowances] == [("Pronto pago", D(20))]
        assert [tax.percent for each in invoice.lines for tax in each.taxes if tax.kind is TaxKind.VAT] == [21, 10]
        assert judge(invoice, now=NOW, levels={}).blocks == ()

    @pytest.mark.parametrize(
        ("tax", "stated", "payable", "fits"),
        [
            ("20.9979", "21.00", "106.00", True),
            ("20.99790000", "20.9979", "106.00", True),
            ("20.9979", "20.9979", "105.9979", True),
            ("20.994", "21.00", "106.00", False),
            ("20.99", "21.00", "106.00", False),
            ("21.00", "21.00", "106.01", False),
            ("20.9979", "20.9979", "106.01", False),
        ],
    )
    def test_amounts_may_have_more_decimals_than_their_sum(
        self, tax: str, stated: str, payable: str, fits: bool
    ) -> None:
        """As of 3.2.1 up to eight; the total is what the customer pays."""
        breakdown = "<TaxAmount><TotalAmount>{}</TotalAmount>"
        invoice = read(
            "facturae-3.2.1.xml",
            (breakdown.format("21.00"), breakdown.format(tax)),
            ("<TotalTaxOutputs>21.00<", f"<TotalTaxOutputs>{stated}<"),
            ("<InvoiceTotal>106.00<", f"<InvoiceTotal>{payable}<"),
        )
        assert invoice.tax_totals[0].amount == D(tax)
        blocks = judge(invoice, now=NOW, levels={}).blocks
        assert [problem.reason for problem in blocks] == ([] if fits else ["totals_do_not_add_up"])

    def test_a_person_has_a_full_name(self) -> None:
        company = "<LegalEntity>\n        <CorporateName>Ayuntamiento de Ejemplo</CorporateName>"
        person = "<Individual><Name>Ana</Name><FirstSurname>Gil</FirstSurname><SecondSurname>Ruiz</SecondSurname>"
        mail = "registro@ayuntamiento.example</ElectronicMail></ContactDetails>\n      </LegalEntity>"
        buyer = read("facturae-3.2.xml", (company, person), (mail, mail.replace("LegalEntity", "Individual"))).buyer
        assert (buyer.name, buyer.is_company, buyer.city) == ("Ana Gil Ruiz", False, "Madrid")

    def test_countries_come_in_three_letters(self) -> None:
        assert (country_code("ESP"), country_code("fra"), country_code("???"), country_code(None)) == (
            "ES",
            "FR",
            "???",
            None,
        )


def batch_of_two() -> bytes:
    content = sample("facturae-3.2.xml").decode()
    start, end = content.index("    <Invoice>"), content.index("  </Invoices>")
    return (content[:end] + content[start:end].replace("0044", "0045") + content[end:]).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "billion laughs": (
        b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
        "has a document type or entities",
    ),
    "external entity": (
        b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>',
        "has a document type or entities",
    ),
    "external document type": (b'<!DOCTYPE l SYSTEM "http://127.0.0.1:1/x.dtd"><l/>', "has a document type"),
    "parameter entity": (b'<!DOCTYPE l [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x">%a;]><l/>', "has a document type"),
    "no XML": (b"%PDF-1.7 not XML", "is no XML"),
    "nothing": (b"", "is no XML"),
    "half": (sample("ubl-invoice.xml")[:3000], "is no XML, or not all of it"),
    "unknown encoding": (b'<?xml version="1.0" encoding="utf-7"?><a/>', "is no XML"),
    "wrong root": (b"<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'/>", "begins with Order"),
    "right name in a wrong namespace": (b"<Invoice xmlns='urn:x'/>", "begins with Invoice"),
    "two invoices": (batch_of_two(), "holds 2 invoices; each needs a file of its own"),
    "old Facturae": (sample("facturae-3.2.xml", (">3.2<", ">3.1<")), "is a Facturae of version 3.1"),
    "no totals": (
        sample("ubl-invoice.xml", ("TaxInclusiveAmount", "Nothing")),
        "has no Invoice/LegalMonetaryTotal/TaxInclusiveAmount",
    ),
    "no supplier": (sample("ubl-invoice.xml", ("ESB76543214", "")), "does not name the supplier's tax number"),
    "an exponent": (sample("ubl-invoice.xml", (">146.00<", ">1e999999999<")), "which is no number"),
    "no number at all": (sample("ubl-invoice.xml", (">146.00<", ">NaN<")), "'NaN' in LegalMonetaryTotal"),
    "a number in Arabic digits": (sample("ubl-invoice.xml", (">146.00<", ">١٤٦<")), "which is no number"),
    "an endless amount": (sample("ubl-invoice.xml", (">146.00<", f">{'9' * 5000}<")), "which is no number"),
    "an amount of 19 digits": (sample("ubl-invoice.xml", (">146.00<", f">{'9' * 19}<")), "beyond all measure"),
    "a rate of 30 digits": (sample("ubl-invoice.xml", ("<cbc:Percent>21", f"<cbc:Percent>{'9' * 30}")), "beyond all"),
    "no date": (sample("ubl-invoice.xml", ("2026-03-02", "2026-02-30")), "which is no date"),
    "an endless number": (sample("ubl-invoice.xml", ("F2026-0101", "F" * 300)), "has 300 characters in its number"),
    "a currency in words": (sample("ubl-invoice.xml", (">EUR<", ">euros<")), "no code of three letters"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_or_broken_file_is_refused_in_one_sentence(name: str) -> None:
    content, words = BAD[name]
    with pytest.raises(UnreadableError) as refused:
        read_invoice(content, key="bad.xml")
    sentence = f"The file bad.xml {refused.value}."
    assert words in sentence
    assert len(sentence) < 250
    assert "\n" not in sentence
    assert "root:" not in sentence


def test_numbers_of_18_digits_and_of_many_decimals_are_computed_with() -> None:
    for number in ("9" * 18, f"{'9' * 18}.{'9' * 21}", f"0.{'0' * 37}1"):
        judge(read("ubl-invoice.xml", (">146.00<", f">{number}<")), now=NOW, levels={})


def test_elements_within_elements_without_end_do_no_harm() -> None:
    with pytest.raises(UnreadableError):
        read_invoice(b"<a>" * 300_000 + b"</a>" * 300_000, key="deep.xml")
