"""How a correction is told to B2Brouter, as far as others than the payload must know it."""

from __future__ import annotations

from connector.domain.invoice import Invoice


def remote_sign(invoice: Invoice) -> int:
    """Return -1 where B2Brouter shows this document's amounts with the opposite sign of ours, else +1.

    Our amounts are positive for credit notes too. A Spanish issuer corrects by a document with negative
    quantities; everywhere else a flag says "credit note" and the amounts stay positive (API reference 8.5).
    The country is the seller's, for it is the seller's law that is kept.
    """
    return -1 if invoice.is_credit_note and (invoice.seller.country or "").upper() == "ES" else 1
