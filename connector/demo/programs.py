"""How to call, in the shell of whoever watches the demo, the programs of the installation that plays it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def interpreter() -> str:
    """Return the words that call the interpreter that runs, whether or not its folder is on the PATH."""
    return shlex.quote(_short(Path(sys.executable)))


def connector() -> str:
    """Return the words that call the command line of the same installation."""
    script = Path(sys.executable).with_name("connector")
    return shlex.quote(_short(script)) if script.exists() else f"{interpreter()} -m connector.cli"


def _short(program: Path) -> str:
    """Links are not followed: a virtual environment's interpreter is one, and knows its packages by its place."""
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
