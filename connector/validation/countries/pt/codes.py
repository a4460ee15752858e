"""Portuguese code lists."""

from __future__ import annotations

from typing import Final

NUMBER: Final = r"(?=.{1,60}$)[^ ]+ [^/ ]+/[0-9]+"
NUMBER_FORM: Final = "FT 2026/1"
"""SAF-T (PT): `InvoiceNo`, the kind of document, a blank, the series, a slash and the number."""
