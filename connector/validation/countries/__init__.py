"""One folder per country: code lists as data, rules as functions. A new country is a folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.validation.countries.be import BELGIUM
from connector.validation.countries.country import Country
from connector.validation.countries.de import GERMANY
from connector.validation.countries.es import SPAIN
from connector.validation.countries.fr import FRANCE
from connector.validation.countries.it import ITALY
from connector.validation.countries.nl import NETHERLANDS
from connector.validation.countries.pt import PORTUGAL

COUNTRIES: Final[Mapping[str, Country]] = {
    country.code: country for country in (BELGIUM, GERMANY, SPAIN, FRANCE, ITALY, NETHERLANDS, PORTUGAL)
}

__all__ = ["COUNTRIES", "Country"]
