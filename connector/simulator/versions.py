"""API versions and what changed with each, as far as it shows on the wire.

Source: the vendor's migration guides. Versions are dates, so their text order is their age.
"""

from typing import Final

from connector.simulator.problems import ApiProblem

ENGLISH_NAMES: Final = "2025-10-13"
ALLOWANCE_CHARGES: Final = "2026-03-02"  # 201 on create, scheme codes as text, type_code, base_quantity
INVOICE_REFERENCES: Final = "2026-04-20"
ERROR_FIELDS: Final = "2026-06-26"

VERSIONS: Final = (ENGLISH_NAMES, ALLOWANCE_CHARGES, INVOICE_REFERENCES, ERROR_FIELDS)
LEGACY: Final = "2025-01-01"  # lives on another host name, with other paths


def chosen(header: str | None, group_default: str | None) -> str:
    """The version that a request is answered in.

    Raises:
        ApiProblem: 400, for a version that is missing, unknown or belongs to the legacy host.
    """
    version = header or group_default
    if version is None:
        raise ApiProblem(400, "missing_api_version", "No API version in the request nor in the group's settings")
    if version == LEGACY:
        raise ApiProblem(
            400, "api_version_subdomain_mismatch", f"API version {version} is not available on this host"
        )
    if version not in VERSIONS:
        raise ApiProblem(400, "invalid_api_version", f"API version {version} is not supported")
    return version
