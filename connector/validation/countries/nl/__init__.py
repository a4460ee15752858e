"""The Netherlands: the OIN of public bodies."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.nl import rules

NETHERLANDS: Final = Country(code="NL", rules=rules.RULES)
