"""What one country demands, as data and rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.validation.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Which reasons a tax category may have where an issuer of the country charges nothing."""

    pattern: str = ""  # of the whole reason; empty: any text
    form: str = ""  # the same for people
    demanded: bool = False  # whether a document without a reason is known not to be delivered

    def allow(self, reason: str) -> bool:
        """Whether the country understands this reason."""
        return not self.pattern or re.fullmatch(self.pattern, reason.strip(), re.ASCII) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """One country: the first fields bind its issuers, the rules say themselves whom they bind."""

    code: str  # ISO 3166-1 alpha-2
    reasons: Mapping[str, Reasons] = field(default_factory=dict)  # by category
    number: str = ""  # pattern of a whole invoice number; empty: any
    number_form: str = ""  # the same for people
    rules: tuple[Rule, ...] = ()

    def takes_number(self, number: str) -> bool:
        """Whether the country's authority takes this invoice number."""
        return not self.number or re.fullmatch(self.number, number) is not None
