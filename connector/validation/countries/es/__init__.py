"""Spain: reasons of the tax agency, equivalence surcharge, FACe."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.es import codes, rules

SPAIN: Final = Country(
    code="ES",
    reasons=codes.REASONS,
    number=codes.NUMBER,
    number_form=codes.NUMBER_FORM,
    rules=rules.RULES,
)
