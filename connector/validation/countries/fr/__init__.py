"""France: VATEX, Chorus Pro, reporting to the DGFiP."""

from typing import Final

from connector.validation.countries.country import Country
from connector.validation.countries.fr import codes, rules

FRANCE: Final = Country(
    code="FR",
    reasons=codes.REASONS,
    number=codes.NUMBER,
    number_form=codes.NUMBER_FORM,
    rules=rules.RULES,
)
