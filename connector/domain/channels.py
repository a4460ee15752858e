"""Which transports reach whom, where a country leaves no choice. Codes: API reference 6.3, transports.csv."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connector.domain.countries import state_of
from connector.domain.invoice import Party


@dataclass(frozen=True, slots=True)
class Channel:
    """Recipients that are reached by one of some transports, and by no other."""

    country: str  # ISO 3166-1 alpha-2
    public_only: bool
    recipients: str  # in words, after "to"
    transports: tuple[str, ...]  # any of them will do; the usual one first

    def serves(self, buyer: Party) -> bool:
        """Whether documents to this buyer go this way."""
        return state_of(buyer.country) == self.country and (buyer.is_public_body or not self.public_only)


CHANNELS: Final[tuple[Channel, ...]] = (
    Channel("FR", True, "public bodies in France", ("fr.chorus",)),
    Channel("ES", True, "public bodies in Spain", ("es.face", "es.efact", "es.peca")),
    Channel("DE", True, "public bodies in Germany", ("peppol",)),
    Channel("NL", True, "public bodies in the Netherlands", ("peppol",)),
    Channel("BE", False, "customers in Belgium", ("peppol",)),
    Channel("IT", False, "customers in Italy", ("it.sdi",)),
)


def ways_beside(transport: str) -> tuple[str, ...]:
    """Return the transports that lead to the same recipients as one of them, the usual one first, and that one."""
    return next((channel.transports for channel in CHANNELS if transport in channel.transports), (transport,))


NONE_CHOSEN: Final = "b2brouter"
"""What a contact may show of whom nobody has said how documents reach it (API reference 5.2, not confirmed)."""


def is_of_one_country(transport: str, other: str) -> bool:
    """Whether two transports are networks of one country, as their codes say: `es.face`, `es.efact`."""
    country, dot, _ = transport.partition(".")
    return bool(dot) and other.startswith(f"{country}.")
