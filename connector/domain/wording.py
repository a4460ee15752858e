"""How sentences are put together, some of whose words come from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from connector.domain.errors import UsageError

_ENDS: Final = (".", ":", "?", "!", "…")


def sentences(found: str, action: str) -> str:
    """Return what was found and what to do about it, one after the other: words from outside may lack their end."""
    if not action:
        return found
    return f"{found}{'' if found.endswith(_ENDS) else '.'} {action}"


def unreadable(setting: str, file: Path, why: str) -> UsageError:
    """Return the error for a file that a person named: by its whole path, for a relative one means another elsewhere.

    Args:
        setting: that names it; "" for the configuration itself.
        file: as it was named.
        why: in the system's words.
    """
    see = "See that it is there, and that our user may read it."
    if not file.is_absolute():
        see = f"Give it by its whole path: {file} is looked for in the folder where the command is typed. {see}"
    return UsageError(f"{setting} {file.absolute()} cannot be read: {why}.".lstrip(), action=see)
