"""How a correction is told to B2Brouter, as far as others than the payload must know it."""

from __future__ import annotations

from datetime import date

from connector.domain.invoice import Invoice, Original


def by_spanish_law(invoice: Invoice) -> bool:
    """Whether the issuer is Spanish: the country is the seller's, for it is the seller's law that is kept."""
    return (invoice.seller.country or "").upper() == "ES"


def remote_sign(invoice: Invoice) -> int:
    """Return -1 where B2Brouter shows this document's amounts with the opposite sign of ours, else +1.

    Our amounts are positive for credit notes too. A Spanish issuer corrects by a document with negative
    quantities; everywhere else a flag says "credit note" and the amounts stay positive (API reference 8.5).
    """
    return -1 if invoice.is_credit_note and by_spanish_law(invoice) else 1


def follows_original(invoice: Invoice) -> bool:
    """Whether the document may leave only after the one that it corrects.

    Every credit note. A debit note, an invoice that raises what an earlier one billed, is a corrective invoice
    (factura rectificativa) in Spain; elsewhere it stands for itself and merely names the earlier one.
    """
    return invoice.is_credit_note or (invoice.original is not None and by_spanish_law(invoice))


def issued_elsewhere(original: Original, *, since: date | None) -> bool:
    """Whether the ERP says that an original was issued, but never here.

    It is older than the day from which on documents are sent, or the ERP knows no more of it than its number.

    Args:
        original: not in the ledger.
        since: the source's start date.
    """
    if not original.confirmed or not original.number:
        return False
    before = since is not None and original.date is not None and original.date < since
    return before or original.key is None
