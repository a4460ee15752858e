"""The reference of the command line, made from the commands themselves: what they do, and every option."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from typing import Final

import click

from connector.cli import ending
from connector.cli.group import COMMANDS, main
from connector.docs.markdown import plain

_HEAD: Final = f"""\
<!-- This page is made from the commands in connector/cli/; change those, then: make docs -->

# Commands

`connector COMMAND --help` says the same as this page. In an installation by `make setup`, the command is
`.venv/bin/connector`.

## Exit status

| Status | Meaning |
|---|---|
| {ending.GOOD} | good |
| {ending.OUTSIDE} | something outside failed: a database, the API, the broker, or what they say of us |
| {ending.USAGE} | wrong usage or configuration |
| {ending.NEEDS_A_PERSON} | finished, and at least one job needs a person |
| {ending.INTERRUPTED} | interrupted with Ctrl+C |

## General options

Every command has these, before or after its name. With `--json`, a command gives one object, or one per line where it
gives a list; a failure is an object as well.
"""


def page() -> str:
    """Return the page."""
    root = click.Context(main, info_name="connector", show_default=True)
    general = {parameter.name for parameter in main.params}
    blocks = [_HEAD.strip(), _listed(main, root, {"version"}), *_commands(root, general)]
    return "\n\n".join(blocks) + "\n"


def _commands(root: click.Context, general: Collection[str | None]) -> Iterator[str]:
    for name in COMMANDS:
        command = main.get_command(root, name)
        if command is not None:
            yield from _command(command, click.Context(command, root, name, show_default=True), general, level=2)


def _command(
    command: click.Command, context: click.Context, general: Collection[str | None], *, level: int
) -> Iterator[str]:
    """Describe a command, and those in it."""
    yield f"{'#' * level} {context.command_path}"
    yield plain(inspect.cleandoc(command.help or ""))
    yield f"```sh\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```"
    if options := _listed(command, context, general):
        yield options
    inside = command.commands if isinstance(command, click.Group) else {}
    for name, inner in sorted(inside.items()):
        below = click.Context(inner, context, name, show_default=True)
        yield from _command(inner, below, general, level=level + 1)


def _listed(command: click.Command, context: click.Context, leave_out: Collection[str | None]) -> str:
    """Return the options of a command, a line each; arguments are explained in its text."""
    records = [parameter.get_help_record(context) for parameter in command.params if parameter.name not in leave_out]
    return "\n".join(f"- `{names}`: {plain(meaning)}" for names, meaning in filter(None, records) if meaning)
