"""French code lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.validation.countries.country import Reasons

REASONS: Final[Mapping[str, Reasons]] = {
    "E": Reasons(pattern=r"VATEX-(EU|FR)-[0-9A-Z-]+", form="VATEX-…", demanded=True),
}
"""An exempt line without a VATEX code is stored, and never sent (API 8.3, 12)."""

NUMBER: Final = r"[A-Za-z0-9 \-+_/]{1,20}"
NUMBER_FORM: Final = "1-20 A-Z a-z 0-9 - + _ /"
"""As the DGFiP takes it (API 2.4)."""

SERVICE_CODE: Final = "8017"
"""B2Brouter's scheme for the service code of an organisational unit (schemes.csv)."""
