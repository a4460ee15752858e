"""Italy: form of the number, and how the exchange reaches a recipient."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.it import codes, rules

ITALY: Final = Country(code="IT", number=codes.NUMBER, number_form=codes.NUMBER_FORM, rules=rules.RULES)
