"""The entry point: finds the command, runs it, and turns whatever goes wrong into a sentence and an exit status."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import click
from click.shell_completion import CompletionItem
from typing_extensions import override

from connector import __version__
from connector.cli import ending
from connector.cli.command import Group
from connector.cli.session import Session

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("init:init", "Write a commented connector.toml."),
    "check": ("check:check", "Try every part and say what to do about those that fail."),
    "preview": ("preview:preview", "Show what would be sent; touch nothing."),
    "sync": ("sync:sync", "Issue what is due, once, in the foreground."),
    "run": ("daemons:run", "Run the daemon, all roles in one process."),
    "scheduler": ("daemons:scheduler", "Run the scheduler alone; it needs a broker."),
    "worker": ("daemons:worker", "Run a worker alone; it needs a broker."),
    "web": ("daemons:web", "Answer over HTTP alone: health and webhooks."),
    "jobs": ("jobs:jobs", "List invoices with their stage, status and reason."),
    "explain": ("explain:explain", "Tell everything about one invoice."),
    "retry": ("acts:retry", "Try invoices again now."),
    "hold": ("acts:hold", "Keep invoices back until they are released."),
    "release": ("acts:release", "Let held or skipped invoices go on."),
    "skip": ("acts:skip", "Leave invoices out for good: handled elsewhere, or not to be sent."),
    "pause": ("pauses:pause", "Leave an account or a source alone for a while."),
    "resume": ("pauses:resume", "Let a paused account or source go on."),
    "link": ("link:link", "Tie an invoice to a document that exists at B2Brouter."),
    "reconcile": ("reconcile:reconcile", "Compare ERP, ledger and B2Brouter; name every difference."),
    "archive": ("archive:archive", "Look after the files of issued invoices: legal file, original, PDF."),
    "webhooks": ("webhooks:webhooks", "Have B2Brouter tell of changes, and see whether it does."),
    "simulator": ("simulator:simulator", "Run the local stand-in for B2Brouter."),
    "notify": ("notify:notify", "Send test messages to recipients, or show the next digest."),
    "export": ("export:export", "Give what the ledger knows to other systems."),
    "adapters": ("adapters:adapters", "List, test and begin ERP adapters."),
    "users": ("users:users", "Say who may sign in to the console."),
    "tokens": ("tokens:tokens", "Say which machines may use the API."),
    "support-bundle": ("support:support_bundle", "Write one file for somebody who helps, without secrets."),
    "secrets": ("sealing:secrets", "Seal secrets of the configuration, and make keys for it."),
    "bench": ("bench:bench", "Measure how fast this machine works."),
    "db": ("db:db", "Look after the ledger's database."),
    "completion": ("completion:completion", "Have the shell complete commands and options."),
}
"""Name -> where the command is, below this package, and its line in the help."""


class LazyGroup(Group):
    """All commands by name. A module is imported when its command is called, not before."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(f"connector.cli.{module}"), name)
        return found

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            ctx.fail(f"There is no command {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    @override
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names without importing what is behind them."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [*(CompletionItem(name, help=COMMANDS[name][1]) for name in names), *options]

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end the process with status 1
            return ending.reader_left()

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        name = prog_name or "connector"
        call = partial(super().main, given, name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return call()
        sys.exit(ending.of(call, json="--json" in given))


@click.group(
    "connector",
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="connector")
@click.pass_context
def main(context: click.Context) -> None:
    """Issue every confirmed invoice of an ERP through B2Brouter, exactly once.

    Exit status: 0 good; 1 something outside failed; 2 wrong usage or configuration; 3 finished, and at
    least one invoice needs a person.
    """
    session = context.ensure_object(Session)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(ending.USAGE)
    session.log_quietly()
