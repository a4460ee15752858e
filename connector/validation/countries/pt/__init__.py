"""Portugal: form of the number."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.pt import codes

PORTUGAL: Final = Country(code="PT", number=codes.NUMBER, number_form=codes.NUMBER_FORM)
