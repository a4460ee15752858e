"""Italy: form of the number. Recipient code and PEC have no place in the canonical invoice yet."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.it import codes

ITALY: Final = Country(code="IT", number=codes.NUMBER, number_form=codes.NUMBER_FORM)
