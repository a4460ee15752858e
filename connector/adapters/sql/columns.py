"""The columns that each query may give, and what they mean.

Names are those of the canonical invoice. A column outside these lists is a mistake and is named, and so is a
missing one. Amounts are in the document's currency. NULL says "none".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from connector.adapters.options import nearest
from connector.domain.errors import UsageError

# key: of the customer's own record, by which changes of its data are followed. Without it, or where it is NULL, a
# customer is told by its tax number or registered number, else by all that is known of it. NULL is right for a record
# that stands for several customers, such as all over the counter: what one key names, is one customer.
# is_public_body: without it, or where it is NULL, a body is known by service_code, by its offices (dir3_…), by its
# SIRET in France, or by its tax number in Spain.
_PARTY: Final = (
    "key name tax_number siren siret service_code legal_scheme legal_id"
    " country address address2 city postal_code province email phone language"
    " is_company is_public_body dir3_fiscal dir3_receiver dir3_payer recipient_code certified_email"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What one query gives."""

    query: str
    required: frozenset[str]
    optional: frozenset[str]

    def check(self, given: Sequence[str]) -> None:
        """Compare with the columns of a result.

        Raises:
            UsageError: names the query and the first column that is missing, unknown or there twice.
        """
        for _, fault in self.faults(given):
            raise UsageError(f"The query {self.query} {fault}", action=f"Correct {self.query} in the configuration.")

    def faults(self, given: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield each column that is missing, unknown or there twice, and the end of a sentence about it."""
        known = self.required | self.optional
        for column in given:
            if column not in known:
                yield column, f"gives a column {column} that is not known{nearest(column, sorted(known))}"
        for column in sorted(self.required):
            if column not in given:
                yield column, f"does not give the column {column}."
        for column in dict.fromkeys(given):
            if given.count(column) > 1:
                yield column, "gives a column twice."


def _columns(query: str, required: str, optional: str) -> Columns:
    return Columns(query=query, required=frozenset(required.split()), optional=frozenset(optional.split()))


def _party(role: str) -> str:
    return " ".join(f"{role}_{name}" for name in _PARTY.split())


# Days may be instants, if they say their zone: then they are days of the option timezone. A TIMESTAMP of MySQL says
# none, and is read in UTC: give DATE(CONVERT_TZ(issued_at, '+00:00', 'Europe/Madrid')).
FIND: Final = _columns(
    "find",
    "document_key changed_at number kind issue_date currency total",  # total: payable
    # confirmed_at: when the document was confirmed, a time or a day; for since_by = "confirmed_at".
    "company customer original_key confirmed_at",
)
HEADER: Final = _columns(
    "header",
    # confirmed: false for drafts and cancelled documents. net: before tax. tax: VAT and surcharges. payable:
    # what the document shows at its end.
    "document_key confirmed number kind issue_date currency net tax payable buyer_name",
    "company series due_date withholding buyer_reference purchase_order contract sales_order note"
    # payment_method: how the customer pays, by its code of UNCL 4461 (30 transfer, 49 direct debit, 48 card,
    # 20 cheque, 10 cash); without one, by transfer to payment_iban. A transfer without an account, and a direct
    # debit, whose mandate has no column, are told in words alone.
    " delivery_date amend_reason payment_iban payment_bic payment_method payment_method_text payment_terms"
    " payment_reference"
    " original_key original_number original_date original_confirmed"
    # reference, xref: what an earlier write-back left there; a document that has them is never issued anew.
    " reference xref"
    # invoice_email: of the contact chosen for this document, where it differs from the buyer's.
    f" invoice_email {_party('buyer')} {_party('seller')}",
)
LINES: Final = _columns(
    "lines",
    # net_price: before tax, before the line's discount. net_amount: after it, as the ERP rounded it.
    "document_key description quantity net_price net_amount",
    # line_key ties the line to the query taxes; without that query, the line has the one tax given here.
    # unit: its UN/ECE code. unit_name: what the customer reads where B2Brouter has no number for it.
    "line_key base_quantity unit unit_name article_code discount discount_text"
    " tax_percent tax_category tax_reason tax_name tax_label",
)
TAXES: Final = _columns("taxes", "line_key percent", "kind category reason name label")
TAX_TOTALS: Final = _columns("tax_totals", "document_key percent base amount", "kind category reason name label")
ATTACHMENTS: Final = _columns(
    "attachments",
    # size: in bytes. version: anything that changes with the content, such as a check sum or a time.
    "document_key name size version",
    "is_view",  # the document itself as people read it, in place of B2Brouter's own PDF
)
ATTACHMENT: Final = _columns("attachment", "name content", "")
COMPANIES: Final = _columns("companies", "company name", "tax_number country")
READ_BACK: Final = _columns("read_back", "reference xref", "")
