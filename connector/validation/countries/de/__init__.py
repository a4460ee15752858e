"""Germany: the Leitweg-ID of public bodies."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.de import rules

GERMANY: Final = Country(code="DE", rules=rules.RULES)
