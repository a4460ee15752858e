"""What B2Brouter answered, kept small: for whoever has to prove one day what was said."""

from __future__ import annotations

import zlib
from typing import Final

LONGEST: Final = 64 * 1024
"""Bytes of an answer that is kept; an invoice of a hundred lines takes a third of it."""

_WINDOW: Final = 13
_MEMORY: Final = 5
"""Of zlib's settings: a fifth of the time of the usual ones, which clear 256 KB first, and no byte more."""


def packed(answer: bytes | None) -> bytes | None:
    """Return an answer as the ledger keeps it; None where there is nothing, or more than is kept."""
    if not answer or len(answer) > LONGEST:
        return None
    packer = zlib.compressobj(wbits=_WINDOW, memLevel=_MEMORY)
    return packer.compress(answer) + packer.flush()


def unpacked(kept: bytes) -> str:
    """Return an answer as it came; what is no UTF-8 is shown as such."""
    return zlib.decompress(kept).decode(errors="backslashreplace")
