"""The command line. `group.COMMANDS` says which module has which command; only the one that is called is imported."""

from connector.cli.group import main

__all__ = ["main"]
