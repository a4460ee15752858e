"""Whether the register of VAT numbers is asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from config.sections.section import Section


class ViesSettings(Section):
    """The European Commission's register of VAT numbers in trade between member states."""

    unregistered: Literal["ignore", "warn", "block"] = Field(
        "ignore",
        description="What a customer's VAT number that is not in VIES does to an invoice: block holds it, warn says "
        "so in its timeline; ignore: VIES is never asked. VIES out of reach never stops anything.",
    )
    domestic: bool = Field(
        False,
        description="Ask about customers of the issuer's own country too; many of them are rightly not in VIES.",
    )
    keep_days: float = Field(30, gt=0, le=365, description='Days for which VIES\'s "yes" is believed.')
    timeout: float = Field(5, gt=0, le=10, description="Longest question, in seconds.")
    base_url: str = Field(
        "https://ec.europa.eu/taxation_customs/vies/rest-api",
        pattern=r"^https?://\S+$",
        description="Address of VIES's REST interface.",
    )
