"""How a command ends: the one place that turns failures into a sentence, an action and an exit status.

0 good; 1 something outside failed, as was learnt from talking to somebody; 2 wrong usage or configuration, as
can be known without; 3 finished, and at least one invoice needs a person.
"""

from __future__ import annotations

import errno
import json as json_format
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import click

from config import logging as log
from connector.domain.errors import ConnectorError, StepError, UsageError

GOOD: Final = 0
OUTSIDE: Final = 1
USAGE: Final = 2
NEEDS_A_PERSON: Final = 3
INTERRUPTED: Final = 130
"""As shells have it for Ctrl-C; the statuses 0 to 3 would say that the command came to an end."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Of the file that the output goes to, or of a terminal that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing that went wrong, for people and for machines."""

    kind: str
    message: str
    action: str = ""
    status: int = OUTSIDE
    more: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"message": self.message, "action": self.action, "kind": self.kind, **self.more}


def of(call: Callable[[], object], *, json: bool) -> int:
    """Run a command; tell what failed; return the exit status.

    Args:
        call: returns the exit status, or None for 0.
        json: whether a failure is told as JSON on standard output.
    """
    _never_choke_on_a_character()
    try:
        return _ended(call, json=json)
    except OSError as error:
        return reader_left() if isinstance(error, BrokenPipeError) else _no_room(error)


def _ended(call: Callable[[], object], *, json: bool) -> int:
    """Do the same where the output is taken.

    Raises:
        OSError: it is not.
    """
    try:
        result = call()
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _tell(Failure(kind="interrupted", message="Interrupted.", status=INTERRUPTED), json=json)
        return INTERRUPTED
    except Exception as error:  # the last resort of the process
        if _is_of_output(error):
            raise
        failure = _failure(error)
        _tell(failure, json=json)
        return failure.status
    return result if isinstance(result, int) else GOOD


def _is_of_output(error: Exception) -> bool:
    if isinstance(error, BrokenPipeError):
        return True
    return isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None


def _no_room(error: OSError) -> int:
    """Say on standard error that what the command says is lost, however it ended."""
    reader_left()  # nothing more is tried there, not at the very end of the process either
    message = f"The output cannot be written: {error.strerror}."
    action = "What the command did stands. Make room, or send the output elsewhere."
    _tell(Failure(kind="output", message=message, action=action), json=False)
    return OUTSIDE


def failure_of(error: ConnectorError | StepError) -> Failure:
    """Return a foreseen failure as it is told."""
    if isinstance(error, StepError):
        from connector.domain import catalogue

        entry = catalogue.reason(error.reason)
        message, action = entry.message(error.details), entry.advice(error.details)
        return Failure(kind=error.reason, message=_clean(message), action=_clean(action))
    status = USAGE if isinstance(error, UsageError) else OUTSIDE
    kind = "configuration" if type(error) is UsageError else _kind(type(error))
    return Failure(kind=kind, message=_clean(error.message), action=_clean(error.action), status=status)


class CommandError(ConnectorError):
    """A command cannot do what it was asked for; `more` stands beside the message in JSON."""

    def __init__(self, message: str, *, action: str = "", kind: str, status: int = USAGE, **more: Any) -> None:
        super().__init__(message, action=action)
        self.failure = Failure(kind=kind, message=message, action=action, status=status, more=more)


def _failure(error: Exception) -> Failure:
    if isinstance(error, CommandError):
        return error.failure
    if isinstance(error, (ConnectorError, StepError)):
        return failure_of(error)
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return Failure(kind="usage", message=_sentence(error.format_message()), status=USAGE)
    return _unforeseen(error)


def _usage(error: click.UsageError) -> Failure:
    path = error.ctx.command_path if error.ctx else "connector"
    return Failure(
        kind="usage", message=_sentence(error.format_message()), action=f"See: {path} --help", status=USAGE
    )


def _unforeseen(error: Exception) -> Failure:
    """A bug, or something that nobody foresaw: its traceback goes into the log, not onto the terminal."""
    logging.getLogger(__name__).critical("unexpected error", exc_info=error)
    if log.debugging():
        text = "".join(traceback.format_exception(error))
        click.echo(log.redaction.clean(text), err=True, nl=False)
    file = log.error_file()
    return Failure(
        kind="unexpected",
        message=f"An unexpected error of this software: {type(error).__name__}.",
        action=f"Please report it with the log {file or 'above, on standard error'}",
    )


def _tell(failure: Failure, *, json: bool) -> None:
    if json:
        click.echo(json_format.dumps({"error": failure.record()}, ensure_ascii=False))
        return
    click.echo(click.style("Error: ", fg="red", bold=True) + failure.message, err=True, color=_coloured())
    if failure.action:
        click.echo(f"       {failure.action}", err=True)


def _coloured() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _clean(text: str) -> str:
    return log.redaction.clean(" ".join(text.split()))


def _sentence(text: str) -> str:
    text = _clean(text)
    return text if not text or text[-1] in ".?!" else f"{text}."


def _kind(error: type[Exception]) -> str:
    words = re.findall(r"[A-Z][a-z]*", error.__name__.removesuffix("Error"))
    return "_".join(words).lower()


def _never_choke_on_a_character() -> None:
    """A name in another alphabet must not end a command on a terminal that cannot show it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def reader_left() -> int:
    """Let `connector jobs | head` end in peace: the reader has seen enough."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return GOOD
