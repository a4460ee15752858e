"""From a file's bytes to the canonical invoice, whichever of the formats it is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from connector.adapters.folder import cii, facturae, ubl
from connector.adapters.folder.values import positive
from connector.adapters.folder.xml import Node, UnreadableError, root_of
from connector.domain.identity import file_digest
from connector.domain.invoice import Invoice


def read_invoice(content: bytes, *, key: str) -> Invoice:
    """Return what a file says. What is attached or signed within stays unread.

    Raises:
        UnreadableError: it is no document of a known format, or not one that can be understood.
    """
    found = positive(_read(root_of(content)))
    _see_that_it_fits(found)
    return replace(found, key=key, file_digest=file_digest(content))


_LONGEST: Final = 255
_LONGEST_CODE: Final = 64


def _see_that_it_fits(invoice: Invoice) -> None:
    """Nobody's number is longer; what is cut off could not be found again, and no ledger keeps a novel."""
    original = max((each.number for each in invoice.originals), key=len, default=None)
    codes = {
        "series": invoice.series,
        "supplier": invoice.company,
        "customer's number": invoice.buyer.key,
    }
    if invoice.currency is not None and not re.fullmatch("[A-Z]{3}", invoice.currency):
        raise UnreadableError("names its currency by no code of three letters")
    numbers = {"number": invoice.number, "number of the original": original}
    for limit, texts in ((_LONGEST, numbers), (_LONGEST_CODE, codes)):
        for name, text in texts.items():
            if text is not None and len(text) > limit:
                raise UnreadableError(f"has {len(text)} characters in its {name}, more than {limit}")


def _read(root: Node) -> Invoice:
    name = (root.namespace, root.name)
    if name in ubl.ROOTS:
        return ubl.read(root)
    if name in cii.ROOTS:
        return cii.read(root)
    if facturae.is_facturae(root):
        return facturae.read(root)
    raise UnreadableError(f"begins with {root.name}: it is no UBL invoice or credit note, no CII, no Facturae")
