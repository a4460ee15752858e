"""How sentences are put together, some of whose words come from outside."""

from __future__ import annotations

from typing import Final

_ENDS: Final = (".", ":", "?", "!", "…")


def sentences(found: str, action: str) -> str:
    """Return what was found and what to do about it, one after the other: words from outside may lack their end."""
    if not action:
        return found
    return f"{found}{'' if found.endswith(_ENDS) else '.'} {action}"
