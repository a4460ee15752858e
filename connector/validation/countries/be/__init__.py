"""Belgium: the Peppol endpoint."""

from typing import Final

from connector.validation.countries.be import rules
from connector.validation.countries.country import Country

BELGIUM: Final = Country(code="BE", rules=rules.RULES)
