"""Italian code lists."""

from __future__ import annotations

from typing import Final

NUMBER: Final = r"(?=.*[0-9])[\x20-\xff]{1,20}"
NUMBER_FORM: Final = "1-20, 0-9"
"""FatturaPA: `Numero`, at most 20 Latin characters and at least one digit (check 00425)."""

RECIPIENT: Final = r"[A-Z0-9]{7}"
OFFICE: Final = r"[A-Z0-9]{6}"
"""FatturaPA: `CodiceDestinatario` of companies, and of public bodies (the office's code in the IPA index)."""

MAIL_BOX: Final = r"[^@\s]+@[^@\s]+\.[^@\s.]+"
"""FatturaPA: `PECDestinatario`."""
