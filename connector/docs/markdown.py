"""Plain text in Markdown."""

from __future__ import annotations

import re
from typing import Final

_CODE_OR_MARK: Final = re.compile(r"`[^`]*`|\*|<(?=[a-zA-Z/!])")

_PLAIN: Final = {"*": r"\*", "<": "&lt;"}


def plain(text: str) -> str:
    """Return text in which nothing but code in backticks means anything to Markdown: `*.pdf` stays what it is."""
    return _CODE_OR_MARK.sub(lambda found: _PLAIN.get(found[0], found[0]), text)
