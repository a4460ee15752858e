"""Rules that bind Spanish issuers and Spanish public bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from connector.domain.invoice import Invoice, TaxKind
from connector.validation.countries.es import codes
from connector.validation.rule import Level, Problem, Rule, name_of, rule, taxes


def _is_for_face(invoice: Invoice) -> bool:
    buyer = invoice.buyer
    return buyer.country == "ES" and (buyer.is_public_body or bool(buyer.dir3_codes))


@rule("dir3_missing", level=Level.WARN, source="design 3; Facturae 3.2, AdministrativeCentres")
def has_its_three_offices(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """FACe delivers by three DIR3 codes: accounts (01), receiver (02), payer (03).

    A warning by default: the API has no known field for them, so that they live on the contact at B2Brouter, where a
    person enters them, and the ERP may rightly have none. An account whose ERP is to keep them says
    `dir3_missing = "block"`.
    """
    if not _is_for_face(invoice):
        return
    present = {role for role, code in invoice.buyer.dir3_codes if code.strip()}
    missing = [f"{role} ({name})" for role, name in codes.DIR3_ROLES.items() if role not in present]
    if missing:
        yield Problem("dir3_missing", {"party": invoice.buyer.name, "roles": ", ".join(missing)})


@rule("dir3_wrong", level=Level.WARN, source="DIR3, Directorio Común")
def has_offices_that_can_exist(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """A DIR3 code has nine characters; a warning as long as B2Brouter does not get it from us (`dir3_missing`)."""
    if not _is_for_face(invoice):
        return
    for role, code in invoice.buyer.dir3_codes:
        if code.strip() and not re.fullmatch(codes.DIR3, code.strip().upper(), re.ASCII):
            yield Problem("dir3_wrong", {"party": invoice.buyer.name, "role": role, "code": code})


@rule("surcharge_rate_unusual", level=Level.WARN, source="Ley 37/1992, art. 161")
def has_the_surcharge_of_its_rate(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """Each rate of VAT has its equivalence surcharge: 5.2 % goes with 21 %."""
    if invoice.seller.country != "ES":
        return
    for line, tax in taxes(invoice):
        rates = [vat.percent for vat in line.taxes if vat.kind is TaxKind.VAT and vat.percent is not None]
        if tax.kind is not TaxKind.SURCHARGE or tax.percent is None or not rates:
            continue
        if not any(tax.percent in codes.SURCHARGES.get(rate, ()) for rate in rates):
            facts = {"percent": f"{tax.percent:f}", "vat": f"{rates[0]:f}", "line": name_of(line)}
            yield Problem("surcharge_rate_unusual", facts)


@rule("tax_of_elsewhere", level=Level.WARN, source="Ley 37/1992, art. 3; tax_names.csv, IGIC, IPSI")
def has_the_tax_of_its_place(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """On the Canary Islands IGIC is charged, in Ceuta and Melilla IPSI, and VAT only on supplies elsewhere."""
    seller = invoice.seller
    usual = codes.ELSEWHERE.get(seller.postal_code.strip()[:2])
    if seller.country != "ES" or usual is None or invoice.file_digest is not None:
        return  # a file that is imported has names of its own
    for line, tax in taxes(invoice):
        if tax.kind is TaxKind.VAT and tax.percent and tax.name in {None, "IVA"}:
            facts = {"tax": tax.source_name, "usual": usual, "code": seller.postal_code.strip()}
            yield Problem("tax_of_elsewhere", {**facts, "line": name_of(line)})
            return


@rule("postal_code_wrong", source="API 5.2")
def has_a_postal_code_of_five_digits(invoice: Invoice, now: datetime) -> Iterator[Problem]:
    """B2Brouter takes Spanish postal codes of five digits alone; an ERP that keeps numbers loses the first zero."""
    code = invoice.buyer.postal_code.strip()
    if invoice.buyer.country == "ES" and code and not re.fullmatch(r"\d{5}", code, re.ASCII):
        yield Problem("postal_code_wrong", {"code": code, "party": invoice.buyer.name})


RULES: Final[tuple[Rule, ...]] = (
    has_its_three_offices,
    has_offices_that_can_exist,
    has_the_surcharge_of_its_rate,
    has_the_tax_of_its_place,
    has_a_postal_code_of_five_digits,
)
