"""Who may do what: roles of people, scopes of machines."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person may do in the console."""

    VIEWER = "viewer"  # sees everything, changes nothing
    OPERATOR = "operator"  # retries, holds, releases, skips, pauses

    @property
    def acts(self) -> bool:
        """Whether the role may change anything."""
        return self is Role.OPERATOR


class Scope(StrEnum):
    """What a machine may do over the API with its token."""

    READ = "read"
    ACT = "act"
    METRICS = "metrics"


SHORTEST_PASSWORD: Final = 12
"""Characters; length is what counts (NIST SP 800-63B)."""

LONGEST_PASSWORD: Final = 256
"""So that nobody keeps the machine busy with hashing."""
