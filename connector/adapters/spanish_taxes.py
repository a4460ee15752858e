"""What the names of Spanish taxes tell, where an ERP keeps nothing better."""

from __future__ import annotations

import re
from typing import Final

WITHHOLDING: Final = re.compile(r"(?i)\bIRPF\b|\bretenci[oó]n(es)?\b")
"""Of a tax with a negative rate."""

SURCHARGE: Final = re.compile(r"(?i)\brecargo\b.*\bequivalencia\b|\brec\.\s*eq(uiv)?\b|\bR\.\s?E\.")
"""Of a tax with a rate above zero: the equivalence surcharge."""
