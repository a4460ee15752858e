"""What the names of Spanish taxes tell, where an ERP keeps nothing better."""

from __future__ import annotations

import re
from typing import Final

WITHHOLDING: Final = re.compile(r"(?i)\bIRPF\b|\bretenci[oó]n(es)?\b")
"""Of a tax with a negative rate."""

SURCHARGE: Final = re.compile(r"(?i)\brecargo\b.*\bequivalencia\b|\brec\.\s*eq(uiv)?\b|\bR\.\s?E\.")
"""Of a tax with a rate above zero: the equivalence surcharge."""

_FAMILY: Final = re.compile(r"(?i)(?<![a-z])(IGIC|IPSI|IVA)(?![a-z])")


def family(*texts: str) -> str | None:
    """Return what is charged in place of VAT: IGIC on the Canary Islands, IPSI in Ceuta and Melilla.

    The first text that names a tax decides. None where it names VAT too, as a note on sales to there does, or both.
    """
    for text in texts:
        if named := {found.upper() for found in _FAMILY.findall(text)}:
            return named.pop() if len(named) == 1 and "IVA" not in named else None
    return None
