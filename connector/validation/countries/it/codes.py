"""Italian code lists."""

from __future__ import annotations

from typing import Final

NUMBER: Final = r"(?=.*[0-9])[\x20-\xff]{1,20}"
NUMBER_FORM: Final = "1-20, 0-9"
"""FatturaPA: `Numero`, at most 20 Latin characters and at least one digit (check 00425)."""
