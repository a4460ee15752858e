"""How the connector speaks to people."""

from __future__ import annotations

from pydantic import Field

from config.sections.section import Section
from connector.domain.catalogue import Language


class ConsoleSettings(Section):
    """How the connector speaks to people."""

    language: Language = Field(
        "en", description="Language of reasons and cures on the command line: en, es, fr or ca; --lang overrides it."
    )
