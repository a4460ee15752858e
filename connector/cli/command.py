"""What every command has: the general options, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from config.logging import LEVELS
from connector.cli.session import LANGUAGES, Session

Parameter = TypeVar("Parameter")


def _general_options() -> list[click.Option]:
    """Return them anew: each belongs to one command."""

    def option(*names: str, **details: Any) -> click.Option:
        return click.Option(names, expose_value=False, is_eager=True, callback=_remember, **details)

    return [
        option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Configuration file."),
        option("--json", is_flag=True, help="Answer in JSON, for machines."),
        option("--lang", type=click.Choice(LANGUAGES), help="Language of reasons and what to do about them."),
        option("--log-level", type=click.Choice(LEVELS), help="What to log on standard error."),
    ]


def _remember(context: click.Context, parameter: click.Parameter, value: Parameter) -> Parameter:
    session = context.find_object(Session)
    if session is None:
        session = context.obj = Session()
        context.find_root().call_on_close(session.close)
    if value and parameter.name:
        setattr(session, parameter.name, value)
        if parameter.name == "lang":
            session.speak()
    return value


class Command(click.Command):
    """A command of ours. Its function gets the `Session` and returns the exit status; None means 0."""

    def __init__(self, *args: Any, **details: Any) -> None:
        super().__init__(*args, **details)
        self.params += _general_options()


class Group(click.Group):
    """A group of our commands."""

    command_class = Command

    def __init__(self, *args: Any, **details: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **details})
        self.params += _general_options()


def command(name: str) -> Callable[[Callable[..., int | None]], Command]:
    """Turn a function that takes a `Session` first into a command."""

    def decorate(function: Callable[..., int | None]) -> Command:
        return click.command(name, cls=Command)(click.pass_obj(function))

    return decorate
