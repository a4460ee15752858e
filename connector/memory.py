"""What a process that lives for months does about its memory."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Final

_ARENA_MAX: Final = -8
"""M_ARENA_MAX of glibc's <malloc.h>."""

_ARENAS: Final = 2


def few_arenas() -> None:
    """Have all threads of this process share two stores of freed memory, where the C library is glibc.

    By itself it makes eight for each core, and what the threads of one freed the others cannot use. Python's threads
    take turns, so that they hardly ever want memory at the same time. Called before threads are started.
    """
    _ask_the_c_library("mallopt", _ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give the system what was freed: glibc keeps it where anything above it is still in use.

    What a page of documents took for a moment would else be held for months.
    """
    _ask_the_c_library("malloc_trim", 0)


def _ask_the_c_library(function: str, *arguments: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    library: Any = ctypes.CDLL(None)
    with suppress(AttributeError):  # musl has nothing of the kind
        getattr(library, function)(*arguments)
