"""How the product logs: one JSON line per event for daemons, plain lines for a person, never a secret.

Only the standard library is imported here, for the command line has to start quickly.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, quote_plus

Style = Literal["json", "text"]

LEVELS: Final = ("debug", "info", "warning", "error")

_SHORTEST_SECRET: Final = 6
"""A secret shorter than this would occur in texts by chance, and blanking it out would show what it is."""

_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


_TWICE: Final = frozenset({"color_message"})
"""What uvicorn says a second time, for a terminal: with escape codes, and with its blanks not filled in."""


class Redaction(logging.Filter):
    """Strikes the registered secrets out of everything that a handler is about to write."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()
        self._forms: set[str] = set()
        self._starts: set[str] = set()
        self._lengths: tuple[int, ...] = ()

    def register(self, secrets: Iterable[str]) -> None:
        """Remember secrets, in plain and as they stand in a URL."""
        for secret in secrets:
            if secret and secret not in self._known:
                self._known.add(secret)
                for form in {secret, quote(secret, ""), quote_plus(secret)}:
                    self._strike_out(form)

    def _strike_out(self, form: str) -> None:
        if len(form) < _SHORTEST_SECRET:
            return
        self._forms.add(form)
        self._starts.add(form[:_SHORTEST_SECRET])
        if len(form) not in self._lengths:  # a longer one may contain a shorter one
            self._lengths = tuple(sorted((*self._lengths, len(form)), reverse=True))

    def forget(self) -> None:
        """Know no secrets any more."""
        self._known.clear()
        self._forms.clear()
        self._starts.clear()
        self._lengths = ()

    def clean(self, text: str) -> str:
        """Return a text without secrets, however many are known."""
        clean: list[str] = []
        begun = at = 0
        while at <= len(text) - _SHORTEST_SECRET:
            length = self._length_at(text, at)
            if length is None:
                at += 1
                continue
            clean += text[begun:at], "***"
            begun = at = at + length
        return "".join([*clean, text[begun:]])

    def _length_at(self, text: str, at: int) -> int | None:
        """Return how long the secret is that begins at a place of a text."""
        if text[at : at + _SHORTEST_SECRET] not in self._starts:
            return None
        return next((length for length in self._lengths if text[at : at + length] in self._forms), None)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, clean."""
        record.msg, record.args = self.clean(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self.clean("".join(traceback.format_exception(*record.exc_info)).rstrip())
        for name in vars(record).keys() - _OWN_FIELDS:
            value = getattr(record, name)
            if isinstance(value, str):
                setattr(record, name, self.clean(value))
        return True


redaction: Final = Redaction()
"""The one of this process: settings register their secrets with it."""


class JsonLines(logging.Formatter):
    """One event, one line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what the caller gave as `extra` stands beside the message."""
        line: dict[str, object] = {
            "time": _utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in sorted(vars(record).keys() - _OWN_FIELDS - _TWICE)}
        if record.exc_text:
            line["error"] = record.exc_text
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """One event, one line, for a person. A traceback comes only when it was asked for."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        clock = datetime.fromtimestamp(record.created, tz=UTC).astimezone().strftime("%H:%M:%S")
        line = f"{clock} {record.levelname.lower():<7} {record.getMessage()}"
        if not record.exc_text:
            return line
        if debugging():
            return f"{line}\n{record.exc_text}"
        return f"{line}: {record.exc_text.splitlines()[-1]}"


class ErrorFile(logging.FileHandler):
    """Keeps the tracebacks of unexpected errors in a file of this process; without any there is no file."""

    def __init__(self) -> None:
        super().__init__(os.devnull, delay=True, encoding="utf-8")
        self.setFormatter(JsonLines())
        self.addFilter(redaction)
        self.addFilter(_with_traceback)
        self.used = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event, into a file that nobody else may read and nobody else can have put there."""
        if not self.used:
            handle, self.baseFilename = tempfile.mkstemp(prefix="connector-", suffix=".log")
            os.close(handle)
            self.used = True
        super().emit(record)


def _with_traceback(record: logging.LogRecord) -> bool:
    return bool(record.exc_info)


def for_a_person(level: str | None = None) -> None:
    """Log for somebody who called a command: nothing that the command does not say itself, unless wished.

    Tracebacks of unexpected errors go into a file, see `error_file`; on standard error, a line each, where
    CONNECTOR_TRANSIENT says that the files of this process end with it.

    Args:
        level: one of `LEVELS`; None logs nothing on the terminal.
    """
    _install(_stream("text", level), _tracebacks() if _on("CONNECTOR_TRANSIENT") else ErrorFile())


def for_a_daemon(level: str = "info") -> None:
    """Log what happens on standard error: in plain lines on a terminal, else as JSON, tracebacks included."""
    _install(_stream("text" if sys.stderr.isatty() else "json", level))
    logging.captureWarnings(capture=True)  # Python's own would be plain lines, such as Celery's to who is root
    for chatty in ("alembic", "httpx"):  # what they tell is told by us where it matters
        logging.getLogger(chatty).setLevel(logging.WARNING)


def error_file() -> Path | None:
    """Return the file that holds the tracebacks of this process, if there were any."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, ErrorFile) and handler.used:
            return Path(handler.baseFilename)
    return None


def _stream(style: Style, level: str | None) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else TextLines())
    handler.addFilter(redaction)
    handler.setLevel(logging.CRITICAL + 1 if level is None else logging.getLevelNamesMapping()[level.upper()])
    return handler


def _tracebacks() -> logging.Handler:
    handler = _stream("json", None)
    handler.setLevel(logging.NOTSET)
    handler.addFilter(_with_traceback)
    return handler


def _install(*handlers: logging.Handler) -> None:
    """Put our handlers in place of those of an earlier call; others, such as a test's, stay."""
    root = logging.getLogger()
    for old in _installed:
        root.removeHandler(old)
        old.close()
    _installed[:] = handlers
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(min([logging.WARNING, *(handler.level for handler in handlers if handler.level)]))


_installed: list[logging.Handler] = []


def debugging() -> bool:
    """Whether tracebacks are wanted on the terminal."""
    return _on("CONNECTOR_DEBUG")


def _on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def _utc(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
