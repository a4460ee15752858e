"""`connector completion`: what a shell has to read to complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from connector.cli.command import Command

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what a shell reads to complete commands and options with the Tab key.

    For bash, `eval "$(connector completion bash)"` at the end of ~/.bashrc; for zsh the same with zsh, at the end of
    ~/.zshrc; for fish, `connector completion fish > ~/.config/fish/completions/connector.fish`.
    """
    from connector.cli.group import main

    script = get_completion_class(shell)
    assert script is not None, shell  # click knows all of SHELLS
    click.echo(script(main, {}, "connector", "_CONNECTOR_COMPLETE").source())
