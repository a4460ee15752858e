"""Dolibarr's texts: HTML where the site has its editor switched on, else lines as they were typed."""

from __future__ import annotations

import re
from typing import Final

from connector.adapters.database import plain
from connector.adapters.texts import plain_text

# As Dolibarr itself tells the two apart (`dol_textishtml`): by common tags and by entities.
_HTML: Final = re.compile(
    r"</?(?:html|body|textarea|font|em|p|span|div|strong|b|i|u|a|h[1-6]|ul|ol|li|table|tr|td|br|img)(?:\s[^<>]*)?/?>"
    r"|&(?:[a-z]{2,8}|#\d{1,6});",
    re.IGNORECASE,
)


def words(text: str | None) -> str | None:
    """Return a text without mark-up; line breaks of a typed text stay."""
    if text and _HTML.search(text):
        return plain_text(text)
    return plain(text.replace("\r\n", "\n")) if text else None
